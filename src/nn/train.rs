//! The training loop: shuffled batches, Adam, validation after each epoch, best weights, early stop, checkpoints.
//! Knows no particular network and prints nothing.

use std::path::Path;

use rand::seq::SliceRandom;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::adam::{Adam, State};
use super::backend::Backend;
use super::batch::{Batch, Rows};
use super::checkpoint::{self, Array};
use super::error::NnError;
use super::network::Model;
use super::weights::Weights;

/// How to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Passes over the training rows.
    pub epochs: usize,
    /// Rows per step.
    pub batch: usize,
    /// Learning rate of Adam at the start.
    pub rate: f64,
    /// How it falls.
    pub decay: Decay,
    /// Epochs without a better validation loss after which training stops; `None`: never.
    pub patience: Option<usize>,
    /// Where every draw (order of rows, dropout) comes from.
    pub seed: u64,
}

/// How the learning rate falls over the steps of all epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decay {
    /// Not at all.
    Constant,
    /// Half a cosine from the whole rate to nothing (Loshchilov and Hutter 2017, equation 5, without restarts).
    Cosine,
}

impl Decay {
    /// What is left of the rate when `done` of all steps are taken, from 1 to 0.
    fn left(self, done: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
        }
    }
}

/// One row of `history.csv`. No times: the bytes must be the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Mean loss over the epoch's steps, weighted by rows.
    pub train_loss: f64,
    /// Mean loss at inference over the validation rows; `None` without such rows.
    pub validation_loss: Option<f64>,
}

impl Epoch {
    /// What the best weights are chosen by.
    fn score(&self) -> f64 {
        self.validation_loss.unwrap_or(self.train_loss)
    }
}

/// Where training stands, told after every step.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// From 1.
    pub epoch: usize,
    /// Passes in all.
    pub epochs: usize,
    /// Steps done in this epoch.
    pub step: usize,
    /// Steps per epoch.
    pub steps: usize,
    /// Loss of the last step.
    pub loss: f64,
    /// Finished epochs.
    pub history: &'a [Epoch],
}

/// Hears of progress; an error, usually [`NnError::Interrupted`], ends training.
pub type Watch<'a> = dyn FnMut(Progress) -> Result<(), NnError> + 'a;

/// What training leaves: the model holds the best weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// One entry per epoch.
    pub history: Vec<Epoch>,
    /// The epoch whose weights were kept, from 1.
    pub best_epoch: usize,
}

/// Everything beside the arrays that a checkpoint holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Standing {
    schedule: Schedule,
    adam_steps: u64,
    history: Vec<Epoch>,
    best_epoch: usize,
}

/// Trains `model` in place and leaves the weights of the best epoch in it. With a `folder`, saves a checkpoint there after
/// every epoch and goes on from one that is there: the result then has the bytes of an undisturbed run.
pub fn train<B: Backend>(
    model: &mut Model<B>,
    train: &dyn Rows,
    validation: &dyn Rows,
    schedule: &Schedule,
    folder: Option<&Path>,
    watch: &mut Watch,
) -> Result<Trained, NnError> {
    model.check(train)?;
    if train.is_empty() || schedule.batch == 0 || schedule.epochs == 0 {
        return Err(NnError::Data("training needs at least one row, one row per batch and one epoch".into()));
    }
    let mut run = Run::start(model, schedule.clone(), folder)?;
    while run.goes_on() {
        let epoch = run.epoch(model, train, validation, watch)?;
        run.note(epoch, &model.weights);
        if let Some(folder) = folder {
            run.save(model, folder)?;
        }
    }
    model.weights = run.best;
    Ok(Trained { history: run.standing.history, best_epoch: run.standing.best_epoch })
}

/// Training between two epochs.
struct Run<B: Backend> {
    standing: Standing,
    adam: Adam,
    best: Weights<B>,
}

impl<B: Backend> Run<B> {
    fn start(model: &mut Model<B>, schedule: Schedule, folder: Option<&Path>) -> Result<Self, NnError> {
        let standing = Standing { schedule, adam_steps: 0, history: Vec::new(), best_epoch: 0 };
        let adam = Adam::new(standing.schedule.rate, &model.weights);
        let mut run = Self { standing, adam, best: model.weights.clone() };
        if let Some(path) = folder.map(|folder| folder.join(CHECKPOINT)).filter(|path| path.exists()) {
            run.resume(model, &path)?;
        }
        Ok(run)
    }

    fn goes_on(&self) -> bool {
        let Standing { schedule, history, best_epoch, .. } = &self.standing;
        let waited = history.len() - best_epoch;
        history.len() < schedule.epochs && schedule.patience.is_none_or(|patience| waited < patience.max(1))
    }

    fn epoch(
        &mut self,
        model: &mut Model<B>,
        train: &dyn Rows,
        validation: &dyn Rows,
        watch: &mut Watch,
    ) -> Result<Epoch, NnError> {
        let Schedule { epochs, batch, rate, decay, seed, .. } = self.standing.schedule;
        let epoch = self.standing.history.len() + 1;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(epoch as u64); // a stream of its own, so that a resumed run draws the same
        let mut order: Vec<usize> = (0..train.len()).collect();
        order.shuffle(&mut random);
        let steps = order.len().div_ceil(batch);
        let mut sum = 0.0;
        for (step, rows) in order.chunks(batch).enumerate() {
            let draws = ChaCha8Rng::seed_from_u64(random.next_u64());
            self.adam.rate = rate * decay.left(((epoch - 1) * steps + step) as f64 / (epochs * steps) as f64);
            let loss = model.train_step(&mut self.adam, &Batch::gather(train, rows), draws)?;
            if !loss.is_finite() {
                return Err(NnError::Diverged { epoch, step: step + 1, rate, loss });
            }
            sum += loss * rows.len() as f64;
            watch(Progress { epoch, epochs, step: step + 1, steps, loss, history: &self.standing.history })?;
        }
        let validation_loss =
            if validation.is_empty() { None } else { Some(model.mean_loss(validation, batch.max(64))?) };
        if let Some(loss) = validation_loss.filter(|loss| !loss.is_finite()) {
            return Err(NnError::Diverged { epoch, step: steps, rate, loss });
        }
        Ok(Epoch { epoch, train_loss: sum / train.len() as f64, validation_loss })
    }

    fn note(&mut self, epoch: Epoch, weights: &Weights<B>) {
        let Standing { history, best_epoch, .. } = &mut self.standing;
        let best = best_epoch.checked_sub(1).map(|at| history[at].score());
        if best.is_none_or(|best| epoch.score() < best) {
            *best_epoch = epoch.epoch;
            self.best = weights.clone();
        }
        history.push(epoch);
    }

    fn save(&mut self, model: &Model<B>, folder: &Path) -> Result<(), NnError> {
        let path = folder.join(CHECKPOINT);
        self.standing.adam_steps = self.adam.steps;
        let note = serde_json::to_string(&self.standing).map_err(|fault| NnError::file(&path, fault))?;
        let mut arrays = checkpoint::arrays(&model.weights, "now/");
        arrays.extend(checkpoint::arrays(&self.best, "best/"));
        for (entry, State { mean, square }) in model.weights.entries.iter().zip(&self.adam.states) {
            for (kind, values) in [("mean", mean), ("square", square)] {
                let (name, shape) = (format!("{kind}/{}", entry.name), vec![values.len()]);
                arrays.push(Array { name, shape, values: values.clone() });
            }
        }
        checkpoint::write(&path, &arrays, Some(note))
    }

    /// Takes up the checkpoint, unless it belongs to another schedule.
    fn resume(&mut self, model: &mut Model<B>, path: &Path) -> Result<(), NnError> {
        let (arrays, note) = checkpoint::read(path)?;
        let standing: Option<Standing> = note.and_then(|note| serde_json::from_str(&note).ok());
        let Some(standing) = standing.filter(|standing| standing.schedule == self.standing.schedule) else {
            return Ok(());
        };
        checkpoint::fill(&mut model.weights, &arrays, "now/", path)?;
        checkpoint::fill(&mut self.best, &arrays, "best/", path)?;
        for (entry, state) in model.weights.entries.iter().zip(&mut self.adam.states) {
            for (kind, values) in [("mean", &mut state.mean), ("square", &mut state.square)] {
                let name = format!("{kind}/{}", entry.name);
                let array = arrays.iter().find(|array| array.name == name && array.values.len() == values.len());
                let array = array.ok_or_else(|| NnError::file(path, format!("no array `{name}`")))?;
                values.clone_from(&array.values);
            }
        }
        self.adam.steps = standing.adam_steps;
        self.standing = standing;
        Ok(())
    }
}

/// File of the checkpoint in its folder.
const CHECKPOINT: &str = "checkpoint.safetensors";

#[cfg(test)]
mod tests;
