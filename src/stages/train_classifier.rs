//! `train_classifier`: labelled stamps, or sequences of them, to a network that gives the probability of each class, and to its predictions.
//! Knows no survey.
//!
//! Weights move by the training split, the validation split chooses when, the test split only measures.

mod data;
mod labels;
pub mod offers;
mod sequences;
mod stamps;
mod steps;

use crate::artifacts::judged::Judged;
use crate::artifacts::predictions::{Predictions, PredictionsFacts};
use crate::artifacts::scores::{Metric, write_metrics};
use crate::artifacts::split::{TEST, TRAIN, VALIDATION};
use crate::classifiers::temperature::Temperature;
use crate::models;
use crate::nn::train::{Checkpoints, Progress, Schedule, train};
use crate::nn::{Backend, Model, NnError, Rows, softmax};
use crate::spec::keys::{Key, Keys};
use crate::spec::value::{Params, Value};
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind, Variants};

use super::calibration::{Calibrate, calibrated};
use super::few_labels::FewLabels;
use super::training::{BalanceWord, INIT, TrainingKeys, Work, anew, on_device, prepare, report, wide, write_history};
use super::views::{View, Views};
use data::Data;
use labels::Labels;
use offers::{OFFERS, offer};
use sequences::{SequenceRows, Sequenced};
use steps::Step;

/// Rows per batch when nothing is learned.
const INFERENCE_BATCH: usize = 64;

crate::keys! {
    /// Keys of `train_classifier` beside those of training.
    pub struct ClassifierKeys {
        /// Whether small classes are seen as often as the largest, by replication within each epoch (Carrasco-Davis et al. 2021), or as they are.
        balance: BalanceWord = BalanceWord::None;
        /// What is judged: each stamp as it is, or the mean probability over its eight turned and mirrored views (after Krizhevsky et al. 2012, section 4.1).
        views: Views = Views::One;
        /// "temperature": divides the scores by the number that makes the log loss on the validation split smallest, so that probabilities are as sure as they are right (Guo et al. 2017); no prediction changes its class. The weights stay as they are.
        calibrate: Calibrate = Calibrate::None, added_later();
    }
}

/// The kind `train_classifier`.
pub struct TrainClassifier;

impl StageKind for TrainClassifier {
    fn name(&self) -> &'static str {
        "train_classifier"
    }
    fn summary(&self) -> &'static str {
        "Trains a published network on labelled stamps or sequences and gives class probabilities of the validation and test rows."
    }
    fn version(&self) -> u32 {
        2
    }
    fn ports(&self) -> &'static [Port] {
        const PORTS: &[Port] = &[
            Port {
                name: "stamps",
                accepts: &[ArtifactType::Stamps],
                required: false,
                help: "Stamps with labels, for models of single stamps.",
            },
            Port {
                name: "sequences",
                accepts: &[ArtifactType::Sequences],
                required: false,
                help: "Sequences with labels, for models of several detections, in place of stamps.",
            },
            wide(&[ArtifactType::Stamps, ArtifactType::Sequences]),
            INIT,
        ];
        PORTS
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Classifier
    }
    fn keys(&self) -> Vec<Key> {
        [
            TrainingKeys::keys_with(&[("decay", Value::Text("constant".into()))]),
            ClassifierKeys::keys(),
            FewLabels::keys(),
        ]
        .concat()
    }
    fn variants(&self) -> Option<Variants> {
        Some(Variants { key: "model", list: OFFERS.iter().map(offers::Offer::variant).collect() })
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        [TrainingKeys::faults(params), FewLabels::faults(params)].concat()
    }
    fn randomness(&self, _: &Params) -> Randomness {
        Randomness::PerReplicate
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: ClassifierKeys = job.keys()?;
        let data = Data::open(job)?;
        let wide = data.open_wide(job)?;
        let labels = Labels::new(data.identities(), data.labels(), &job.keys()?, job.seed)?;
        on_device(job, &Training { job, data: &data, wide: wide.as_ref(), labels: &labels, keys })
    }
}

/// One run of the stage.
struct Training<'a> {
    job: &'a Job<'a>,
    data: &'a Data,
    /// The same with larger stamps.
    wide: Option<&'a Data>,
    labels: &'a Labels,
    keys: ClassifierKeys,
}

impl Training<'_> {
    fn schedule(&self) -> Result<Schedule, StageError> {
        let shared = self.job.keys::<TrainingKeys>()?.schedule(self.job.seed);
        Ok(Schedule { balance: self.keys.balance.into(), ..shared })
    }

    fn judged(&self) -> Judged {
        let sequences = matches!(self.data, Data::Sequences(_));
        Judged { sequences, views: self.keys.views.word().into(), stamps: self.data.facts().clone() }
    }

    fn rows<'a>(&'a self, rows: &'a [usize]) -> Box<dyn Rows + 'a> {
        self.data.rows(&self.labels.classes, rows, View::ALL[0])
    }

    /// Probabilities `[row, .., learnt class]`; `seen` gives the rows in each view.
    fn probabilities<'a, B: Backend>(
        &self,
        model: &Model<B>,
        seen: impl Fn(View) -> Box<dyn Rows + 'a>,
    ) -> Result<Vec<f64>, NnError> {
        probabilities(model, self.keys.views, self.labels.learnt.len(), seen)
    }

    /// Probabilities of the judged rows, and by what they are calibrated.
    fn predictions<B: Backend>(&self, model: &Model<B>) -> Result<(Predictions, Option<Temperature>), StageError> {
        let labels = self.labels;
        let rows = labels.judged();
        let found = self.probabilities(model, |view| self.data.rows(&labels.classes, &rows, view))?;
        let learnt = labels.learnt.len();
        // of a network that judges every detection, what it says in the end
        let last = |all: &[f64]| all[all.len() - learnt..].to_vec();
        let found: Vec<Vec<f64>> = found.chunks_exact(found.len() / rows.len()).map(last).collect();
        let held = labels.originals(VALIDATION);
        let is_held = |(row, found): (&usize, _)| Some((found, labels.classes[*row].filter(|_| held.contains(row))?));
        let temperature = self.keys.calibrate.fit(rows.iter().zip(&found).filter_map(is_held))?;
        let facts = PredictionsFacts {
            classes: labels.names.clone(),
            classifier: model.card.model.clone(),
            train_counts: labels.train_counts.clone(),
            labels: labels.taken.clone(),
            temperature: temperature.map(|temperature| temperature.0),
        };
        let found = found.into_iter().map(|found| calibrated(temperature, found));
        let rows = rows.iter().zip(found).map(|(row, found)| labels.prediction(*row, &found)).collect();
        Ok((Predictions { facts, rows }, temperature))
    }

    /// What is thought of each judged object after each number of detections.
    fn steps<B: Backend>(
        &self,
        model: &Model<B>,
        data: &Sequenced,
        temperature: Option<Temperature>,
    ) -> Result<Vec<Step>, StageError> {
        let (labels, learnt) = (self.labels, self.labels.learnt.len());
        let mut steps = Vec::new();
        let judged = labels.judged();
        for detections in 1..=data.steps {
            let rows: Vec<usize> = judged.iter().copied().filter(|row| data.length(*row) >= detections).collect();
            let shown = |view| SequenceRows::new(data, &labels.classes, &rows).first(detections).seen(view);
            let found = self.probabilities(model, |view| Box::new(shown(view)))?;
            let each = found.chunks_exact((found.len() / rows.len().max(1)).max(1));
            steps.extend(rows.iter().zip(each).map(|(row, found)| {
                let found = calibrated(temperature, found[found.len() - learnt..].to_vec());
                let prediction = labels.prediction(*row, &found);
                Step { detections, prediction }
            }));
        }
        Ok(steps)
    }

    /// The loss on the labelled rows of each split, as training sees it but without dropout.
    fn losses<B: Backend>(&self, model: &Model<B>) -> Result<Vec<Metric>, StageError> {
        let mut metrics = Vec::new();
        for split in [TRAIN, VALIDATION, TEST] {
            let rows = self.labels.originals(split);
            let data = self.rows(&rows);
            let value = if data.is_empty() { None } else { Some(model.mean_loss(&*data, INFERENCE_BATCH)?) };
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

/// Probabilities `[row, .., learnt class]`, averaged over the views; `seen` gives the rows in each.
pub(super) fn probabilities<'a, B: Backend>(
    model: &Model<B>,
    views: Views,
    learnt: usize,
    seen: impl Fn(View) -> Box<dyn Rows + 'a>,
) -> Result<Vec<f64>, NnError> {
    let views = views.list();
    let mut means: Vec<f64> = Vec::new();
    for view in views {
        let mut scores = Vec::new();
        model.outputs(&*seen(*view), INFERENCE_BATCH, |_, made| {
            scores.extend(made);
            Ok(())
        })?;
        means.resize(scores.len(), 0.0);
        let found = softmax(&scores, learnt);
        means.iter_mut().zip(found).for_each(|(mean, p)| *mean += p / views.len() as f64);
    }
    Ok(means)
}

impl Work for Training<'_> {
    fn run<B: Backend>(&self) -> Result<(), StageError> {
        let (job, labels) = (self.job, self.labels);
        let card = offer(job.word("model"))?.card(job, self.data, labels.learnt.len())?;
        let mut model = models::build::<B>(card, job.seed)?;
        prepare(job, &job.keys()?, &mut model)?;
        let mut watch = |progress: Progress| report(job, progress);
        let checkpoints = Some(Checkpoints::within(job.checkpoint));
        let (learned, held) = (labels.training(), labels.originals(VALIDATION));
        let shown = |data| Data::shown(data, &labels.classes, &learned);
        let wide = self.wide.map(shown);
        let (learned, held) =
            (anew(job, job.seed, &model.network.columns(), shown(self.data), wide)?, self.rows(&held));
        let trained = train(&mut model, &*learned, &*held, &self.schedule()?, checkpoints, &mut watch)?;
        model.save(job.out)?;
        write_history(job.out, &trained)?;
        let (predictions, temperature) = self.predictions(&model)?;
        predictions.write(job.out)?;
        self.judged().write(job.out)?;
        let mut metrics = self.losses(&model)?;
        if let Some(Temperature(value)) = temperature {
            let n = labels.originals(VALIDATION).len();
            metrics.push(Metric::new(&model.card.model, VALIDATION, "temperature", Some(value), n));
        }
        if let Data::Sequences(data) = self.data {
            let steps = self.steps(&model, data, temperature)?;
            steps::write(job.out, &labels.names, &steps)?;
            metrics.extend(steps::metrics(&model.card.model, labels.names.len(), &steps));
        }
        Ok(write_metrics(job.out, &metrics)?)
    }
}

#[cfg(test)]
mod tests;
