//! What would run and why: keys, states and reasons of every step. Opens no artifact, runs nothing.

pub mod parts;
pub mod reason;

use serde::Serialize;

use crate::graph::{Graph, StepId};
use crate::store::entry::Entry;
use crate::store::key::{Key, Parts};
use crate::store::memory::Memory;
use crate::store::{Store, StoreError};

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
    /// Parts of the key; those of inputs that are still to run are missing.
    pub parts: Parts,
    /// Its entry, if it is cached.
    pub entry: Option<Entry>,
}

/// States of all steps, by position.
pub struct Plan {
    /// One for each step of the graph.
    pub steps: Vec<Planned>,
}

impl Plan {
    /// Looks up every step of the graph; `forced` steps are to run whatever is cached.
    pub fn of(graph: &Graph, store: &Store, memory: &Memory, forced: &[bool]) -> Result<Self, StoreError> {
        let mut steps: Vec<Planned> = Vec::with_capacity(graph.steps.len());
        for (i, step) in graph.steps.iter().enumerate() {
            let digest = |id: StepId| steps[id.0].entry.as_ref().map(|entry| entry.meta.digest.as_str());
            let (parts, complete) = parts::of(step, digest, memory)?;
            let planned = if complete {
                let key = parts.key();
                let forced = forced.get(i).copied().unwrap_or(false);
                let entry = if forced { None } else { store.lookup(step.kind.name(), &key) };
                let state = if entry.is_some() { State::Cached } else { State::Run };
                Planned { state, key: Some(key), parts, entry }
            } else {
                Planned { state: State::Wait, key: None, parts, entry: None }
            };
            steps.push(planned);
        }
        Ok(Self { steps })
    }

    /// What is planned for a step.
    pub fn step(&self, id: StepId) -> &Planned {
        &self.steps[id.0]
    }
}
