//! Share of rows that are of the most frequent class of their cluster.

use super::clusters::{ClusterMetric, Counts};
use super::share;

/// Share of rows that are of the most frequent class of their cluster.
pub static PURITY: ClusterMetric = ClusterMetric {
    name: "purity",
    summary: "Share of rows that are of the most frequent class of their cluster; it rises with the number of clusters.",
    formula: r"\frac{1}{N} \sum_c \max_k n_{ck}",
    source: "Astorga et al. 2018 (IJCNN), eq. 9, there called accuracy",
    measure: purity,
};

fn purity(counts: &Counts) -> Option<f64> {
    let largest = |classes: &Vec<usize>| classes.iter().max().copied().unwrap_or(0);
    share(counts.table.iter().map(largest).sum(), counts.rows())
}
