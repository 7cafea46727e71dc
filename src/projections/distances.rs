//! Distances between all pairs of rows, a block of rows at a time, and the nearest rows of each. Exact: the work grows as
//! the square of the number of rows (10,000 rows of 64 numbers: a quarter of a second on two cores), the memory does not.

use faer::linalg::matmul::matmul;
use faer::prelude::ReborrowMut;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use super::Place;
use super::candidates::Candidates;
use super::points::Points;
use crate::choice;
use crate::registers::free_upper_halves;

/// Rows whose distances to all rows are found at a time.
const CHUNK: usize = 32;
/// Rows whose neighbours are sought at a time, and others that are looked at for them: few enough for a processor's cache.
const BLOCK: usize = 128;
const PANEL: usize = 512;

choice! {
    /// What makes rows near.
    pub enum Metric {
        /// Length of the straight line.
        Euclidean = "euclidean",
        /// One minus the cosine of the angle.
        Cosine = "cosine",
    }
}

impl Metric {
    /// The distance, given the squared length of the line between rows, which have length 1 for the cosine.
    pub fn of_squared(self, squared: f64) -> f64 {
        match self {
            Self::Euclidean => squared.sqrt(),
            Self::Cosine => squared / 2.0,
        }
    }
}

/// Rows ready for products with each other.
pub struct Distances {
    /// `[column, row]`, centred, so that less is lost when squares are subtracted.
    centred: Mat<f64>,
    squares: Vec<f64>,
}

/// Some nearest rows of each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// Number for each row.
    pub k: usize,
    /// `[row][neighbour]`, nearest first, of equals the earlier row; a row is no neighbour of itself.
    pub rows: Vec<u32>,
    /// Squared lengths, as `rows`.
    pub squared: Vec<f64>,
}

impl Neighbours {
    /// Neighbours of a row with their squared distances, nearest first.
    pub fn of(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = row * self.k..(row + 1) * self.k;
        self.rows[range.clone()].iter().map(|row| *row as usize).zip(self.squared[range].iter().copied())
    }
}

impl Distances {
    /// Between the rows of `points`.
    pub fn between(points: &Points) -> Self {
        Self::of(points.iter().flatten().map(|x| f64::from(*x)).collect(), points.columns())
    }

    /// Between places of a map.
    pub fn between_places(places: &[Place]) -> Self {
        Self::of(places.concat(), 2)
    }

    /// From `[row][column]`.
    fn of(mut values: Vec<f64>, columns: usize) -> Self {
        let rows = values.len() / columns.max(1);
        let mut mean = vec![0.0; columns];
        for row in values.chunks_exact(columns.max(1)) {
            mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x / rows as f64);
        }
        for row in values.chunks_exact_mut(columns.max(1)) {
            row.iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean);
        }
        let centred = MatRef::from_column_major_slice(&values, columns, rows).to_owned();
        let squares = centred.col_iter().map(|point| point.iter().map(|x| x * x).sum()).collect();
        Self { centred, squares }
    }

    fn rows(&self) -> usize {
        self.squares.len()
    }

    /// What `each` makes of a row and its squared distances from all rows, in the order of rows. The distances come from
    /// products and carry their rounding.
    pub fn by_row<T: Send>(&self, each: impl Fn(usize, &[f64]) -> T + Sync) -> Vec<T> {
        let block = |first: usize| {
            let count = CHUNK.min(self.rows() - first);
            let mut products = Mat::zeros(self.rows(), count);
            let block = self.centred.subcols(first, count);
            matmul(&mut products, Accum::Replace, self.centred.transpose(), block, 1.0, Par::Seq);
            free_upper_halves();
            let mut squared = vec![0.0; self.rows()];
            let row = |(offset, products): (usize, faer::ColRef<f64>)| {
                let own = self.squares[first + offset];
                let pairs = products.iter().zip(&self.squares);
                squared.iter_mut().zip(pairs).for_each(|(d, (product, square))| {
                    *d = (own + square - 2.0 * product).max(0.0);
                });
                each(first + offset, &squared)
            };
            products.col_iter().enumerate().map(row).collect::<Vec<T>>()
        };
        let firsts: Vec<usize> = (0..self.rows()).step_by(CHUNK).collect();
        firsts.into_par_iter().flat_map_iter(block).collect()
    }

    /// The `k` nearest rows of each row, less than there are rows.
    pub fn nearest(&self, k: usize) -> Neighbours {
        let largest = self.squares.iter().copied().fold(0.0, f64::max);
        // More than the products can be wrong by: what is that near to the border is measured again.
        let rounding = 16.0 * f64::EPSILON * (self.centred.nrows() + 4) as f64 * largest;
        let room = || Mat::zeros(PANEL, BLOCK);
        let nearest = |room: &mut Mat<f64>, first: usize| {
            let mut candidates = vec![Candidates::of(k, rounding); BLOCK.min(self.rows() - first)];
            self.collect(first, &mut candidates, room);
            let measured = |(row, candidates): (usize, Candidates)| {
                let measured = |other: u32| (self.squared_between(row, other as usize), other);
                let mut found: Vec<(f64, u32)> = candidates.rows().map(measured).collect();
                found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                found.truncate(k);
                found
            };
            (first..).zip(candidates).flat_map(measured).collect::<Vec<_>>()
        };
        let firsts: Vec<usize> = (0..self.rows()).step_by(BLOCK).collect();
        let (squared, rows) = firsts.into_par_iter().map_init(room, nearest).flatten_iter().unzip();
        Neighbours { k, rows, squared }
    }

    /// Shows all other rows to the candidates of the rows from `first` on; `room` is for products.
    fn collect(&self, first: usize, candidates: &mut [Candidates], room: &mut Mat<f64>) {
        let block = self.centred.subcols(first, candidates.len());
        let mut squared = vec![0.0; PANEL];
        for start in (0..self.rows()).step_by(PANEL) {
            let panel = self.centred.subcols(start, PANEL.min(self.rows() - start));
            let mut products = room.submatrix_mut(0, 0, panel.ncols(), block.ncols());
            matmul(products.rb_mut(), Accum::Replace, panel.transpose(), block, 1.0, Par::Seq);
            free_upper_halves();
            for ((row, candidates), products) in (first..).zip(&mut *candidates).zip(products.col_iter()) {
                let squared = &mut squared[..panel.ncols()];
                let pairs = products.iter().zip(&self.squares[start..]);
                squared.iter_mut().zip(pairs).for_each(|(d, (product, square))| {
                    *d = self.squares[row] + square - 2.0 * product;
                });
                if let Some(own) = row.checked_sub(start).and_then(|at| squared.get_mut(at)) {
                    *own = f64::INFINITY;
                }
                candidates.take_from(start, squared);
            }
        }
    }

    /// Exactly zero for equal rows.
    fn squared_between(&self, a: usize, b: usize) -> f64 {
        self.centred.col(a).iter().zip(self.centred.col(b).iter()).map(|(a, b)| (a - b).powi(2)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of any numbers far from the origin, every tenth like the one before it.
    fn points(rows: usize, columns: usize) -> Points {
        let value = |i: usize, j: usize| ((i * 7919 + j * 104_729 + i * j * 31) % 509) as f32 / 64.0 + 1000.0;
        let row = |i: usize| if i % 10 == 9 { i - 1 } else { i };
        Points::new(&(0..rows).map(|i| (0..columns).map(|j| value(row(i), j)).collect()).collect::<Vec<Vec<f32>>>())
    }

    fn squared(points: &Points, a: usize, b: usize) -> f64 {
        points.row(a).iter().zip(points.row(b)).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
    }

    #[test]
    fn nearest_rows_are_those_of_a_plain_search() {
        let rows = PANEL + BLOCK / 2;
        let points = points(rows, 7);
        let found = Distances::between(&points).nearest(12);
        for row in 0..rows {
            let mut all: Vec<(f64, usize)> =
                (0..rows).filter(|other| *other != row).map(|other| (squared(&points, row, other), other)).collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for ((other, found), (expected, plain)) in found.of(row).zip(&all) {
                assert_eq!(other, *plain, "neighbour of row {row}");
                assert!((found - expected).abs() < 1e-9, "{found} {expected}");
            }
        }
        assert_eq!(found.of(8).next(), Some((9, 0.0)), "equal rows are at no distance");
    }

    #[test]
    fn equal_rows_are_taken_in_their_order() {
        let found = Distances::between(&Points::new(&[[0.1_f32, 7.7]; 100])).nearest(3);
        assert_eq!(found.rows[..3], [1, 2, 3]);
        assert_eq!(found.rows[3 * 50..3 * 51], [0, 1, 2]);
        assert!(found.squared.iter().all(|d| *d == 0.0));
    }

    #[test]
    fn the_same_bytes_with_any_number_of_threads() {
        let points = points(700, 9);
        let with = |n| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            pool.install(|| Distances::between(&points).nearest(15))
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn angles_come_from_lines_between_rows_of_length_one() {
        let unit = Points::new(&[[3.0, 0.0], [1.0, 1.0]]).of_length_one();
        let squared = Distances::between(&unit).nearest(1).squared[0];
        assert!((Metric::Cosine.of_squared(squared) - (1.0 - 0.5_f64.sqrt())).abs() < 1e-7);
        assert_eq!(Metric::Euclidean.of_squared(9.0), 3.0);
    }
}
