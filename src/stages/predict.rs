//! `predict`: what a trained network makes of alerts that it never saw, such as those of a new night. Stamps are made as those
//! that it learned from, with the statistics of that training split. Knows no split, and no label but those in the alerts.

use rayon::prelude::*;

use crate::artifacts::candidates::{self, Candidate};
use crate::artifacts::judged::Judged;
use crate::artifacts::predictions::{Predictions, PredictionsFacts};
use crate::artifacts::table::Table;
use crate::classifiers::temperature::Temperature;
use crate::models;
use crate::nn::{Backend, Column, Model, Rows as NetworkRows};
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
use super::train_classifier;
use super::training::{Work, on_device};
use super::views::{View, Views};

/// Alerts that are judged at once: 18 MB of cutouts.
const CHUNK: usize = 384;

crate::keys! {
    /// Keys of [`Predict`].
    pub struct PredictKeys {
        /// Class by whose probability alerts are ordered, the most probable first; left out: by object and date.
        rank_by: Option<String> = None;
    }
}

/// Judges alerts by a trained classifier.
pub struct Predict;

impl StageKind for Predict {
    fn name(&self) -> &'static str {
        "predict"
    }
    fn summary(&self) -> &'static str {
        "What a trained network of single stamps makes of alerts that it never saw: class probabilities of each, ranked."
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
                accepts: &[ArtifactType::Classifier],
                required: true,
                help: "Who judges: its stamps, the statistics of its training split, its views and temperature are taken from it.",
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
        let judged = Judged::open(folder)?;
        if judged.sequences {
            let what = "the model judges sequences of an object's detections, and here each alert is judged by itself";
            return Err(StageError::with_hint(what, "connect a model of single stamps"));
        }
        let facts = Predictions::open(folder)?.facts;
        let keys: PredictKeys = job.keys()?;
        let rank_by = keys.rank_by.map(|class| place_of(&class, &facts)).transpose()?;
        let views = Views::read(&Value::Text(judged.views.clone())).ok_or_else(|| {
            let what = format!("the model averages over views `{}`, which this program does not know", judged.views);
            StageError::with_hint(what, "let it be trained again by this one")
        })?;
        let again = Again::like(&judged.stamps)?;
        on_device(job, &Judging { job, again, judged: &judged, views, facts: &facts, rank_by })
    }
}

fn place_of(class: &str, facts: &PredictionsFacts) -> Result<usize, StageError> {
    facts.classes.iter().position(|name| name == class).ok_or_else(|| {
        let what = format!("`rank_by` names a class `{class}` that the model does not know");
        StageError::with_hint(what, format!("its classes are {}", facts.classes.join(", ")))
    })
}

/// One run of the stage.
struct Judging<'a> {
    job: &'a Job<'a>,
    again: Again,
    judged: &'a Judged,
    views: Views,
    facts: &'a PredictionsFacts,
    rank_by: Option<usize>,
}

impl Judging<'_> {
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

    /// Probabilities of all classes of some stamps.
    fn judge<B: Backend>(&self, model: &Model<B>, stamps: &Stamps) -> Result<Vec<Vec<f64>>, StageError> {
        let learnt: Vec<usize> =
            (0..self.facts.classes.len()).filter(|class| self.facts.train_counts[*class] > 0).collect();
        let found =
            train_classifier::probabilities(model, self.views, learnt.len(), |view| Box::new(Seen { stamps, view }))?;
        let temperature = self.facts.temperature.map(Temperature);
        let of_all = |found: &[f64]| {
            let mut all = vec![0.0; self.facts.classes.len()];
            learnt.iter().zip(calibrated(temperature, found.to_vec())).for_each(|(class, p)| all[*class] = p);
            all
        };
        Ok(found.chunks_exact(learnt.len()).map(of_all).collect())
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
}

impl Work for Judging<'_> {
    fn run<B: Backend>(&self) -> Result<(), StageError> {
        let job = self.job;
        let model = models::load::<B>(job.input("model")?)?;
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
            let stamps = Stamps { side: self.judged.stamps.side, images: self.images(&sources[0], chunk), metadata };
            let judged = self.judge(&model, &stamps)?;
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

/// Stamps that are judged at once.
struct Stamps<'a> {
    side: usize,
    images: Vec<Vec<f32>>,
    /// By column and stamp.
    metadata: Vec<&'a [f32]>,
}

/// The same as rows for a network, in one view.
struct Seen<'a> {
    stamps: &'a Stamps<'a>,
    view: View,
}

impl NetworkRows for Seen<'_> {
    fn len(&self) -> usize {
        self.stamps.images.len()
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column { name: "stamps", width: self.stamps.images.first().map_or(0, Vec::len) },
            Column { name: "metadata", width: self.stamps.metadata.len() },
            Column { name: "class", width: 1 },
        ]
    }

    /// The class is 0: nothing reads it.
    fn copy_row(&self, row: usize, column: usize, into: &mut [f32]) {
        match column {
            0 => self.view.copy(&self.stamps.images[row], self.stamps.side, into),
            1 => into.iter_mut().zip(&self.stamps.metadata).for_each(|(value, column)| *value = column[row]),
            _ => into.fill(0.0),
        }
    }
}

#[cfg(test)]
mod tests;
