//! Which stages are behind a stage of an arm, and their results. Knows no numbers.

use std::collections::{BTreeSet, HashMap};

use super::Arm;
use crate::report::record::{Record, StepRecord};

/// The stages of all arms.
pub(super) struct Stages<'a> {
    /// By experiment, arm and stage: one step for each replicate.
    steps: HashMap<[&'a str; 3], Vec<&'a StepRecord>>,
}

impl<'a> Stages<'a> {
    pub(super) fn new(records: &'a [Record]) -> Self {
        let mut steps: HashMap<_, Vec<&StepRecord>> = HashMap::new();
        for (record, step) in records.iter().flat_map(|record| record.steps.iter().map(move |step| (record, step))) {
            steps.entry([&record.experiment, &step.arm, &step.stage].map(String::as_str)).or_default().push(step);
        }
        Self { steps }
    }

    /// The steps of every stage of every arm.
    pub(super) fn all(&self) -> impl Iterator<Item = &[&'a StepRecord]> {
        self.steps.values().map(Vec::as_slice)
    }

    /// The steps of `stage` and of all stages behind it in an arm, stage by stage.
    pub(super) fn up_to<'s>(&'s self, arm: &'s Arm, stage: &'s str) -> Vec<&'s [&'a StepRecord]> {
        let (mut found, mut seen, mut waiting) = (Vec::new(), BTreeSet::from([stage]), vec![stage]);
        while let Some(stage) = waiting.pop() {
            let place: [&str; 3] = [&arm.experiment.experiment, &arm.record.name, stage];
            let Some(steps) = self.steps.get(&place) else { continue };
            found.push(steps.as_slice());
            waiting.extend(steps[0].inputs.values().map(String::as_str).filter(|input| seen.insert(input)));
        }
        found
    }
}
