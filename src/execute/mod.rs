//! Runs a plan: local workers, one claim for each key, early cut-off, failures that block only what depends on them.
//! Knows no kind of stage and no astronomy, and never prints: it tells a [`Progress`].

pub mod audit;
mod perform;
mod portion;
pub mod progress;
pub mod schedule;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::graph::{Graph, StepId};
use crate::plan::{Earlier, Plan, State};
use crate::spec::needs::Needs;
use crate::stage::Device;
use crate::store::Store;
use crate::store::entry::Entry;
use crate::store::key::Key;
use crate::store::memory::Memory;

use perform::{Performed, perform};
use progress::Progress;
use schedule::Schedule;

/// How often steps that other processes compute are looked at.
const POLL: Duration = Duration::from_millis(30);

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What the steps that run at one time may use together.
    pub limits: Needs,
    /// Threads that each step may use.
    pub threads: usize,
    /// Where tensors live.
    pub device: Device,
    /// Whether branches that do not depend on a failed step go on.
    pub keep_going: bool,
}

/// What became of a step.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Its result is there; whether this run computed it.
    Done(bool),
    /// It gave no result: message and hint.
    Failed(String, Option<String>),
    /// It could not begin because the step of this name failed.
    Blocked(String),
    /// It was not begun: the run was interrupted or stopped at a failure, or nobody asked for it.
    Skipped,
}

impl Outcome {
    /// The word in tables.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done(true) => "ran",
            Self::Done(false) => "cached",
            Self::Failed(..) => "failed",
            Self::Blocked(_) | Self::Skipped => "skipped",
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

/// What became of every step, by position.
pub struct Report {
    /// Keys and entries as they are now.
    pub plan: Plan,
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
struct Run<'a> {
    request: &'a Request<'a>,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
    earlier: Mutex<Earlier<'a>>,
    /// What was made of single files.
    made: Mutex<HashSet<Key>>,
    board: Mutex<Board>,
    changed: Condvar,
}

/// What the workers write on.
struct Board {
    plan: Plan,
    outcomes: Vec<Outcome>,
    schedule: Schedule,
    halted: bool,
    /// When the steps that other processes compute are tried again.
    due: Option<Instant>,
}

/// Runs what the plan lacks of what is asked for; `stop` interrupts it. With nothing to do it starts no thread.
pub fn run(request: &Request, plan: Plan, progress: &dyn Progress, stop: &AtomicBool) -> Report {
    let wanted = request.wanted.to_vec();
    let cached = |i: usize| wanted[i] && plan.steps[i].state == State::Cached;
    let done: Vec<bool> = (0..wanted.len()).map(cached).collect();
    let outcomes = done.iter().map(|done| if *done { Outcome::Done(false) } else { Outcome::Skipped }).collect();
    if done == wanted {
        return Report { plan, outcomes, wanted, interrupted: false };
    }
    let mut earlier = Earlier::of(request.store);
    let expected = |step: &crate::graph::Step| earlier.seconds(step.kind().name(), step.label()).unwrap_or(0.0);
    let seconds: Vec<f64> = request.graph.steps.iter().map(expected).collect();
    let schedule = Schedule::new(request.graph, &wanted, &done, &seconds, request.options.limits);
    progress.begin(&wanted, &done, &seconds);
    let board = Mutex::new(Board { plan, outcomes, schedule, halted: false, due: None });
    let (earlier, made) = (Mutex::new(earlier), Mutex::default());
    let run = Run { request, progress, stop, earlier, made, board, changed: Condvar::new() };
    thread::scope(|scope| {
        for _ in 0..request.options.limits.cpu.max(1) {
            scope.spawn(|| run.work());
        }
    });
    let Board { plan, outcomes, .. } = run.board.into_inner().unwrap_or_else(PoisonError::into_inner);
    Report { plan, outcomes, wanted, interrupted: stop.load(Ordering::SeqCst) }
}

impl<'a> Run<'a> {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn earlier(&self) -> MutexGuard<'_, Earlier<'a>> {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One worker: takes ready steps until nothing is left.
    fn work(&self) {
        while let Some((id, gpus, inputs)) = self.next() {
            match perform(self, id, &inputs, &gpus) {
                Performed::Elsewhere => {
                    let mut board = self.board();
                    board.schedule.postpone(id);
                    // After the last of them: else many would be tried all the time, and what is ready would wait.
                    board.due = Some(Instant::now() + POLL);
                    self.changed.notify_all();
                }
                Performed::Came(outcome, entry) => {
                    self.progress.finished(id, self.request.graph.step(id), &outcome, entry.as_ref());
                    self.settle(id, outcome, entry);
                }
            }
        }
    }

    /// The next step with the accelerators that it gets and the entries of its inputs; waits for one, `None` when there
    /// will be none. Who takes one wakes another worker only if there is more to take: else in a chain of short steps each
    /// would wake them all for nothing.
    fn next(&self) -> Option<(StepId, Vec<u32>, Vec<Entry>)> {
        let mut board = self.board();
        loop {
            if board.schedule.unsettled() == 0 || board.halted || self.stop.load(Ordering::SeqCst) {
                self.changed.notify_all();
                return None;
            }
            let left = board.due.map(|due| due.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                board.due = None;
                board.schedule.retry();
            }
            if let Some((id, gpus)) = board.schedule.start() {
                let sources = self.request.graph.step(id).sources.iter();
                let inputs = sources.filter_map(|from| board.plan.step(*from).entry.clone()).collect();
                if board.schedule.has_ready() {
                    self.changed.notify_one();
                }
                return Some((id, gpus, inputs));
            }
            board = match left.filter(|left| !left.is_zero()) {
                Some(left) => self.changed.wait_timeout(board, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(board).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Records an outcome and what follows from it.
    fn settle(&self, id: StepId, outcome: Outcome, entry: Option<Entry>) {
        let board = &mut *self.board();
        let failed = matches!(outcome, Outcome::Failed(..));
        board.outcomes[id.0] = outcome;
        let done = entry.is_some();
        if let Some(entry) = entry {
            let planned = &mut board.plan.steps[id.0];
            (planned.state, planned.key, planned.entry) = (State::Cached, Some(entry.key), Some(entry));
        }
        for blocked in board.schedule.settle(id, done) {
            let cause = self.request.graph.step(id).label().to_string();
            board.outcomes[blocked.0] = if failed { Outcome::Blocked(cause) } else { Outcome::Skipped };
        }
        board.halted |= failed && !self.request.options.keep_going;
    }
}
