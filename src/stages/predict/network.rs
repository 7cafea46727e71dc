//! Stamps judged by a network that was trained end to end. Knows no vector of features.

use std::path::Path;

use super::seen::{Seen, Stamps};
use super::{Judge, MAKE_AGAIN, Night, Told, views};
use crate::artifacts::judged::{self, Judged};
use crate::artifacts::predictions::PredictionsFacts;
use crate::classifiers::temperature::Temperature;
use crate::models;
use crate::nn::{Backend, Model};
use crate::stage::{Job, StageError};
use crate::stages::preprocess::again::Again;
use crate::stages::train_classifier;
use crate::stages::training::{Work, on_device};
use crate::stages::views::Views;

/// Whether the artifact in `folder` has such a network.
pub(super) fn is_in(folder: &Path) -> bool {
    folder.join(judged::FILE).exists()
}

/// Judges all alerts by it.
pub(super) fn judge(job: &Job, facts: &PredictionsFacts, rank_by: Option<usize>) -> Result<(), StageError> {
    let judged = Judged::open(job.input("model")?)?;
    if judged.sequences {
        let what = "the model judges sequences of an object's detections, and here each alert is judged by itself";
        return Err(StageError::with_hint(what, "connect a model of single stamps"));
    }
    let (views, again) = (views(&judged.views)?, Again::like(&judged.stamps)?);
    on_device(job, &Judging { night: Night { job, again, facts, rank_by }, views })
}

struct Judging<'a> {
    night: Night<'a>,
    views: Views,
}

impl Work for Judging<'_> {
    fn run<B: Backend>(&self) -> Result<(), StageError> {
        let model = models::load::<B>(self.night.job.input("model")?)?;
        self.night.judge(&ByNetwork { model, views: self.views, facts: self.night.facts })
    }
}

/// The network, whose outputs are the classes that had training rows.
struct ByNetwork<'a, B: Backend> {
    model: Model<B>,
    views: Views,
    facts: &'a PredictionsFacts,
}

impl<B: Backend> Judge for ByNetwork<'_, B> {
    fn judge(&self, stamps: &Stamps) -> Result<Vec<Vec<f64>>, StageError> {
        let learnt: Vec<usize> = (0..self.facts.classes.len())
            .filter(|class| self.facts.train_counts.get(*class).is_some_and(|count| *count > 0))
            .collect();
        let rows: Vec<usize> = (0..stamps.images.len()).collect();
        let found = train_classifier::probabilities(&self.model, self.views, learnt.len().max(1), |view| {
            Box::new(Seen { stamps, rows: &rows, view })
        })?;
        if found.len() != rows.len() * learnt.len() {
            let what =
                format!("the network does not tell the {} classes that it is said to have learned", learnt.len());
            return Err(StageError::with_hint(what, MAKE_AGAIN));
        }
        let width = learnt.len().max(1);
        let temperature = self.facts.temperature.map(Temperature);
        let told = Told { places: learnt, classes: self.facts.classes.len(), temperature };
        Ok(found.chunks_exact(width).map(|found| told.among_all(found.to_vec())).collect())
    }
}
