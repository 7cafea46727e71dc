//! How long to train, how fast, and in which order: all that decides what a training run does. Knows no network.

use serde::{Deserialize, Serialize};

use super::order::Balance;
use crate::nn::error::NnError;
use crate::nn::optimisers::Settings;

/// How to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// When to validate and when to stop.
    pub length: Length,
    /// Validations without a better loss after which training stops; `None`: never.
    pub patience: Option<usize>,
    /// Rows per step.
    pub batch: usize,
    /// How weights move.
    pub optimiser: Settings,
    /// How the learning rate falls.
    pub decay: Decay,
    /// Steps over which the rate rises from nothing in equal parts.
    pub warm_up: usize,
    /// How often rows of each class are seen.
    pub balance: Balance,
    /// Where every draw (order of rows, dropout) comes from.
    pub seed: u64,
}

/// When to validate and when to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Length {
    /// Passes over the training rows, with a validation after each.
    Epochs(usize),
    /// Steps of the optimiser, whatever the number of rows; Carrasco-Davis et al. 2021 have 30,000, 10 and 10,000.
    Steps {
        /// Steps at least.
        steps: usize,
        /// Steps from one validation to the next.
        validate_every: usize,
        /// Steps that follow at least after each validation that was better than all before.
        extend: usize,
    },
}

impl Length {
    /// What validations are counted by.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Epochs(_) => "epoch",
            Self::Steps { .. } => "step",
        }
    }

    /// Steps in all before any is done.
    pub fn steps(self, per_epoch: usize) -> usize {
        match self {
            Self::Epochs(epochs) => epochs * per_epoch,
            Self::Steps { steps, .. } => steps,
        }
    }

    /// Whether a validation follows the last of `done` steps.
    pub(super) fn validates(self, done: usize, per_epoch: usize) -> bool {
        match self {
            Self::Epochs(_) => done.is_multiple_of(per_epoch),
            Self::Steps { validate_every, .. } => done.is_multiple_of(validate_every),
        }
    }

    /// Steps that follow an improvement at least.
    pub(super) fn extend(self) -> usize {
        match self {
            Self::Epochs(_) => 0,
            Self::Steps { extend, .. } => extend,
        }
    }
}

/// How the learning rate falls.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Decay {
    /// Not at all.
    Constant,
    /// Times `factor` after every so many epochs or steps, whichever the length is told in. Deep-HiTS: 0.5, every 100,000 steps.
    Step {
        /// Epochs or steps.
        every: usize,
        /// What is left each time.
        factor: f64,
    },
    /// Half a cosine from the whole rate to nothing over all steps after the warm-up (Loshchilov and Hutter 2017, equation
    /// 5, without restarts).
    Cosine,
}

impl Schedule {
    /// That training can begin with these numbers.
    pub(super) fn check(&self) -> Result<(), NnError> {
        let ends = match self.length {
            Length::Epochs(epochs) => epochs > 0,
            Length::Steps { steps, validate_every, .. } => steps > 0 && validate_every > 0,
        };
        if self.batch == 0 || !ends {
            return Err(NnError::Data("training needs at least one row per batch, one step and one validation".into()));
        }
        if self.decay == Decay::Cosine && self.length.extend() > 0 {
            return Err(NnError::Data("a rate that falls as a cosine needs an end that does not move".into()));
        }
        if matches!(self.decay, Decay::Step { every: 0, .. }) {
            return Err(NnError::Data("the rate cannot fall after every 0 steps".into()));
        }
        Ok(())
    }

    /// Learning rate of the step after `done` others.
    pub(super) fn rate(&self, done: usize, per_epoch: usize) -> f64 {
        let whole = self.optimiser.rate;
        let risen = if done < self.warm_up { whole * (done + 1) as f64 / self.warm_up as f64 } else { whole };
        risen * self.left(done, per_epoch)
    }

    /// What decay leaves of the rate, from 1 to 0.
    fn left(&self, done: usize, per_epoch: usize) -> f64 {
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Step { every, factor } => {
                let unit = if matches!(self.length, Length::Epochs(_)) { per_epoch } else { 1 };
                factor.powf((done / (every * unit)) as f64)
            }
            Decay::Cosine => {
                let all = self.length.steps(per_epoch).saturating_sub(self.warm_up).max(1);
                let part = done.saturating_sub(self.warm_up) as f64 / all as f64;
                0.5 * (1.0 + (std::f64::consts::PI * part).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::optimisers::Method;

    fn rates(length: Length, decay: Decay, warm_up: usize, steps: usize) -> Vec<f64> {
        let optimiser = Settings::new(Method::Sgd, 8.0);
        let balance = Balance::None;
        let schedule = Schedule { length, patience: None, batch: 1, optimiser, decay, warm_up, balance, seed: 0 };
        (0..steps).map(|done| schedule.rate(done, 2)).collect()
    }

    #[test]
    fn the_rate_rises_and_falls_as_told() {
        let (epochs, steps) = (Length::Epochs(3), Length::Steps { steps: 6, validate_every: 2, extend: 0 });
        let half = Decay::Step { every: 1, factor: 0.5 };
        assert_eq!(rates(epochs, Decay::Constant, 0, 3), [8.0, 8.0, 8.0]);
        assert_eq!(rates(epochs, Decay::Constant, 4, 6), [2.0, 4.0, 6.0, 8.0, 8.0, 8.0]);
        assert_eq!(rates(epochs, half, 0, 6), [8.0, 8.0, 4.0, 4.0, 2.0, 2.0], "two steps are an epoch");
        assert_eq!(rates(steps, half, 0, 4), [8.0, 4.0, 2.0, 1.0]);
        assert_eq!(rates(steps, half, 2, 4), [4.0, 4.0, 2.0, 1.0]);
        for length in [epochs, steps] {
            let expected = [4.0, 8.0, 8.0, 6.828_427, 4.0, 1.171_573];
            let found = rates(length, Decay::Cosine, 2, 6);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        }
    }

    #[test]
    fn a_warm_up_longer_than_training_only_rises() {
        assert_eq!(rates(Length::Epochs(1), Decay::Cosine, 4, 2), [2.0, 4.0]);
    }
}
