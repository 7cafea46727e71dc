//! Differences between the series of one stage, such as codes and metadata, that `compare` measured on the same rows. They are
//! over test objects, so they are shown where an arm has one result; over several results the arms are compared. Knows no table.

use std::collections::{BTreeSet, HashMap};

use super::{Arm, ComparisonOptions};
use crate::artifacts::scores::Difference;
use crate::report::record::Record;
use crate::report::tidy::{self, TidyDifference};

/// The difference between two series of a stage in one arm.
#[derive(Clone, Debug)]
pub struct SeriesDifference {
    /// Name of the arm, as in [`super::ComparisonRow`].
    pub arm: String,
    /// Name of the stage.
    pub stage: String,
    /// The difference.
    pub difference: Difference,
}

/// Those that `options` ask for, in the order of steps.
pub(super) fn differences(arms: &[Arm], records: &[Record], options: &ComparisonOptions) -> Vec<SeriesDifference> {
    let all: Vec<TidyDifference> = records.iter().flat_map(|record| tidy::differences(record).0).collect();
    let mut results: HashMap<[&str; 3], (usize, BTreeSet<&str>)> = HashMap::new();
    for row in &all {
        let (_, keys) = results.entry(place(row)).or_insert((row.replicate, BTreeSet::new()));
        keys.insert(&row.key);
    }
    let names: HashMap<[&str; 2], &str> =
        arms.iter().map(|arm| ([arm.experiment.experiment.as_str(), &arm.record.name], arm.name.as_str())).collect();
    let shown = |row: &&TidyDifference| {
        let (first, keys) = &results[&place(row)];
        keys.len() == 1 && row.replicate == *first && wanted(&row.difference, options)
    };
    let named = |row: &TidyDifference| {
        let arm = names.get(&[row.experiment.as_str(), &row.arm])?.to_string();
        Some(SeriesDifference { arm, stage: row.stage.clone(), difference: row.difference.clone() })
    };
    all.iter().filter(shown).filter_map(named).collect()
}

fn place(row: &TidyDifference) -> [&str; 3] {
    [&row.experiment, &row.arm, &row.stage]
}

fn wanted(difference: &Difference, options: &ComparisonOptions) -> bool {
    difference.split == options.split && (options.metrics.is_empty() || options.metrics.contains(&difference.metric))
}
