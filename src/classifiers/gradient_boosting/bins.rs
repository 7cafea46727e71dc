//! Features in bins of similar values: what the splits of trees are looked for in.

use rayon::prelude::*;

/// Most bins of a feature.
pub(super) const BINS: usize = 255;

/// Training rows in bins.
pub(super) struct Binned {
    /// `[feature][row]`: number of the bin.
    pub(super) columns: Vec<Vec<u8>>,
    /// `[feature][bin]`: rows with a value up to this one are in the bin or in one before it; the last bin has none.
    pub(super) limits: Vec<Vec<f64>>,
}

impl Binned {
    pub(super) fn new(rows: &[&[f32]]) -> Self {
        let columns = rows.first().map_or(0, |row| row.len());
        let column = |column: usize| {
            let values: Vec<f64> = rows.iter().map(|row| f64::from(row[column])).collect();
            let limits = limits(&values);
            let bins = values.iter().map(|value| limits.partition_point(|limit| limit < value) as u8).collect();
            (bins, limits)
        };
        let (columns, limits) = (0..columns).into_par_iter().map(column).unzip();
        Self { columns, limits }
    }
}

/// Halfway between neighbouring values where there are few, else quantiles.
fn limits(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= BINS {
        return distinct.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])).collect();
    }
    let quantile = |bin: usize| {
        let place = bin * (sorted.len() - 1);
        f64::midpoint(sorted[place / BINS], sorted[place.div_ceil(BINS)])
    };
    let mut limits: Vec<f64> = (1..BINS).map(quantile).collect();
    limits.dedup();
    limits
}
