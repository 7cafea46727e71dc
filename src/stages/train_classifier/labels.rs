//! The classes of labelled rows by split, and which of them can be learnt. Knows no pixels.

use crate::artifacts::predictions::Prediction;
use crate::artifacts::split::{TEST, TRAIN, VALIDATION};
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
    /// The rows, with labels among `names`.
    pub(super) fn new(identities: Vec<Identity>, names: &[String]) -> Result<Self, StageError> {
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
