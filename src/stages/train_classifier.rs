//! `train_classifier`: labelled stamps to a network that gives the probability of each class, and to its predictions.
//! Knows no survey.
//!
//! Weights move by the training split, the validation split chooses when, the test split only measures.

mod labels;
pub mod offers;
mod rows;

use crate::artifacts::predictions::{Predictions, PredictionsFacts};
use crate::artifacts::scores::{Metric, write_metrics};
use crate::artifacts::split::{TEST, TRAIN, VALIDATION};
use crate::artifacts::stamps::Stamps;
use crate::models;
use crate::nn::train::{Checkpoints, Progress, Schedule, train};
use crate::nn::{Backend, Model, Rows, softmax};
use crate::spec::keys::{Key, Keys};
use crate::spec::value::{Params, Value};
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind, Variants};

use super::training::{BalanceWord, TrainingKeys, Work, on_device, report, write_history};
use labels::Labels;
use offers::{OFFERS, offer};
use rows::{StampRows, View};

/// Rows per batch when nothing is learned.
const INFERENCE_BATCH: usize = 64;

crate::choice! {
    /// What of a stamp is judged.
    pub enum Views {
        /// The stamp as it is.
        One = "one",
        /// Its eight turned and mirrored views, whose probabilities are averaged.
        Dihedral = "dihedral",
    }
}

crate::keys! {
    /// Keys of `train_classifier` beside those of training.
    pub struct ClassifierKeys {
        /// Whether small classes are seen as often as the largest, by replication within each epoch (Carrasco-Davis et al. 2021), or as they are.
        balance: BalanceWord = BalanceWord::None;
        /// What is judged: each stamp as it is, or the mean probability over its eight turned and mirrored views (after Krizhevsky et al. 2012, section 4.1).
        views: Views = Views::One;
    }
}

/// The kind `train_classifier`.
pub struct TrainClassifier;

impl StageKind for TrainClassifier {
    fn name(&self) -> &'static str {
        "train_classifier"
    }
    fn summary(&self) -> &'static str {
        "Trains a published network on labelled stamps and gives class probabilities of the validation and test rows."
    }
    fn version(&self) -> u32 {
        2
    }
    fn ports(&self) -> &'static [Port] {
        const PORTS: &[Port] =
            &[Port { name: "stamps", accepts: &[ArtifactType::Stamps], required: true, help: "Stamps with labels." }];
        PORTS
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Classifier
    }
    fn keys(&self) -> Vec<Key> {
        [TrainingKeys::keys_with(&[("decay", Value::Text("constant".into()))]), ClassifierKeys::keys()].concat()
    }
    fn variants(&self) -> Option<Variants> {
        Some(Variants { key: "model", list: OFFERS.iter().map(|offer| offer.variant()).collect() })
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        TrainingKeys::faults(params)
    }
    fn randomness(&self, _: &Params) -> Randomness {
        Randomness::PerReplicate
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: ClassifierKeys = job.keys()?;
        let stamps = Stamps::open(job.input("stamps")?)?;
        let labels = Labels::new(&stamps.index, &stamps.facts.classes)?;
        on_device(job, &Training { job, stamps: &stamps, labels: &labels, keys })
    }
}

/// One run of the stage.
struct Training<'a> {
    job: &'a Job<'a>,
    stamps: &'a Stamps,
    labels: &'a Labels,
    keys: ClassifierKeys,
}

impl Training<'_> {
    fn schedule(&self) -> Result<Schedule, StageError> {
        let shared = self.job.keys::<TrainingKeys>()?.schedule(self.job.seed);
        Ok(Schedule { balance: self.keys.balance.into(), ..shared })
    }

    fn rows<'a>(&'a self, rows: &'a [usize]) -> StampRows<'a> {
        StampRows::new(self.stamps, &self.labels.classes, rows)
    }

    /// Probabilities `[row, learnt class]`, averaged over the views.
    fn probabilities<B: Backend>(&self, model: &Model<B>, rows: &[usize]) -> Result<Vec<f64>, StageError> {
        let views = match self.keys.views {
            Views::One => &View::ALL[..1],
            Views::Dihedral => &View::ALL[..],
        };
        let learnt = self.labels.learnt.len();
        let mut sums = vec![0.0; rows.len() * learnt];
        for view in views {
            let mut scores = Vec::with_capacity(sums.len());
            model.outputs(&self.rows(rows).seen(*view), INFERENCE_BATCH, |_, made| {
                scores.extend(made);
                Ok(())
            })?;
            sums.iter_mut().zip(softmax(&scores, learnt)).for_each(|(sum, p)| *sum += p / views.len() as f64);
        }
        Ok(sums)
    }

    fn predictions<B: Backend>(&self, model: &Model<B>) -> Result<Predictions, StageError> {
        let labels = self.labels;
        let rows = labels.judged();
        let found = self.probabilities(model, &rows)?;
        let found = found.chunks_exact(labels.learnt.len());
        let facts = PredictionsFacts {
            classes: labels.names.clone(),
            classifier: model.card.model.clone(),
            train_counts: labels.train_counts.clone(),
        };
        Ok(Predictions {
            facts,
            rows: rows.iter().zip(found).map(|(row, found)| labels.prediction(*row, found)).collect(),
        })
    }

    /// The loss on the labelled rows of each split, as training sees it but without dropout.
    fn losses<B: Backend>(&self, model: &Model<B>) -> Result<Vec<Metric>, StageError> {
        let mut metrics = Vec::new();
        for split in [TRAIN, VALIDATION, TEST] {
            let rows = self.labels.originals(split);
            let data = self.rows(&rows);
            let value = if data.is_empty() { None } else { Some(model.mean_loss(&data, INFERENCE_BATCH)?) };
            metrics.push(Metric {
                series: model.card.model.clone(),
                split: split.into(),
                metric: "training_loss".into(),
                class: String::new(),
                value,
                n: rows.len(),
                interval: None,
            });
        }
        Ok(metrics)
    }
}

impl Work for Training<'_> {
    fn run<B: Backend>(&self) -> Result<(), StageError> {
        let (job, labels) = (self.job, self.labels);
        let card = offer(job.word("model"))?.card(job, &self.stamps.facts, labels.learnt.len())?;
        let mut model = models::build::<B>(card, job.seed)?;
        let mut watch = |progress: Progress| report(job, progress);
        let checkpoints = Some(Checkpoints::within(job.checkpoint));
        let (learned, held) = (labels.training(), labels.originals(VALIDATION));
        let (learned, held) = (self.rows(&learned), self.rows(&held));
        let trained = train(&mut model, &learned, &held, &self.schedule()?, checkpoints, &mut watch)?;
        model.save(job.out)?;
        write_history(job.out, &trained)?;
        self.predictions(&model)?.write(job.out)?;
        Ok(write_metrics(job.out, &self.losses(&model)?)?)
    }
}

#[cfg(test)]
mod tests;
