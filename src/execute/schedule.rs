//! Which step runs next: ready ones, the longest way to the end first, within the limits of the run.
//! Pure bookkeeping: it runs nothing, so a test can drive it through thousands of made-up runs.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::graph::{Graph, StepId};
use crate::spec::needs::Needs;

/// Where a step stands. `Waiting` until all its inputs are done, then `Ready`, `Running` and one of the last three; a
/// `Running` step that another process computes goes back to `Elsewhere` until it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Nobody asked for it, or its result was there from the start.
    Settled,
    /// Some of its inputs are not done.
    Waiting,
    /// It may run.
    Ready,
    /// A worker has it.
    Running,
    /// Another process has it.
    Elsewhere,
    /// Its result is there.
    Done,
    /// It gave no result.
    Failed,
    /// A step before it gave no result.
    Blocked,
}

/// Steps, their stands, and what the running ones use.
pub struct Schedule {
    stands: Vec<Stand>,
    missing: Vec<usize>,
    dependents: Vec<Vec<StepId>>,
    needs: Vec<Needs>,
    /// Milliseconds from the start of each step to the end of the run, as far as is known.
    ways: Vec<u64>,
    ready: BTreeSet<(Reverse<u64>, StepId)>,
    elsewhere: BTreeSet<StepId>,
    limits: Needs,
    used: Needs,
    gpus: BTreeSet<u32>,
    held: std::collections::HashMap<StepId, Vec<u32>>,
    unsettled: usize,
}

impl Schedule {
    /// Of the steps that are wanted and not done yet. `seconds` are expected; a step that needs more than the limits runs
    /// with the limits all to itself.
    pub fn new(graph: &Graph, wanted: &[bool], done: &[bool], seconds: &[f64], limits: Needs) -> Self {
        let dependents = graph.dependents();
        let open = |i: usize| wanted[i] && !done[i];
        let steps = 0..graph.steps.len();
        let sources = |i: usize| graph.steps[i].sources.iter().filter(|from| open(from.0)).collect::<BTreeSet<_>>();
        let missing: Vec<usize> = steps.clone().map(|i| sources(i).len()).collect();
        let need = |i: usize| {
            let needs = graph.steps[i].stage.needs;
            Needs { cpu: needs.cpu.min(limits.cpu), mem: needs.mem.min(limits.mem), gpu: needs.gpu.min(limits.gpu) }
        };
        let mut schedule = Self {
            stands: steps.clone().map(|i| if open(i) { Stand::Waiting } else { Stand::Settled }).collect(),
            ways: ways(&dependents, seconds),
            needs: steps.clone().map(need).collect(),
            missing,
            dependents,
            ready: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            limits,
            used: Needs { cpu: 0, mem: 0, gpu: 0 },
            gpus: (0..limits.gpu).collect(),
            held: std::collections::HashMap::new(),
            unsettled: steps.clone().filter(|i| open(*i)).count(),
        };
        for i in steps.filter(|i| open(*i)) {
            if schedule.missing[i] == 0 {
                schedule.enqueue(StepId(i));
            }
        }
        schedule
    }

    /// Steps that have not come to an end.
    pub fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Where a step stands.
    pub fn stand(&self, id: StepId) -> Stand {
        self.stands[id.0]
    }

    /// What the running steps use.
    pub fn used(&self) -> Needs {
        self.used
    }

    /// Whether steps are left that could begin now, were there room for them.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether steps are left that another process has.
    pub fn has_elsewhere(&self) -> bool {
        !self.elsewhere.is_empty()
    }

    fn enqueue(&mut self, id: StepId) {
        self.stands[id.0] = Stand::Ready;
        self.ready.insert((Reverse(self.ways[id.0]), id));
    }

    /// The ready step with the longest way to the end that fits, and the accelerators that it gets.
    pub fn start(&mut self) -> Option<(StepId, Vec<u32>)> {
        let (used, limits) = (self.used, self.limits);
        // Never a sum: limits may be as large as numbers get.
        let left = Needs { cpu: limits.cpu - used.cpu, mem: limits.mem - used.mem, gpu: limits.gpu - used.gpu };
        let fits = |n: &Needs| n.cpu <= left.cpu && n.mem <= left.mem && n.gpu <= left.gpu;
        let place = *self.ready.iter().find(|(_, id)| fits(&self.needs[id.0]))?;
        self.ready.remove(&place);
        let (id, needs) = (place.1, self.needs[place.1.0]);
        self.stands[id.0] = Stand::Running;
        self.used = Needs { cpu: used.cpu + needs.cpu, mem: used.mem + needs.mem, gpu: used.gpu + needs.gpu };
        let gpus: Vec<u32> = (0..needs.gpu).filter_map(|_| self.gpus.pop_first()).collect();
        if !gpus.is_empty() {
            self.held.insert(id, gpus.clone());
        }
        Some((id, gpus))
    }

    fn release(&mut self, id: StepId) {
        let needs = self.needs[id.0];
        self.used.cpu -= needs.cpu;
        self.used.mem -= needs.mem;
        self.used.gpu -= needs.gpu;
        self.gpus.extend(self.held.remove(&id).into_iter().flatten());
    }

    /// A running step turned out to be computed by another process.
    pub fn postpone(&mut self, id: StepId) {
        self.release(id);
        self.stands[id.0] = Stand::Elsewhere;
        self.elsewhere.insert(id);
    }

    /// Steps that another process had become ready to be tried again.
    pub fn retry(&mut self) {
        for id in std::mem::take(&mut self.elsewhere) {
            self.enqueue(id);
        }
    }

    /// A running step came to its end; gives the steps that are blocked by that.
    pub fn settle(&mut self, id: StepId, done: bool) -> Vec<StepId> {
        self.release(id);
        self.unsettled -= 1;
        self.stands[id.0] = if done { Stand::Done } else { Stand::Failed };
        if !done {
            return self.block(id);
        }
        for next in std::mem::take(&mut self.dependents[id.0]) {
            if self.stands[next.0] == Stand::Waiting {
                self.missing[next.0] -= 1;
                if self.missing[next.0] == 0 {
                    self.enqueue(next);
                }
            }
        }
        Vec::new()
    }

    /// Every step that needs `id`, directly or not, will not run.
    fn block(&mut self, id: StepId) -> Vec<StepId> {
        let (mut blocked, mut front) = (Vec::new(), vec![id]);
        while let Some(id) = front.pop() {
            for next in std::mem::take(&mut self.dependents[id.0]) {
                if self.stands[next.0] == Stand::Waiting {
                    self.stands[next.0] = Stand::Blocked;
                    self.unsettled -= 1;
                    blocked.push(next);
                    front.push(next);
                }
            }
        }
        blocked
    }
}

/// Milliseconds from the start of each step along its longest chain of dependents. Every step counts at least one, so
/// that of unknown durations the longest chain wins.
fn ways(dependents: &[Vec<StepId>], seconds: &[f64]) -> Vec<u64> {
    let mut ways = vec![0; dependents.len()];
    for i in (0..dependents.len()).rev() {
        let own = seconds.get(i).map_or(1, |s| (s * 1000.0) as u64 + 1);
        ways[i] = own + dependents[i].iter().map(|d| ways[d.0]).max().unwrap_or(0);
    }
    ways
}

#[cfg(test)]
mod tests;
