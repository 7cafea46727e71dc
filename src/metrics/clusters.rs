//! Measures of clusters against true classes, from the table of how many rows of each class are in each cluster. They count
//! labelled rows alone; without any they are undefined.

use super::clustering_accuracy::CLUSTERING_ACCURACY;
use super::nmi::NMI;
use super::purity::PURITY;
use super::rand_index::ARI;

/// Every such metric, in the order in which tables show them. A new one is one file and one line.
pub static CLUSTER_METRICS: &[&ClusterMetric] = &[&PURITY, &CLUSTERING_ACCURACY, &NMI, &ARI];

/// One metric of clusters; higher is better.
#[derive(Clone, Copy, Debug)]
pub struct ClusterMetric {
    /// Its word in tables.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// LaTeX; `n_{ck}` rows of class `k` are in cluster `c`.
    pub formula: &'static str,
    /// Where it is defined.
    pub source: &'static str,
    /// How it is measured.
    pub measure: fn(&Counts) -> Option<f64>,
}

/// How many rows of each class are in each cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// `[cluster][class]`.
    pub table: Vec<Vec<usize>>,
}

impl Counts {
    /// Of rows with their cluster and their class.
    pub fn new(rows: impl IntoIterator<Item = (usize, usize)>, clusters: usize, classes: usize) -> Self {
        let mut table = vec![vec![0; classes]; clusters];
        for (cluster, class) in rows {
            table[cluster][class] += 1;
        }
        Self { table }
    }

    /// All rows.
    pub fn rows(&self) -> usize {
        self.of_clusters().iter().sum()
    }

    /// Rows of each cluster.
    pub fn of_clusters(&self) -> Vec<usize> {
        self.table.iter().map(|classes| classes.iter().sum()).collect()
    }

    /// Rows of each class.
    pub fn of_classes(&self) -> Vec<usize> {
        let classes = self.table.first().map_or(0, Vec::len);
        (0..classes).map(|class| self.table.iter().map(|of| of[class]).sum()).collect()
    }

    /// The most frequent class of each cluster, the first of equals; `None` of an empty one.
    pub fn majorities(&self) -> Vec<Option<usize>> {
        let majority = |classes: &Vec<usize>| {
            let best = (0..classes.len()).rev().max_by_key(|class| classes[*class])?;
            (classes[best] > 0).then_some(best)
        };
        self.table.iter().map(majority).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows by class and cluster, `(7 i + i² / 3) mod 4` and `(i² + i / 5) mod 6`.
    fn sample(rows: usize) -> Counts {
        Counts::new((0..rows).map(|i| ((i * i + i / 5) % 6, (7 * i + i * i / 3) % 4)), 6, 4)
    }

    /// ```python
    /// import numpy as np; from scipy.optimize import linear_sum_assignment; import sklearn.metrics as m
    /// i = np.arange(200); c, y = (i*i + i//5) % 6, (7*i + i*i//3) % 4
    /// w = np.zeros((6, 6), int); np.add.at(w, (c, y), 1)
    /// print(w.max(1).sum() / 200); print(w[linear_sum_assignment(-w)].sum() / 200)
    /// print(m.normalized_mutual_info_score(y, c)); print(m.adjusted_rand_score(y, c))
    /// ```
    const SCIKIT_LEARN: [f64; 4] = [0.34, 0.21, 0.022_729_019_720_916_538, -0.013_993_772_311_726_438];

    #[test]
    fn every_metric_equals_scikit_learn_and_scipy() {
        let counts = sample(200);
        for (metric, theirs) in CLUSTER_METRICS.iter().zip(SCIKIT_LEARN) {
            let ours = (metric.measure)(&counts).unwrap();
            assert!((ours - theirs).abs() < 1e-9, "{}: {ours} against {theirs}", metric.name);
        }
    }

    #[test]
    fn without_labelled_rows_nothing_is_defined() {
        for metric in CLUSTER_METRICS {
            assert_eq!((metric.measure)(&sample(0)), None, "{}", metric.name);
            assert_eq!((metric.measure)(&Counts::new([], 3, 0)), None, "{}", metric.name);
        }
    }

    #[test]
    fn the_classes_themselves_are_perfect_clusters_under_any_names() {
        let counts = Counts::new((0..30).map(|i| ([2, 0, 1][i % 3], i % 3)), 3, 3);
        for metric in CLUSTER_METRICS {
            assert!(((metric.measure)(&counts).unwrap() - 1.0).abs() < 1e-12, "{}", metric.name);
        }
        assert_eq!(counts.majorities(), [Some(1), Some(2), Some(0)]);
        assert_eq!(Counts::new([(1, 0)], 2, 2).majorities(), [None, Some(0)]);
    }
}
