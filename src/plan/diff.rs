//! Where two runs part: the stages that differ by themselves, in the order of the graph, each with the parts of its key
//! that changed. Works on what was recorded; reads no artifact.

use std::collections::HashMap;

use serde::Serialize;

use super::reason;
use crate::store::entry::Meta;
use crate::store::key::{Change, Key};
use crate::store::runs::RunStep;

/// Why a stage differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", content = "of", rename_all = "lowercase")]
pub enum Cause {
    /// These parts of its key changed.
    Changed(Vec<Change>),
    /// Its key is the same, what came out is not: the stage is not deterministic.
    Contents,
    /// Only one run has a result: whether it is the old one.
    Only(bool),
    /// The keys differ, but an entry is gone that would say why.
    Gone,
}

impl Cause {
    /// Whether it differs only because stages before it do.
    pub fn is_inherited(&self) -> bool {
        let from_input = |c: &Change| c.part.starts_with("input ") && c.old.is_some() && c.new.is_some();
        matches!(self, Self::Changed(changes) if !changes.is_empty() && changes.iter().all(from_input))
    }
}

/// A stage of two runs that are compared.
#[derive(Clone, Debug)]
pub struct Pair<'a> {
    /// Names of the arms, old and new.
    pub arms: (&'a str, &'a str),
    /// Replicate, from 0.
    pub replicate: usize,
    /// Name of the stage.
    pub stage: &'a str,
    /// Its result in the old run.
    pub old: Option<&'a RunStep>,
    /// Its result in the new run.
    pub new: Option<&'a RunStep>,
}

impl Pair<'_> {
    /// Whether anything differs.
    pub fn differs(&self) -> bool {
        let facts = |step: &RunStep| (step.key, step.digest);
        self.old.map(facts) != self.new.map(facts)
    }
}

/// A stage that differs, wherever it does so in the same way.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Name of the stage.
    pub stage: String,
    /// Its kind.
    pub kind: String,
    /// Arm in the old run, arm in the new run, replicate from 0.
    pub places: Vec<(String, String, usize)>,
    /// Its keys in the first of these places.
    pub keys: (Option<Key>, Option<Key>),
    /// Why.
    pub cause: Cause,
    /// Whether it differs only because stages before it do.
    pub inherited: bool,
}

/// Stages of the given arms, old and new, side by side: in the order of the old run, then those that only the new one has.
pub fn pairs<'a>(old: &'a [RunStep], new: &'a [RunStep], arms: &'a [(String, String)]) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    for (left, right) in arms {
        let mut theirs: HashMap<(usize, &str), &RunStep> =
            new.iter().filter(|s| s.arm == *right).map(|s| ((s.replicate, s.stage.as_str()), s)).collect();
        for step in old.iter().filter(|step| step.arm == *left) {
            let (replicate, stage) = (step.replicate, step.stage.as_str());
            let other = theirs.remove(&(replicate, stage));
            pairs.push(Pair { arms: (left, right), replicate, stage, old: Some(step), new: other });
        }
        for step in new.iter().filter(|step| step.arm == *right) {
            let (replicate, stage) = (step.replicate, step.stage.as_str());
            if theirs.contains_key(&(replicate, stage)) {
                pairs.push(Pair { arms: (left, right), replicate, stage, old: None, new: Some(step) });
            }
        }
    }
    pairs
}

/// What differs, in the order of the pairs: the same change of a stage in several places is one, and so is all that a
/// stage inherits. `meta` tells of an entry that is still there.
pub fn differences(pairs: &[Pair], meta: impl Fn(&str, &Key) -> Option<Meta>) -> Vec<Difference> {
    let mut list: Vec<Difference> = Vec::new();
    let mut known: HashMap<(&str, Option<Key>, Option<Key>), usize> = HashMap::new();
    for pair in pairs.iter().filter(|pair| pair.differs()) {
        let keys = (pair.old.map(|s| s.key), pair.new.map(|s| s.key));
        let place = (pair.arms.0.to_string(), pair.arms.1.to_string(), pair.replicate);
        if let Some(at) = known.get(&(pair.stage, keys.0, keys.1)) {
            list[*at].places.push(place);
            continue;
        }
        let cause = cause_of(pair, &meta);
        let is_alike =
            |d: &Difference| d.stage == pair.stage && (d.cause == cause || (d.inherited && cause.is_inherited()));
        let at = list.iter().position(is_alike).unwrap_or(list.len());
        known.insert((pair.stage, keys.0, keys.1), at);
        if let Some(difference) = list.get_mut(at) {
            difference.places.push(place);
            continue;
        }
        list.push(Difference {
            stage: pair.stage.into(),
            kind: pair.old.or(pair.new).map(|s| s.kind.clone()).unwrap_or_default(),
            places: vec![place],
            keys,
            inherited: cause.is_inherited(),
            cause,
        });
    }
    list
}

fn cause_of(pair: &Pair, meta: impl Fn(&str, &Key) -> Option<Meta>) -> Cause {
    let (Some(old), Some(new)) = (pair.old, pair.new) else { return Cause::Only(pair.old.is_some()) };
    if old.key == new.key {
        return Cause::Contents;
    }
    match (meta(&old.kind, &old.key), meta(&new.kind, &new.key)) {
        (Some(old), Some(new)) => Cause::Changed(reason::changes(&new.parts, &old.parts)),
        _ => Cause::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::key::{Digest, Parts};

    fn meta(parts: &[(&str, &str)], digest: u8) -> Meta {
        let parts = Parts(parts.iter().map(|(n, v)| ((*n).to_string(), (*v).to_string())).collect());
        Meta {
            key: parts.key(),
            kind: "command".into(),
            digest: Digest([digest; 32]),
            parts,
            files: Vec::new(),
            stage: String::new(),
            seconds: 0.0,
            created: 0,
            version: String::new(),
            cause: Vec::new(),
        }
    }

    fn step(arm: &str, stage: &str, meta: &Meta) -> RunStep {
        let (key, digest, kind) = (meta.key, meta.digest, meta.kind.clone());
        RunStep { arm: arm.into(), replicate: 0, stage: stage.into(), kind, key, digest }
    }

    #[test]
    fn the_first_stage_that_differs_comes_first_with_its_changed_parts() {
        let (load, fast, slow) = (meta(&[("n", "1")], 1), meta(&[("rate", "2")], 2), meta(&[("rate", "3")], 3));
        let (a, b) = (meta(&[("input x", "2")], 4), meta(&[("input x", "3")], 5));
        let metas = [&load, &fast, &slow, &a, &b];
        let old = [step("m", "load", &load), step("m", "train", &fast), step("m", "score", &a)];
        let new = [step("m", "load", &load), step("m", "train", &slow), step("m", "score", &b)];
        let arms = [("m".to_string(), "m".to_string())];
        let find = |_: &str, key: &Key| metas.iter().find(|meta| meta.key == *key).map(|meta| (*meta).clone());
        let list = differences(&pairs(&old, &new, &arms), find);
        let shown: Vec<(&str, bool)> = list.iter().map(|d| (d.stage.as_str(), d.inherited)).collect();
        assert_eq!(shown, [("train", false), ("score", true)]);
        let Cause::Changed(changes) = &list[0].cause else { panic!("{:?}", list[0].cause) };
        assert_eq!(changes[0].to_string(), "rate: 2 -> 3");
        let list = differences(&pairs(&old, &new, &arms), |_, _| None);
        assert_eq!(list[0].cause, Cause::Gone);
    }

    #[test]
    fn equal_differences_are_one_and_missing_stages_and_other_contents_are_named() {
        let (one, two) = (meta(&[("n", "1")], 1), meta(&[("n", "2")], 2));
        let again = Meta { digest: Digest([9; 32]), ..one.clone() };
        let old = [step("a", "s", &one), step("b", "s", &one), step("a", "t", &one), step("a", "gone", &one)];
        let new = [step("a", "s", &two), step("b", "s", &two), step("a", "t", &again), step("b", "more", &two)];
        let arms: Vec<_> = ["a", "b"].map(|n| (n.to_string(), n.to_string())).into();
        let list = differences(&pairs(&old, &new, &arms), |_, _| None);
        let found: Vec<_> = list.iter().map(|d| (d.stage.as_str(), d.places.len(), d.cause.clone())).collect();
        assert_eq!(
            found,
            [
                ("s", 2, Cause::Gone),
                ("t", 1, Cause::Contents),
                ("gone", 1, Cause::Only(true)),
                ("more", 1, Cause::Only(false))
            ]
        );
    }
}
