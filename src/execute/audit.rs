//! One step computed again from the inputs that are cached, in a store of its own, to see whether the same bytes come
//! out. Nothing in the real cache changes.

use std::sync::atomic::AtomicBool;

use crate::graph::{Graph, StepId};
use crate::plan::{Plan, State};
use crate::store::Store;
use crate::store::entry::Entry;
use crate::store::memory::Memory;

use super::progress::Progress;
use super::{Options, Outcome, Request, run};

/// What came of computing a step again.
pub enum Again {
    /// Its new entry, in the scratch store.
    Done(Entry),
    /// It gave no result: why.
    Failed(String),
    /// It was interrupted.
    Interrupted,
}

/// Where a step is computed again.
pub struct Scratch<'a> {
    /// The steps.
    pub graph: &'a Graph,
    /// Remembered digests of the user's files.
    pub memory: &'a Memory,
    /// Where it goes.
    pub store: &'a Store,
    /// How to run.
    pub options: Options,
}

impl Scratch<'_> {
    /// Computes one cached step of `plan` again; its inputs are those of the plan.
    pub fn again(&self, plan: &Plan, id: StepId, progress: &dyn Progress, stop: &AtomicBool) -> Again {
        let mut plan = Plan { steps: plan.steps.clone() };
        let planned = &mut plan.steps[id.0];
        (planned.state, planned.entry) = (State::Run, None);
        let mut wanted = vec![false; plan.steps.len()];
        wanted[id.0] = true;
        let Self { graph, memory, store, options } = *self;
        let request = Request { graph, store, memory, wanted: &wanted, forced: &[], options };
        let mut report = run(&request, plan, progress, stop);
        match (report.outcomes.swap_remove(id.0), report.plan.steps.swap_remove(id.0).entry) {
            (_, Some(entry)) => Again::Done(entry),
            (Outcome::Failed(what, _), None) => Again::Failed(what),
            (_, None) => Again::Interrupted,
        }
    }
}
