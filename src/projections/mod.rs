//! Maps of rows of many numbers to two: one file for each method, and the list that `project`, the documentation and the
//! tests loop over. Knows no stage, no artifact and no split: it is handed the rows of the map, and rows to fit on.

pub mod candidates;
pub mod covariance;
pub mod curve;
pub mod distances;
pub mod draws;
pub mod forces;
pub mod fuzzy;
pub mod graph;
pub mod layout;
pub mod pca;
pub mod points;
pub mod quadtree;
pub mod quality;
pub mod similarities;
pub mod start;
pub mod timetable;
pub mod tsne;
pub mod umap;

use thiserror::Error;

use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use distances::Metric;
use pca::PcaError;
use points::Points;

/// Every method; the first is the default. A new one is one file and one line.
pub static PROJECTIONS: &[&dyn Projection] = &[&umap::Umap, &tsne::Tsne, &pca::PrincipalComponents];

/// The method called `name`.
pub fn projection(name: &str) -> Option<&'static dyn Projection> {
    PROJECTIONS.iter().copied().find(|projection| projection.name() == name)
}

/// Where a row lies on the map.
pub type Place = [f64; 2];

/// What a map is made of.
pub struct Task<'a> {
    /// The rows of the map.
    pub points: &'a Points,
    /// The rows that a method with something to fit may look at.
    pub training: &'a Points,
    /// Seed of its random numbers.
    pub seed: u64,
    /// Hears how many steps of how many are done, and says whether to go on.
    pub goes_on: &'a (dyn Fn(usize, usize) -> bool + Sync),
}

impl Task<'_> {
    fn step(&self, done: usize, of: usize) -> Result<(), ProjectionError> {
        if (self.goes_on)(done, of) { Ok(()) } else { Err(ProjectionError::Interrupted) }
    }
}

/// A method of making maps.
pub trait Projection: Sync {
    /// Its word in TOML.
    fn name(&self) -> &'static str;
    /// One sentence.
    fn summary(&self) -> &'static str;
    /// Paper.
    fn source(&self) -> &'static str;
    /// Its keys.
    fn keys(&self) -> Vec<Key>;
    /// Whether it draws random numbers.
    fn is_random(&self) -> bool {
        true
    }
    /// Faults that no single key shows, as (key, message).
    fn check(&self, _params: &Params) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// The place of each row; the same bytes with any number of threads.
    fn embed(&self, params: &Params, task: &Task) -> Result<Vec<Place>, ProjectionError>;
}

/// Why there is no map.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProjectionError {
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// Checked parameters do not have the declared types.
    #[error("parameters do not have the declared types (a bug)")]
    Parameters,
    /// Nothing to show.
    #[error("a map needs at least 2 rows; there are {rows}")]
    TooFew {
        /// There are.
        rows: usize,
    },
    /// More neighbours than rows.
    #[error("`{key}` asks for {asked} neighbours of each row, itself among them, but the map has only {rows} rows")]
    TooManyNeighbours {
        /// The key.
        key: &'static str,
        /// Asked for.
        asked: usize,
        /// There are.
        rows: usize,
    },
    /// A row without an angle.
    #[error("row {row} of the map holds nothing but zeros, so it has no angle to others")]
    NoAngle {
        /// Row of the map.
        row: usize,
    },
    /// No principal components.
    #[error("training rows: {0}")]
    Pca(#[from] PcaError),
}

fn read<K: Keys>(params: &Params) -> Result<K, ProjectionError> {
    K::read(params).ok_or(ProjectionError::Parameters)
}

/// The points in which `metric` is a distance between straight lines: as they are, or of length 1.
fn measured(points: &Points, metric: Metric) -> Result<std::borrow::Cow<'_, Points>, ProjectionError> {
    use std::borrow::Cow;
    match metric {
        Metric::Euclidean => Ok(Cow::Borrowed(points)),
        Metric::Cosine => match (0..points.rows()).find(|row| points.row(*row).iter().all(|x| *x == 0.0)) {
            Some(row) => Err(ProjectionError::NoAngle { row }),
            None => Ok(Cow::Owned(points.of_length_one())),
        },
    }
}

#[cfg(test)]
mod tests;
