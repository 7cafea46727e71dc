//! Stage kind `load`: alerts from packets, parquet, arrays or FITS images, with labels from tables and rules, to an alerts
//! artifact. Knows no format of theirs; `ztf` does.

mod labelling;
mod loading;
mod trace;

use std::collections::BTreeMap;

use crate::spec::keys::{FilePath, Key, KeyType, Keys, Shape};
use crate::spec::one_or_more::{NamedFile, OneOrMore};
use crate::spec::value::{Params, Value};
use crate::stage::{Around, ArtifactType, ExternalFile, Job, Port, StageError, StageKind};
use crate::ztf::archive::Archive;
use crate::ztf::described::TableOptions;
use crate::ztf::feed::Source;
use crate::ztf::labels::Identity;
use crate::ztf::quality::{Policies, Policy, Reason};
use loading::Loading;

/// Files of so many bytes (of some 400 alerts) are read once, whatever is added beside them: what came of each is kept.
const REMEMBERED: u64 = 16 << 20;

crate::choice! {
    /// What becomes of alerts without a label.
    pub enum Unlabelled { Keep = "keep", Drop = "drop" }
}

crate::choice! {
    /// How a label table names what it labels.
    pub enum MatchBy { Candid = "candid", Object = "objectId", Position = "position" }
}

impl From<MatchBy> for Identity {
    fn from(by: MatchBy) -> Self {
        match by {
            MatchBy::Candid => Self::Candid,
            MatchBy::Object => Self::Object,
            MatchBy::Position => Self::Position,
        }
    }
}

crate::keys! {
    /// Keys of `load`.
    pub struct LoadKeys {
        /// Alert packets of ZTF or Rubin, containers of many, a `.tar.gz` of a night, Fink's `.parquet`; with `table` also `.npy` and `.npz` arrays of stamps or FITS images (not `.fits.fz`). A file, a folder of them, a glob, or a list of such; what each is, its first bytes tell.
        path: OneOrMore<FilePath>;
        /// Csv tables of labels, in order of priority: the first that has a label for an alert wins, and others that disagree are noted as `label_conflict`.
        labels: OneOrMore<NamedFile> = OneOrMore::none();
        /// How the tables name what they label, one for all or one for each. Left out: by `candid`, `objectId` or position, the first whose columns the table has.
        match_by: OneOrMore<MatchBy> = OneOrMore::none();
        /// Columns of right ascension and declination of tables matched by position, degrees.
        position_columns: Vec<String> = vec!["ra".into(), "dec".into()];
        /// How far a source of such a table may be from the alert; the nearest one labels it. Others with another label are noted as `ambiguous_match`.
        match_radius: f64 = 1.5, range(0.001, 3600), unit("arcsec");
        /// Column of the label tables that holds the label, one for all or one for each. Left out: the one called `label`, else `class` or `type`.
        label_column: OneOrMore<String> = OneOrMore::none();
        /// Column of the label tables that holds the split: train, validation or test.
        split_column: Option<String> = None;
        /// Labels for rows that have none, as `column = value -> label`; the first that fits. The cell, or one of its items parted by `;`, equals the value.
        label_rules: Vec<String> = Vec::new();
        /// Other names for labels of the tables, as `SN Ia -> SN`.
        class_map: Vec<String> = Vec::new();
        /// Labels for alerts that no table labels, from their own fields, as `drb < 0.1 and ndethist > 5 -> bogus`; the first that fits. What an alert does not have (or has as -999) never fits.
        weak_labels: Vec<String> = Vec::new();
        /// Labels that count; alerts with another label are unlabelled, and noted as `other_class`. Empty: all labels count.
        classes: Vec<String> = Vec::new();
        /// What becomes of alerts without a label.
        unlabelled: Unlabelled = Unlabelled::Keep;
        /// Reasons for which alerts are mended: `not_square` is filled up with NaN on the side that was cut, `oversized` cut about its centre, `huge_pixels` become NaN, `odd_isdiffpos` is read by its first letter, `missing_jd` taken from `candid`. Dates that contradict the identifiers of a ZTF packet, `wrong_jd` and `wrong_past_jd`, are mended without being named here, unless `skip` or `refuse` names them.
        repair: Vec<Reason> = Vec::new();
        /// Reasons for which alerts are left out, beside those that always are.
        skip: Vec<Reason> = Vec::new();
        /// Reasons for which the run ends with an error instead of going on without the alert.
        refuse: Vec<Reason> = Vec::new();
        /// A csv that describes arrays (row i: stamp i, over all arrays in order of their names) or FITS images (a row: three files), with `objectId`, and if it has them `candid`, the fields of a packet (jd, fid, magpsf, ...), a label and a split. Arrays are [row, y, x, 3] or [row, 3, y, x]: science, template, difference. Their units are what they were saved in: stamps of BTSbot or braai are normalised already, no counts, so that fluxes, noise and scaling of other stages mean nothing in DN.
        table: Option<FilePath> = None, added_later();
        /// Columns of `table` that are not called as the fields of a packet, field = column: { jd = "JD", objectId = "name" }.
        columns: BTreeMap<String, String> = BTreeMap::new(), added_later();
        /// Where the FITS images of a row of `table` are below `path`: {column} stands for the row's cell, {cutout} for a word of `cutouts`; `.gz` may follow. A file that is not there may be below one of the folders there, or of the entries if `path` is a list, if only one of them has it.
        pattern: String = "{candid}_{cutout}.fits".into(), added_later();
        /// Words for science, template and difference in `pattern`.
        cutouts: Vec<String> = ["science", "template", "difference"].map(String::from).into(), added_later();
        /// Whether `light_curves.csv` is written: each measurement of the objects of alerts that are kept, from `prv_candidates` (earlier detections and upper limits) and `fp_hists` (forced photometry) of ZTF's packets and from the alerts themselves, each point once, over all files. Of several detections of one exposure, which packets have within 1.5 arcsec, the one nearest to the alert that first tells of them is the object's. Of Rubin's packets, parquet, arrays and images it has the alerts' own detections only.
        light_curves: bool = false, added_later();
    }
}

impl KeyType for Reason {
    fn shape() -> Shape {
        Shape::Choice(Self::choices().map(Self::name).collect())
    }
    fn read(value: &Value) -> Option<Self> {
        let Value::Text(name) = value else { return None };
        Self::choices().find(|reason| reason.name() == name)
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
        "Reads alerts: packets of ZTF or Rubin (Avro), Fink's parquet, arrays or FITS images with a table; and labels them from tables and rules."
    }
    fn source(&self) -> &'static str {
        "ZTF alert packets: Patterson et al. 2019, PASP 131, 018001; Rubin: github.com/lsst/alert_packet"
    }
    fn version(&self) -> u32 {
        7
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
        let mut faults = labelling::faults(&keys);
        faults.extend(faults_of_repairs(&keys));
        faults.extend(faults_of_table(&keys));
        faults
    }
    fn check_around(&self, params: &Params, around: &Around) -> Vec<(&'static str, String)> {
        let keys = LoadKeys::read(params);
        keys.and_then(|keys| labelling::faults_of_columns(around.files_of("labels"), &keys)).into_iter().collect()
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        run(job, REMEMBERED)
    }
}

/// The stage; files of so many bytes are remembered one by one.
fn run(job: &Job, remembered: u64) -> Result<(), StageError> {
    let keys: LoadKeys = job.keys()?;
    let mut loading = Loading::start(job, &keys)?;
    let table = table(job, &keys);
    let files = loading.choose(job.files.get("path").map(Vec::as_slice).unwrap_or_default(), table.is_some())?;
    let count = files.len() as u64;
    if let Some(table) = &table {
        let archive = Archive::with_table(sources(&files), table, policies(&keys));
        loading.read(job, archive.map_err(|e| StageError::failed(e.to_string()))?, count)?;
        return loading.finish(job, count);
    }
    // What a file that is read again and again takes is worth its place on the disk; small ones go together.
    let is_large = |file: &ExternalFile| std::fs::metadata(&file.path).is_ok_and(|meta| meta.len() >= remembered);
    for group in files.chunk_by(|a, b| !is_large(a) && !is_large(b)) {
        match group {
            [file] if is_large(file) => loading.read_portion(job, &keys, file, count)?,
            group => loading.read(job, archive(group, &keys), count)?,
        }
    }
    loading.finish(job, count)
}

fn archive(files: &[ExternalFile], keys: &LoadKeys) -> Archive {
    let archive = Archive::open(sources(files), policies(keys));
    if keys.light_curves { archive.with_history() } else { archive }
}

fn sources(files: &[ExternalFile]) -> Vec<Source> {
    files.iter().map(|file| Source { label: file.label.clone(), path: file.path.clone() }).collect()
}

/// What describes arrays and FITS images. Its split counts where no label table has one.
fn table(job: &Job, keys: &LoadKeys) -> Option<TableOptions> {
    let path = job.files.get("table")?.first()?.path.clone();
    let own = keys.label_column.of(0).filter(|_| keys.labels.0.is_empty());
    let label = own.cloned().unwrap_or_else(|| "label".into());
    let (columns, split) = (keys.columns.clone(), keys.split_column.clone().filter(|_| keys.labels.0.is_empty()));
    let (pattern, cutouts) = (keys.pattern.clone(), keys.cutouts.clone());
    Some(TableOptions { path, columns, label, split, pattern, cutouts })
}

fn faults_of_table(keys: &LoadKeys) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    if keys.table.is_none() && !keys.columns.is_empty() {
        faults.push(("columns", "they are columns of `table`, which is not given".into()));
    }
    if keys.cutouts.len() != 3 {
        faults.push(("cutouts", "it takes three words, for science, template and difference".into()));
    }
    faults
}

/// Reasons that cannot be mended, or are to be mended and left out at once.
fn faults_of_repairs(keys: &LoadKeys) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    for reason in &keys.repair {
        let name = reason.name();
        if reason.repair().is_none() {
            let can = Reason::ALL.iter().filter(|reason| reason.repair().is_some()).map(|reason| reason.name());
            let can = can.collect::<Vec<_>>().join(", ");
            faults.push(("repair", format!("`{name}` cannot be repaired; what can be: {can}")));
        }
        for (key, list) in [("skip", &keys.skip), ("refuse", &keys.refuse)] {
            if list.contains(reason) {
                faults.push((key, format!("`{name}` is in `repair` as well: choose one")));
            }
        }
    }
    faults
}

fn policies(keys: &LoadKeys) -> Policies {
    let mut policies = Policies::default();
    keys.repair.iter().for_each(|reason| policies.repair(*reason));
    for (reasons, policy) in [(&keys.skip, Policy::Skip), (&keys.refuse, Policy::Refuse)] {
        for reason in reasons {
            policies.tighten(*reason, policy);
        }
    }
    policies
}

#[cfg(test)]
mod described;
#[cfg(test)]
mod light_curves;
#[cfg(test)]
mod tests;
