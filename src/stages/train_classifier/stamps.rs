//! Labelled stamps as rows for a network: pixels, as they are or turned and mirrored, metadata, class.

use super::labels::Identity;
use crate::artifacts::stamps::Stamps;
use crate::nn::{Column, Rows};
use crate::stages::views::View;

/// Who the rows of `stamps` are.
pub(super) fn identities(stamps: &Stamps) -> Vec<Identity> {
    let ints = |name| stamps.index.ints(name).unwrap_or_default();
    let (candids, copies) = (ints("candid"), ints("copy"));
    let texts = |name| stamps.index.texts(name);
    let (objects, labels, splits) = (texts("objectId"), texts("label"), texts("split"));
    let identity = |(row, label): (usize, &String)| Identity {
        candid: candids[row],
        object_id: objects[row].clone(),
        label: label.clone(),
        split: splits[row].clone(),
        copy: copies.get(row).copied().unwrap_or(0),
    };
    labels.iter().enumerate().map(identity).collect()
}

/// Some rows of stamps.
pub(super) struct StampRows<'a> {
    stamps: &'a Stamps,
    classes: &'a [Option<usize>],
    rows: &'a [usize],
    view: View,
}

impl<'a> StampRows<'a> {
    /// The rows at `rows`; `classes` are those of all rows.
    pub(super) fn new(stamps: &'a Stamps, classes: &'a [Option<usize>], rows: &'a [usize]) -> Self {
        Self { stamps, classes, rows, view: View::ALL[0] }
    }

    /// The same rows, each seen so.
    pub(super) fn seen(self, view: View) -> Self {
        Self { view, ..self }
    }
}

impl Rows for StampRows<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column { name: "stamps", width: self.stamps.images.row_len() },
            Column { name: "metadata", width: self.stamps.metadata.row_len() },
            Column { name: "class", width: 1 },
        ]
    }

    /// The class of a row without one is 0: nothing reads it, as such rows are never trained on.
    fn copy_row(&self, row: usize, column: usize, into: &mut [f32]) {
        let row = self.rows[row];
        match column {
            0 => self.view.copy(self.stamps.images.row(row), self.stamps.facts.side, into),
            1 => into.copy_from_slice(self.stamps.metadata.row(row)),
            _ => into.fill(self.classes[row].unwrap_or_default() as f32),
        }
    }
    fn class(&self, row: usize) -> Option<usize> {
        self.classes[self.rows[row]]
    }
}
