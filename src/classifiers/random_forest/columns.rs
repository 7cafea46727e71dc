//! Features column by column, each value as its place among the feature's values: what the splits of trees are looked for in.

use rayon::prelude::*;

/// Training rows, feature by feature.
pub(super) struct Columns {
    /// `[feature][row]`: place of the value among the distinct values, rising.
    pub(super) ranks: Vec<Vec<u32>>,
    /// `[feature][rank]`: the distinct values.
    values: Vec<Vec<f32>>,
}

impl Columns {
    pub(super) fn new(rows: &[&[f32]]) -> Self {
        let columns = rows.first().map_or(0, |row| row.len());
        let column = |column: usize| {
            let mut values: Vec<f32> = rows.iter().map(|row| row[column]).collect();
            values.sort_unstable_by(f32::total_cmp);
            values.dedup();
            let rank = |row: &&[f32]| values.partition_point(|value| *value < row[column]) as u32;
            (rows.iter().map(rank).collect(), values)
        };
        let (ranks, values) = (0..columns).into_par_iter().map(column).unzip();
        Self { ranks, values }
    }

    /// Halfway between two values of a feature.
    pub(super) fn between(&self, feature: usize, ranks: [u32; 2]) -> f64 {
        let [low, high] = ranks.map(|rank| f64::from(self.values[feature][rank as usize]));
        f64::midpoint(low, high)
    }
}
