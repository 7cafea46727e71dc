//! Rows of one length, scaled as wanted. Knows no method.

use crate::choice;
use crate::classifiers::scale::Scale;

choice! {
    /// How rows are scaled before a map is made of them.
    pub enum Norm {
        /// As they are.
        None = "none",
        /// Each row divided by its length; a row of zeros stays.
        L2 = "l2",
        /// Each column with mean 0 and deviation 1 on the training rows.
        ZScore = "z-score",
    }
}

/// Rows of one length of finite numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Points {
    /// From rows of one length.
    pub fn new<R: AsRef<[f32]>>(rows: &[R]) -> Self {
        let values: Vec<f32> = rows.iter().flat_map(|row| row.as_ref().iter().copied()).collect();
        Self { values, rows: rows.len(), columns: rows.first().map_or(0, |row| row.as_ref().len()) }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// All rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> + Clone {
        (0..self.rows).map(|row| self.row(row))
    }

    /// Scaled; the statistics of a z-score are those of `training`.
    #[must_use]
    pub fn scaled(&self, norm: Norm, training: &Self) -> Self {
        match norm {
            Norm::None => self.clone(),
            Norm::L2 => self.of_length_one(),
            Norm::ZScore => {
                let scale = Scale::fit(&training.iter().collect::<Vec<_>>());
                self.map(|row| scale.apply(row).collect())
            }
        }
    }

    /// Each row divided by its length; a row of zeros stays.
    #[must_use]
    pub fn of_length_one(&self) -> Self {
        self.map(|row| {
            let length = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            let unit = if length > 0.0 { length } else { 1.0 };
            row.iter().map(|x| f64::from(*x) / unit).collect()
        })
    }

    fn map(&self, change: impl Fn(&[f32]) -> Vec<f64>) -> Self {
        let values = self.iter().flat_map(|row| change(row).into_iter().map(|x| x as f32)).collect();
        Self { values, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_scaled_by_the_training_rows_alone() {
        let shown = Points::new(&[[3.0, 4.0], [0.0, 0.0]]);
        let training = Points::new(&[[1.0, 4.0], [5.0, 4.0]]);
        assert_eq!(shown.scaled(Norm::None, &training), shown);
        assert_eq!(shown.scaled(Norm::L2, &training), Points::new(&[[0.6, 0.8], [0.0, 0.0]]));
        // Mean 3 and deviation 2; the second column is constant, so it keeps its unit.
        assert_eq!(shown.scaled(Norm::ZScore, &training), Points::new(&[[0.0, 0.0], [-1.5, -4.0]]));
    }
}
