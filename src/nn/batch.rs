//! Rows of data on their way into a network: by named column, assembled batch by batch.

use std::collections::BTreeMap;

use rayon::prelude::*;

/// One column: its name and the number of values per row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// E.g. `stamps`.
    pub name: &'static str,
    /// E.g. `channels · crop · crop`.
    pub width: usize,
}

/// A row as an epoch of training comes upon it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// The row.
    pub row: usize,
    /// The epoch, from 0.
    pub epoch: usize,
    /// How often the epoch has come upon the row before: a balanced one shows some rows more than once.
    pub again: usize,
}

/// A source of rows, usually arrays mapped from files.
pub trait Rows: Sync {
    /// Number of rows.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What each row holds.
    fn columns(&self) -> Vec<Column>;

    /// Copies one row of the column at position `column` into `into`, which has the column's width.
    fn copy_row(&self, row: usize, column: usize, into: &mut [f32]);

    /// Copies one row as training sees it. Rows that are changed anew each time draw by the visit alone, so that neither the
    /// order of rows nor a resumed run changes a draw; all others are as they are.
    fn copy_visit(&self, visit: Visit, column: usize, into: &mut [f32]) {
        self.copy_row(visit.row, column, into);
    }

    /// Number of the row's class, if it has one: for balanced batches, see [`Balance`](super::train::Balance).
    fn class(&self, _row: usize) -> Option<usize> {
        None
    }
}

/// Some rows, column by column: `[row, width]`.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Number of rows.
    pub rows: usize,
    columns: BTreeMap<&'static str, Vec<f32>>,
}

impl Batch {
    /// The rows of `data` at `indices`, as they are.
    pub fn gather(data: &dyn Rows, indices: &[usize]) -> Self {
        Self::filled(data, indices.len(), |i, column, into| data.copy_row(indices[i], column, into))
    }

    /// The rows of `data` as training sees them.
    pub fn visit(data: &dyn Rows, visits: &[Visit]) -> Self {
        Self::filled(data, visits.len(), |i, column, into| data.copy_visit(visits[i], column, into))
    }

    fn filled(data: &dyn Rows, rows: usize, copy: impl Fn(usize, usize, &mut [f32]) + Sync) -> Self {
        let column = |(position, Column { name, width }): (usize, Column)| {
            let mut values = vec![0.0; width * rows];
            values.par_chunks_exact_mut(width.max(1)).enumerate().for_each(|(i, into)| copy(i, position, into));
            (name, values)
        };
        Self { rows, columns: data.columns().into_iter().enumerate().map(column).collect() }
    }

    /// A batch from whole columns, each `[rows, width]`.
    pub fn from_columns<const N: usize>(rows: usize, columns: [(&'static str, Vec<f32>); N]) -> Self {
        Self { rows, columns: columns.into() }
    }

    /// With every value that is no whole number (a class, a length, a mask) changed.
    #[cfg(all(test, feature = "cuda"))]
    pub(crate) fn changed(mut self, mut change: impl FnMut(f32) -> f32) -> Self {
        let values = self.columns.values_mut().flatten().filter(|value| value.fract() != 0.0);
        values.for_each(|value| *value = change(*value));
        self
    }

    /// The values of a column `[row, width]`; empty if the data have none of that name.
    pub fn column(&self, name: &str) -> &[f32] {
        self.columns.get(name).map_or(&[], Vec::as_slice)
    }
}
