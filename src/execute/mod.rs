//! Runs a graph: local workers, one claim for each key, early cut-off, failures that block only what depends on them.
//! Knows no kind of stage and no astronomy, and never prints: it tells a [`Progress`].

mod perform;
pub mod progress;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::graph::{Graph, StepId};
use crate::stage::Device;
use crate::store::Store;
use crate::store::entry::Entry;
use crate::store::memory::Memory;

use perform::perform;
use progress::Progress;

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Steps at a time.
    pub jobs: usize,
    /// Threads that each step may use.
    pub threads: usize,
    /// Where tensors live.
    pub device: Device,
    /// Whether branches that do not depend on a failed step go on.
    pub keep_going: bool,
}

/// What became of a step. Its life: `Pending` until all inputs are `Done`, then queued and `Running`, then one of the
/// last four; a step whose input is `Failed` or `Blocked` becomes `Blocked` at once.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Not begun.
    Pending,
    /// A worker has it.
    Running,
    /// Its result is there; whether this run computed it.
    Done(Box<Entry>, bool),
    /// It gave no result: message and hint.
    Failed(String, Option<String>),
    /// It could not begin because the step of this name failed.
    Blocked(String),
    /// It was not begun: the run was interrupted or stopped at a failure, or nobody asked for it.
    Skipped,
}

impl Outcome {
    /// Its result.
    pub fn entry(&self) -> Option<&Entry> {
        if let Self::Done(entry, _) = self { Some(entry) } else { None }
    }

    /// The word in tables.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done(_, true) => "ran",
            Self::Done(_, false) => "cached",
            Self::Failed(..) => "failed",
            Self::Pending | Self::Running | Self::Blocked(_) | Self::Skipped => "skipped",
        }
    }
}

/// Numbers of the closing line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Steps that this run computed.
    pub ran: usize,
    /// Steps whose result was there.
    pub cached: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Steps that were not begun.
    pub skipped: usize,
}

/// What became of every step that was asked for, by position.
pub struct Report {
    /// One for each step of the graph.
    pub outcomes: Vec<Outcome>,
    /// Steps that were asked for.
    pub wanted: Vec<bool>,
    /// Whether the run was interrupted.
    pub interrupted: bool,
}

impl Report {
    /// Numbers of the closing line, over the steps that were asked for.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for outcome in self.outcomes.iter().zip(&self.wanted).filter(|(_, wanted)| **wanted).map(|(o, _)| o) {
            match outcome.word() {
                "ran" => summary.ran += 1,
                "cached" => summary.cached += 1,
                "failed" => summary.failed += 1,
                _ => summary.skipped += 1,
            }
        }
        summary
    }
}

/// What to run.
pub struct Request<'a> {
    /// The steps.
    pub graph: &'a Graph,
    /// Where results are kept.
    pub store: &'a Store,
    /// Remembered digests of the user's files.
    pub memory: &'a Memory,
    /// Steps that are asked for, with all that they need; by position.
    pub wanted: &'a [bool],
    /// Steps to compute again whatever is cached; by position.
    pub forced: &'a [bool],
    /// How to run.
    pub options: Options,
}

/// Everything that the workers share.
pub(crate) struct Run<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) stop: &'a AtomicBool,
    dependents: Vec<Vec<StepId>>,
    heights: Vec<usize>,
    board: Mutex<Board>,
    changed: Condvar,
}

/// What the workers write on.
struct Board {
    outcomes: Vec<Outcome>,
    missing: Vec<usize>,
    /// Ready steps; those with the longest chain behind them come first.
    ready: BTreeSet<(std::cmp::Reverse<usize>, StepId)>,
    unfinished: usize,
    halted: bool,
}

/// Runs what is asked for; `stop` interrupts it.
pub fn run(request: &Request, progress: &dyn Progress, stop: &AtomicBool) -> Report {
    let dependents = request.graph.dependents();
    let heights = heights(&dependents);
    let wanted = request.wanted;
    let board = Mutex::new(Board::new(request.graph, wanted, &heights));
    let run = Run { request, progress, stop, dependents, heights, board, changed: Condvar::new() };
    progress.begin(wanted.iter().filter(|w| **w).count());
    thread::scope(|scope| {
        for _ in 0..request.options.jobs.max(1) {
            scope.spawn(|| run.work());
        }
    });
    let outcomes = run.board.into_inner().unwrap_or_else(PoisonError::into_inner).outcomes;
    Report { outcomes, wanted: wanted.to_vec(), interrupted: stop.load(Ordering::SeqCst) }
}

/// Length of the longest chain of dependents behind each step.
fn heights(dependents: &[Vec<StepId>]) -> Vec<usize> {
    let mut heights = vec![0; dependents.len()];
    for i in (0..dependents.len()).rev() {
        heights[i] = dependents[i].iter().map(|d| heights[d.0] + 1).max().unwrap_or(0);
    }
    heights
}

impl Board {
    fn new(graph: &Graph, wanted: &[bool], heights: &[usize]) -> Self {
        let outcomes: Vec<Outcome> =
            wanted.iter().map(|w| if *w { Outcome::Pending } else { Outcome::Skipped }).collect();
        let missing: Vec<usize> = graph
            .steps
            .iter()
            .map(|step| step.inputs.iter().map(|(_, from)| *from).collect::<BTreeSet<_>>().len())
            .collect();
        let ready = (0..wanted.len())
            .filter(|i| wanted[*i] && missing[*i] == 0)
            .map(|i| (std::cmp::Reverse(heights[i]), StepId(i)))
            .collect();
        let unfinished = wanted.iter().filter(|w| **w).count();
        Self { outcomes, missing, ready, unfinished, halted: false }
    }
}

impl Run<'_> {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One worker: takes ready steps until nothing is left.
    fn work(&self) {
        while let Some(id) = self.next() {
            let inputs = {
                let board = self.board();
                let step = self.request.graph.step(id);
                step.inputs.iter().filter_map(|(_, from)| board.outcomes[from.0].entry().cloned()).collect::<Vec<_>>()
            };
            let outcome = perform(self, id, &inputs);
            self.progress.finished(id, self.request.graph.step(id), &outcome);
            self.settle(id, outcome);
        }
    }

    /// The next ready step; waits for one, `None` when there will be none.
    fn next(&self) -> Option<StepId> {
        let mut board = self.board();
        loop {
            if board.unfinished == 0 || board.halted || self.stop.load(Ordering::SeqCst) {
                return None;
            }
            if let Some((_, id)) = board.ready.pop_first() {
                board.outcomes[id.0] = Outcome::Running;
                return Some(id);
            }
            board = self.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Records an outcome and what follows from it.
    fn settle(&self, id: StepId, outcome: Outcome) {
        let mut board = self.board();
        let done = outcome.entry().is_some();
        let failed = matches!(outcome, Outcome::Failed(..));
        board.outcomes[id.0] = outcome;
        board.unfinished -= 1;
        if done {
            for next in &self.dependents[id.0] {
                board.missing[next.0] -= 1;
                if board.missing[next.0] == 0 && matches!(board.outcomes[next.0], Outcome::Pending) {
                    board.ready.insert((std::cmp::Reverse(self.heights[next.0]), *next));
                }
            }
        } else {
            self.block(&mut board, id);
            board.halted |= failed && !self.request.options.keep_going;
        }
        self.changed.notify_all();
    }

    /// Every step that needs `id`, directly or not, will not run.
    fn block(&self, board: &mut Board, id: StepId) {
        let cause = self.request.graph.step(id).label.clone();
        let mut front = vec![id];
        while let Some(id) = front.pop() {
            for next in &self.dependents[id.0] {
                if matches!(board.outcomes[next.0], Outcome::Pending) {
                    board.outcomes[next.0] = Outcome::Blocked(cause.clone());
                    board.unfinished -= 1;
                    front.push(*next);
                }
            }
        }
    }
}
