//! Stage kind `load`: alerts from packets, parquet, arrays or FITS images, with labels from a table, to an alerts artifact.
//! Knows no format of theirs; `ztf` does.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::artifacts::alerts::AlertsWriter;
use crate::artifacts::table::RowWriter;
use crate::spec::keys::{FilePath, Key, KeyType, Keys, Shape};
use crate::spec::value::{Params, Value};
use crate::stage::{ArtifactType, ExternalFile, Job, Port, StageError, StageKind};
use crate::ztf::archive::Archive;
use crate::ztf::decode::Reading;
use crate::ztf::described::TableOptions;
use crate::ztf::feed::Source;
use crate::ztf::labels::{Label, LabelOptions, LabelTable, Rule};
use crate::ztf::quality::{Fault, Occurrence, Place, Policies, Policy, Reason, Totals};

/// Alerts between two reports of progress.
const REPORT_EVERY: u64 = 200;

crate::choice! {
    /// What becomes of alerts without a label.
    pub enum Unlabelled { Keep = "keep", Drop = "drop" }
}

crate::keys! {
    /// Keys of `load`.
    pub struct LoadKeys {
        /// Alert packets of ZTF or Rubin, containers of many, a `.tar.gz` of a night, Fink's `.parquet`; with `table` also `.npy` and `.npz` arrays of stamps or FITS images (not `.fits.fz`). A file, a folder of them, or a glob; what each is, its first bytes tell.
        path: FilePath;
        /// A csv table with a column `candid` or `objectId`, and a label.
        labels: Option<FilePath> = None;
        /// Column of the label table that holds the label.
        label_column: String = "label".into();
        /// Column of the label table that holds the split: train, validation or test.
        split_column: Option<String> = None;
        /// Labels for rows that have none, as `column = value -> label`; the first that fits. The cell, or one of its items parted by `;`, equals the value.
        label_rules: Vec<String> = Vec::new();
        /// Labels that count; alerts with another label are unlabelled. Empty: all labels count.
        classes: Vec<String> = Vec::new();
        /// What becomes of alerts without a label.
        unlabelled: Unlabelled = Unlabelled::Keep;
        /// Reasons for which alerts are left out, beside those that always are.
        skip: Vec<Reason> = Vec::new();
        /// Reasons for which the run ends with an error instead of going on without the alert.
        refuse: Vec<Reason> = Vec::new();
        /// A csv that describes arrays (row i: stamp i, over all arrays in order of their names) or FITS images (a row: three files), with `objectId`, and if it has them `candid`, the fields of a packet (jd, fid, magpsf, ...), a label and a split. Arrays are [row, y, x, 3] or [row, 3, y, x]: science, template, difference. Their units are what they were saved in: stamps of BTSbot or braai are normalised already, no counts, so that fluxes, noise and scaling of other stages mean nothing in DN.
        table: Option<FilePath> = None, added_later();
        /// Columns of `table` that are not called as the fields of a packet, field = column: { jd = "JD", objectId = "name" }.
        columns: BTreeMap<String, String> = BTreeMap::new(), added_later();
        /// Where the FITS images of a row of `table` are below `path`: {column} stands for the row's cell, {cutout} for a word of `cutouts`; `.gz` may follow.
        pattern: String = "{candid}_{cutout}.fits".into(), added_later();
        /// Words for science, template and difference in `pattern`.
        cutouts: Vec<String> = ["science", "template", "difference"].map(String::from).into(), added_later();
    }
}

impl KeyType for Reason {
    fn shape() -> Shape {
        Shape::Choice(Self::ALL.iter().map(|reason| reason.name()).collect())
    }
    fn read(value: &Value) -> Option<Self> {
        if let Value::Text(name) = value { Self::parse(name) } else { None }
    }
    fn value(&self) -> Value {
        Value::Text(self.name().into())
    }
}

/// The kind `load`.
pub struct Load;

impl StageKind for Load {
    fn name(&self) -> &'static str {
        "load"
    }
    fn summary(&self) -> &'static str {
        "Reads alerts: packets of ZTF or Rubin (Avro), Fink's parquet, arrays or FITS images with a table; and a label table."
    }
    fn source(&self) -> &'static str {
        "ZTF alert packets: Patterson et al. 2019, PASP 131, 018001; Rubin: github.com/lsst/alert_packet"
    }
    fn version(&self) -> u32 {
        2
    }
    fn ports(&self) -> &'static [Port] {
        &[]
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Alerts
    }
    fn keys(&self) -> Vec<Key> {
        LoadKeys::keys()
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        let Some(keys) = LoadKeys::read(params) else { return Vec::new() };
        let rules = keys.label_rules.iter().filter_map(|rule| Rule::parse(rule).err());
        let mut faults: Vec<_> = rules.map(|error| ("label_rules", error.to_string())).collect();
        if keys.table.is_some() && keys.labels.is_none() && !keys.label_rules.is_empty() {
            faults.push(("label_rules", "they read `labels`; name a csv there too".into()));
        }
        if keys.table.is_none() && !keys.columns.is_empty() {
            faults.push(("columns", "they are columns of `table`, which is not given".into()));
        }
        if keys.cutouts.len() != 3 {
            faults.push(("cutouts", "it takes three words, for science, template and difference".into()));
        }
        if keys.unlabelled == Unlabelled::Drop && keys.labels.is_none() && keys.table.is_none() {
            faults.push(("unlabelled", "`drop` without `labels` would leave no alert".into()));
        }
        faults
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: LoadKeys = job.keys()?;
        let policies = policies(&keys);
        let mut loading = Loading::start(job, &keys, policies.clone())?;
        let table = table(job, &keys);
        let sources = loading.choose(job.files.get("path").map(Vec::as_slice).unwrap_or_default(), table.is_some())?;
        let files = sources.len() as u64;
        let mut archive = match &table {
            None => Archive::open(sources, policies),
            Some(table) => {
                Archive::with_table(sources, table, policies).map_err(|e| StageError::failed(e.to_string()))?
            }
        };
        while let Some(reading) = archive.next() {
            loading.take(reading)?;
            if loading.readings % REPORT_EVERY == 0 {
                job.progress(archive.files(), files, &loading.summary())?;
            }
        }
        loading.finish(files)
    }
}

fn table(job: &Job, keys: &LoadKeys) -> Option<TableOptions> {
    let path = job.files.get("table")?.first()?.path.clone();
    let (columns, label, split) = (keys.columns.clone(), keys.label_column.clone(), keys.split_column.clone());
    let (pattern, cutouts) = (keys.pattern.clone(), keys.cutouts.clone());
    Some(TableOptions { path, columns, label, split: split.filter(|_| keys.labels.is_none()), pattern, cutouts })
}

fn policies(keys: &LoadKeys) -> Policies {
    let mut policies = Policies::default();
    for (reasons, policy) in [(&keys.skip, Policy::Skip), (&keys.refuse, Policy::Refuse)] {
        for reason in reasons {
            policies.tighten(*reason, policy);
        }
    }
    policies
}

fn label_table(job: &Job, keys: &LoadKeys) -> Result<Option<LabelTable>, StageError> {
    let Some(file) = job.files.get("labels").and_then(|files| files.first()) else { return Ok(None) };
    let rules = keys.label_rules.iter().map(|rule| Rule::parse(rule)).collect::<Result<_, _>>();
    let options = LabelOptions {
        label: keys.label_column.clone(),
        split: keys.split_column.clone(),
        rules: rules.map_err(|e| StageError::failed(e.to_string()))?,
        classes: keys.classes.clone(),
    };
    let table = LabelTable::read(&file.path, &options);
    table.map(Some).map_err(|e| StageError::failed(format!("labels: {e}")))
}

/// The artifact while it grows.
struct Loading {
    policies: Policies,
    labels: Option<LabelTable>,
    classes: Vec<String>,
    drop_unlabelled: bool,
    alerts: AlertsWriter,
    quality: RowWriter,
    totals_path: PathBuf,
    totals: Totals,
    readings: u64,
}

impl Loading {
    fn start(job: &Job, keys: &LoadKeys, policies: Policies) -> Result<Self, StageError> {
        let header = ["reason", "policy", "file", "record", "offset", "candid", "objectId", "detail"];
        Ok(Self {
            policies,
            labels: label_table(job, keys)?,
            classes: keys.classes.clone(),
            drop_unlabelled: keys.unlabelled == Unlabelled::Drop,
            alerts: AlertsWriter::create(job.out, false)?,
            quality: RowWriter::create(job.out.join("quality.csv"), &header)?,
            totals_path: job.out.join("quality_totals.csv"),
            totals: Totals::default(),
            readings: 0,
        })
    }

    /// The files that are alerts: named directly, or called so in a folder. The others are noted.
    fn choose(&mut self, files: &[ExternalFile], described: bool) -> Result<Vec<Source>, StageError> {
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
    fn take(&mut self, mut reading: Reading) -> Result<(), StageError> {
        self.readings += 1;
        let label = self.label(&mut reading);
        self.note(&reading.occurrences)?;
        match &reading.alert {
            Some(alert) if reading.verdict() == Policy::Keep => {
                Ok(self.alerts.push(alert, &label.label, &label.split, None)?)
            }
            _ => Ok(()),
        }
    }

    /// The label of the reading's alert; what is odd about it joins the reading's occurrences.
    fn label(&mut self, reading: &mut Reading) -> Label {
        let Some(alert) = &reading.alert else { return Label::default() };
        let (label, conflict) = match (&mut self.labels, &mut reading.label) {
            (Some(labels), _) => labels.of(alert),
            (None, Some(label)) => {
                if !self.classes.is_empty() && !self.classes.contains(&label.label) {
                    label.label.clear();
                }
                (std::mem::take(label), None)
            }
            (None, None) => return Label::default(),
        };
        let missing = label.label.is_empty() && self.drop_unlabelled;
        let missing = missing.then(|| Fault::new(Reason::Unlabelled, ""));
        for fault in conflict.into_iter().chain(missing) {
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

    fn summary(&self) -> String {
        format!("{} alerts of {} records", self.alerts.len(), self.readings)
    }

    fn finish(mut self, files: u64) -> Result<(), StageError> {
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

    /// One row for all rows of the label table of which no alert was read.
    fn note_unmatched(&mut self) -> Result<(), StageError> {
        let unmatched = self.labels.as_ref().map_or(0, LabelTable::unmatched);
        if unmatched > 0 {
            let fault = Fault::new(Reason::LabelUnmatched, format!("{unmatched} rows of the label table"));
            self.note(&[Occurrence::new(fault, &Place::file(&"".into()), &self.policies)])?;
            self.totals.add(Reason::LabelUnmatched, unmatched - 1);
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

#[cfg(test)]
mod described;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::alerts::Alerts;
    use crate::artifacts::table::Table;
    use crate::stage::{Device, Silent};
    use crate::ztf::writer::PacketSink;
    use crate::ztf::writer::tests::alert;
    use std::collections::BTreeMap;
    use std::path::Path;

    pub(super) fn load(folder: &Path, files: &[&str], set: &[(&'static str, Value)]) -> Result<PathBuf, StageError> {
        let mut params: Params = LoadKeys::keys()
            .into_iter()
            .map(|key| (key.name, key.default.unwrap_or(Value::Text("x".into()))))
            .collect();
        params.extend(set.iter().map(|(key, value)| (*key, value.clone())));
        assert!(Load.check(&params).is_empty());
        let external = |name: &&str| ExternalFile { label: (*name).to_owned(), path: folder.join(name) };
        let mut all = BTreeMap::from([("path".to_owned(), files.iter().map(external).collect())]);
        if params.get("labels") != Some(&Value::Nothing) {
            all.insert("labels".to_owned(), vec![external(&"labels.csv")]);
        }
        if params.get("table") != Some(&Value::Nothing) {
            all.insert("table".to_owned(), vec![external(&"table.csv")]);
        }
        let out = folder.join("out");
        std::fs::create_dir_all(&out).unwrap();
        let job = Job {
            params: &params,
            seed: 0,
            inputs: BTreeMap::new(),
            files: all,
            home: folder,
            out: &out,
            checkpoint: folder,
            device: Device::Cpu,
            gpus: &[],
            threads: 2,
            pulse: &Silent,
        };
        Load.run(&job).map(|()| out.clone())
    }

    /// Three alerts in `a.tar.gz`, one of them twice, a damaged file and one of another kind.
    fn data() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = PacketSink::create(&folder.path().join("a.tar.gz")).unwrap();
        for candid in [1, 2, 3, 2] {
            sink.push(&alert(candid)).unwrap();
        }
        sink.finish().unwrap();
        std::fs::write(folder.path().join("b.avro"), "no packet").unwrap();
        std::fs::write(folder.path().join("readme.txt"), "hello").unwrap();
        std::fs::write(folder.path().join("labels.csv"), "candid,label,weak\n1,SN,\n2,,low\n9,VS,\n").unwrap();
        folder
    }

    const FILES: [&str; 3] = ["a.tar.gz", "b.avro", "readme.txt"];

    #[test]
    fn alerts_labels_and_reasons_are_written() {
        let folder = data();
        let rules = Value::List(vec![Value::Text("weak = low -> bogus".into())]);
        let labels = [("labels", Value::Text("labels.csv".into())), ("label_rules", rules)];
        let out = load(folder.path(), &FILES, &labels).unwrap();
        let alerts = Alerts::open(&out).unwrap();
        assert_eq!(alerts.table.ints("candid"), Some(&[1, 2, 3][..]));
        assert_eq!(alerts.table.texts("label"), ["SN", "bogus", ""]);
        assert_eq!(alerts.stamps.row(1)[..63 * 63], alert(2).stamps[0].pixels);
        let quality = Table::read(out.join("quality.csv")).unwrap();
        assert_eq!(quality.texts("reason"), ["other_file", "duplicate", "not_avro", "label_unmatched"]);
        assert_eq!(quality.texts("file"), ["readme.txt", "a.tar.gz:2.avro", "b.avro", ""]);
        let totals = Table::read(out.join("quality_totals.csv")).unwrap();
        assert_eq!(totals.ints("count"), Some(&[1, 1, 1, 1][..]));
    }

    #[test]
    fn unlabelled_alerts_can_be_dropped() {
        let folder = data();
        let labels = [("labels", Value::Text("labels.csv".into())), ("unlabelled", Value::Text("drop".into()))];
        let out = load(folder.path(), &FILES, &labels).unwrap();
        assert_eq!(Alerts::open(&out).unwrap().table.ints("candid"), Some(&[1][..]));
        let quality = Table::read(out.join("quality.csv")).unwrap();
        assert_eq!(quality.texts("reason").iter().filter(|reason| *reason == "unlabelled").count(), 2);
    }

    #[test]
    fn bad_input_is_a_clear_error() {
        let folder = data();
        let message =
            |files: &[&str], set: &[(&'static str, Value)]| load(folder.path(), files, set).unwrap_err().to_string();
        assert!(message(&["readme.txt"], &[]).contains("none of the 1 files"));
        assert!(message(&["b.avro"], &[]).contains("no usable alert among 1 in 1 files: 1 not_avro"));
        let refuse = [("refuse", Value::List(vec![Value::Text("duplicate".into())]))];
        assert!(message(&FILES, &refuse).contains("refused: a.tar.gz:2.avro, record 0 at byte"));
    }
}
