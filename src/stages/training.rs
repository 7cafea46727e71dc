//! What the kinds that train networks share: keys of the schedule, the start, the device, history, faults. Knows no data.

mod anew;
mod stages;
mod start;

use std::path::Path;

use crate::artifacts::table::{RowWriter, number};
use crate::nn::optimisers::{Method, Settings};
use crate::nn::train::{Balance, Decay, Length, Progress, Schedule, Trained};
use crate::nn::{Backend, Kernels, NnError};
use crate::spec::faults::suggest;
use crate::spec::keys::{FilePath, Key, Keys};
use crate::spec::value::{Params, Value};
use crate::stage::{Device, Job, StageError};
use crate::stages::augment::change::ChangeKeys;

crate::keys! {
    /// Keys of every kind that trains; the kinds have their own defaults for some, see [`TrainingKeys::keys_with`].
    pub struct TrainingKeys {
        /// Passes over the training split.
        epochs: usize = 30, range(1, 100_000);
        /// Rows (stamps or objects) per step of the optimiser (100 in Astorga et al. 2018, 64 in Carrasco-Davis et al. 2021).
        batch: usize = 64, range(1, 100_000);
        /// Learning rate of the optimiser (Astorga et al. 2018: 3.33e-5 with 160 epochs of 1.25 million stamps; Carrasco-Davis et al. 2021: 0.001).
        rate: f64 = 0.001, range(0, 1);
        /// How the rate falls: half a cosine to nothing over all steps, times `decay_factor` now and then, or not at all.
        decay: DecayWord = DecayWord::Cosine;
        /// Epochs (with `steps`: validations) without a better validation loss after which training stops; left out: never.
        patience: Option<usize> = None, at_least(1);
        /// How weights move: gradient descent (Deep-HiTS), Adam, AdamW, or AMSGrad (Carrasco-Davis et al. 2019).
        optimiser: OptimiserWord = OptimiserWord::Adam, added_later();
        /// Share of the last change in the next one; only with `optimiser = "sgd"`.
        momentum: f64 = 0.0, range(0, 1), added_later();
        /// Weight decay: this much of each weight joins its gradient; AdamW takes it off the weight instead.
        weight_decay: f64 = 0.0, range(0, 1), added_later();
        /// Largest norm of the whole gradient; a longer one is shortened to it. Left out: none is.
        clip: Option<f64> = None, at_least(0), added_later();
        /// Parts of the network with a rate of their own, by the beginning of their names in `weights.safetensors`.
        group: Vec<String> = Vec::new(), added_later();
        /// What the rate of `group` is multiplied by.
        group_rate: f64 = 1.0, range(0, 1000), added_later();
        /// Steps over which the rate rises from nothing in equal parts.
        warm_up: usize = 0, added_later();
        /// Epochs (with `steps`: steps) after which `decay = "step"` lowers the rate each time (Deep-HiTS: 100,000 steps).
        decay_every: usize = 10, at_least(1), added_later();
        /// What `decay = "step"` multiplies the rate by.
        decay_factor: f64 = 0.5, range(0, 1), added_later();
        /// Steps of training in place of `epochs` (Carrasco-Davis et al. 2021: 30,000); left out: `epochs` holds.
        steps: Option<usize> = None, at_least(1), added_later();
        /// Steps from one validation to the next, with `steps`; the weights of the lowest validation loss are kept.
        validate_every: usize = 10, at_least(1), added_later();
        /// Steps that follow each better validation at least, with `steps` (Carrasco-Davis et al. 2021: 10,000).
        extend: usize = 0, added_later();
        /// Weights to start from: a `.safetensors`, a `.pth` or `.pt` of a PyTorch `state_dict`, or the folder of a model; or connect the input `init`. Left out: from random ones.
        init: Option<FilePath> = None, added_later();
        /// Parts of the network, by the beginning of their names, that are not taken from `init` but start anew, such as `["logits"]` for other classes.
        fresh: Vec<String> = Vec::new(), added_later();
        /// Parts of the network, by the beginning of their names, that do not move; batch norms among them use and keep their running moments.
        frozen: Vec<String> = Vec::new(), added_later();
    }
}

crate::choice! {
    /// How the learning rate falls.
    pub enum DecayWord {
        /// Not at all.
        Constant = "constant",
        /// Half a cosine to nothing.
        Cosine = "cosine",
        /// Times a factor now and then.
        Step = "step",
    }
}

crate::choice! {
    /// How weights move.
    pub enum OptimiserWord {
        /// Gradient descent.
        Sgd = "sgd",
        /// Kingma and Ba 2015.
        Adam = "adam",
        /// Loshchilov and Hutter 2019.
        AdamW = "adamw",
        /// Reddi et al. 2018.
        AmsGrad = "amsgrad",
    }
}

crate::choice! {
    /// How often rows of each class are seen.
    pub enum BalanceWord {
        /// Each row once in an epoch.
        None = "none",
        /// All classes equally often.
        Oversample = "oversample",
    }
}

impl From<BalanceWord> for Balance {
    fn from(word: BalanceWord) -> Self {
        match word {
            BalanceWord::None => Self::None,
            BalanceWord::Oversample => Self::Oversample,
        }
    }
}

impl TrainingKeys {
    /// The keys, with the defaults of one kind, and those of changes to training stamps.
    pub fn keys_with(defaults: &[(&str, Value)]) -> Vec<Key> {
        let mut keys = [Self::keys(), ChangeKeys::keys_off()].concat();
        for key in &mut keys {
            if let Some((_, value)) = defaults.iter().find(|(name, _)| *name == key.name) {
                key.default = Some(value.clone());
            }
        }
        keys
    }

    /// Faults that no single key shows, as (key, message).
    pub fn faults(params: &Params) -> Vec<(&'static str, String)> {
        let Some(keys) = Self::read(params) else { return Vec::new() };
        let mut faults = Vec::new();
        if keys.steps.is_some() && keys.extend > 0 && keys.decay == DecayWord::Cosine {
            let what = "the end that `extend` moves leaves a cosine none to fall to: set `decay = \"constant\"`";
            faults.push(("extend", what.into()));
        }
        if keys.steps.is_none() && keys.extend > 0 {
            faults.push(("extend", "there is nothing to extend without `steps`".into()));
        }
        if keys.momentum != 0.0 && keys.optimiser != OptimiserWord::Sgd {
            faults.push(("momentum", "only `optimiser = \"sgd\"` has a momentum".into()));
        }
        if keys.clip == Some(0.0) {
            faults.push(("clip", "a gradient of length 0 moves nothing: leave `clip` out or raise it".into()));
        }
        faults
    }

    /// The schedule of a run whose draws come from `seed`.
    pub fn schedule(&self, seed: u64) -> Schedule {
        let method = match self.optimiser {
            OptimiserWord::Sgd => Method::Sgd,
            OptimiserWord::Adam => Method::Adam,
            OptimiserWord::AdamW => Method::AdamW,
            OptimiserWord::AmsGrad => Method::AmsGrad,
        };
        let optimiser = Settings {
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            clip: self.clip,
            group: self.group.clone(),
            group_rate: self.group_rate,
            ..Settings::new(method, self.rate)
        };
        let (validate_every, extend) = (self.validate_every, self.extend);
        Schedule {
            length: match self.steps {
                Some(steps) => Length::Steps { steps, validate_every, extend },
                None => Length::Epochs(self.epochs),
            },
            patience: self.patience,
            batch: self.batch,
            optimiser,
            decay: match self.decay {
                DecayWord::Constant => Decay::Constant,
                DecayWord::Cosine => Decay::Cosine,
                DecayWord::Step => Decay::Step { every: self.decay_every, factor: self.decay_factor },
            },
            warm_up: self.warm_up,
            balance: Balance::None,
            seed,
        }
    }
}

pub(super) use anew::{Shown, anew, open_wide, wide};
pub(super) use stages::Stages;
pub(super) use start::{INIT, prepare};

/// Work that a network of any backend can do.
pub(super) trait Work {
    /// Does it.
    fn run<B: Backend>(&self) -> Result<(), StageError>;
}

/// Does `work` where the job wants its tensors.
pub(super) fn on_device(job: &Job, work: &impl Work) -> Result<(), StageError> {
    match job.device {
        Device::Cpu => work.run::<Kernels>(),
        #[cfg(feature = "cuda")]
        Device::Cuda(0) => {
            crate::nn::check_cuda().map_err(|fault| StageError::with_hint(fault.to_string(), "use --device cpu"))?;
            work.run::<crate::nn::Cuda>()
        }
        Device::Cuda(number) => Err(StageError::with_hint(
            format!("device cuda:{number} is not available"),
            "use --device cpu; cuda:0 needs a build with `--features cuda`",
        )),
    }
}

/// Tells the job of every step, and that training goes on from a checkpoint.
pub(super) fn report(job: &Job, progress: Progress) -> Result<(), NnError> {
    let Progress { length, done, total, per_epoch, loss, .. } = progress;
    let note = match (loss, length) {
        (Some(loss), Length::Epochs(epochs)) => format!("epoch {}/{epochs} loss {loss:.4}", done.div_ceil(per_epoch)),
        (Some(loss), Length::Steps { .. }) => format!("step {done}/{total} loss {loss:.4}"),
        (None, Length::Epochs(epochs)) => format!(
            "goes on from a checkpoint: {} of {epochs} epochs and {} of {per_epoch} steps done",
            done / per_epoch,
            done % per_epoch
        ),
        (None, Length::Steps { .. }) => format!("goes on from a checkpoint: {done} of {total} steps done"),
    };
    job.progress(done as u64, total as u64, &note).map_err(|_| NnError::Interrupted)
}

/// Writes `history.csv`: epoch or step, mean loss of the steps since the row before, mean loss of the validation split.
pub(super) fn write_history(out: &Path, trained: &Trained) -> Result<(), StageError> {
    let columns = [trained.length.unit(), "train_loss", "validation_loss"];
    let mut table = RowWriter::create(out.join("history.csv"), &columns)?;
    for round in &trained.history {
        let validation = round.validation_loss.map_or_else(String::new, number);
        table.push([round.at.to_string(), number(round.train_loss), validation])?;
    }
    Ok(table.finish()?)
}

impl From<NnError> for StageError {
    fn from(error: NnError) -> Self {
        match error {
            NnError::Interrupted => Self::Interrupted,
            NnError::Diverged { rate, .. } => {
                let hint = format!("lower `rate`, for example to {}", rate / 10.0);
                Self::with_hint(error.to_string(), hint)
            }
            NnError::Misfit { ref faults, .. } => {
                let hint = start::fresh_hint(faults);
                Self::with_hint(error.to_string(), hint)
            }
            NnError::UnknownPart { ref part, ref names } => {
                let names: Vec<&str> = parts(names);
                Self::with_hint(error.to_string(), suggest(part, &names).unwrap_or_default())
            }
            error => Self::failed(error.to_string()),
        }
    }
}

/// Names of arrays, and of the parts that they lie in: `trunk`, `trunk.conv1`, `trunk.conv1.weight`.
fn parts(names: &[String]) -> Vec<&str> {
    let mut parts = Vec::new();
    for name in names {
        parts.extend(name.match_indices('.').map(|(end, _)| &name[..end]).chain([name.as_str()]));
    }
    parts.sort_unstable();
    parts.dedup();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::value::Value;
    use crate::stage::ArtifactType;
    use crate::stages::golden;

    #[test]
    fn keys_become_the_schedule_that_they_say() {
        let mut params: Params = TrainingKeys::keys().into_iter().map(|key| (key.name, key.default.unwrap())).collect();
        let schedule = |params: &Params| TrainingKeys::read(params).unwrap().schedule(9);
        let before = schedule(&params);
        assert_eq!(before.length, Length::Epochs(30));
        assert_eq!(before.optimiser, Settings::new(Method::Adam, 0.001));
        assert_eq!((before.decay, before.warm_up, before.patience, before.seed), (Decay::Cosine, 0, None, 9));
        assert_eq!(TrainingKeys::faults(&params), []);
        let text = |word: &str| Value::Text(word.into());
        let set = [
            ("steps", Value::Int(30_000)),
            ("extend", Value::Int(10_000)),
            ("decay", text("step")),
            ("decay_every", Value::Int(1000)),
            ("optimiser", text("sgd")),
            ("momentum", Value::Float(0.5)),
            ("clip", Value::Float(2.0)),
            ("group", Value::List(vec![text("logits")])),
        ];
        for (name, value) in set {
            params.insert(name, value);
        }
        let after = schedule(&params);
        assert_eq!(after.length, Length::Steps { steps: 30_000, validate_every: 10, extend: 10_000 });
        assert_eq!(after.decay, Decay::Step { every: 1000, factor: 0.5 });
        let optimiser = Settings { momentum: 0.5, clip: Some(2.0), group: vec!["logits".into()], ..before.optimiser };
        assert_eq!(after.optimiser, Settings { method: Method::Sgd, ..optimiser });
        assert_eq!(TrainingKeys::faults(&params), []);
        for (name, value) in [("decay", text("cosine")), ("optimiser", text("adam")), ("clip", Value::Float(0.0))] {
            let mut wrong = params.clone();
            wrong.insert(name, value);
            assert_eq!(TrainingKeys::faults(&wrong).len(), 1, "{name}");
        }
        params.insert("steps", Value::Nothing);
        assert_eq!(TrainingKeys::faults(&params)[0].0, "extend");
    }

    #[test]
    fn parts_are_the_beginnings_of_names() {
        let names = ["trunk.conv1.weight".to_owned(), "trunk.conv1.bias".into()];
        assert_eq!(parts(&names), ["trunk", "trunk.conv1", "trunk.conv1.bias", "trunk.conv1.weight"]);
    }

    /// A rate beyond what the keys allow, for every kind that trains: with some inputs no other makes the loss leave the
    /// numbers.
    #[test]
    fn a_loss_that_is_no_number_is_a_clear_failure_and_leaves_no_model() {
        let trainings: Vec<_> =
            golden::table().into_iter().filter(|case| case.kind().output() == ArtifactType::Model).collect();
        assert!(trainings.len() >= 3);
        for case in trainings {
            let (home, mut params) = (tempfile::tempdir().unwrap(), case.params());
            params.insert("rate", Value::Float(1e30));
            let Err(StageError::Failed { what, hint }) = case.run(home.path(), &params) else {
                panic!("{} did not fail", case.name());
            };
            assert!(what.contains("the loss is") && what.contains("in epoch"), "{}: {what}", case.name());
            assert!(hint.unwrap().starts_with("lower `rate`"), "{}", case.name());
            assert!(!home.path().join("out/weights.safetensors").exists(), "{}", case.name());
        }
    }
}
