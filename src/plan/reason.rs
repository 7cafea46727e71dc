//! Why a step is in its state: typed, with old and new values against the nearest earlier result of its kind.

use std::collections::BTreeMap;
use std::fmt;

use crate::graph::{Graph, StepId};
use crate::store::Store;
use crate::store::entry::{Entry, Meta};
use crate::store::key::{Change, Parts};

use super::{Plan, State};

/// Why a step is in its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its result is there.
    Cached,
    /// Nothing of its kind was computed before.
    First,
    /// These parts differ from the nearest earlier result.
    Changed(Vec<Change>),
    /// An entry with this key is there, but its files are not what they were.
    Damaged,
    /// It was asked for.
    Forced,
    /// It waits for these stages, by name.
    Waits(Vec<String>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cached => write!(f, "its result is in the cache"),
            Self::First => write!(f, "nothing like it was computed before"),
            Self::Changed(changes) => {
                let texts: Vec<String> = changes.iter().map(ToString::to_string).collect();
                write!(f, "{}", texts.join("; "))
            }
            Self::Damaged => write!(f, "the files of its cached result were changed or removed"),
            Self::Forced => write!(f, "asked for with --force"),
            Self::Waits(names) => write!(f, "waits for {}", names.join(", ")),
        }
    }
}

/// Earlier results, read once for each kind.
pub struct Earlier<'a> {
    store: &'a Store,
    by_kind: BTreeMap<&'static str, Vec<Entry>>,
}

impl<'a> Earlier<'a> {
    /// Of this cache.
    pub fn of(store: &'a Store) -> Self {
        Self { store, by_kind: BTreeMap::new() }
    }

    /// The earlier result of a kind whose parts differ least: among those of a stage of the same name if there are any,
    /// the youngest of equals.
    pub fn nearest(&mut self, kind: &'static str, stage: &str, parts: &Parts) -> Option<(&Meta, Vec<Change>)> {
        let store = self.store;
        let entries = self.by_kind.entry(kind).or_insert_with(|| store.entries(kind));
        entries
            .iter()
            .map(|entry| (parts.changes(&entry.meta.parts), &entry.meta))
            .min_by_key(|(changes, meta)| (meta.stage != stage, changes.len(), std::cmp::Reverse(meta.created)))
            .map(|(changes, meta)| (meta, changes))
    }
}

/// Why the step is in its state.
pub fn of(graph: &Graph, plan: &Plan, id: StepId, earlier: &mut Earlier, forced: bool) -> Reason {
    let (step, planned) = (graph.step(id), plan.step(id));
    match planned.state {
        State::Cached => Reason::Cached,
        State::Wait => Reason::Waits(waiting(graph, plan, id)),
        State::Run if forced => Reason::Forced,
        State::Run => {
            let kind = step.kind.name();
            if planned.key.as_ref().is_some_and(|key| earlier.store.lookup_any(kind, key).is_some()) {
                return Reason::Damaged;
            }
            match earlier.nearest(kind, &step.label, &planned.parts) {
                Some((_, changes)) => Reason::Changed(changes),
                None => Reason::First,
            }
        }
    }
}

/// Names of the steps that will run and that lead to this one.
fn waiting(graph: &Graph, plan: &Plan, id: StepId) -> Vec<String> {
    let mut names = Vec::new();
    for (_, from) in &graph.step(id).inputs {
        if plan.step(*from).state != State::Cached && !names.contains(&graph.step(*from).label) {
            names.push(graph.step(*from).label.clone());
        }
    }
    names
}
