//! One pass through a network: which weights, training or inference, and what the pass leaves behind.

use rand_chacha::ChaCha8Rng;

use super::backend::{Backend, Made, Vector};
use super::ops::batch_norm::Moments;
use super::weights::{Slot, Weights};

/// Share of a batch's moments in the running ones, PyTorch's default.
const MOMENTUM: f32 = 0.1;

/// What layers need to run.
pub struct Pass<'w, B: Backend> {
    weights: &'w Weights<B>,
    /// Draws of dropout; `None`: inference.
    pub(crate) training: Option<ChaCha8Rng>,
    statistics: Vec<(Slot, Vec<f32>)>,
}

impl<'w, B: Backend> Pass<'w, B> {
    /// Records gradients, uses the moments of the batch, draws dropout from `random`.
    pub fn training(weights: &'w Weights<B>, random: ChaCha8Rng) -> Self {
        Self { weights, training: Some(random), statistics: Vec::new() }
    }

    /// Records nothing and uses the running moments.
    pub fn inference(weights: &'w Weights<B>) -> Self {
        Self { weights, training: None, statistics: Vec::new() }
    }

    /// A weight for an operation.
    pub(crate) fn weight(&self, slot: Slot) -> Vector<B> {
        B::about_to_use(self.weights.name(slot));
        self.weights.tensor(slot, self.training.is_some())
    }

    /// The running moments, at inference and where they are frozen.
    pub(crate) fn running(&self, mean: Slot, variance: Slot) -> Option<Moments> {
        let values = |slot| self.weights.values(slot);
        (self.training.is_none() || self.weights.is_frozen(mean))
            .then(|| Moments { mean: values(mean), variance: values(variance) })
    }

    /// Moves the running moments towards those of a batch of `rows`; the variance without bias, as PyTorch does.
    pub(crate) fn observe(&mut self, mean: Slot, variance: Slot, batch: &Moments, rows: usize) {
        let unbiased = rows as f32 / (rows as f32 - 1.0).max(1.0);
        for (slot, values, factor) in [(mean, &batch.mean, 1.0), (variance, &batch.variance, unbiased)] {
            let old = self.weights.values(slot);
            let mixed = old.iter().zip(values).map(|(old, new)| (1.0 - MOMENTUM) * old + MOMENTUM * factor * new);
            self.statistics.push((slot, mixed.collect()));
        }
    }

    /// A running statistic as it was before the pass.
    pub(crate) fn statistic(&self, slot: Slot) -> Vec<f32> {
        self.weights.values(slot)
    }

    /// Replaces a running statistic once the pass is over.
    pub(crate) fn note(&mut self, slot: Slot, values: Vec<f32>) {
        self.statistics.push((slot, values));
    }

    /// The new running statistics, to be stored once the pass is over.
    pub(crate) fn finish(self) -> Statistics {
        Statistics(self.statistics)
    }
}

/// Running statistics after a pass.
#[must_use]
pub(crate) struct Statistics(Vec<(Slot, Vec<f32>)>);

impl Statistics {
    pub(crate) fn store<B: Backend>(self, weights: &mut Weights<B>) -> Made<(), B> {
        self.0.into_iter().try_for_each(|(slot, values)| weights.set(slot, values))
    }
}
