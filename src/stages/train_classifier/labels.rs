//! The classes of labelled rows: merged as the user says, by split, with what each class has to learn from. Knows no pixels.

use std::collections::{BTreeMap, BTreeSet};

use crate::artifacts::predictions::Prediction;
use crate::artifacts::split::{TEST, TRAIN, VALIDATION};
use crate::artifacts::table::Table;
use crate::stage::StageError;

/// Rows with their classes.
pub(super) struct Labels {
    /// Names of the classes in order.
    pub(super) names: Vec<String>,
    /// Classes with training rows, by position in `names`: only these can be learnt.
    pub(super) learnt: Vec<usize>,
    /// Of each row the class by position in `learnt`; `None`: unlabelled, or of a class without training rows.
    pub(super) classes: Vec<Option<usize>>,
    /// Training rows per class without augmented copies, in the order of `names`.
    pub(super) train_counts: Vec<usize>,
    rows: Vec<Row>,
}

/// Identity of a row.
struct Row {
    candid: i64,
    object_id: String,
    /// Position in `names`.
    label: Option<usize>,
    split: String,
    copy: i64,
}

impl Labels {
    /// The rows of `index`, whose labels are `classes` until `merge` puts some together.
    pub(super) fn new(
        index: &Table,
        classes: &[String],
        merge: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, StageError> {
        let renamed = renamed(classes, merge)?;
        let names: Vec<String> = renamed.values().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let number = |label: &String| names.iter().position(|name| Some(name) == renamed.get(label));
        let ints = |name| index.ints(name).unwrap_or_default();
        let (candids, copies) = (ints("candid"), ints("copy"));
        let (objects, splits) = (index.texts("objectId"), index.texts("split"));
        let row = |(i, label): (usize, &String)| Row {
            candid: candids[i],
            object_id: objects[i].clone(),
            label: number(label),
            split: splits[i].clone(),
            copy: copies.get(i).copied().unwrap_or(0),
        };
        let rows: Vec<Row> = index.texts("label").iter().enumerate().map(row).collect();
        let mut train_counts = vec![0; names.len()];
        for class in rows.iter().filter(|row| row.split == TRAIN && row.copy == 0).filter_map(|row| row.label) {
            train_counts[class] += 1;
        }
        let learnt: Vec<usize> = (0..names.len()).filter(|class| train_counts[*class] > 0).collect();
        let classes = rows.iter().map(|row| learnt.iter().position(|class| Some(*class) == row.label)).collect();
        let labels = Self { names, learnt, classes, train_counts, rows };
        labels.check()?;
        Ok(labels)
    }

    fn check(&self) -> Result<(), StageError> {
        if self.learnt.len() < 2 {
            let found: Vec<&str> = self.learnt.iter().map(|class| self.names[*class].as_str()).collect();
            let found = if found.is_empty() { "none".into() } else { found.join(", ") };
            return Err(StageError::with_hint(
                format!("a classifier needs two classes with labelled rows in the training split; there is {found}"),
                "give `load` a label table, check the splits of `preprocess`, or `merge` fewer labels",
            ));
        }
        if self.judged().is_empty() {
            return Err(StageError::with_hint(
                "there are no labelled rows in the validation and test splits, so nothing to judge",
                "give labels, or splits that leave some alerts for them",
            ));
        }
        Ok(())
    }

    /// Training rows of learnt classes, augmented copies among them.
    pub(super) fn training(&self) -> Vec<usize> {
        self.chosen(|row| row.split == TRAIN)
    }

    /// Rows of a split of learnt classes, without copies.
    pub(super) fn originals(&self, split: &str) -> Vec<usize> {
        self.chosen(|row| row.split == split && row.copy == 0)
    }

    /// Labelled rows of the validation and then the test split, whether their class could be learnt or not.
    pub(super) fn judged(&self) -> Vec<usize> {
        let of = |split: &'static str| {
            let is_judged = move |row: &Row| row.label.is_some() && row.split == split && row.copy == 0;
            self.rows.iter().enumerate().filter(move |(_, row)| is_judged(row)).map(|(i, _)| i)
        };
        of(VALIDATION).chain(of(TEST)).collect()
    }

    fn chosen(&self, is_chosen: impl Fn(&Row) -> bool) -> Vec<usize> {
        let rows = self.rows.iter().zip(&self.classes).enumerate();
        rows.filter(|(_, (row, class))| class.is_some() && is_chosen(row)).map(|(i, _)| i).collect()
    }

    /// The prediction for a judged row from probabilities of the learnt classes.
    pub(super) fn prediction(&self, row: usize, found: &[f64]) -> Prediction {
        let Row { candid, object_id, label, split, .. } = &self.rows[row];
        let mut probabilities = vec![0.0; self.names.len()];
        self.learnt.iter().zip(found).for_each(|(class, p)| probabilities[*class] = *p);
        Prediction {
            candid: *candid,
            object_id: object_id.clone(),
            label: label.unwrap_or_default(),
            split: split.clone(),
            probabilities,
        }
    }
}

/// The class of each label.
pub(in crate::stages) fn renamed(
    classes: &[String],
    merge: &BTreeMap<String, Vec<String>>,
) -> Result<BTreeMap<String, String>, StageError> {
    let mut renamed: BTreeMap<String, String> = classes.iter().map(|class| (class.clone(), class.clone())).collect();
    let mut taken = BTreeSet::new();
    for (name, label) in merge.iter().flat_map(|(name, labels)| labels.iter().map(move |label| (name, label))) {
        let Some(class) = renamed.get_mut(label) else {
            let hint = format!("the labels are {}", classes.join(", "));
            return Err(StageError::with_hint(format!("`merge` names a label `{label}` that there is not"), hint));
        };
        if !taken.insert(label) {
            return Err(StageError::failed(format!("`merge` puts the label `{label}` into two classes")));
        }
        class.clone_from(name);
    }
    Ok(renamed)
}
