//! Stamps of a night as rows for a network. Knows no alert beyond its name.

use crate::nn::{Column, Rows};
use crate::stages::preprocess::rows::Row;
use crate::stages::views::View;

/// Stamps that are judged at once.
pub(super) struct Stamps<'a> {
    /// Side, pixels.
    pub(super) side: usize,
    /// `[channel, y, x]` of each.
    pub(super) images: Vec<Vec<f32>>,
    /// By column and stamp.
    pub(super) metadata: Vec<&'a [f32]>,
    /// The alerts.
    pub(super) rows: &'a [Row],
}

/// Some of them, in one view.
pub(super) struct Seen<'a> {
    pub(super) stamps: &'a Stamps<'a>,
    /// Places of these stamps.
    pub(super) rows: &'a [usize],
    pub(super) view: View,
}

impl Rows for Seen<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column { name: "stamps", width: self.stamps.images.first().map_or(0, Vec::len) },
            Column { name: "metadata", width: self.stamps.metadata.len() },
            Column { name: "class", width: 1 },
        ]
    }

    /// The class is 0: nothing reads it.
    fn copy_row(&self, row: usize, column: usize, into: &mut [f32]) {
        let row = self.rows[row];
        match column {
            0 => self.view.copy(&self.stamps.images[row], self.stamps.side, into),
            1 => into.iter_mut().zip(&self.stamps.metadata).for_each(|(value, column)| *value = column[row]),
            _ => into.fill(0.0),
        }
    }
}
