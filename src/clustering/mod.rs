//! Clusters of vectors: one file for each method, and the list that `cluster`, the documentation and the tests loop over.
//! Knows no file, no stage and no network: it is handed rows to fit on and rows to assign.

pub mod covariance;
pub mod gaussian_mixture;
pub mod kmeans;
mod seeds;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

use crate::spec::keys::Key;
use crate::spec::value::Params;

/// Every method; the first is the default. A new one is one file and one line.
pub static CLUSTERERS: &[&dyn Clusterer] = &[&kmeans::KMeansMethod, &gaussian_mixture::MixtureMethod];

/// The method called `name`.
pub fn clusterer(name: &str) -> Option<&'static dyn Clusterer> {
    CLUSTERERS.iter().copied().find(|clusterer| clusterer.name() == name)
}

/// What clusters are found in.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// Vectors of one length.
    pub rows: &'a [Vec<f64>],
    /// Number of clusters.
    pub clusters: usize,
    /// Starts, of which the one that ends best is kept.
    pub restarts: usize,
    /// Where the draws come from.
    pub seed: u64,
    /// Asked now and then: whether to give up.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// A way to find clusters.
pub trait Clusterer: Sync {
    /// Its word in TOML.
    fn name(&self) -> &'static str;
    /// One sentence.
    fn summary(&self) -> &'static str;
    /// Paper.
    fn source(&self) -> &'static str;
    /// Its keys.
    fn keys(&self) -> Vec<Key>;
    /// Finds clusters; the same with any number of threads.
    fn fit(&self, params: &Params, task: &Task) -> Result<Box<dyn Clusters>, ClusteringError>;
}

/// Clusters that were found.
pub trait Clusters: Send + Sync {
    /// How much a row belongs to each cluster; sums to 1.
    fn memberships(&self, row: &[f64]) -> Vec<f64>;
    /// What was found on the rows of the task, by name.
    fn facts(&self) -> Vec<(&'static str, f64)>;
}

/// Why clusters cannot be found.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ClusteringError {
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// Checked parameters do not have the declared types.
    #[error("parameters do not have the declared types (a bug)")]
    Parameters,
    /// Too few rows.
    #[error("{clusters} clusters need at least as many rows; there are {rows}")]
    TooFew {
        /// Asked for.
        clusters: usize,
        /// Rows to fit on.
        rows: usize,
    },
    /// None asked for.
    #[error("there must be at least one cluster")]
    NoClusters,
    /// A missing value.
    #[error("row {row} holds a value that is not a finite number")]
    NotFinite {
        /// Row among those given.
        row: usize,
    },
}

impl Task<'_> {
    fn check(&self) -> Result<(), ClusteringError> {
        if self.clusters == 0 {
            return Err(ClusteringError::NoClusters);
        }
        if self.clusters > self.rows.len() {
            return Err(ClusteringError::TooFew { clusters: self.clusters, rows: self.rows.len() });
        }
        let odd = self.rows.iter().position(|row| row.iter().any(|value| !value.is_finite()));
        odd.map_or(Ok(()), |row| Err(ClusteringError::NotFinite { row }))
    }

    /// What ends highest of all starts, the first of equals; each draws from a stream of its own.
    fn best<T>(&self, start: impl Fn(&mut ChaCha8Rng) -> (T, f64)) -> Result<(T, f64), ClusteringError> {
        self.check()?;
        let mut best: Option<(T, f64)> = None;
        for restart in 0..self.restarts.max(1) {
            if (self.cancelled)() {
                return Err(ClusteringError::Interrupted);
            }
            let mut random = ChaCha8Rng::seed_from_u64(self.seed);
            random.set_stream(restart as u64);
            let found = start(&mut random);
            if best.as_ref().is_none_or(|(_, highest)| found.1 > *highest) {
                best = Some(found);
            }
        }
        best.ok_or(ClusteringError::NoClusters)
    }
}

/// Place of the largest value, the first of equals.
pub fn largest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}

/// Squared Euclidean distance.
fn apart(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| (a - b).powi(2)).sum()
}

/// The nearest of some points and its squared distance, the first of equals.
fn nearest(row: &[f64], points: &[Vec<f64>]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (at, point) in points.iter().enumerate() {
        let distance = apart(row, point);
        if distance < best.1 {
            best = (at, distance);
        }
    }
    best
}

#[cfg(test)]
mod tests;
