//! What a run tells whoever watches it. Implementations live in `cli`; the engine never prints.

use crate::graph::{Step, StepId};
use crate::store::entry::Entry;
use crate::store::key::Change;

use super::Outcome;

/// Hears of every event of a run, from several threads.
pub trait Progress: Sync {
    /// The run begins: by step, whether it is wanted, whether its result is there, and how many seconds it took last
    /// time (0: unknown).
    fn begin(&self, wanted: &[bool], done: &[bool], seconds: &[f64]);
    /// A step is computed: the parts that differ from the nearest earlier result (`None`: the first of its kind).
    fn started(&self, id: StepId, step: &Step, cause: Option<&[Change]>);
    /// A step reports `done` of `total` units (0: unknown) with a note.
    fn ticked(&self, id: StepId, step: &Step, done: u64, total: u64, note: &str);
    /// A step says one line about its result.
    fn told(&self, id: StepId, step: &Step, line: &str);
    /// A step waits for another process that computes the same.
    fn waiting(&self, id: StepId, step: &Step);
    /// A cached result was found changed, by this file, and will be computed again.
    fn damaged(&self, id: StepId, step: &Step, what: &str);
    /// A step came to its end, perhaps with an entry.
    fn finished(&self, id: StepId, step: &Step, outcome: &Outcome, entry: Option<&Entry>);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: &[bool], _: &[bool], _: &[f64]) {}
    fn started(&self, _: StepId, _: &Step, _: Option<&[Change]>) {}
    fn ticked(&self, _: StepId, _: &Step, _: u64, _: u64, _: &str) {}
    fn told(&self, _: StepId, _: &Step, _: &str) {}
    fn waiting(&self, _: StepId, _: &Step) {}
    fn damaged(&self, _: StepId, _: &Step, _: &str) {}
    fn finished(&self, _: StepId, _: &Step, _: &Outcome, _: Option<&Entry>) {}
}
