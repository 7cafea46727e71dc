//! What the stages that train share: their keys, the history, rows out of mapped arrays, and what a fault of a network is
//! to the engine. Knows no particular network.

use crate::artifacts::array::Array;
use crate::artifacts::table::{RowWriter, number};
use crate::nn::train::{Progress, Schedule, Trained};
use crate::nn::{Column, NnError, Rows};
use crate::stage::{Device, Job, StageError};

crate::keys! {
    /// Keys of every stage that trains.
    pub struct TrainingKeys {
        /// Passes over the training split.
        epochs: usize = 20, range(1, 100_000);
        /// Rows per step.
        batch: usize = 64, range(2, 65_536);
        /// Learning rate of Adam.
        rate: f64 = 1e-3, range(1e-9, 10.0);
        /// Epochs without a lower validation loss after which training stops; left out: never.
        patience: Option<usize> = None, range(1, 100_000);
    }
}

impl TrainingKeys {
    /// The schedule of a stage with this seed.
    pub fn schedule(&self, seed: u64) -> Schedule {
        Schedule { epochs: self.epochs, batch: self.batch, rate: self.rate, patience: self.patience, seed }
    }
}

/// Rows of one mapped array as one column, the chosen ones in order.
pub struct ArrayRows<'a> {
    /// Name of the column.
    pub name: &'static str,
    /// The array.
    pub array: &'a Array,
    /// The rows that are used.
    pub rows: &'a [usize],
}

impl Rows for ArrayRows<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column { name: self.name, width: self.array.row_len() }]
    }

    fn copy_row(&self, row: usize, _column: usize, into: &mut [f32]) {
        into.copy_from_slice(self.array.row(self.rows[row]));
    }
}

impl From<NnError> for StageError {
    fn from(error: NnError) -> Self {
        match error {
            NnError::Interrupted => Self::Interrupted,
            NnError::Diverged { .. } => Self::with_hint(error.to_string(), "set a lower `rate`"),
            other => Self::failed(other.to_string()),
        }
    }
}

/// Passes progress on to the job, and its cancellation back.
pub fn watch<'a>(job: &'a Job) -> impl FnMut(Progress) -> Result<(), NnError> + 'a {
    |at| {
        let done = (at.epoch - 1) * at.steps + at.step;
        let best = at.history.iter().filter_map(|e| e.validation_loss).fold(f64::INFINITY, f64::min);
        let best = if best.is_finite() { format!(", best validation {best:.4}") } else { String::new() };
        let note = format!("epoch {}/{}, loss {:.4}{best}", at.epoch, at.epochs, at.loss);
        job.progress(done as u64, (at.epochs * at.steps) as u64, &note).map_err(|_| NnError::Interrupted)
    }
}

/// Writes `history.csv`: one row per epoch, the best one marked.
pub fn write_history(job: &Job, trained: &Trained) -> Result<(), StageError> {
    let mut table =
        RowWriter::create(job.out.join("history.csv"), &["epoch", "train_loss", "validation_loss", "best"])?;
    for epoch in &trained.history {
        let best = i32::from(epoch.epoch == trained.best_epoch).to_string();
        let validation = epoch.validation_loss.map_or_else(String::new, number);
        table.push([epoch.epoch.to_string(), number(epoch.train_loss), validation, best])?;
    }
    Ok(table.finish()?)
}

/// The device is one that this program can use.
pub fn check_device(job: &Job) -> Result<(), StageError> {
    match job.device {
        Device::Cpu => Ok(()),
        Device::Cuda(_) if cfg!(feature = "cuda") => Ok(()),
        Device::Cuda(_) => {
            Err(StageError::with_hint("this program was built without CUDA", "build it with --features cuda"))
        }
    }
}
