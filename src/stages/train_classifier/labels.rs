//! The classes of labelled rows by split, and which of them can be learnt. Knows no pixels.

use std::collections::BTreeSet;

use crate::artifacts::predictions::{LabelsTaken, Prediction};
use crate::artifacts::split::{TEST, TRAIN, VALIDATION};
use crate::stage::StageError;
use crate::stages::few_labels::FewLabels;

/// Rows with their classes.
pub(super) struct Labels {
    /// Names of the classes in order.
    pub(super) names: Vec<String>,
    /// Classes with training rows, by position in `names`: only these can be learnt.
    pub(super) learnt: Vec<usize>,
    /// Of each row the class by position in `learnt`; `None`: unlabelled, of a class without training rows, or not taken.
    pub(super) classes: Vec<Option<usize>>,
    /// Training rows per class without augmented copies, in the order of `names`.
    pub(super) train_counts: Vec<usize>,
    /// What was taken of the labels, if not all.
    pub(super) taken: Option<LabelsTaken>,
    rows: Vec<Row>,
}

/// Who a row is, in the words of its artifact.
pub(super) struct Identity {
    pub(super) candid: i64,
    pub(super) object_id: String,
    /// Empty: unlabelled.
    pub(super) label: String,
    pub(super) split: String,
    /// 0 for an original.
    pub(super) copy: i64,
}

/// The same with its class.
struct Row {
    identity: Identity,
    /// Position in `names`.
    label: Option<usize>,
}

impl Row {
    fn is_original(&self, split: &str) -> bool {
        self.identity.split == split && self.identity.copy == 0
    }
}

impl Labels {
    /// The rows, with labels among `names`, of which `few` are taken by the seed.
    pub(super) fn new(
        identities: Vec<Identity>,
        names: &[String],
        few: &FewLabels,
        seed: u64,
    ) -> Result<Self, StageError> {
        let names = names.to_vec();
        let number = |label: &String| names.iter().position(|name| name == label);
        let row = |identity: Identity| Row { label: number(&identity.label), identity };
        let rows: Vec<Row> = identities.into_iter().map(row).collect();
        let mut train_counts = vec![0; names.len()];
        for class in rows.iter().filter(|row| row.is_original(TRAIN)).filter_map(|row| row.label) {
            train_counts[class] += 1;
        }
        let learnt: Vec<usize> = (0..names.len()).filter(|class| train_counts[*class] > 0).collect();
        let classes = rows.iter().map(|row| learnt.iter().position(|class| Some(*class) == row.label)).collect();
        let mut labels = Self { names, learnt, classes, train_counts, taken: None, rows };
        if few.is_some() {
            labels.take(few, seed);
        }
        labels.check()?;
        Ok(labels)
    }

    /// Forgets what the labels of training and validation rows say that are not taken: copies with what they are copies of.
    fn take(&mut self, few: &FewLabels, seed: u64) {
        let of_class = |split, class| {
            let rows = self.rows.iter().enumerate();
            rows.filter(|(_, row)| row.is_original(split) && row.label == Some(class)).map(|(i, _)| i).collect()
        };
        let [training, validation] = [TRAIN, VALIDATION]
            .map(|split| (0..self.names.len()).map(|class| of_class(split, class)).collect::<Vec<_>>());
        let found = few.take(&training, &validation, &self.names, seed);
        let kept: BTreeSet<i64> =
            found.training.iter().chain(&found.validation).map(|row| self.rows[*row].identity.candid).collect();
        for (row, class) in self.rows.iter().zip(&mut self.classes) {
            if row.identity.split != TEST && !kept.contains(&row.identity.candid) {
                *class = None;
            }
        }
        self.taken = Some(found.facts);
    }

    fn check(&self) -> Result<(), StageError> {
        if self.learnt.len() < 2 {
            let found: Vec<&str> = self.learnt.iter().map(|class| self.names[*class].as_str()).collect();
            let found = if found.is_empty() { "none".into() } else { found.join(", ") };
            return Err(StageError::with_hint(
                format!("a classifier needs two classes with labelled rows in the training split; there is {found}"),
                "give `load` a label table, or check the splits and classes of `preprocess`",
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
        self.chosen(|row| row.identity.split == TRAIN)
    }

    /// Rows of a split of learnt classes, without copies.
    pub(super) fn originals(&self, split: &str) -> Vec<usize> {
        self.chosen(|row| row.is_original(split))
    }

    /// Labelled rows of the validation and then the test split, whether their class could be learnt or not.
    pub(super) fn judged(&self) -> Vec<usize> {
        let of = |split: &'static str| {
            let is_judged = move |row: &Row| row.label.is_some() && row.is_original(split);
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
        let Row { identity: Identity { candid, object_id, split, .. }, label } = &self.rows[row];
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Each alert with a copy: ten of two classes for training, four for validation, two for the test.
    #[test]
    fn copies_go_with_what_they_are_copies_of() {
        let split = |candid: i64| if candid < 10 { TRAIN } else { [VALIDATION, TEST][usize::from(candid > 13)] };
        let identity = |candid: i64, copy: i64| Identity {
            candid,
            object_id: format!("Z{candid}"),
            label: ["a", "b"][candid as usize % 2].into(),
            split: split(candid).into(),
            copy,
        };
        let identities = || (0..16).flat_map(|candid| [identity(candid, 0), identity(candid, 1)]).collect();
        let few = |labels_per_class| FewLabels { labels_per_class, label_fraction: 1.0 };
        let of = |n| Labels::new(identities(), &["a", "b"].map(String::from), &few(n), 1).unwrap();
        let (labels, all) = (of(2), of(0));
        let training = labels.training();
        assert_eq!((training.len(), labels.originals(VALIDATION).len(), all.training().len()), (8, 4, 20));
        assert!(training.chunks(2).all(|pair| pair[0] % 2 == 0 && pair[1] == pair[0] + 1), "{training:?}");
        assert_eq!((labels.judged(), labels.originals(TEST)), (all.judged(), all.originals(TEST)));
    }
}
