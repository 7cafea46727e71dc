//! `sequences`: stamps of all detections to one sequence per object, in time order. Crop, scaling and split are those of
//! the stamps. Knows no survey and no network.

use crate::artifacts::sequences::{Detection, SequenceObject, SequencesFacts, SequencesWriter};
use crate::artifacts::split::TRAIN;
use crate::artifacts::stamps::Stamps;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use crate::stage::{ArtifactType, Job, Port, StageError, StageKind};

use super::preprocess::metadata::{is_known, standardise, statistics, unknown};

/// The name of the first dynamic column.
const GAP: &str = "gap";

/// Columns that change from one detection to the next: Neira et al. 2024, table 3.
const DYNAMIC: [&str; 9] =
    ["fwhm", "ndethist", "ncovhist", "non_detections", "isdiffpos", "magpsf", "sigmapsf", "diffmaglim", "classtar"];

/// Columns that belong to the object: the same table, without AllWISE.
const STATIC: [&str; 14] = [
    "sgscore1",
    "distpsnr1",
    "sgscore2",
    "distpsnr2",
    "sgscore3",
    "distpsnr3",
    "chinr",
    "sharpnr",
    "ra",
    "dec",
    "gal_lat",
    "gal_long",
    "ecl_lat",
    "ecl_long",
];

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

crate::keys! {
    /// Keys of `sequences`.
    pub struct SequencesKeys {
        /// Metadata columns of the stamps with one value per detection; the time gap, log10(1 + days), comes before them.
        dynamic: Vec<String> = owned(&DYNAMIC);
        /// Metadata columns with one value per object, that of its first detection.
        r#static: Vec<String> = owned(&STATIC);
        /// A detection sooner than this after the last kept one is left out.
        min_gap: f64 = 6.0, range(0, 100_000), unit("h");
        /// Detections that are kept at most: the first ones.
        length: usize = 5, range(1, 10_000);
        /// Objects with fewer kept detections are left out.
        at_least: usize = 2, range(1, 10_000);
    }
}

/// The kind `sequences`.
pub struct SequencesKind;

impl StageKind for SequencesKind {
    fn name(&self) -> &'static str {
        "sequences"
    }
    fn summary(&self) -> &'static str {
        "Puts the stamps of each object in time order, with time gaps and metadata."
    }
    fn source(&self) -> &'static str {
        "Neira et al. 2024 (arXiv:2405.15073), section on the Temporal Stamp Classifier"
    }
    fn version(&self) -> u32 {
        1
    }
    fn ports(&self) -> &'static [Port] {
        const PORTS: &[Port] = &[Port {
            name: "stamps",
            accepts: &[ArtifactType::Stamps],
            required: true,
            help: "Stamps of `preprocess` with detections = \"all\", not augmented.",
        }];
        PORTS
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Sequences
    }
    fn keys(&self) -> Vec<Key> {
        SequencesKeys::keys()
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        SequencesKeys::read(params).map(|keys| faults(&keys)).unwrap_or_default()
    }

    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: SequencesKeys = job.keys()?;
        let stamps = Stamps::open(job.input("stamps")?)?;
        if stamps.index.ints("copy").is_some_and(|copies| copies.iter().any(|copy| *copy != 0)) {
            let what = "the stamps hold augmented copies, each altered on its own: they make no sequence";
            return Err(StageError::with_hint(what, "connect the stamps before `augment`"));
        }
        let objects = sequences(&stamps, &keys);
        if objects.is_empty() {
            let what = format!("no object has {} detections {} h apart", keys.at_least, keys.min_gap);
            return Err(StageError::with_hint(what, "use detections = \"all\" in `preprocess`, or a lower `at_least`"));
        }
        let facts = SequencesFacts {
            stamps: stamps.facts.clone(),
            dynamic: std::iter::once(GAP.to_string()).chain(keys.dynamic).collect(),
            fixed: keys.r#static,
            longest: objects.iter().map(|o| o.detections.len()).max().unwrap_or(0),
        };
        write(job, &stamps, &facts, &objects)
    }
}

fn faults(keys: &SequencesKeys) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    for (key, names) in [("dynamic", &keys.dynamic), ("static", &keys.r#static)] {
        for (i, name) in names.iter().enumerate() {
            if !is_known(name) {
                faults.push((key, unknown(name)));
            } else if names[..i].contains(name) {
                faults.push((key, format!("`{name}` is listed twice")));
            }
        }
    }
    if keys.at_least > keys.length {
        let what = format!("no sequence of at most {} detections has {}", keys.length, keys.at_least);
        faults.push(("at_least", what));
    }
    faults
}

/// Positions of the columns in the stamps' metadata.
struct Positions {
    dynamic: Vec<usize>,
    fixed: Vec<usize>,
}

impl Positions {
    fn of(stamps: &Stamps, facts: &SequencesFacts) -> Result<Self, StageError> {
        Ok(Self { dynamic: positions(stamps, &facts.dynamic[1..])?, fixed: positions(stamps, &facts.fixed)? })
    }

    /// The standardised gap and the dynamic columns of a row.
    fn dynamic(&self, stamps: &Stamps, (row, days): (usize, f64), (mean, std): (f64, f64)) -> Vec<f32> {
        let columns = self.dynamic.iter().map(|column| stamps.metadata.row(row)[*column]);
        std::iter::once(standardise(log_gap(days), mean, std)).chain(columns).collect()
    }

    fn fixed(&self, stamps: &Stamps, row: usize) -> Vec<f32> {
        self.fixed.iter().map(|column| stamps.metadata.row(row)[*column]).collect()
    }
}

fn positions(stamps: &Stamps, names: &[String]) -> Result<Vec<usize>, StageError> {
    let position = |name: &String| {
        stamps.facts.metadata.iter().position(|column| column.name == *name).ok_or_else(|| {
            let there: Vec<&str> = stamps.facts.metadata.iter().map(|column| column.name.as_str()).collect();
            let what = format!("the stamps have no metadata column `{name}`; they have {}", there.join(", "));
            StageError::with_hint(what, "add it to `metadata` of `preprocess`, or leave it out here")
        })
    };
    names.iter().map(position).collect()
}

/// Columns of the stamps' index.
struct Index<'a> {
    candid: &'a [i64],
    fid: &'a [i64],
    jd: Vec<f64>,
}

impl<'a> Index<'a> {
    fn of(stamps: &'a Stamps) -> Self {
        let ints = |name| stamps.index.ints(name).unwrap_or_default();
        Self { candid: ints("candid"), fid: ints("fid"), jd: stamps.index.numbers("jd").unwrap_or_default() }
    }

    fn detection<'b>(&self, stamps: &'b Stamps, (row, days): (usize, f64), dynamic: &'b [f32]) -> Detection<'b> {
        let image = stamps.images.row(row);
        Detection { candid: self.candid[row], jd: self.jd[row], fid: self.fid[row], days, image, dynamic }
    }
}

/// One object.
struct Sequence {
    /// Its first row, which has its name and split.
    first: usize,
    /// Its first row with a label.
    labelled: Option<usize>,
    /// Rows of the stamps in time order, with the days since the one before.
    detections: Vec<(usize, f64)>,
}

/// Objects by name, with the detections that the rules leave.
fn sequences(stamps: &Stamps, keys: &SequencesKeys) -> Vec<Sequence> {
    let (ids, labels) = (stamps.index.packed("objectId"), stamps.index.packed("label"));
    let jd = stamps.index.numbers("jd").unwrap_or_default();
    let candid = stamps.index.ints("candid").unwrap_or_default();
    let mut rows: Vec<usize> = (0..ids.len()).collect();
    rows.sort_unstable_by(|a, b| {
        let dates = jd[*a].total_cmp(&jd[*b]).then(candid[*a].cmp(&candid[*b]));
        ids[*a].cmp(&ids[*b]).then(dates).then(a.cmp(b))
    });
    let mut sequences = Vec::new();
    for rows in rows.chunk_by(|a, b| ids[*a] == ids[*b]) {
        let mut detections = spaced(rows, &jd, keys.min_gap / 24.0, keys.length);
        if detections.len() >= keys.at_least {
            detections.shrink_to_fit();
            let labelled = rows.iter().copied().find(|row| !labels[*row].is_empty());
            sequences.push(Sequence { first: rows[0], labelled, detections });
        }
    }
    sequences
}

/// The first `length` rows that are at least `min_days` after the kept one before, with those days. A row without a date
/// has no place in time and is left out.
fn spaced(rows: &[usize], jd: &[f64], min_days: f64, length: usize) -> Vec<(usize, f64)> {
    let mut kept: Vec<(usize, f64)> = Vec::new();
    for row in rows.iter().filter(|row| jd[**row].is_finite()) {
        let days = kept.last().map_or(0.0, |(last, _)| jd[*row] - jd[*last]);
        if kept.len() < length && (kept.is_empty() || days >= min_days) {
            kept.push((*row, days));
        }
    }
    kept
}

fn log_gap(days: f64) -> f64 {
    (1.0 + days).log10()
}

fn write(job: &Job, stamps: &Stamps, facts: &SequencesFacts, objects: &[Sequence]) -> Result<(), StageError> {
    let positions = Positions::of(stamps, facts)?;
    let [ids, labels, splits] = ["objectId", "label", "split"].map(|name| stamps.index.packed(name));
    let training = objects.iter().filter(|o| splits[o.first] == *TRAIN);
    let gap = statistics(training.flat_map(|o| o.detections.iter().map(|(_, days)| log_gap(*days))));
    let index = Index::of(stamps);
    let mut writer = SequencesWriter::create(job.out, facts)?;
    for (done, sequence) in objects.iter().enumerate() {
        if done % 256 == 0 {
            job.progress(done as u64, objects.len() as u64, "objects")?;
        }
        let dynamic: Vec<Vec<f32>> = sequence.detections.iter().map(|d| positions.dynamic(stamps, *d, gap)).collect();
        let detections: Vec<Detection> =
            sequence.detections.iter().zip(&dynamic).map(|(d, dynamic)| index.detection(stamps, *d, dynamic)).collect();
        let object = SequenceObject {
            object_id: ids[sequence.first].into(),
            label: sequence.labelled.map_or_else(String::new, |row| labels[row].into()),
            split: splits[sequence.first].into(),
        };
        writer.push(&object, &positions.fixed(stamps, sequence.detections[0].0), &detections)?;
    }
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests;
