//! How true a map is to its rows: trustworthiness and continuity (Venna and Kaski 2001; Kaski et al. 2003,
//! doi:10.1186/1471-2105-4-48). Knows no method.

use rayon::prelude::*;

use super::Place;
use super::distances::{Distances, Neighbours};
use super::points::Points;

/// Both numbers, 1 at best; a random map has about one half.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// `1 - 2 / (n k (2n - 3k - 1)) \sum_i \sum_j max(0, r(i, j) - k)` over the `k` nearest `j` of `i` on the map, where
    /// `r(i, j)` is the rank of `j` among all rows by distance from `i`: low where the map shows neighbours that are none.
    pub trustworthiness: f64,
    /// The same with map and rows exchanged: low where the map tears neighbours apart.
    pub continuity: f64,
}

impl Quality {
    /// Of a map of `points`; undefined unless `k` is less than half the number of rows, and for rows that are all equal.
    /// Memory does not grow with the square of the rows.
    pub fn of(points: &Points, places: &[Place], k: usize) -> Option<Self> {
        let is_even = points.iter().all(|row| row == points.row(0));
        if 2 * k >= points.rows() || is_even {
            return None;
        }
        let (rows, map) = (Distances::between(points), Distances::between_places(places));
        Some(Self { trustworthiness: kept(&rows, &map.nearest(k)), continuity: kept(&map, &rows.nearest(k)) })
    }
}

/// How many of `neighbours` are near by `distances`, too.
fn kept(distances: &Distances, neighbours: &Neighbours) -> f64 {
    let excess = |row: usize, squared: &[f64]| -> usize {
        neighbours.of(row).map(|(other, _)| rank(squared, row, other).saturating_sub(neighbours.k)).sum()
    };
    let by_row = distances.by_row(excess);
    let (n, k) = (by_row.len() as f64, neighbours.k as f64);
    let all: usize = by_row.par_iter().sum();
    1.0 - 2.0 * all as f64 / (n * k * (2.0 * n - 3.0 * k - 1.0))
}

/// Place of `other` among all but `row`, from 1; of equals the earlier one comes first.
fn rank(squared: &[f64], row: usize, other: usize) -> usize {
    let own = squared[other];
    let (before, after) = squared.split_at(other);
    let nearer = before.iter().filter(|d| **d <= own).count() + after.iter().filter(|d| **d < own).count();
    let counts_itself = if row < other { squared[row] <= own } else { squared[row] < own };
    nearer + 1 - usize::from(counts_itself)
}
