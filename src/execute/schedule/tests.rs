//! Thousands of made-up runs, driven step by step against a plain account of what is allowed.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Schedule, Stand};
use crate::graph::{Graph, Step, StepId};
use crate::spec::keys::Key;
use crate::spec::needs::Needs;
use crate::spec::pipeline::Stage;
use crate::spec::value::Params;
use crate::stage::{ArtifactType, Job, Port, StageError, StageKind};

/// A kind that is never run.
struct Nothing;

impl StageKind for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn summary(&self) -> &'static str {
        ""
    }

    fn version(&self) -> u32 {
        1
    }

    fn ports(&self) -> &'static [Port] {
        &[]
    }

    fn output(&self) -> ArtifactType {
        ArtifactType::Files
    }

    fn keys(&self) -> Vec<Key> {
        Vec::new()
    }

    fn run(&self, _: &Job) -> Result<(), StageError> {
        Ok(())
    }
}

fn step(number: usize, needs: Needs, sources: &BTreeSet<usize>) -> Step {
    let stage = Stage {
        name: format!("s{number}"),
        kind: &Nothing,
        params: Params::default(),
        keys: Arc::from([]),
        files: Vec::new(),
        inputs: Vec::new(),
        seed: None,
        needs,
        home: Arc::from(Path::new("")),
    };
    Step { stage: Arc::new(stage), seed: None, sources: sources.iter().map(|i| StepId(*i)).collect() }
}

/// A made-up run with an account of its own.
struct Made {
    graph: Graph,
    wanted: Vec<bool>,
    done: Vec<bool>,
    limits: Needs,
    seconds: Vec<f64>,
}

impl Made {
    fn new(chance: &mut ChaCha8Rng) -> Self {
        let count = chance.random_range(1..24);
        let mut graph = Graph::default();
        for i in 0..count {
            let sources = (0..chance.random_range(0..4)).filter(|_| i > 0).map(|_| chance.random_range(0..i.max(1)));
            let sources: BTreeSet<usize> = sources.collect::<Vec<_>>().into_iter().collect();
            let mem = if chance.random_bool(0.05) { u64::MAX } else { chance.random_range(0..9) };
            let needs = Needs { cpu: chance.random_range(1..5), mem, gpu: chance.random_range(0..4) };
            graph.steps.push(step(i, needs, &sources));
        }
        let wanted = graph.needed((0..count).filter(|_| chance.random_bool(0.7)).map(StepId).collect::<Vec<_>>());
        let mut done = vec![false; count];
        for i in 0..count {
            let is_known = graph.steps[i].sources.iter().all(|from| done[from.0]);
            done[i] = wanted[i] && is_known && chance.random_bool(0.3);
        }
        let mem = if chance.random_bool(0.3) { u64::MAX } else { chance.random_range(0..12) };
        let limits = Needs { cpu: chance.random_range(1..6), mem, gpu: chance.random_range(0..4) };
        let seconds = (0..count).map(|_| chance.random_range(0..3) as f64).collect();
        Self { graph, wanted, done, limits, seconds }
    }

    fn schedule(&self) -> Schedule {
        Schedule::new(&self.graph, &self.wanted, &self.done, &self.seconds, self.limits)
    }

    fn is_open(&self, i: usize) -> bool {
        self.wanted[i] && !self.done[i]
    }

    /// What a step gets: a step that needs more than there is has it all.
    fn share(&self, i: usize) -> Needs {
        let (needs, limits) = (self.graph.steps[i].stage.needs, self.limits);
        Needs { cpu: needs.cpu.min(limits.cpu), mem: needs.mem.min(limits.mem), gpu: needs.gpu.min(limits.gpu) }
    }

    fn sources(&self, i: usize) -> impl Iterator<Item = usize> {
        self.graph.steps[i].sources.iter().map(|from| from.0)
    }

    /// Steps on the longest chain that begins with this one, counted the slow way.
    fn chain(&self, i: usize) -> u64 {
        let own = (self.seconds[i] * 1000.0) as u64 + 1;
        let behind = (0..self.graph.steps.len()).filter(|j| self.sources(*j).any(|from| from == i));
        own + behind.map(|j| self.chain(j)).max().unwrap_or(0)
    }
}

/// What is running, with its accelerators, and how each step ended.
#[derive(Default)]
struct Account {
    running: Vec<(usize, Vec<u32>)>,
    away: BTreeSet<usize>,
    finished: BTreeSet<usize>,
    failed: BTreeSet<usize>,
    blocked: BTreeSet<usize>,
}

impl Account {
    fn is_done(&self, made: &Made, i: usize) -> bool {
        made.done[i] || self.finished.contains(&i)
    }

    fn is_ready(&self, made: &Made, i: usize) -> bool {
        let is_here = self.running.iter().all(|(j, _)| *j != i) && !self.away.contains(&i);
        let is_over = [&self.finished, &self.failed, &self.blocked].iter().any(|set| set.contains(&i));
        made.is_open(i) && is_here && !is_over && made.sources(i).all(|from| self.is_done(made, from))
    }

    fn has_room(&self, made: &Made, i: usize) -> bool {
        let shares = || self.running.iter().map(|(j, _)| made.share(*j)).chain([made.share(i)]);
        let cpu: u32 = shares().map(|n| n.cpu).sum();
        let gpu: u32 = shares().map(|n| n.gpu).sum();
        let mem: u128 = shares().map(|n| u128::from(n.mem)).sum();
        cpu <= made.limits.cpu && gpu <= made.limits.gpu && mem <= u128::from(made.limits.mem)
    }

    fn ready(&self, made: &Made) -> Vec<usize> {
        (0..made.graph.steps.len()).filter(|i| self.is_ready(made, *i) && self.has_room(made, *i)).collect()
    }

    /// Starts what the schedule gives, which must be allowed and on the longest way; whether there was something.
    fn start(&mut self, made: &Made, schedule: &mut Schedule) -> bool {
        let ready = self.ready(made);
        let Some((id, gpus)) = schedule.start() else {
            assert!(ready.is_empty(), "{ready:?} could start");
            return false;
        };
        assert!(ready.contains(&id.0), "{id:?} may not start");
        assert!(ready.iter().all(|i| made.chain(*i) <= made.chain(id.0)), "{id:?} is not the most urgent");
        let held: Vec<u32> = self.running.iter().flat_map(|(_, gpus)| gpus.clone()).chain(gpus.clone()).collect();
        assert_eq!(held.iter().collect::<BTreeSet<_>>().len(), held.len(), "handed out twice");
        assert!(held.iter().all(|gpu| *gpu < made.limits.gpu));
        assert_eq!(gpus.len(), made.share(id.0).gpu as usize);
        self.running.push((id.0, gpus));
        true
    }

    /// Something happens to a running step.
    fn end(&mut self, made: &Made, schedule: &mut Schedule, chance: &mut ChaCha8Rng) {
        let (i, _) = self.running.swap_remove(chance.random_range(0..self.running.len()));
        match chance.random_range(0..10) {
            0 | 1 => {
                schedule.postpone(StepId(i));
                self.away.insert(i);
            }
            2 => {
                self.failed.insert(i);
                for id in schedule.settle(StepId(i), false) {
                    assert!(self.blocked.insert(id.0), "blocked twice");
                }
            }
            _ => {
                self.finished.insert(i);
                assert_eq!(schedule.settle(StepId(i), true), []);
            }
        }
        assert_eq!(schedule.used().cpu, self.running.iter().map(|(j, _)| made.share(*j).cpu).sum::<u32>());
    }

    /// Every step came to exactly one end, and to the right one.
    fn expect_end(&self, made: &Made, schedule: &Schedule) {
        assert_eq!((schedule.unsettled(), schedule.used()), (0, Needs { cpu: 0, mem: 0, gpu: 0 }));
        for i in 0..made.graph.steps.len() {
            let ends = [&self.finished, &self.failed, &self.blocked].map(|set| set.contains(&i));
            assert_eq!(ends.iter().filter(|end| **end).count(), usize::from(made.is_open(i)), "step {i}");
            let is_cut_off = made.sources(i).any(|from| self.failed.contains(&from) || self.blocked.contains(&from));
            assert_eq!(ends[2], made.is_open(i) && is_cut_off, "step {i}");
            let stand = match ends {
                [true, ..] => Stand::Done,
                [_, true, _] => Stand::Failed,
                [.., true] => Stand::Blocked,
                _ => Stand::Settled,
            };
            assert_eq!(schedule.stand(StepId(i)), stand);
        }
    }
}

#[test]
fn ten_thousand_made_up_runs_keep_the_rules() {
    for seed in 0..10_000 {
        let chance = &mut ChaCha8Rng::seed_from_u64(seed);
        let made = Made::new(chance);
        let (mut schedule, mut account) = (made.schedule(), Account::default());
        let mut turns = 0;
        while schedule.unsettled() > 0 {
            turns += 1;
            assert!(turns < 10_000, "run {seed} does not end");
            if chance.random_bool(0.5) && account.start(&made, &mut schedule) {
                continue;
            }
            match (account.running.is_empty(), account.away.is_empty()) {
                (true, true) => assert!(account.start(&made, &mut schedule), "run {seed} is stuck"),
                (is_idle, false) if is_idle || chance.random_bool(0.3) => {
                    assert!(schedule.has_elsewhere());
                    schedule.retry();
                    account.away.clear();
                }
                (true, false) => {}
                (false, _) => account.end(&made, &mut schedule, chance),
            }
        }
        assert!(!account.start(&made, &mut schedule));
        account.expect_end(&made, &schedule);
    }
}

#[test]
fn of_unknown_durations_the_longest_chain_goes_first() {
    let one = Needs::default();
    let mut graph = Graph::default();
    // 0 and 1 alone; 2 -> 3 -> 4; 5 -> 6.
    for (i, from) in [None, None, None, Some(2), Some(3), None, Some(5)].into_iter().enumerate() {
        graph.steps.push(step(i, one, &from.into_iter().collect()));
    }
    let all = vec![true; 7];
    let mut schedule = Schedule::new(&graph, &all, &[false; 7], &[], Needs { cpu: 1, mem: 0, gpu: 0 });
    let mut order = Vec::new();
    while let Some((id, _)) = schedule.start() {
        order.push(id.0);
        schedule.settle(id, true);
    }
    assert_eq!(order, [2, 3, 5, 0, 1, 4, 6]);
}
