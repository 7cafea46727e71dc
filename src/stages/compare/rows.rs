//! The rows that several predictions share, in one order.

use std::collections::{BTreeMap, BTreeSet};

use super::{CompareKeys, MAJORITY, RowWord};
use crate::artifacts::predictions::{Prediction, Predictions};
use crate::classifiers::majority::frequencies;
use crate::metrics::Judged;
use crate::stage::StageError;

/// Predictions of one split by input, each `[row]` in order of [`Id`], the same rows in all.
pub(super) type Aligned<'a> = BTreeMap<&'a str, Vec<&'a Prediction>>;

/// By what a row is found in other inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Id<'a> {
    Candid(i64),
    Object(&'a str),
}

impl<'a> Id<'a> {
    fn of(row: &'a Prediction, word: RowWord) -> Self {
        match word {
            RowWord::Alert => Self::Candid(row.candid),
            RowWord::Object => Self::Object(&row.object_id),
        }
    }
}

impl std::fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Candid(candid) => write!(f, "candid {candid}"),
            Self::Object(object) => write!(f, "object {object}"),
        }
    }
}

/// Rows of one input by what they are found by.
type Rows<'a> = BTreeMap<Id<'a>, &'a Prediction>;

/// Rows of the split that all inputs have. Unless `common`, an input that lacks or adds rows is an error.
pub(super) fn align<'a>(
    inputs: &'a BTreeMap<String, Predictions>,
    part: &str,
    keys: &CompareKeys,
) -> Result<Aligned<'a>, StageError> {
    let mut found: BTreeMap<&str, Rows> = BTreeMap::new();
    for (name, predictions) in inputs {
        let mut rows = Rows::new();
        for row in predictions.rows.iter().filter(|row| row.split == part) {
            let id = Id::of(row, keys.rows);
            if rows.insert(id, row).is_some() {
                return Err(StageError::failed(format!(
                    "`{name}` has several {part} rows of one {}",
                    keys.rows.noun()
                )));
            }
        }
        found.insert(name, rows);
    }
    let Some((first, rows)) = found.first_key_value().map(|(name, rows)| (*name, rows.clone())) else {
        return Err(StageError::failed("there are no predictions to compare"));
    };
    let shared: BTreeSet<Id> =
        rows.keys().copied().filter(|id| found.values().all(|rows| rows.contains_key(id))).collect();
    for (name, other) in &found {
        check_classes((first, &inputs[first]), (name, &inputs[*name]))?;
        check_rows(part, (first, &rows), (name, other), keys.common)?;
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

/// What `a` has and `b` lacks.
fn only<'a>(a: &Rows<'a>, b: &Rows<'a>) -> Vec<Id<'a>> {
    a.keys().filter(|id| !b.contains_key(id)).copied().collect()
}

fn check_rows(part: &str, a: (&str, &Rows), b: (&str, &Rows), common: bool) -> Result<(), StageError> {
    let odd = a.1.iter().find_map(|(id, row)| b.1.get(id).filter(|other| other.label != row.label).map(|_| id));
    if let Some(id) = odd {
        return Err(StageError::failed(format!("{id} has one class in `{}` and another in `{}`", a.0, b.0)));
    }
    let (only_a, only_b) = (only(a.1, b.1), only(b.1, a.1));
    let Some(example) = only_a.first().or(only_b.first()).filter(|_| !common) else { return Ok(()) };
    let what = format!(
        "the {part} rows differ: {} are only in `{}`, {} only in `{}` ({example}, for one)",
        only_a.len(),
        a.0,
        only_b.len(),
        b.0
    );
    let hint = "`common = true` compares on the rows that all inputs have, `rows = \"object\"` alerts with sequences";
    Err(StageError::with_hint(what, hint))
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
