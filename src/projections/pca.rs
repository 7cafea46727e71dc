//! Principal components of rows of numbers, fitted on the rows that it is given. Knows neither stamps nor splits.

use thiserror::Error;

use super::covariance::Covariance;
use super::{Place, Projection, ProjectionError, Task};
use crate::spec::keys::Key;
use crate::spec::value::Params;

/// Most columns of which the whole covariance is held: 128 MiB, and ten seconds for its eigenvectors.
const WHOLE: usize = 4096;

/// Why principal components cannot be fitted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PcaError {
    /// Too few rows or columns.
    #[error(
        "{components} principal components need at least as many rows and columns; there are {rows} rows of {columns}"
    )]
    TooMany {
        /// Asked for.
        components: usize,
        /// Rows to fit on.
        rows: usize,
        /// Numbers in a row.
        columns: usize,
    },
    /// A missing value.
    #[error("row {row}, column {column} is not a finite number")]
    NotFinite {
        /// Row among those given.
        row: usize,
        /// Column.
        column: usize,
    },
    /// The eigenvalues do not converge.
    #[error("the eigenvalues of the covariance do not converge")]
    NoConvergence,
}

/// Fitted principal components: eigenvectors of the covariance, `C = 1/(n-1) \sum_i (x_i - \bar x)(x_i - \bar x)^T`,
/// by falling eigenvalue; of each, the loading of largest magnitude is positive.
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    /// Mean of the rows, `[column]`.
    pub mean: Vec<f64>,
    /// `[component][column]`, orthonormal.
    pub components: Vec<Vec<f64>>,
    /// Variance along each component.
    pub variances: Vec<f64>,
    /// Sum of the variances of all columns.
    pub total_variance: f64,
}

impl Pca {
    /// Fits `k` components on `rows`, which must be of one length; the same bytes with any number of threads. The rows are
    /// gone through several times and not held. Up to 4,096 columns, the whole covariance is; with more, its leading
    /// eigenvectors are found without it, nearly ([`Covariance::leading_eigenvectors`] says how nearly).
    pub fn fit<'a>(rows: impl ExactSizeIterator<Item = &'a [f32]> + Clone, k: usize) -> Result<Self, PcaError> {
        Self::fit_within(WHOLE, rows, k)
    }

    /// As [`Pca::fit`], with the whole covariance of so many columns.
    fn fit_within<'a>(
        most: usize,
        rows: impl ExactSizeIterator<Item = &'a [f32]> + Clone,
        k: usize,
    ) -> Result<Self, PcaError> {
        let (count, columns) = (rows.len(), rows.clone().next().map_or(0, <[f32]>::len));
        if k > count || k > columns {
            return Err(PcaError::TooMany { components: k, rows: count, columns });
        }
        let mean = mean(rows.clone(), columns)?;
        let covariance = Covariance { rows, mean: &mean };
        let found = if columns <= most { covariance.eigenvectors(k) } else { covariance.leading_eigenvectors(k) };
        let eigen = found.ok_or(PcaError::NoConvergence)?;
        let components = eigen.vectors.into_iter().map(oriented).collect();
        Ok(Self { mean, components, variances: eigen.values, total_variance: eigen.trace })
    }

    /// Coordinates of `row` along the components.
    pub fn transform(&self, row: &[f32]) -> Vec<f64> {
        let centred: Vec<f64> = row.iter().zip(&self.mean).map(|(x, mean)| f64::from(*x) - mean).collect();
        self.components.iter().map(|c| c.iter().zip(&centred).map(|(a, b)| a * b).sum()).collect()
    }

    /// The row with these coordinates.
    pub fn reconstruct(&self, codes: &[f64]) -> Vec<f32> {
        let mut row = self.mean.clone();
        for (code, component) in codes.iter().zip(&self.components) {
            for (x, loading) in row.iter_mut().zip(component) {
                *x += code * loading;
            }
        }
        row.into_iter().map(|x| x as f32).collect()
    }
}

/// The map of the first two components.
#[derive(Clone, Copy, Debug)]
pub struct PrincipalComponents;

impl Projection for PrincipalComponents {
    fn name(&self) -> &'static str {
        "pca"
    }
    fn summary(&self) -> &'static str {
        "The first two principal components, fitted on the training rows; distances keep their meaning."
    }
    fn source(&self) -> &'static str {
        "eigenvectors of the covariance, crate faer"
    }
    fn keys(&self) -> Vec<Key> {
        Vec::new()
    }
    fn is_random(&self) -> bool {
        false
    }
    fn embed(&self, _: &Params, task: &Task) -> Result<Vec<Place>, ProjectionError> {
        let pca = Pca::fit(task.training.iter(), 2)?;
        let place = |row: &[f32]| {
            let along = pca.transform(row);
            [along[0], along[1]]
        };
        Ok(task.points.iter().map(place).collect())
    }
}

/// An error names the first number that is not finite.
fn mean<'a>(rows: impl ExactSizeIterator<Item = &'a [f32]>, columns: usize) -> Result<Vec<f64>, PcaError> {
    let (mut sum, count) = (vec![0.0; columns], rows.len());
    for (row, values) in rows.enumerate() {
        if let Some(column) = values.iter().position(|x| !x.is_finite()) {
            return Err(PcaError::NotFinite { row, column });
        }
        sum.iter_mut().zip(values).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    Ok(sum.into_iter().map(|sum| sum / count as f64).collect())
}

/// With its largest loading (the first of equals) positive.
fn oriented(component: Vec<f64>) -> Vec<f64> {
    let mut largest = 0.0_f64;
    for loading in &component {
        if loading.abs() > largest.abs() {
            largest = *loading;
        }
    }
    if largest < 0.0 { component.into_iter().map(|x| -x).collect() } else { component }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of any numbers, the same as in the script below.
    fn rows(n: usize, d: usize) -> Vec<Vec<f32>> {
        let value = |i: usize, j: usize| ((i * 7 + j * j * 3 + i * j) % 11) as f32 + (j as f32) * 0.5;
        (0..n).map(|i| (0..d).map(|j| value(i, j)).collect()).collect()
    }

    fn fit(rows: &[Vec<f32>], k: usize) -> Result<Pca, PcaError> {
        Pca::fit(rows.iter().map(Vec::as_slice), k)
    }

    /// ```python
    /// import numpy as np; from sklearn.decomposition import PCA
    /// x = np.array([[((i*7 + j*j*3 + i*j) % 11) + j*0.5 for j in range(4)] for i in range(9)])
    /// p = PCA(2, svd_solver="full").fit(x); print(p.explained_variance_.tolist(), np.abs(p.components_[0]).tolist())
    /// print(np.abs(p.transform(x)[3]).tolist())
    /// ```
    #[test]
    fn equals_scikit_learn() {
        let rows = rows(9, 4);
        let pca = fit(&rows, 2).unwrap();
        close(&pca.variances, &VARIANCES);
        close(&pca.components[0].iter().map(|x| x.abs()).collect::<Vec<_>>(), &LOADINGS);
        close(&pca.transform(&rows[3]).iter().map(|x| x.abs()).collect::<Vec<_>>(), &CODES);
    }

    const VARIANCES: [f64; 2] = [18.452_131_841_459_515, 12.767_950_463_442_6];
    const LOADINGS: [f64; 4] =
        [0.186_518_899_093_773_2, 0.618_752_474_074_304_2, 0.666_900_904_695_069_6, 0.370_943_741_589_843_06];
    const CODES: [f64; 2] = [0.159_809_157_971_674_94, 2.383_310_305_050_921];

    fn close(ours: &[f64], theirs: &[f64]) {
        assert_eq!(ours.len(), theirs.len());
        for (a, b) in ours.iter().zip(theirs) {
            assert!((a - b).abs() < 1e-9, "{ours:?} against {theirs:?}");
        }
    }

    #[test]
    fn all_components_give_the_row_back_and_the_largest_loading_is_positive() {
        let rows = rows(40, 5);
        let pca = fit(&rows, 5).unwrap();
        for row in &rows {
            let back = pca.reconstruct(&pca.transform(row));
            assert!(row.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-4));
        }
        assert!((pca.variances.iter().sum::<f64>() - pca.total_variance).abs() < 1e-9);
        for component in &pca.components {
            let largest = component.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
            assert!(largest > 0.0);
        }
        assert_eq!(oriented(vec![0.1, -0.5, 0.5]), [-0.1, 0.5, -0.5], "of equal ones the first");
    }

    #[test]
    fn one_row_has_no_variance() {
        let pca = fit(&rows(1, 4), 1).unwrap();
        assert_eq!((pca.variances, pca.total_variance), (vec![0.0], 0.0));
    }

    #[test]
    fn many_columns_need_no_matrix() {
        let rows = rows(60, 40);
        let [whole, without] = [40, 39].map(|most| Pca::fit_within(most, rows.iter().map(Vec::as_slice), 3).unwrap());
        close(&whole.variances, &without.variances);
        let wide: Vec<Vec<f32>> = rows.iter().map(|row| row.repeat(WHOLE / 40 + 1)).collect();
        let pca = fit(&wide, 3).unwrap();
        let copies = (WHOLE / 40 + 1) as f64;
        close(&pca.variances.iter().map(|x| x / copies).collect::<Vec<_>>(), &whole.variances);
    }

    #[test]
    fn the_same_bytes_with_any_number_of_threads() {
        let rows = rows(700, 150);
        let with =
            |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(|| fit(&rows, 8).unwrap());
        assert_eq!(with(1), with(4));
    }

    #[test]
    fn impossible_requests_are_errors() {
        assert_eq!(fit(&rows(2, 4), 3), Err(PcaError::TooMany { components: 3, rows: 2, columns: 4 }));
        let mut odd = rows(5, 4);
        odd[3][1] = f32::NAN;
        assert_eq!(fit(&odd, 2), Err(PcaError::NotFinite { row: 3, column: 1 }));
    }
}
