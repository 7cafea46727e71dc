//! Standardisation of features with the statistics of the rows that it was fitted on.

use serde::{Deserialize, Serialize};

use super::ClassifierError;
use super::written::ensure;

/// Mean and standard deviation of each column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl Scale {
    /// Statistics of `rows`. A column without spread keeps its unit, so it becomes 0 on these rows.
    pub fn fit(rows: &[&[f32]]) -> Self {
        let columns = rows.first().map_or(0, |row| row.len());
        let n = rows.len().max(1) as f64;
        let mut mean = vec![0.0; columns];
        for row in rows {
            mean.iter_mut().zip(*row).for_each(|(sum, x)| *sum += f64::from(*x) / n);
        }
        let mut variance = vec![0.0; columns];
        for row in rows {
            let spread = row.iter().zip(&mean).map(|(x, mean)| (f64::from(*x) - mean).powi(2) / n);
            variance.iter_mut().zip(spread).for_each(|(sum, x)| *sum += x);
        }
        // The mean itself is rounded, so a constant column may show a spread of that order.
        let unit = |(v, mean): (&f64, &f64)| if v.sqrt() > 1e-12 * mean.abs() { v.sqrt() } else { 1.0 };
        let std = variance.iter().zip(&mean).map(unit).collect();
        Self { mean, std }
    }

    /// Leaves `columns` columns as they are.
    pub fn identity(columns: usize) -> Self {
        Self { mean: vec![0.0; columns], std: vec![1.0; columns] }
    }

    /// Refuses one that was read and is not for so many columns.
    pub(super) fn check(&self, columns: usize) -> Result<(), ClassifierError> {
        let found = [self.mean.len(), self.std.len()];
        ensure(found == [columns; 2], || {
            format!("it has means and deviations of {found:?} features, {columns} are expected")
        })?;
        ensure(self.std.iter().all(|std| *std > 0.0), || "a deviation is not above 0".into())
    }

    /// `(x - mean) / std` of each number of `row`.
    pub fn apply<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        row.iter().zip(self.mean.iter().zip(&self.std)).map(|(x, (mean, std))| (f64::from(*x) - mean) / std)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_get_mean_0_and_deviation_1_and_constants_become_0() {
        let rows: [&[f32]; 4] = [&[1.0, 0.1], &[3.0, 0.1], &[5.0, 0.1], &[7.0, 0.1]];
        let scale = Scale::fit(&rows);
        let scaled: Vec<Vec<f64>> = rows.iter().map(|row| scale.apply(row).collect()).collect();
        assert!(scaled.iter().map(|row| row[0]).sum::<f64>().abs() < 1e-12);
        assert!((scaled.iter().map(|row| row[0].powi(2)).sum::<f64>() / 4.0 - 1.0).abs() < 1e-12);
        assert!(scaled.iter().all(|row| row[1].abs() < 1e-12));
    }
}
