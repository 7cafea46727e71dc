//! What would run and why: keys, states and reasons of every step. Opens no artifact, runs nothing.

pub mod diff;
pub mod parts;
pub mod reach;
pub mod reason;

use std::collections::HashSet;
use std::path::Path;

use serde::Serialize;

use crate::graph::{Graph, StepId};
use crate::store::entry::Entry;
use crate::store::key::{Digest, Key, Parts};
use crate::store::memory::Memory;
use crate::store::{Found, Store, StoreError};

pub use reason::{Earlier, Reason};

/// What is known of a step before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its result is there.
    Cached,
    /// It will run.
    Run,
    /// It will run unless the steps before it come out as they were.
    Wait,
}

impl State {
    /// The word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Run => "run",
            Self::Wait => "wait",
        }
    }
}

/// A step with its state.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its state.
    pub state: State,
    /// Its key, once the digests of all inputs are known.
    pub key: Option<Key>,
    /// Its entry, if it is cached.
    pub entry: Option<Entry>,
    /// The file by which an entry of this key is known to be damaged.
    pub damage: Option<String>,
}

/// States of all steps, by position.
pub struct Plan {
    /// One for each step of the graph.
    pub steps: Vec<Planned>,
}

impl Plan {
    /// Looks up every step of the graph; `forced` steps are to run whatever is cached.
    pub fn of(graph: &Graph, store: &Store, memory: &Memory, forced: &[bool]) -> Result<Self, StoreError> {
        memory.learn(&files(graph));
        let mut plan = Self { steps: Vec::with_capacity(graph.steps.len()) };
        for (i, step) in graph.steps.iter().enumerate() {
            let key = parts::key_of(step, |id| plan.digest(id), memory)?;
            let forced = forced.get(i).copied().unwrap_or(false);
            let found = match key {
                Some(key) if !forced => store.find(step.kind().name(), &key),
                _ => Found::Absent,
            };
            let (entry, damage) = match found {
                Found::Intact(entry) => (Some(entry), None),
                Found::Damaged(what) => (None, Some(what)),
                Found::Absent => (None, None),
            };
            let state = match (&entry, &key) {
                (Some(_), _) => State::Cached,
                (None, Some(_)) => State::Run,
                (None, None) => State::Wait,
            };
            plan.steps.push(Planned { state, key, entry, damage });
        }
        Ok(plan)
    }

    /// What is planned for a step.
    pub fn step(&self, id: StepId) -> &Planned {
        &self.steps[id.0]
    }

    /// Digest of a step's result, if it is there.
    pub fn digest(&self, id: StepId) -> Option<Digest> {
        self.steps[id.0].entry.as_ref().map(|entry| entry.digest)
    }

    /// Parts of a step's key; those of inputs that are still to run are missing.
    pub fn parts(&self, graph: &Graph, id: StepId, memory: &Memory) -> Result<Parts, StoreError> {
        parts::of(graph.step(id), |id| self.digest(id), memory)
    }
}

/// The user's files of all steps, each once.
fn files(graph: &Graph) -> Vec<&Path> {
    let mut seen = HashSet::new();
    let lists = graph.steps.iter().flat_map(|step| &step.stage.files).map(|(_, list)| list);
    let new = lists.filter(|list| seen.insert(list.as_ptr()));
    new.flat_map(|list| list.iter().map(|file| file.path.as_path())).collect()
}
