//! Why a step is in its state: typed, with old and new values against the nearest earlier result of its kind.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::graph::{Graph, StepId};
use crate::store::Store;
use crate::store::entry::Meta;
use crate::store::key::{Change, Key, Parts};

use super::{Plan, State};

/// Why a step is in its state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "type", content = "of", rename_all = "lowercase")]
pub enum Reason {
    /// Its result is there.
    Cached,
    /// Nothing of its kind was computed before.
    First,
    /// These parts differ from the nearest earlier result.
    Changed(Vec<Change>),
    /// An entry with this key is there, but this file is not what was written.
    Damaged(String),
    /// It was asked for.
    Forced,
    /// It waits for these stages: those that feed it and do not have their result, and behind each what it waits for.
    Waits(Vec<String>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cached => write!(f, "its result is in the cache"),
            Self::First => write!(f, "nothing like it was computed before"),
            Self::Changed(changes) if changes.is_empty() => write!(f, "its cached result is gone"),
            Self::Changed(changes) => {
                let texts: Vec<String> = changes.iter().map(ToString::to_string).collect();
                write!(f, "{}", texts.join("; "))
            }
            Self::Damaged(what) => write!(f, "the files of its cached result were changed or removed: {what}"),
            Self::Forced => write!(f, "asked for with --force"),
            Self::Waits(names) => write!(f, "waits for {}", names.join(", ")),
        }
    }
}

/// As many earlier results of a stage are looked at; of more, the youngest.
const CANDIDATES: usize = 64;

/// Earlier results: those that were there when the store was opened.
pub struct Earlier<'a> {
    store: &'a Store,
    kinds: HashMap<&'static str, History<'a>>,
    metas: HashMap<Key, Option<Meta>>,
}

/// Earlier results of a kind, the youngest first.
struct History<'a> {
    all: Vec<Key>,
    stages: HashMap<&'a str, Vec<Key>>,
    seconds: HashMap<&'a str, f64>,
}

impl<'a> History<'a> {
    fn of(store: &'a Store, kind: &str) -> Self {
        let mut list = store.history(kind);
        list.sort_by_key(|(_, key, _, created)| (std::cmp::Reverse(*created), *key));
        let all = list.iter().map(|(_, key, ..)| *key).take(CANDIDATES).collect();
        let (mut stages, mut seconds) = (HashMap::<_, Vec<Key>>::new(), HashMap::new());
        for (stage, key, took, _) in list {
            seconds.entry(stage).or_insert(took);
            let keys = stages.entry(stage).or_default();
            if keys.len() < CANDIDATES {
                keys.push(key);
            }
        }
        Self { all, stages, seconds }
    }
}

impl<'a> Earlier<'a> {
    /// Of this cache.
    pub fn of(store: &'a Store) -> Self {
        Self { store, kinds: HashMap::new(), metas: HashMap::new() }
    }

    fn history(&mut self, kind: &'static str) -> &History<'a> {
        let store = self.store;
        self.kinds.entry(kind).or_insert_with(|| History::of(store, kind))
    }

    /// Seconds that the youngest result of a stage of this name took.
    pub fn seconds(&mut self, kind: &'static str, stage: &str) -> Option<f64> {
        self.history(kind).seconds.get(stage).copied()
    }

    /// The earlier result of a kind whose parts differ least: among those of a stage of the same name if there are any,
    /// the youngest of equals.
    pub fn nearest(&mut self, kind: &'static str, stage: &str, parts: &Parts) -> Option<(&Meta, Vec<Change>)> {
        let history = self.history(kind);
        let candidates = history.stages.get(stage).unwrap_or(&history.all).clone();
        let store = self.store;
        for key in &candidates {
            self.metas.entry(*key).or_insert_with(|| store.meta(kind, key));
        }
        let metas = candidates.iter().filter_map(|key| self.metas.get(key)?.as_ref());
        let compared = metas.map(|meta| (meta, changes(parts, &meta.parts)));
        compared.min_by_key(|(_, changes)| changes.len())
    }
}

/// Parts in which `new` differs from `old`; of parts that only come in another order, the first that does.
pub(super) fn changes(new: &Parts, old: &Parts) -> Vec<Change> {
    let sorted = |parts: &Parts| {
        let mut parts = parts.0.clone();
        parts.sort_unstable();
        parts
    };
    let moved = new.0.iter().zip(&old.0).find(|(new, old)| new != old);
    let Some((now, before)) = moved.filter(|_| new.0.len() == old.0.len() && sorted(new) == sorted(old)) else {
        return new.changes(old);
    };
    // `file KEY LABEL`, or `file KEY` where a file has no label
    let part = now.0.strip_prefix("file ").unwrap_or(&now.0);
    let (key, _) = part.split_once(' ').unwrap_or((part, ""));
    let shown = |(name, value): &(String, String)| {
        let label = name.strip_prefix("file ").and_then(|part| part.split_once(' ')).map(|(_, label)| label);
        Some(label.unwrap_or(value).to_string())
    };
    vec![Change { part: format!("the order of the files of `{key}`"), old: shown(before), new: shown(now) }]
}

/// Why the step is in its state; `parts` are those of its key.
pub fn of(graph: &Graph, plan: &Plan, id: StepId, parts: &Parts, earlier: &mut Earlier, forced: bool) -> Reason {
    let (step, planned) = (graph.step(id), plan.step(id));
    match planned.state {
        State::Cached => Reason::Cached,
        State::Wait => Reason::Waits(chain(graph, plan, id)),
        State::Run if forced => Reason::Forced,
        State::Run => match &planned.damage {
            Some(what) => Reason::Damaged(what.clone()),
            None => match earlier.nearest(step.kind().name(), step.label(), parts) {
                Some((_, changes)) => Reason::Changed(changes),
                None => Reason::First,
            },
        },
    }
}

/// Names of the steps without a result that lead to this one, from it back to those that will run; at most a screenful.
fn chain(graph: &Graph, plan: &Plan, id: StepId) -> Vec<String> {
    const SHOWN: usize = 12;
    let (mut names, mut front) = (Vec::new(), vec![id]);
    while let Some(id) = front.pop() {
        for (_, from) in graph.step(id).inputs() {
            if plan.step(from).state == State::Cached || names.iter().any(|n| n == graph.step(from).label()) {
                continue;
            }
            if names.len() == SHOWN {
                names.push("...".into());
                return names;
            }
            names.push(graph.step(from).label().to_string());
            front.push(from);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_another_order_are_said() {
        let parts = |list: &[(&str, &str)]| Parts(list.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect());
        let shown = |new: &Parts, old: &Parts| changes(new, old).iter().map(ToString::to_string).collect::<Vec<_>>();
        let old = parts(&[("seed", "1"), ("file path a.tar.gz", "x"), ("file path b.tar.gz", "y")]);
        let new = parts(&[("seed", "1"), ("file path b.tar.gz", "y"), ("file path a.tar.gz", "x")]);
        assert_eq!(shown(&new, &old), ["the order of the files of `path`: a.tar.gz -> b.tar.gz"]);
        assert!(shown(&new, &new).is_empty());
        // files without labels
        let [old, new] = [["x", "y"], ["y", "x"]].map(|[one, two]| parts(&[("file files", one), ("file files", two)]));
        assert_eq!(shown(&new, &old), ["the order of the files of `files`: x -> y"]);
        let other = parts(&[("file files", "y"), ("file files", "z")]);
        assert_eq!(shown(&other, &old)[0], "file files: x -> y");
    }
}
