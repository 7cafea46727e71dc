//! The training loop: shuffled batches, Adam, validation after each epoch, best weights, early stop, checkpoints.
//! Knows no particular network and prints nothing.

mod saved;
mod standing;

use std::path::Path;
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::adam::Adam;
use super::backend::Backend;
use super::batch::{Batch, Rows};
use super::error::NnError;
use super::network::Model;
use super::weights::Weights;
use standing::{Identity, Standing};

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

/// Where training stands, told after every step, and once before the first when it goes on from a checkpoint.
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
    /// Loss of the last step; `None`: nothing is done yet but taking up a checkpoint.
    pub loss: Option<f64>,
    /// Finished epochs.
    pub history: &'a [Epoch],
}

/// Hears of progress; an error, usually [`NnError::Interrupted`], ends training.
pub type Watch<'a> = dyn FnMut(Progress) -> Result<(), NnError> + 'a;

/// Where checkpoints are kept: after every epoch, when training is interrupted, and inside long epochs.
#[derive(Debug, Clone, Copy)]
pub struct Checkpoints<'a> {
    /// A folder for nothing else, which stands for one set of data and one version of the code.
    pub folder: &'a Path,
    /// Time without a checkpoint after which the next step makes one. No result depends on it.
    pub every: Duration,
}

impl<'a> Checkpoints<'a> {
    /// Inside epochs once a minute.
    pub fn within(folder: &'a Path) -> Self {
        Self { folder, every: Duration::from_mins(1) }
    }
}

/// What training leaves: the model holds the best weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// One entry per epoch.
    pub history: Vec<Epoch>,
    /// The epoch whose weights were kept, from 1.
    pub best_epoch: usize,
}

/// Trains `model` in place and leaves the weights of the best epoch in it. With `checkpoints`, goes on from the newest whole
/// one of the same run: the result then has the bytes of an undisturbed run.
pub fn train<B: Backend>(
    model: &mut Model<B>,
    train: &dyn Rows,
    validation: &dyn Rows,
    schedule: &Schedule,
    checkpoints: Option<Checkpoints>,
    watch: &mut Watch,
) -> Result<Trained, NnError> {
    model.check(train)?;
    if train.is_empty() || schedule.batch == 0 || schedule.epochs == 0 {
        return Err(NnError::Data("training needs at least one row, one row per batch and one epoch".into()));
    }
    let mut run = Run::new(model, schedule.clone(), [train.len(), validation.len()], checkpoints);
    if run.resume(model) {
        watch(run.progress(None))?;
    }
    while run.goes_on() {
        let epoch = run.epoch(model, train, validation, watch)?;
        run.note(epoch, &model.weights);
        run.save(model)?;
    }
    model.weights = run.best;
    Ok(Trained { history: run.standing.history, best_epoch: run.standing.best_epoch })
}

/// Training between two steps.
struct Run<'a, B: Backend> {
    identity: Identity,
    standing: Standing,
    adam: Adam,
    best: Weights<B>,
    checkpoints: Option<Checkpoints<'a>>,
    saved: Instant,
}

impl<'a, B: Backend> Run<'a, B> {
    fn new(model: &Model<B>, schedule: Schedule, rows: [usize; 2], checkpoints: Option<Checkpoints<'a>>) -> Self {
        let adam = Adam::new(schedule.rate, &model.weights);
        let identity = Identity { card: model.card.clone(), arithmetic: B::arithmetic(), schedule, rows };
        let (standing, best) = (Standing::default(), model.weights.clone());
        Self { identity, standing, adam, best, checkpoints, saved: Instant::now() }
    }

    /// Steps per epoch.
    fn steps(&self) -> usize {
        self.identity.rows[0].div_ceil(self.identity.schedule.batch)
    }

    fn progress(&self, loss: Option<f64>) -> Progress<'_> {
        let (Schedule { epochs, .. }, Standing { history, step, .. }) = (&self.identity.schedule, &self.standing);
        Progress { epoch: history.len() + 1, epochs: *epochs, step: *step, steps: self.steps(), loss, history }
    }

    fn goes_on(&self) -> bool {
        let (schedule, Standing { history, best_epoch, .. }) = (&self.identity.schedule, &self.standing);
        let waited = history.len() - best_epoch;
        history.len() < schedule.epochs && schedule.patience.is_none_or(|patience| waited < patience.max(1))
    }

    /// The rest of an epoch: all of it, or what a checkpoint inside it left to do.
    fn epoch(
        &mut self,
        model: &mut Model<B>,
        train: &dyn Rows,
        validation: &dyn Rows,
        watch: &mut Watch,
    ) -> Result<Epoch, NnError> {
        let Schedule { epochs, batch, rate, decay, seed, .. } = self.identity.schedule;
        let (epoch, steps) = (self.standing.history.len() + 1, self.steps());
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(epoch as u64); // a stream of its own, so that a resumed run draws the same
        let mut order: Vec<usize> = (0..train.len()).collect();
        order.shuffle(&mut random);
        let draws: Vec<u64> = (0..steps).map(|_| random.next_u64()).collect();
        for (step, (rows, draw)) in order.chunks(batch).zip(draws).enumerate().skip(self.standing.step) {
            self.adam.rate = rate * decay.left(((epoch - 1) * steps + step) as f64 / (epochs * steps) as f64);
            let batch = Batch::gather(train, rows);
            let loss = model.train_step(&mut self.adam, &batch, ChaCha8Rng::seed_from_u64(draw))?;
            if !loss.is_finite() {
                return Err(NnError::Diverged { epoch, step: step + 1, rate, loss });
            }
            self.standing.step += 1;
            self.standing.sum += loss * rows.len() as f64;
            self.tell(model, loss, watch)?;
        }
        let validation_loss =
            if validation.is_empty() { None } else { Some(model.mean_loss(validation, batch.max(64))?) };
        if let Some(loss) = validation_loss.filter(|loss| !loss.is_finite()) {
            return Err(NnError::Diverged { epoch, step: steps, rate, loss });
        }
        Ok(Epoch { epoch, train_loss: self.standing.sum / train.len() as f64, validation_loss })
    }

    /// Tells of a step; saves a checkpoint if the last one is old, or when that step is the last for now.
    fn tell(&mut self, model: &Model<B>, loss: f64, watch: &mut Watch) -> Result<(), NnError> {
        if self.checkpoints.is_some_and(|checkpoints| self.saved.elapsed() >= checkpoints.every) {
            self.save(model)?;
        }
        let heard = watch(self.progress(Some(loss)));
        if matches!(heard, Err(NnError::Interrupted)) {
            self.save(model)?;
        }
        heard
    }

    fn note(&mut self, epoch: Epoch, weights: &Weights<B>) {
        let Standing { history, best_epoch, step, sum, .. } = &mut self.standing;
        let best = best_epoch.checked_sub(1).map(|at| history[at].score());
        if best.is_none_or(|best| epoch.score() < best) {
            *best_epoch = epoch.epoch;
            self.best = weights.clone();
        }
        history.push(epoch);
        (*step, *sum) = (0, 0.0);
    }

    fn save(&mut self, model: &Model<B>) -> Result<(), NnError> {
        let Some(Checkpoints { folder, .. }) = self.checkpoints else { return Ok(()) };
        self.standing.adam_steps = self.adam.steps;
        let content = standing::pack(&self.identity, &self.standing, model, &self.best, &self.adam);
        let content = content.map_err(|fault| NnError::file(folder, fault))?;
        saved::store(folder, content).map_err(|fault| NnError::file(folder, fault))?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Takes up the newest whole checkpoint of this run; whether there is one.
    fn resume(&mut self, model: &mut Model<B>) -> bool {
        let Some(Checkpoints { folder, .. }) = self.checkpoints else { return false };
        let found = saved::whole(folder).find_map(|bytes| standing::unpack(&bytes, &self.identity, model));
        let Some(found) = found else { return false };
        (model.weights, self.best) = (found.now, found.best);
        (self.adam.steps, self.adam.states) = (found.standing.adam_steps, found.states);
        self.standing = found.standing;
        true
    }
}

#[cfg(test)]
mod tests;
