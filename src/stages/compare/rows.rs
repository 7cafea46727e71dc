//! The rows that several predictions share, in one order.

use std::collections::{BTreeMap, BTreeSet};

use super::MAJORITY;
use crate::artifacts::predictions::{Prediction, Predictions};
use crate::classifiers::majority::frequencies;
use crate::metrics::Judged;
use crate::stage::StageError;

/// Predictions of one split by input, each `[row]` in order of candid, the same rows in all.
pub(super) type Aligned<'a> = BTreeMap<&'a str, Vec<&'a Prediction>>;

/// Rows of the split that all inputs have. Unless `common`, an input that lacks or adds rows is an error.
pub(super) fn align<'a>(
    inputs: &'a BTreeMap<String, Predictions>,
    part: &str,
    common: bool,
) -> Result<Aligned<'a>, StageError> {
    let mut found: BTreeMap<&str, BTreeMap<i64, &Prediction>> = BTreeMap::new();
    for (name, predictions) in inputs {
        let rows = predictions.rows.iter().filter(|row| row.split == part);
        let (count, by_candid) = (rows.clone().count(), rows.map(|row| (row.candid, row)).collect::<BTreeMap<_, _>>());
        if by_candid.len() < count {
            return Err(StageError::failed(format!("`{name}` has several {part} rows of one candid")));
        }
        found.insert(name, by_candid);
    }
    let Some((first, rows)) = found.first_key_value().map(|(name, rows)| (*name, rows.clone())) else {
        return Err(StageError::failed("there are no predictions to compare"));
    };
    let shared: BTreeSet<i64> =
        rows.keys().copied().filter(|c| found.values().all(|rows| rows.contains_key(c))).collect();
    for (name, other) in &found {
        check_classes((first, &inputs[first]), (name, &inputs[*name]))?;
        check_rows(part, (first, &rows), (name, other), common)?;
    }
    if shared.is_empty() && !rows.is_empty() {
        return Err(StageError::failed(format!("the inputs have no {part} row in common")));
    }
    Ok(found.into_iter().map(|(name, rows)| (name, shared.iter().map(|c| rows[c]).collect())).collect())
}

fn check_classes(a: (&str, &Predictions), b: (&str, &Predictions)) -> Result<(), StageError> {
    let (ours, theirs) = (&a.1.facts.classes, &b.1.facts.classes);
    if ours == theirs {
        return Ok(());
    }
    let what = format!("`{}` has the classes {} and `{}` {}", a.0, ours.join(", "), b.0, theirs.join(", "));
    Err(StageError::with_hint(what, "compare predictions that were made from the same labels"))
}

fn check_rows(
    part: &str,
    a: (&str, &BTreeMap<i64, &Prediction>),
    b: (&str, &BTreeMap<i64, &Prediction>),
    common: bool,
) -> Result<(), StageError> {
    let odd =
        a.1.iter().find_map(|(candid, row)| b.1.get(candid).filter(|other| other.label != row.label).map(|_| candid));
    if let Some(candid) = odd {
        return Err(StageError::failed(format!("candid {candid} has one class in `{}` and another in `{}`", a.0, b.0)));
    }
    let only = |a: &BTreeMap<i64, &Prediction>, b: &BTreeMap<i64, &Prediction>| -> Vec<i64> {
        a.keys().filter(|candid| !b.contains_key(candid)).copied().collect()
    };
    let (only_a, only_b) = (only(a.1, b.1), only(b.1, a.1));
    let Some(example) = only_a.first().or(only_b.first()).filter(|_| !common) else { return Ok(()) };
    let what = format!(
        "the {part} rows differ: {} are only in `{}`, {} only in `{}` (candid {example}, for one)",
        only_a.len(),
        a.0,
        only_b.len(),
        b.0
    );
    Err(StageError::with_hint(what, "`common = true` compares on the rows that all inputs have"))
}

/// One series of judged rows.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    pub(super) split: &'a str,
    pub(super) classes: &'a [String],
    pub(super) objects: Vec<&'a str>,
    labels: Vec<usize>,
    probabilities: Vec<Vec<f64>>,
}

impl<'a> Series<'a> {
    /// The inputs by name, then [`MAJORITY`] from the training counts of the first input. None without rows.
    pub(super) fn all(aligned: &Aligned<'a>, inputs: &'a BTreeMap<String, Predictions>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (name, rows) in aligned.iter().filter(|(_, rows)| !rows.is_empty()) {
            all.push(Self {
                name,
                split: &rows[0].split,
                classes: &inputs[*name].facts.classes,
                objects: rows.iter().map(|row| row.object_id.as_str()).collect(),
                labels: rows.iter().map(|row| row.label).collect(),
                probabilities: rows.iter().map(|row| row.probabilities.clone()).collect(),
            });
        }
        let majority = all.first().map(|first| {
            let guess = frequencies(&inputs[first.name].facts.train_counts);
            Self {
                name: MAJORITY,
                objects: first.objects.clone(),
                labels: first.labels.clone(),
                probabilities: vec![guess; first.labels.len()],
                ..*first
            }
        });
        all.extend(majority);
        all
    }

    /// What the metrics see.
    pub(super) fn judged(&self) -> Vec<Judged<'_>> {
        self.labels.iter().zip(&self.probabilities).map(|(label, p)| Judged::new(*label, p)).collect()
    }
}
