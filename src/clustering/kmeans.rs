//! k-means: rows belong to the nearest of so many centres, each the mean of its rows (Lloyd 1982), from k-means++ starts.

use rayon::prelude::*;

use super::seeds::seeds;
use super::{Clusterer, ClusteringError, Clusters, Task, nearest};
use crate::keys;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;

keys! {
    /// Keys of [`KMeansMethod`].
    pub struct KMeansKeys {
        /// Most steps of each start; it ends before when no row changes its cluster.
        steps: usize = 300, range(1, 1_000_000);
    }
}

/// The method `kmeans`.
#[derive(Clone, Copy, Debug)]
pub struct KMeansMethod;

impl Clusterer for KMeansMethod {
    fn name(&self) -> &'static str {
        "kmeans"
    }
    fn summary(&self) -> &'static str {
        "k-means: each row belongs to the nearest centre, each centre is the mean of its rows."
    }
    fn source(&self) -> &'static str {
        "Lloyd 1982 (IEEE Trans. Inf. Theory 28, 129); starts: Arthur & Vassilvitskii 2007; as scikit-learn KMeans"
    }
    fn keys(&self) -> Vec<Key> {
        KMeansKeys::keys()
    }
    fn fit(&self, params: &Params, task: &Task) -> Result<Box<dyn Clusters>, ClusteringError> {
        let keys = KMeansKeys::read(params).ok_or(ClusteringError::Parameters)?;
        Ok(Box::new(KMeans::fit(task, keys.steps)?))
    }
}

/// Centres.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans {
    /// `[cluster][column]`.
    pub centres: Vec<Vec<f64>>,
    /// Sum over the rows of the squared distance from the nearest centre.
    pub inertia: f64,
}

impl KMeans {
    /// Finds the centres of the task's rows, the best of several starts.
    pub fn fit(task: &Task, steps: usize) -> Result<Self, ClusteringError> {
        let (found, _) = task.best(|random| {
            let starts = seeds(task.rows, task.clusters, random);
            let found = Self::settled(task.rows, starts.iter().map(|row| task.rows[*row].clone()).collect(), steps);
            let score = -found.inertia;
            (found, score)
        })?;
        Ok(found)
    }

    /// From these centres until no row changes its cluster, or for so many steps.
    pub fn settled(rows: &[Vec<f64>], mut centres: Vec<Vec<f64>>, steps: usize) -> Self {
        let mut assigned = assign(rows, &centres);
        for _ in 0..steps {
            fill_empty(&mut assigned, centres.len());
            centres = means(rows, &assigned, centres);
            let next = assign(rows, &centres);
            let is_settled = next.iter().zip(&assigned).all(|(next, now)| next.0 == now.0);
            assigned = next;
            if is_settled {
                break;
            }
        }
        Self { centres, inertia: assigned.iter().map(|(_, distance)| distance).sum() }
    }

    /// The nearest centre, the first of equals.
    pub fn cluster(&self, row: &[f64]) -> usize {
        nearest(row, &self.centres).0
    }
}

impl Clusters for KMeans {
    fn memberships(&self, row: &[f64]) -> Vec<f64> {
        let mut one = vec![0.0; self.centres.len()];
        one[self.cluster(row)] = 1.0;
        one
    }
    fn facts(&self) -> Vec<(&'static str, f64)> {
        vec![("inertia", self.inertia)]
    }
}

/// Nearest centre of each row and its squared distance.
fn assign(rows: &[Vec<f64>], centres: &[Vec<f64>]) -> Vec<(usize, f64)> {
    rows.par_iter().map(|row| nearest(row, centres)).collect()
}

/// Gives each cluster without rows the row that is farthest from its centre, if any is apart from it (as scikit-learn does).
fn fill_empty(assigned: &mut [(usize, f64)], clusters: usize) {
    let mut counts = vec![0; clusters];
    for (cluster, _) in &*assigned {
        counts[*cluster] += 1;
    }
    for cluster in (0..clusters).filter(|cluster| counts[*cluster] == 0) {
        let farther = |best: usize, row: usize| if assigned[row].1 > assigned[best].1 { row } else { best };
        let row = (0..assigned.len()).fold(0, farther);
        if assigned[row].1 > 0.0 {
            assigned[row] = (cluster, 0.0);
        }
    }
}

/// Mean of the rows of each cluster; one without rows keeps its centre.
fn means(rows: &[Vec<f64>], assigned: &[(usize, f64)], before: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mut counts = vec![0; before.len()];
    let mut sums = vec![vec![0.0; rows[0].len()]; before.len()];
    for (row, (cluster, _)) in rows.iter().zip(assigned) {
        counts[*cluster] += 1;
        sums[*cluster].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let mean = |((sums, count), before): ((Vec<f64>, usize), Vec<f64>)| {
        if count == 0 { before } else { sums.into_iter().map(|sum| sum / count as f64).collect() }
    };
    sums.into_iter().zip(counts).zip(before).map(mean).collect()
}
