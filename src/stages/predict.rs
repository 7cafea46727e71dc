//! `predict`: what a trained network, or a classifier fitted to codes, makes of alerts that it never saw, such as those of a new
//! night. Stamps are made as those that it learned from, with the statistics of that training split. Knows no split, and no label
//! but those in the alerts.

mod fitted;
mod network;
mod seen;

use rayon::prelude::*;

use crate::artifacts::candidates::{self, Candidate};
use crate::artifacts::predictions::{Predictions, PredictionsFacts};
use crate::artifacts::table::Table;
use crate::classifiers::temperature::Temperature;
use crate::spec::keys::{Key, KeyType, Keys};
use crate::spec::value::Value;
use crate::stage::{ArtifactType, Job, Port, StageError, StageKind};

use super::calibration::calibrated;
use super::preprocess::again::Again;
use super::preprocess::columns;
use super::preprocess::metadata::{clip, field, standardise};
use super::preprocess::pixels::{Cutouts, NanPolicy};
use super::preprocess::rows::{Row, Rows, ShapePolicy, reason};
use super::preprocess::source::{self, Source};
use super::preprocess::write;
use super::views::Views;
use fitted::ByVectors;
use seen::Stamps;

/// Alerts that are judged at once: 18 MB of cutouts.
const CHUNK: usize = 384;

/// What to do where something was made by another program, or damaged.
const MAKE_AGAIN: &str = "let it be made again by this program";

crate::keys! {
    /// Keys of [`Predict`].
    pub struct PredictKeys {
        /// Class by whose probability alerts are ordered, the most probable first; left out: by object and date.
        rank_by: Option<String> = None;
    }
}

/// Judges alerts by a trained network or a fitted classifier.
pub struct Predict;

impl StageKind for Predict {
    fn name(&self) -> &'static str {
        "predict"
    }
    fn summary(&self) -> &'static str {
        "What a trained network of single stamps, or a classifier fitted to codes of such, makes of alerts that it never saw: class probabilities of each, ranked."
    }
    fn version(&self) -> u32 {
        1
    }
    fn ports(&self) -> &'static [Port] {
        const PORTS: &[Port] = &[
            Port {
                name: "alerts",
                accepts: &[ArtifactType::Alerts],
                required: true,
                help: "Alerts to judge, with labels or without.",
            },
            Port {
                name: "model",
                accepts: &[ArtifactType::Classifier, ArtifactType::Predictions],
                required: true,
                help: "Who judges, of kind `train_classifier` or `classify`: its stamps, the statistics of its training split, its views and temperature are taken from it, and the network behind its codes.",
            },
        ];
        PORTS
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Candidates
    }
    fn keys(&self) -> Vec<Key> {
        PredictKeys::keys()
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let folder = job.input("model")?;
        let facts = Predictions::open(folder)?.facts;
        let keys: PredictKeys = job.keys()?;
        let rank_by = keys.rank_by.map(|class| place_of(&class, &facts)).transpose()?;
        if fitted::is_in(folder) {
            let (judge, again) = ByVectors::open(folder, &facts)?;
            Night { job, again, facts: &facts, rank_by }.judge(&judge)
        } else if network::is_in(folder) {
            network::judge(job, &facts, rank_by)
        } else {
            let what = "the model holds class probabilities alone, nothing that could judge other alerts";
            Err(StageError::with_hint(what, "connect a stage of kind `train_classifier` or `classify`"))
        }
    }
}

fn place_of(class: &str, facts: &PredictionsFacts) -> Result<usize, StageError> {
    facts.classes.iter().position(|name| name == class).ok_or_else(|| {
        let what = format!("`rank_by` names a class `{class}` that the model does not know");
        StageError::with_hint(what, format!("its classes are {}", facts.classes.join(", ")))
    })
}

/// The views over which a model averages.
fn views(word: &str) -> Result<Views, StageError> {
    Views::read(&Value::Text(word.into())).ok_or_else(|| {
        let what = format!("the model averages over views `{word}`, which this program does not know");
        StageError::with_hint(what, MAKE_AGAIN)
    })
}

/// Who judges stamps.
trait Judge {
    /// Probabilities of all classes of each.
    fn judge(&self, stamps: &Stamps) -> Result<Vec<Vec<f64>>, StageError>;
}

/// The classes that a judge tells, among all that the model knows.
struct Told {
    /// Place of each.
    places: Vec<usize>,
    /// Number of all.
    classes: usize,
    temperature: Option<Temperature>,
}

impl Told {
    /// Probabilities of all classes, from those of the classes that are told.
    fn among_all(&self, found: Vec<f64>) -> Vec<f64> {
        let mut all = vec![0.0; self.classes];
        self.places.iter().zip(calibrated(self.temperature, found)).for_each(|(class, p)| all[*class] = p);
        all
    }
}

/// One run of the stage.
struct Night<'a> {
    job: &'a Job<'a>,
    /// How stamps are made.
    again: Again,
    facts: &'a PredictionsFacts,
    rank_by: Option<usize>,
}

impl Night<'_> {
    /// Rows that can be judged, and those that cannot.
    fn select(&self, sources: &[Source], table: Table) -> Result<Rows, StageError> {
        let mut rows = self.again.reading().rows(sources, vec![table])?;
        rows.drop_duplicates();
        if self.again.shape == ShapePolicy::Drop {
            rows.retain(reason::TRUNCATED, |row| row.complete);
        }
        if self.again.recipe.nan == NanPolicy::Drop {
            let mut missing = write::missing_pixels(sources, &rows.kept, &self.again.recipe).into_iter();
            rows.retain(reason::MISSING_PIXELS, |_| missing.next() == Some(false));
        }
        Ok(rows)
    }

    /// Standardised metadata by column and kept row.
    fn metadata(&self, sources: &[Source], rows: &Rows) -> Result<Vec<Vec<f32>>, StageError> {
        columns::each(sources, rows, &self.again.columns, |column, values| {
            let standard = |x| standardise(clip(x, column, self.again.sentinel), column.mean, column.std);
            values.into_iter().map(standard).collect()
        })
    }

    fn images(&self, source: &Source, rows: &[Row]) -> Vec<Vec<f32>> {
        let image = |row: &Row| {
            let cutouts = Cutouts::new(source.stamps.row(row.row), row.pose);
            self.again.shown(self.again.recipe.prepare(&cutouts, None).image)
        };
        rows.par_iter().map(image).collect()
    }

    /// What a reader of the run should know of the result.
    fn closing(&self, found: &[Candidate], dropped: usize) -> String {
        let count = |class| found.iter().filter(|row| row.predicted() == class).count();
        let counts = self.facts.classes.iter().enumerate().map(|(i, class)| format!("{class} {}", count(i)));
        let counts = counts.collect::<Vec<_>>().join(", ");
        let dropped =
            if dropped == 0 { String::new() } else { format!("; {dropped} left out: see {{out}}/dropped.csv") };
        format!("{} alerts judged, {counts}: see {{out}}/candidates.csv{dropped}", found.len())
    }

    /// Judges all alerts and writes the artifact.
    fn judge(&self, judge: &dyn Judge) -> Result<(), StageError> {
        let job = self.job;
        let (source, table) = source::open_one("alerts", job.input("alerts")?, None)?;
        let sources = [source];
        let rows = self.select(&sources, table)?;
        let metadata = self.metadata(&sources, &rows)?;
        let magnitudes = sources[0].numbers(&["magpsf"])?;
        let magnitude = field(&magnitudes, "magpsf");
        let mut found = Vec::with_capacity(rows.kept.len());
        for chunk in rows.kept.chunks(CHUNK) {
            let first = found.len();
            job.progress(first as u64, rows.kept.len() as u64, "alerts")?;
            let metadata = metadata.iter().map(|column| &column[first..first + chunk.len()]).collect();
            let images = self.images(&sources[0], chunk);
            let judged = judge.judge(&Stamps { side: self.again.side, images, metadata, rows: chunk })?;
            found.extend(chunk.iter().zip(judged).map(|(row, probabilities)| Candidate {
                candid: row.candid,
                object_id: rows.names.object(row.object).into(),
                seen: [row.jd, row.fid as f64, row.place.0, row.place.1, magnitude(row.row)],
                label: rows.names.word(row.label).into(),
                probabilities,
            }));
        }
        if let Some(class) = self.rank_by {
            found.sort_by(|a, b| b.probabilities[class].total_cmp(&a.probabilities[class]));
        }
        candidates::write(job.out, &self.facts.classes, &found)?;
        write::dropped(job, &sources, &rows)?;
        job.pulse.told(&self.closing(&found, rows.dropped.len()));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
