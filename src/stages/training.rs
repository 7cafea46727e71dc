//! What the kinds that train networks share: keys of the schedule, the device, history, faults. Knows no data.

use std::path::Path;

use crate::artifacts::table::{RowWriter, number};
use crate::nn::train::{Decay, Epoch, Progress};
use crate::nn::{Backend, Kernels, NnError};
use crate::stage::{Device, Job, StageError};

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
        Device::Cuda(0) => work.run::<crate::nn::Cuda>(),
        Device::Cuda(number) => Err(StageError::with_hint(
            format!("device cuda:{number} is not available"),
            "use --device cpu; cuda:0 needs a build with `--features cuda`",
        )),
    }
}

/// Tells the job of every step, and that training goes on from a checkpoint.
pub(super) fn report(job: &Job, progress: Progress) -> Result<(), NnError> {
    let Progress { epoch, epochs, step, steps, loss, .. } = progress;
    let done = (epoch - 1) * steps + step;
    let note = match loss {
        Some(loss) => format!("epoch {epoch}/{epochs} loss {loss:.4}"),
        None => format!("goes on from a checkpoint: {} of {epochs} epochs and {step} of {steps} steps done", epoch - 1),
    };
    job.progress(done as u64, (epochs * steps) as u64, &note).map_err(|_| NnError::Interrupted)
}

/// Writes `history.csv`: epoch, mean loss of its steps, mean loss of the validation split.
pub(super) fn write_history(out: &Path, history: &[Epoch]) -> Result<(), StageError> {
    let mut table = RowWriter::create(out.join("history.csv"), &["epoch", "train_loss", "validation_loss"])?;
    for epoch in history {
        let validation = epoch.validation_loss.map_or_else(String::new, number);
        table.push([epoch.epoch.to_string(), number(epoch.train_loss), validation])?;
    }
    Ok(table.finish()?)
}

crate::choice! {
    /// How the learning rate falls.
    pub enum DecayWord {
        /// Not at all.
        Constant = "constant",
        /// Half a cosine to nothing.
        Cosine = "cosine",
    }
}

impl From<DecayWord> for Decay {
    fn from(word: DecayWord) -> Self {
        match word {
            DecayWord::Constant => Self::Constant,
            DecayWord::Cosine => Self::Cosine,
        }
    }
}

impl From<NnError> for StageError {
    fn from(error: NnError) -> Self {
        match error {
            NnError::Interrupted => Self::Interrupted,
            NnError::Diverged { rate, .. } => {
                let hint = format!("lower `rate`, for example to {}", rate / 10.0);
                Self::with_hint(error.to_string(), hint)
            }
            error => Self::failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::value::Value;
    use crate::stage::ArtifactType;
    use crate::stages::golden;

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
