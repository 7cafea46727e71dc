//! What figures are made from: the artifacts of a record by stage and arm, and one look for each arm and class.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::compare::Comparison;
use super::draw::legend::Entry;
use super::draw::theme::{self, Style};
use super::record::{Record, StepRecord};
use super::tidy::{self, TidyRow};
use crate::artifacts::facts;
use crate::artifacts::table::Table;
use crate::stage::ArtifactType;

/// The artifacts of one experiment.
pub struct Sources<'a> {
    /// The experiment.
    pub record: &'a Record,
    /// All metrics.
    pub metrics: &'a [TidyRow],
    /// The arms compared.
    pub comparison: &'a Comparison,
    classes: Vec<String>,
    /// How many of them are classes of an artifact that something learns from; the others are labels of alerts alone.
    learnt: usize,
    problems: Mutex<BTreeSet<String>>,
}

impl<'a> Sources<'a> {
    /// Looks through the artifacts for the classes.
    pub fn new(record: &'a Record, metrics: &'a [TidyRow], comparison: &'a Comparison) -> Self {
        let (classes, learnt) = classes(record);
        Self { record, metrics, comparison, classes, learnt, problems: Mutex::default() }
    }

    /// Names of the arms.
    pub fn arms(&self) -> Vec<&'a str> {
        self.record.arms.iter().map(|arm| arm.name.as_str()).collect()
    }

    /// Names of the arms, the baseline before the others.
    pub fn arms_baseline_first(&self) -> Vec<&'a str> {
        let mut arms = self.arms();
        arms.sort_by_key(|arm| Some(*arm) != self.record.baseline.as_deref());
        arms
    }

    /// What stands above the panel of an arm: its name, or, of a single arm, what the panel is about.
    pub fn panel_title<'t>(&self, arm: &'t str, about: &'t str) -> &'t str {
        if self.record.arms.len() > 1 || about.is_empty() { arm } else { about }
    }

    /// Stages that made an artifact of this type, in order.
    pub fn stages(&self, artifact: ArtifactType) -> Vec<&'a str> {
        let mut stages: Vec<&str> = Vec::new();
        for step in self.record.steps.iter().filter(|s| s.artifact.serves_as(artifact) && !s.is_missing()) {
            if !stages.contains(&step.stage.as_str()) {
                stages.push(&step.stage);
            }
        }
        stages
    }

    /// Distinct results of a stage in one arm, replicate by replicate.
    pub fn steps(&self, stage: &str, arm: &str) -> Vec<&'a StepRecord> {
        let mut seen = BTreeSet::new();
        let here = |s: &&StepRecord| s.stage == stage && s.arm == arm && !s.is_missing();
        self.record.steps.iter().filter(here).filter(|s| seen.insert(s.key.as_str())).collect()
    }

    /// The step behind an input.
    pub fn input(&self, step: &StepRecord, input: &str) -> Option<&'a StepRecord> {
        let stage = step.inputs.get(input)?;
        let matches = |s: &&StepRecord| s.stage == *stage && s.arm == step.arm && s.replicate == step.replicate;
        self.record.steps.iter().find(matches)
    }

    /// What `read` finds in the step's folder; a fault is noted and gives `None`.
    pub fn read<T>(&self, step: &StepRecord, read: impl FnOnce(&Path) -> crate::artifacts::Result<T>) -> Option<T> {
        match read(step.folder.as_ref()?) {
            Ok(value) => Some(value),
            Err(error) => {
                let file = error.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                let problem = format!("{}, {file}: {}", tidy::place(step), error.what);
                self.problems.lock().unwrap_or_else(PoisonError::into_inner).insert(problem);
                None
            }
        }
    }

    /// Faults so far.
    pub fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The look of an arm.
    pub fn arm_style(&self, arm: &str) -> Style {
        theme::style(self.record.arms.iter().position(|a| a.name == arm).unwrap_or(0))
    }

    /// The look of a class.
    pub fn class_style(&self, class: &str) -> Style {
        theme::style(self.classes.iter().position(|c| c == class).unwrap_or(self.classes.len()))
    }

    /// All classes in order.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The classes that something learns: what labels of alerts were put together under.
    pub fn learnt(&self) -> &[String] {
        &self.classes[..self.learnt]
    }

    /// Legend of the given arms.
    pub fn arm_entries(&self, arms: &[&str]) -> Vec<Entry> {
        arms.iter().map(|arm| Entry { name: (*arm).into(), style: self.arm_style(arm) }).collect()
    }

    /// Legend of the given classes.
    pub fn class_entries<'c>(&self, classes: impl IntoIterator<Item = &'c String>) -> Vec<Entry> {
        classes.into_iter().map(|c| Entry { name: c.clone(), style: self.class_style(c) }).collect()
    }
}

/// Class lists of stamps, sequences, features and predictions, then labels of alerts, in the order in which they come up; and
/// how many come before the labels of alerts.
fn classes(record: &Record) -> (Vec<String>, usize) {
    let mut found: Vec<String> = Vec::new();
    let add = |found: &mut Vec<String>, class: &str| {
        if !class.is_empty() && !found.iter().any(|c| c == class) {
            found.push(class.into());
        }
    };
    let mut seen = BTreeSet::new();
    let steps: Vec<(&StepRecord, &Path)> = record
        .steps
        .iter()
        .filter_map(|s| Some((s, s.folder.as_deref()?)))
        .filter(|(s, _)| seen.insert(&s.key))
        .collect();
    for (step, folder) in &steps {
        let file = folder.join(format!("{}.json", step.artifact.word()));
        let facts: Option<serde_json::Value> = if file.exists() { facts::read(file).ok() } else { None };
        let list = facts.as_ref().and_then(|f| f.get("classes")).and_then(|c| c.as_array());
        list.into_iter().flatten().filter_map(|c| c.as_str()).for_each(|class| add(&mut found, class));
    }
    let learnt = found.len();
    for (_, folder) in steps.iter().filter(|(s, _)| s.artifact == ArtifactType::Alerts) {
        if let Ok(table) = Table::read_columns(folder.join("alerts.csv"), |name| name == "label") {
            let labels: BTreeSet<String> = table.texts("label").into_iter().collect();
            for label in &labels {
                add(&mut found, label);
            }
        }
    }
    (found, learnt)
}
