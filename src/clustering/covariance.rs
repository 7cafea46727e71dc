//! How a Gaussian spreads: a variance for each column, or a whole covariance matrix. Knows no mixture.

use std::f64::consts::TAU;

/// The spread of a Gaussian, made from sums over weighted rows.
pub trait Covariance: Clone + Send + Sync {
    /// Number of sums for so many columns.
    fn sums(columns: usize) -> usize;
    /// Adds the products of a row's distances from a fixed point.
    fn add(sums: &mut [f64], apart: &[f64], weight: f64);
    /// From those sums, the weight of all rows and their mean distance from the fixed point; `floor` is added to each variance.
    fn new(sums: &[f64], weight: f64, shifts: &[f64], floor: f64) -> Self;
    /// `ln N(x; μ, Σ)`.
    fn log_density(&self, row: &[f64], mean: &[f64]) -> f64;
    /// `(x − μ)ᵀ Σ⁻¹ (x − μ)`: the square of the Mahalanobis distance.
    fn distance(&self, row: &[f64], mean: &[f64]) -> f64;
}

/// A variance for each column.
pub type Diagonal = Vec<f64>;

impl Covariance for Diagonal {
    fn sums(columns: usize) -> usize {
        columns
    }
    fn add(sums: &mut [f64], apart: &[f64], weight: f64) {
        sums.iter_mut().zip(apart).for_each(|(sum, x)| *sum += weight * x.powi(2));
    }
    fn new(sums: &[f64], weight: f64, shifts: &[f64], floor: f64) -> Self {
        let variance = |(square, shift): (&f64, &f64)| (square / weight - shift * shift).max(0.0) + floor;
        sums.iter().zip(shifts).map(variance).collect()
    }
    fn log_density(&self, row: &[f64], mean: &[f64]) -> f64 {
        let term = |((x, mean), variance): ((&f64, &f64), &f64)| (TAU * variance).ln() + (x - mean).powi(2) / variance;
        -0.5 * row.iter().zip(mean).zip(self).map(term).sum::<f64>()
    }
    fn distance(&self, row: &[f64], mean: &[f64]) -> f64 {
        row.iter().zip(mean).zip(self).map(|((x, mean), variance)| (x - mean).powi(2) / variance).sum()
    }
}

/// A covariance matrix, kept as its Cholesky factor: `Σ = L Lᵀ`.
#[derive(Clone, Debug, PartialEq)]
pub struct Full {
    /// `L`, row by row: the entries up to the diagonal.
    lower: Vec<Vec<f64>>,
    /// `ln det Σ`.
    log_determinant: f64,
}

impl Full {
    /// Of a matrix that is positive definite by the `floor` on its diagonal. Without rounding no pivot is below that.
    fn factored(mut matrix: Vec<Vec<f64>>, floor: f64) -> Self {
        for i in 0..matrix.len() {
            let (above, rest) = matrix.split_at_mut(i);
            let row = &mut rest[0];
            for (j, other) in above.iter().enumerate() {
                let product: f64 = row[..j].iter().zip(other).map(|(a, b)| a * b).sum();
                row[j] = (row[j] - product) / other[j];
            }
            let square: f64 = row[..i].iter().map(|x| x * x).sum();
            row[i] = (row[i] - square).max(floor).sqrt();
        }
        let log_determinant = 2.0 * matrix.iter().enumerate().map(|(i, row)| row[i].ln()).sum::<f64>();
        Self { lower: matrix, log_determinant }
    }
}

impl Covariance for Full {
    fn sums(columns: usize) -> usize {
        columns * (columns + 1) / 2
    }
    fn add(sums: &mut [f64], apart: &[f64], weight: f64) {
        let pairs = apart.iter().enumerate().flat_map(|(i, x)| apart[..=i].iter().map(move |y| x * y));
        sums.iter_mut().zip(pairs).for_each(|(sum, product)| *sum += weight * product);
    }
    fn new(sums: &[f64], weight: f64, shifts: &[f64], floor: f64) -> Self {
        let mut sums = sums.iter();
        let mut entry = |i: usize, j: usize| {
            let covariance = sums.next().copied().unwrap_or_default() / weight - shifts[i] * shifts[j];
            if i == j { covariance.max(0.0) + floor } else { covariance }
        };
        let matrix = (0..shifts.len()).map(|i| (0..=i).map(|j| entry(i, j)).collect()).collect();
        Self::factored(matrix, floor)
    }
    fn log_density(&self, row: &[f64], mean: &[f64]) -> f64 {
        -0.5 * (row.len() as f64 * TAU.ln() + self.log_determinant + self.distance(row, mean))
    }
    /// `|y|²` with `L y = x − μ`.
    fn distance(&self, row: &[f64], mean: &[f64]) -> f64 {
        let mut solved: Vec<f64> = Vec::with_capacity(row.len());
        for (lower, (x, mean)) in self.lower.iter().zip(row.iter().zip(mean)) {
            let known: f64 = lower.iter().zip(&solved).map(|(a, y)| a * y).sum();
            solved.push((x - mean - known) / lower[solved.len()]);
        }
        solved.iter().map(|y| y * y).sum()
    }
}
