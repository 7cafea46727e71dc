//! Training in stages, one after the other, each with checkpoints of its own; `history.csv` says of which stage a row is. Knows
//! no network.

use std::path::Path;

use crate::artifacts::table::{RowWriter, number};
use crate::nn::NnError;
use crate::nn::train::{Length, Progress, Trained, Watch};
use crate::stage::{Job, StageError};

/// The stages of one training.
pub(in crate::stages) struct Stages<'a> {
    job: &'a Job<'a>,
    /// Name, also that of the folder of checkpoints, and length; all have batches of one size of the same rows.
    plan: Vec<(&'static str, Length)>,
    trained: Vec<Trained>,
}

impl<'a> Stages<'a> {
    /// None of these is done.
    pub(in crate::stages) fn new(job: &'a Job<'a>, plan: Vec<(&'static str, Length)>) -> Self {
        Self { job, plan, trained: Vec::new() }
    }

    /// Does the next stage; `fit` trains with checkpoints in a folder and tells of its progress.
    pub(in crate::stages) fn fit(
        &mut self,
        fit: impl FnOnce(&Path, &mut Watch) -> Result<Trained, StageError>,
    ) -> Result<(), StageError> {
        let (job, number) = (self.job, self.trained.len());
        let name = self.plan[number].0;
        // a stage that is over says nothing when it is taken up again: the next one does
        let mut taken_up = None;
        let mut watch = |progress: Progress| {
            let Progress { done, total, per_epoch, loss, .. } = progress;
            let steps = |part: &[(&str, Length)]| part.iter().map(|(_, length)| length.steps(per_epoch)).sum::<usize>();
            let before = steps(&self.plan[..number]);
            let (done, all) = (before + done, before + total + steps(&self.plan[number + 1..]));
            let tell =
                |done: usize, note: &str| job.progress(done as u64, all as u64, note).map_err(|_| NnError::Interrupted);
            let Some(loss) = loss else {
                let note = format!("{name}: goes on from a checkpoint: {done} of {all} steps done");
                taken_up = Some((done, note));
                return Ok(());
            };
            if let Some((done, note)) = taken_up.take() {
                tell(done, &note)?;
            }
            tell(done, &format!("{name}: step {done}/{all} loss {loss:.4}"))
        };
        let trained = fit(&job.checkpoint.join(name), &mut watch)?;
        self.trained.push(trained);
        Ok(())
    }

    /// The last stage that is done.
    pub(in crate::stages) fn last(&self) -> Option<&Trained> {
        self.trained.last()
    }

    /// Writes `history.csv`: as of one stage, with its name; epochs or steps are counted through.
    pub(in crate::stages) fn write_history(&self) -> Result<(), StageError> {
        let unit = self.last().map_or("epoch", |trained| trained.length.unit());
        let columns = [unit, "train_loss", "validation_loss", "stage"];
        let mut table = RowWriter::create(self.job.out.join("history.csv"), &columns)?;
        let mut before = 0;
        for ((stage, _), trained) in self.plan.iter().zip(&self.trained) {
            for round in &trained.history {
                let validation = round.validation_loss.map_or_else(String::new, number);
                let at = (before + round.at).to_string();
                table.push([at, number(round.train_loss), validation, (*stage).to_string()])?;
            }
            before += trained.history.last().map_or(0, |round| round.at);
        }
        Ok(table.finish()?)
    }
}
