//! The alerts artifact of `load` while it grows, and the tables of what was found. Large files come as portions: an artifact of
//! the same kind of each, which is added here as it is if no alert outside of it changes what is in it.
//! Knows no key but what is done with unlabelled alerts.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::PathBuf;

use super::trace::Trace;
use super::{LoadKeys, Unlabelled, archive, labelling, policies};
use crate::artifacts::alerts::AlertsWriter;
use crate::artifacts::light_curves::LightCurvesWriter;
use crate::artifacts::table::RowWriter;
use crate::stage::{ExternalFile, Job, StageError};
use crate::ztf::archive::Archive;
use crate::ztf::decode::Reading;
use crate::ztf::feed::Source;
use crate::ztf::history;
use crate::ztf::labels::{Label, Labels};
use crate::ztf::quality::{Fault, Occurrence, Place, Policies, Policy, Reason, Totals};

/// Alerts between two reports of progress.
const REPORT_EVERY: u64 = 200;
/// Names of the tables.
const QUALITY: &str = "quality.csv";
const TOTALS: &str = "quality_totals.csv";

/// The artifact while it grows.
pub(super) struct Loading {
    policies: Policies,
    labels: Option<Labels>,
    drop_unlabelled: bool,
    alerts: AlertsWriter,
    light_curves: Option<LightCurvesWriter>,
    quality: RowWriter,
    totals_path: PathBuf,
    totals: Totals,
    seen: HashSet<i64>,
    readings: u64,
    /// Files that were read, and those among them that had been before.
    files: u64,
    known: u64,
}

impl Loading {
    pub(super) fn start(job: &Job, keys: &LoadKeys) -> Result<Self, StageError> {
        let header = ["reason", "policy", "file", "record", "offset", "candid", "objectId", "detail"];
        let labels = labelling::labels(job, keys)?;
        Ok(Self {
            policies: policies(keys),
            drop_unlabelled: keys.unlabelled == Unlabelled::Drop,
            alerts: if labels.is_some() {
                AlertsWriter::labelled(job.out)?
            } else {
                AlertsWriter::create(job.out, false)?
            },
            light_curves: keys.light_curves.then(|| LightCurvesWriter::create(job.out)),
            labels,
            quality: RowWriter::create(job.out.join(QUALITY), &header)?,
            totals_path: job.out.join(TOTALS),
            totals: Totals::default(),
            seen: HashSet::new(),
            readings: 0,
            files: 0,
            known: 0,
        })
    }

    /// The files that are alerts: named themselves, alone or in a list, or called so in a folder. The others are noted.
    pub(super) fn choose(&mut self, files: &[ExternalFile], described: bool) -> Result<Vec<ExternalFile>, StageError> {
        let named = |file: &ExternalFile| Source::is_named_like_alerts(&file.path, described);
        let wanted = |file: &&ExternalFile| file.is_named() || named(file);
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
        Ok(wanted.into_iter().cloned().collect())
    }

    /// All alerts of an archive of some of the `files`.
    pub(super) fn read(&mut self, job: &Job, archive: Archive, files: u64) -> Result<(), StageError> {
        let mut archive = archive.after(std::mem::take(&mut self.seen));
        while let Some(reading) = archive.next() {
            self.take(reading)?;
            if self.readings.is_multiple_of(REPORT_EVERY) {
                job.progress(self.files + archive.files(), files, &self.summary())?;
            }
        }
        self.files += archive.files();
        self.seen = archive.into_seen();
        Ok(())
    }

    /// All alerts of one large file among `files`: from its portion, or again from the file if alerts before it have
    /// something to do with its own.
    pub(super) fn read_portion(
        &mut self,
        job: &Job,
        keys: &LoadKeys,
        file: &ExternalFile,
        files: u64,
    ) -> Result<(), StageError> {
        let is_new = Cell::new(false);
        let make = |portion: &Job| {
            is_new.set(true);
            let mut loading = Self::start(portion, keys)?;
            loading.files = self.files;
            loading.read(portion, archive(std::slice::from_ref(file), keys), files)?;
            loading.finish_portion(portion)
        };
        let folder = job.shelf.portion(job, "path", file, &make)?;
        let trace = Trace::read(&folder)?;
        let is_known = trace.seen.iter().any(|candid| self.seen.contains(candid));
        if is_known || self.labels.as_ref().is_some_and(|labels| !labels.agrees_with(&trace.labels)) {
            return self.read(job, archive(std::slice::from_ref(file), keys), files);
        }
        if trace.alerts > 0 {
            self.alerts.push_all(&folder, trace.alerts)?;
            self.light_curves.as_mut().map_or(Ok(()), |light_curves| light_curves.push_all(&folder))?;
        }
        self.quality.push_all(&folder.join(QUALITY))?;
        trace.totals.iter().for_each(|(reason, count)| self.totals.add(*reason, *count));
        self.seen.extend(trace.seen);
        self.readings += trace.readings;
        self.files += 1;
        self.known += u64::from(!is_new.get());
        if let Some(labels) = &mut self.labels {
            labels.recall(trace.labels);
        }
        job.progress(self.files, files, &self.summary())
    }

    /// Completes a portion: what the whole needs to know of it, beside its alerts.
    fn finish_portion(self, job: &Job) -> Result<(), StageError> {
        let trace = Trace {
            alerts: self.alerts.len(),
            readings: self.readings,
            totals: self.totals.iter().collect(),
            seen: self.seen,
            labels: self.labels.as_ref().map(Labels::trace).unwrap_or_default(),
        };
        trace.write(job.out)?;
        self.quality.finish()?;
        self.light_curves.map_or(Ok(()), LightCurvesWriter::finish_portion)?;
        Ok(self.alerts.finish()?)
    }

    /// Labels and writes one alert, and notes what was found.
    fn take(&mut self, mut reading: Reading) -> Result<(), StageError> {
        self.readings += 1;
        let label = self.label(&mut reading);
        self.note(&reading.occurrences)?;
        match &reading.alert {
            Some(alert) if reading.verdict().uses() => {
                if let Some(light_curves) = &mut self.light_curves {
                    let points = history::points_of(alert, std::mem::take(&mut reading.history));
                    light_curves.push(&alert.object_id, alert.value("jd"), points)?;
                }
                Ok(self.alerts.push_labelled(alert, &label)?)
            }
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
            // No property of the file, whose bytes were read before for the key: kept, it would be taken for one ever after.
            if found.reason == Reason::Unreadable {
                let advice = "the disk or the network failed, or the file is gone; run again when it can be read";
                return Err(StageError::with_hint(found.to_string(), advice));
            }
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

    fn summary(&self) -> String {
        let known = if self.known > 0 { format!(", {} files as before", self.known) } else { String::new() };
        format!("{} alerts of {} records{known}", self.alerts.len(), self.readings)
    }

    /// What a reader of the run should know of the result.
    fn closing(&self, found: &[String]) -> String {
        let labelled = self.labels.as_ref().map(|_| format!(", {} labelled", self.alerts.with_label()));
        let odd =
            if found.is_empty() { String::new() } else { format!("; {}: see {{out}}/{QUALITY}", found.join(", ")) };
        format!("{}{}{odd}", self.summary(), labelled.unwrap_or_default())
    }

    /// Label tables that are about other alerts are a mistake that shows only in what is trained on them.
    fn check_labels(&self) -> Result<(), StageError> {
        let strangers: Vec<String> = self.labels.iter().flat_map(Labels::strangers).map(str::to_owned).collect();
        if strangers.is_empty() || self.alerts.with_label() > 0 {
            return Ok(());
        }
        let what = format!("no row of {} matches one of the {} alerts", strangers.join(", "), self.alerts.len());
        let hint = "compare its candid, objectId or positions with those of `estampa inspect`; `match_by` says which counts. \
                    To go on without labels leave `labels` out";
        Err(StageError::with_hint(what, hint))
    }

    pub(super) fn finish(mut self, job: &Job, files: u64) -> Result<(), StageError> {
        self.note_unmatched()?;
        let found: Vec<String> = self.totals.iter().map(|(reason, n)| format!("{n} {}", reason.name())).collect();
        if self.alerts.is_empty() {
            let what = match self.readings {
                0 => format!("the {files} files of `path` hold no alert"),
                n => format!("no usable alert among {n} in {files} files: {}", found.join(", ")),
            };
            return Err(StageError::with_hint(what, "`estampa inspect PATH` tells what is in a file"));
        }
        self.check_labels()?;
        job.pulse.told(&self.closing(&found));
        let mut totals = RowWriter::create(&self.totals_path, &["reason", "policy", "count", "meaning"])?;
        for (reason, count) in self.totals.iter() {
            let cells = [reason.name(), self.policies.of(reason).name(), &count.to_string(), reason.meaning()];
            totals.push(cells.map(str::to_owned))?;
        }
        totals.finish()?;
        self.quality.finish()?;
        self.light_curves.map_or(Ok(()), LightCurvesWriter::finish)?;
        self.alerts.finish_with(|folder, name, here| job.shelf.share(job, folder, name, here))
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
