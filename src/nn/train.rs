//! The training loop: shuffled batches, an optimiser, validation now and then, best weights, early stop, checkpoints.
//! Knows no particular network and prints nothing.

mod order;
mod saved;
mod schedule;
mod standing;

use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::backend::Backend;
use super::batch::{Batch, Rows};
use super::error::NnError;
use super::network::Model;
use super::optimisers::Optimiser;
use super::weights::Weights;
pub use order::Balance;
use order::{Order, Pool};
pub use schedule::{Decay, Length, Schedule};
use standing::{Identity, Standing};

/// What a validation found: one row of `history.csv`. No times: the bytes must be the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Epochs done, or steps, as [`Length::unit`] says.
    pub at: usize,
    /// Mean loss over the steps since the last validation, weighted by rows.
    pub train_loss: f64,
    /// Mean loss at inference over the validation rows; `None` without such rows.
    pub validation_loss: Option<f64>,
}

impl Round {
    /// What the best weights are chosen by.
    fn score(&self) -> f64 {
        self.validation_loss.unwrap_or(self.train_loss)
    }
}

/// Where training stands, told after every step, and once before the first when it goes on from a checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// How it is counted.
    pub length: Length,
    /// Steps done.
    pub done: usize,
    /// Steps in all, as far as is known.
    pub total: usize,
    /// Steps of an epoch.
    pub per_epoch: usize,
    /// Loss of the last step; `None`: nothing is done yet but taking up a checkpoint.
    pub loss: Option<f64>,
    /// Validations so far.
    pub history: &'a [Round],
}

/// Hears of progress; an error, usually [`NnError::Interrupted`], ends training.
pub type Watch<'a> = dyn FnMut(Progress) -> Result<(), NnError> + 'a;

/// Where checkpoints are kept: after every epoch, when training is interrupted, and whenever the last one is old.
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
    /// What [`Round::at`] counts.
    pub length: Length,
    /// One entry for each validation.
    pub history: Vec<Round>,
    /// The epoch or step whose weights were kept.
    pub best: usize,
}

impl Trained {
    /// The loss by which those weights were chosen.
    pub fn score(&self) -> f64 {
        self.history.iter().filter(|round| round.at == self.best).map(Round::score).fold(f64::INFINITY, f64::min)
    }
}

/// Trains `model` in place and leaves the weights of the best validation in it. With `checkpoints`, goes on from the newest
/// whole one of the same run: the result then has the bytes of an undisturbed run.
pub fn train<B: Backend>(
    model: &mut Model<B>,
    train: &dyn Rows,
    validation: &dyn Rows,
    schedule: &Schedule,
    checkpoints: Option<Checkpoints>,
    watch: &mut Watch,
) -> Result<Trained, NnError> {
    model.check(train)?;
    schedule.check()?;
    if train.is_empty() {
        return Err(NnError::Data("training needs at least one row".into()));
    }
    let mut run = Run::new(model, train, validation.len(), schedule, checkpoints)?;
    if run.resume(model) {
        watch(run.progress(None))?;
    }
    while run.goes_on() {
        while !run.is_validation_due() {
            let loss = run.step(model, train)?;
            run.tell(model, loss, watch)?;
        }
        let round = run.validate(model, validation)?;
        run.note(round, &model.weights);
        if matches!(schedule.length, Length::Epochs(_)) {
            run.save(model)?;
        }
    }
    let Standing { history, best, .. } = run.standing;
    model.weights = run.best;
    Ok(Trained { length: schedule.length, best: history[best - 1].at, history })
}

/// Training between two steps.
struct Run<'a, B: Backend> {
    identity: Identity,
    standing: Standing,
    optimiser: Optimiser,
    best: Weights<B>,
    pool: Pool,
    order: Order,
    checkpoints: Option<Checkpoints<'a>>,
    saved: Instant,
}

impl<'a, B: Backend> Run<'a, B> {
    fn new(
        model: &Model<B>,
        train: &dyn Rows,
        held: usize,
        schedule: &Schedule,
        checkpoints: Option<Checkpoints<'a>>,
    ) -> Result<Self, NnError> {
        let optimiser = Optimiser::new(&schedule.optimiser, &model.weights)?;
        let pool = Pool::new(train, schedule.balance)?;
        let order = Order::new(&pool, 0, schedule.batch, schedule.seed);
        let (card, rows) = (model.card.clone(), [train.len(), held]);
        let identity = Identity { card, arithmetic: B::arithmetic(), schedule: schedule.clone(), rows };
        let horizon = schedule.length.steps(pool.len().div_ceil(schedule.batch));
        let (standing, best) = (Standing { horizon, ..Standing::default() }, model.weights.clone());
        Ok(Self { identity, standing, optimiser, best, pool, order, checkpoints, saved: Instant::now() })
    }

    fn schedule(&self) -> &Schedule {
        &self.identity.schedule
    }

    /// Steps per epoch.
    fn per_epoch(&self) -> usize {
        self.pool.len().div_ceil(self.schedule().batch)
    }

    fn progress(&self, loss: Option<f64>) -> Progress<'_> {
        let Standing { history, done, horizon, .. } = &self.standing;
        let length = self.schedule().length;
        Progress { length, done: *done, total: *horizon, per_epoch: self.per_epoch(), loss, history }
    }

    fn goes_on(&self) -> bool {
        let Standing { history, best, done, horizon, validated, .. } = &self.standing;
        let waited = history.len() - best;
        let is_patient = self.schedule().patience.is_none_or(|patience| waited < patience.max(1));
        (done < horizon && is_patient) || done > validated
    }

    fn is_validation_due(&self) -> bool {
        let Standing { done, validated, horizon, .. } = self.standing;
        let is_end = done == horizon || self.schedule().length.validates(done, self.per_epoch());
        done > validated && is_end
    }

    /// One step; gives the loss before it.
    fn step(&mut self, model: &mut Model<B>, train: &dyn Rows) -> Result<f64, NnError> {
        let (done, per_epoch) = (self.standing.done, self.per_epoch());
        if self.order.epoch != done / per_epoch {
            let Schedule { batch, seed, .. } = *self.schedule();
            self.order = Order::new(&self.pool, done / per_epoch, batch, seed);
        }
        self.optimiser.rate = self.identity.schedule.rate(done, per_epoch);
        let (visits, random) = self.order.step(done % per_epoch);
        let loss = model.train_step(&mut self.optimiser, &Batch::visit(train, visits), random)?;
        if !loss.is_finite() {
            return Err(self.diverged(done, loss));
        }
        self.standing.done += 1;
        self.standing.rows += visits.len();
        self.standing.sum += loss * visits.len() as f64;
        Ok(loss)
    }

    /// A loss that is no number in the step after `done` others.
    fn diverged(&self, done: usize, loss: f64) -> NnError {
        let (per_epoch, rate) = (self.per_epoch(), self.schedule().optimiser.rate);
        NnError::Diverged { epoch: done / per_epoch + 1, step: done % per_epoch + 1, rate, loss }
    }

    fn validate(&self, model: &Model<B>, validation: &dyn Rows) -> Result<Round, NnError> {
        let (Standing { done, rows, sum, .. }, schedule) = (&self.standing, self.schedule());
        let validation_loss =
            if validation.is_empty() { None } else { Some(model.mean_loss(validation, schedule.batch.max(64))?) };
        if let Some(loss) = validation_loss.filter(|loss| !loss.is_finite()) {
            return Err(self.diverged(done - 1, loss));
        }
        let at = if matches!(schedule.length, Length::Epochs(_)) { done / self.per_epoch() } else { *done };
        Ok(Round { at, train_loss: sum / *rows as f64, validation_loss })
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

    /// Takes down a validation. Weights are shared until they move, so keeping the best ones copies none.
    fn note(&mut self, round: Round, weights: &Weights<B>) {
        let extend = self.schedule().length.extend();
        let Standing { history, best, done, validated, horizon, rows, sum } = &mut self.standing;
        let score = best.checked_sub(1).map(|at| history[at].score());
        history.push(round);
        if score.is_none_or(|score| round.score() < score) {
            *best = history.len();
            *horizon = (*horizon).max(*done + extend);
            self.best = weights.clone();
        }
        (*validated, *rows, *sum) = (*done, 0, 0.0);
    }

    fn save(&mut self, model: &Model<B>) -> Result<(), NnError> {
        let Some(Checkpoints { folder, .. }) = self.checkpoints else { return Ok(()) };
        let content = standing::pack(&self.identity, &self.standing, model, &self.best, &self.optimiser);
        let content = content.map_err(|fault| NnError::file(folder, fault))?;
        saved::store(folder, content).map_err(|fault| NnError::file(folder, fault))?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Takes up the newest whole checkpoint of this run; whether there is one.
    fn resume(&mut self, model: &mut Model<B>) -> bool {
        let Some(Checkpoints { folder, .. }) = self.checkpoints else { return false };
        let found = saved::whole(folder)
            .find_map(|bytes| standing::unpack(&bytes, &self.identity, model, self.optimiser.clone()));
        let Some(found) = found else { return false };
        (model.weights, self.best) = (found.now, found.best);
        (self.standing, self.optimiser) = (found.standing, found.optimiser);
        true
    }
}

#[cfg(test)]
mod tests;
