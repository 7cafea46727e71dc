//! The covariance of rows of numbers, `C = 1/(n-1) \sum_i (x_i - \bar x)(x_i - \bar x)^T`, and its eigenvectors. The rows are
//! gone through and not held. Knows nothing of what they are.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::registers::free_upper_halves;

/// Rows that are centred and multiplied at a time, and those of them that one thread works on.
const CHUNK: usize = 256;
const LINES: usize = 32;
/// Columns that one thread works on at a time.
const PANEL: usize = 64;
/// Directions that are followed beside the wanted ones, so that these are found soon.
const EXTRA: usize = 16;
/// Most turns of the iteration, and the part of any wanted eigenvalue that the last turn may add to it.
const TURNS: usize = 64;
const LITTLE: f64 = 1e-6;

/// Of some rows with their mean.
pub struct Covariance<'m, I> {
    /// All of one length.
    pub rows: I,
    /// Of each column.
    pub mean: &'m [f64],
}

/// Eigenvectors of a covariance by falling eigenvalue.
pub struct Eigen {
    /// Of length 1 and at right angles, of any sign.
    pub vectors: Vec<Vec<f64>>,
    /// Variances along them.
    pub values: Vec<f64>,
    /// Sum of all eigenvalues, not only of these.
    pub trace: f64,
}

impl<'a, I: ExactSizeIterator<Item = &'a [f32]> + Clone> Covariance<'_, I> {
    /// The first `k`, from the whole matrix; none where they do not converge.
    pub fn eigenvectors(&self, k: usize) -> Option<Eigen> {
        let (d, mut sum) = (self.mean.len(), self.lower_sum());
        let degrees = self.degrees();
        for sum in &mut sum {
            *sum /= degrees;
        }
        let trace = (0..d).map(|i| sum[i * d + i]).sum();
        let eigen = MatRef::from_column_major_slice(&sum, d, d).self_adjoint_eigen(Side::Lower).ok()?;
        free_upper_halves();
        let falling = || (0..d).rev().take(k);
        let vectors = falling().map(|c| eigen.U().col(c).iter().copied().collect()).collect();
        let values = falling().map(|c| eigen.S().column_vector()[c].max(0.0)).collect();
        Some(Eigen { vectors, values, trace })
    }

    /// The first `k` without the matrix: turns of `k + 16` directions by it, until none of the first `k` eigenvalues rises any
    /// more (subspace iteration: Halko, Martinsson and Tropp 2011, algorithm 4.4, doi:10.1137/090771806; from random directions,
    /// always the same). Eigenvalues are too small by a few parts in 10^6; where they hardly fall, as those of white noise, by
    /// some in 10^4 after the last turn, and the vectors are any of nearly the same variance.
    pub fn leading_eigenvectors(&self, k: usize) -> Option<Eigen> {
        let (d, degrees) = (self.mean.len(), self.degrees());
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let start = Mat::<f64>::from_fn(d, (k + EXTRA).min(d), |_, _| StandardNormal.sample(&mut random));
        let (mut basis, mut before) = (start.qr().compute_thin_Q(), vec![0.0; k]);
        for turn in 1..=TURNS {
            let (turned, squares) = self.turned(&basis);
            let within = basis.transpose() * &turned;
            let eigen = within.self_adjoint_eigen(Side::Lower).ok()?;
            free_upper_halves();
            let falling = || (0..basis.ncols()).rev().take(k);
            let values: Vec<f64> = falling().map(|c| eigen.S().column_vector()[c].max(0.0) / degrees).collect();
            let is_still = values.iter().zip(&before).all(|(now, before)| now - before <= LITTLE * now);
            if is_still || turn == TURNS {
                let vectors = &basis * eigen.U();
                free_upper_halves();
                let vectors = falling().map(|c| vectors.col(c).iter().copied().collect()).collect();
                return Some(Eigen { vectors, values, trace: squares / degrees });
            }
            (basis, before) = (turned.qr().compute_thin_Q(), values);
        }
        None
    }

    fn degrees(&self) -> f64 {
        (self.rows.len().max(2) - 1) as f64
    }

    /// Shows all rows, centred, some at a time: `[row, column]`.
    fn for_each_chunk(&self, mut each: impl FnMut(MatRef<f64>)) {
        let (mean, d) = (self.mean, self.mean.len());
        let (mut rows, mut centred) = (self.rows.clone(), vec![0.0; CHUNK * d]);
        loop {
            let chunk: Vec<&[f32]> = rows.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                return;
            }
            let centred = &mut centred[..chunk.len() * d];
            centred.par_chunks_mut(d).zip(&chunk).for_each(|(centred, row)| {
                let pairs = row.iter().zip(mean);
                centred.iter_mut().zip(pairs).for_each(|(centred, (x, mean))| *centred = f64::from(*x) - mean);
            });
            each(MatRef::from_row_major_slice(centred, chunk.len(), d));
        }
    }

    /// Lower triangle of the sum of products, `[column, column]`. Threads share out its columns; each sums over the rows in
    /// order.
    fn lower_sum(&self) -> Vec<f64> {
        let d = self.mean.len();
        let mut sum = vec![0.0; d * d];
        self.for_each_chunk(|centred| {
            sum.par_chunks_mut(d * PANEL).enumerate().for_each(|(panel, sum)| {
                let (start, width) = (panel * PANEL, sum.len() / d);
                let sum = MatMut::from_column_major_slice_mut(sum, d, width).subrows_mut(start, d - start);
                let left = centred.transpose().subrows(start, d - start);
                matmul(sum, Accum::Add, left, centred.subcols(start, width), 1.0, Par::Seq);
                free_upper_halves();
            });
        });
        sum
    }

    /// The sum of products, times each column of `basis`, and its trace.
    fn turned(&self, basis: &Mat<f64>) -> (Mat<f64>, f64) {
        let (d, width) = (basis.nrows(), basis.ncols());
        let (mut turned, mut squares) = (vec![0.0; d * width], 0.0);
        let mut along = vec![0.0; CHUNK * width];
        self.for_each_chunk(|centred| {
            let along = &mut along[..centred.nrows() * width];
            along.par_chunks_mut(LINES * width).enumerate().for_each(|(part, along)| {
                let lines = along.len() / width;
                let along = MatMut::from_row_major_slice_mut(along, lines, width);
                matmul(along, Accum::Replace, centred.subrows(part * LINES, lines), basis, 1.0, Par::Seq);
                free_upper_halves();
            });
            let along = MatRef::from_row_major_slice(along, centred.nrows(), width);
            turned.par_chunks_mut(PANEL * width).enumerate().for_each(|(panel, turned)| {
                let columns = turned.len() / width;
                let turned = MatMut::from_row_major_slice_mut(turned, columns, width);
                let left = centred.subcols(panel * PANEL, columns).transpose();
                matmul(turned, Accum::Add, left, along, 1.0, Par::Seq);
                free_upper_halves();
            });
            squares += centred.squared_norm_l2();
        });
        (MatRef::from_row_major_slice(&turned, d, width).to_owned(), squares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows around a surface of five dimensions, the last column constant.
    fn rows(n: usize, d: usize) -> Vec<Vec<f32>> {
        let noise = |i: usize, j: usize| ((i * 7919 + j * 104_729 + i * j * 31) % 509) as f32 / 509.0 - 0.5;
        let value = |i: usize, j: usize| {
            let along: f32 = (0..5).map(|k| (k + 1) as f32 * noise(i, k) * noise(j, k + 77)).sum();
            if j + 1 == d { 3.0 } else { 1000.0 + 4.0 * along + 0.1 * noise(i, j + 5) }
        };
        (0..n).map(|i| (0..d).map(|j| value(i, j)).collect()).collect()
    }

    fn mean(rows: &[Vec<f32>]) -> Vec<f64> {
        (0..rows[0].len()).map(|j| rows.iter().map(|row| f64::from(row[j])).sum::<f64>() / rows.len() as f64).collect()
    }

    fn slices(rows: &[Vec<f32>]) -> impl ExactSizeIterator<Item = &[f32]> + Clone {
        rows.iter().map(Vec::as_slice)
    }

    #[test]
    fn leading_eigenvectors_are_those_of_the_whole_matrix() {
        // Of the last, three directions of eight are within the noise, where the iteration takes longest.
        for (n, d, k) in [(700, 130, 5), (20, 90, 3), (300, 12, 12), (40, 70, 1), (700, 130, 8)] {
            let rows = rows(n, d);
            let mean = mean(&rows);
            let covariance = Covariance { rows: slices(&rows), mean: &mean };
            let (whole, leading) = (covariance.eigenvectors(k).unwrap(), covariance.leading_eigenvectors(k).unwrap());
            assert!((whole.trace / leading.trace - 1.0).abs() < 1e-9, "{} {}", whole.trace, leading.trace);
            let held: [f64; 2] = [&whole, &leading].map(|eigen| eigen.values.iter().sum());
            assert!((held[1] / held[0] - 1.0).abs() < 1e-7, "{n} {d} {k}: {held:?}");
            for (i, (a, b)) in whole.vectors.iter().zip(&leading.vectors).enumerate().take(5) {
                let cosine: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((cosine.abs() - 1.0).abs() < 1e-5, "{n} {d} {k}, vector {i}: {cosine}");
            }
        }
    }

    #[test]
    fn equal_rows_have_no_variance() {
        let rows = vec![vec![2.5_f32; 30]; 9];
        let covariance = Covariance { rows: slices(&rows), mean: &[2.5; 30] };
        for eigen in [covariance.eigenvectors(2).unwrap(), covariance.leading_eigenvectors(2).unwrap()] {
            assert_eq!((eigen.trace, eigen.values), (0.0, vec![0.0; 2]));
            assert!(eigen.vectors.iter().all(|v| (v.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-12));
        }
    }

    #[test]
    fn the_same_bytes_with_any_number_of_threads() {
        let rows = rows(600, 150);
        let mean = mean(&rows);
        let with = |n| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            let covariance = Covariance { rows: slices(&rows), mean: &mean };
            pool.install(|| covariance.leading_eigenvectors(4).unwrap().vectors)
        };
        assert_eq!(with(1), with(3));
    }
}
