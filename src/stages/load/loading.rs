//! The alerts artifact of `load` while it grows, and the tables of what was found.
//! Knows no key but what is done with unlabelled alerts.

use std::path::PathBuf;

use super::{LoadKeys, Unlabelled, labelling};
use crate::artifacts::alerts::AlertsWriter;
use crate::artifacts::table::RowWriter;
use crate::stage::{ExternalFile, Job, StageError};
use crate::ztf::decode::Reading;
use crate::ztf::feed::Source;
use crate::ztf::labels::{Label, Labels};
use crate::ztf::quality::{Fault, Occurrence, Place, Policies, Policy, Reason, Totals};

/// The artifact while it grows.
pub(super) struct Loading {
    policies: Policies,
    labels: Option<Labels>,
    drop_unlabelled: bool,
    alerts: AlertsWriter,
    quality: RowWriter,
    totals_path: PathBuf,
    totals: Totals,
    pub(super) readings: u64,
}

impl Loading {
    pub(super) fn start(job: &Job, keys: &LoadKeys, policies: Policies) -> Result<Self, StageError> {
        let header = ["reason", "policy", "file", "record", "offset", "candid", "objectId", "detail"];
        let labels = labelling::labels(job, keys)?;
        Ok(Self {
            policies,
            drop_unlabelled: keys.unlabelled == Unlabelled::Drop,
            alerts: if labels.is_some() {
                AlertsWriter::labelled(job.out)?
            } else {
                AlertsWriter::create(job.out, false)?
            },
            labels,
            quality: RowWriter::create(job.out.join("quality.csv"), &header)?,
            totals_path: job.out.join("quality_totals.csv"),
            totals: Totals::default(),
            readings: 0,
        })
    }

    /// The files that are alerts: named directly, or called so in a folder. The others are noted.
    pub(super) fn choose(&mut self, files: &[ExternalFile], described: bool) -> Result<Vec<Source>, StageError> {
        let named = |file: &ExternalFile| Source::is_named_like_alerts(&file.path, described);
        let wanted = |file: &&ExternalFile| file.label.is_empty() || named(file);
        let (wanted, others): (Vec<_>, Vec<_>) = files.iter().partition(wanted);
        for other in others {
            self.note(&[Occurrence::new(
                Fault::new(Reason::OtherFile, ""),
                &Place::file(&other.label.as_str().into()),
                &self.policies,
            )])?;
        }
        if wanted.is_empty() {
            let names = Source::endings(described).join(", ");
            let what = format!("none of the {} files in `path` is called {names}", files.len());
            let hint =
                "name the file itself if it holds alerts under another name; arrays and FITS images need `table`";
            return Err(StageError::with_hint(what, hint));
        }
        Ok(wanted.iter().map(|file| Source { label: file.label.clone(), path: file.path.clone() }).collect())
    }

    /// Labels and writes one alert, and notes what was found.
    pub(super) fn take(&mut self, mut reading: Reading) -> Result<(), StageError> {
        self.readings += 1;
        let label = self.label(&mut reading);
        self.note(&reading.occurrences)?;
        match &reading.alert {
            Some(alert) if reading.verdict().uses() => Ok(self.alerts.push_labelled(alert, &label)?),
            _ => Ok(()),
        }
    }

    /// The label of the reading's alert; what is odd about it joins the reading's occurrences.
    fn label(&mut self, reading: &mut Reading) -> Label {
        let (Some(labels), Some(alert)) = (&mut self.labels, &reading.alert) else { return Label::default() };
        let (label, odd) = labels.beside(alert, reading.label.as_ref());
        let missing = label.label.is_empty() && self.drop_unlabelled;
        let missing = missing.then(|| Fault::new(Reason::Unlabelled, ""));
        for fault in odd.into_iter().chain(missing) {
            let (candid, object_id) = (Some(alert.candid), Some(alert.object_id.clone()));
            let found = Occurrence { candid, object_id, ..Occurrence::new(fault, &reading.place, &self.policies) };
            reading.occurrences.push(found);
        }
        label
    }

    /// Writes what was found about one alert or file; an error when it is to be refused.
    fn note(&mut self, occurrences: &[Occurrence]) -> Result<(), StageError> {
        for found in occurrences {
            self.quality.push(row(found))?;
            if found.policy == Policy::Refuse {
                let advice =
                    format!("repair it, or take `{}` out of `refuse` to go on without it", found.reason.name());
                return Err(StageError::with_hint(format!("refused: {found}"), advice));
            }
        }
        self.totals.add_once_each(occurrences);
        Ok(())
    }

    pub(super) fn summary(&self) -> String {
        format!("{} alerts of {} records", self.alerts.len(), self.readings)
    }

    pub(super) fn finish(mut self, files: u64) -> Result<(), StageError> {
        self.note_unmatched()?;
        let found: Vec<String> = self.totals.iter().map(|(reason, n)| format!("{n} {}", reason.name())).collect();
        if self.alerts.is_empty() {
            let what = match self.readings {
                0 => format!("the {files} files of `path` hold no alert"),
                n => format!("no usable alert among {n} in {files} files: {}", found.join(", ")),
            };
            return Err(StageError::with_hint(what, "`estampa inspect PATH` tells what is in a file"));
        }
        let mut totals = RowWriter::create(&self.totals_path, &["reason", "policy", "count", "meaning"])?;
        for (reason, count) in self.totals.iter() {
            let cells = [reason.name(), self.policies.of(reason).name(), &count.to_string(), reason.meaning()];
            totals.push(cells.map(str::to_owned))?;
        }
        totals.finish()?;
        self.quality.finish()?;
        Ok(self.alerts.finish()?)
    }

    /// One row for all rows of a label table of which no alert was read.
    fn note_unmatched(&mut self) -> Result<(), StageError> {
        let unmatched = self.labels.iter().flat_map(Labels::unmatched);
        let unmatched: Vec<(String, u64)> = unmatched.map(|(table, rows)| (table.to_owned(), rows)).collect();
        for (table, rows) in unmatched {
            let fault = Fault::new(Reason::LabelUnmatched, format!("{rows} rows of {table}"));
            self.note(&[Occurrence::new(fault, &Place::file(&"".into()), &self.policies)])?;
            self.totals.add(Reason::LabelUnmatched, rows - 1);
        }
        Ok(())
    }
}

/// A row of `quality.csv`.
fn row(found: &Occurrence) -> [String; 8] {
    let number = |value: Option<i64>| value.map(|n| n.to_string()).unwrap_or_default();
    [
        found.reason.name().to_owned(),
        found.policy.name().to_owned(),
        found.place.file.to_string(),
        number(found.place.record.map(|record| record as i64)),
        found.place.offset.to_string(),
        number(found.candid),
        found.object_id.clone().unwrap_or_default(),
        found.detail.clone(),
    ]
}
