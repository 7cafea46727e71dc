//! Vectors as stages learn from them: class numbers, splits, rows that are no augmented copies, checked values. Knows no
//! particular kind.

use std::path::Path;

use crate::artifacts::features::Features;
use crate::stage::StageError;

/// A features artifact with its columns read.
pub(super) struct Vectors {
    pub(super) features: Features,
    /// Class of each row by its place in the list of classes; `None`: unlabelled.
    pub(super) labels: Vec<Option<usize>>,
    candids: Vec<i64>,
    objects: Vec<String>,
    splits: Vec<String>,
    copies: Vec<i64>,
}

impl Vectors {
    /// Opens the artifact in `folder`, which must have columns.
    pub(super) fn open(folder: &Path) -> Result<Self, StageError> {
        let features = Features::open(folder)?;
        if features.facts.names.is_empty() {
            return Err(StageError::failed("the features have no columns"));
        }
        let class = |label: &String| features.facts.classes.iter().position(|class| class == label);
        let index = &features.index;
        let ints = |name| index.ints(name).unwrap_or_default().to_vec();
        Ok(Self {
            labels: index.texts("label").iter().map(class).collect(),
            candids: ints("candid"),
            objects: index.texts("objectId"),
            splits: index.texts("split"),
            copies: ints("copy"),
            features,
        })
    }

    /// Names of the classes in order.
    pub(super) fn classes(&self) -> &[String] {
        &self.features.facts.classes
    }

    /// Detection of a row.
    pub(super) fn candid(&self, row: usize) -> i64 {
        self.candids[row]
    }

    /// Object of a row.
    pub(super) fn object(&self, row: usize) -> &str {
        &self.objects[row]
    }

    /// Split of a row.
    pub(super) fn split(&self, row: usize) -> &str {
        &self.splits[row]
    }

    /// Name of a row's class, empty when it is unlabelled.
    pub(super) fn label(&self, row: usize) -> &str {
        self.labels[row].map_or("", |class| &self.classes()[class])
    }

    /// Rows of a split.
    pub(super) fn of(&self, split: &str) -> Vec<usize> {
        (0..self.splits.len()).filter(|row| self.splits[*row] == split).collect()
    }

    /// Rows of a split that are no augmented copies.
    pub(super) fn originals(&self, split: &str) -> Vec<usize> {
        self.of(split).into_iter().filter(|row| self.is_original(*row)).collect()
    }

    /// Whether a row is no augmented copy.
    pub(super) fn is_original(&self, row: usize) -> bool {
        self.copies[row] == 0
    }

    /// The vectors of some rows.
    pub(super) fn values(&self, rows: &[usize]) -> Vec<&[f32]> {
        rows.iter().map(|row| self.features.values.row(*row)).collect()
    }

    /// That these rows hold numbers only.
    pub(super) fn check(&self, rows: &[usize]) -> Result<(), StageError> {
        for row in rows {
            if let Some(column) = self.features.values.row(*row).iter().position(|x| !x.is_finite()) {
                let (name, candid) = (&self.features.facts.names[column], self.candids[*row]);
                let what = format!("feature `{name}` of candid {candid} is not a number");
                return Err(StageError::with_hint(what, "choose what replaces missing values in `preprocess`"));
            }
        }
        Ok(())
    }
}
