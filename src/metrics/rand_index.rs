//! Adjusted Rand index: agreement about pairs of rows, beyond chance.

use super::clusters::{ClusterMetric, Counts};

/// Share of pairs on which clusters and classes agree, adjusted for chance.
pub static ARI: ClusterMetric = ClusterMetric {
    name: "ari",
    summary: "Adjusted Rand index: 1 where clusters and classes agree about all pairs of rows, 0 on average by chance.",
    formula: r"\frac{\sum_{ck} \binom{n_{ck}}{2} - E}{\frac12 \left[\sum_c \binom{n_c}{2} + \sum_k \binom{n_k}{2}\right] - E},
        \quad E = \sum_c \binom{n_c}{2} \sum_k \binom{n_k}{2} / \binom{N}{2}",
    source: "Hubert and Arabie 1985; scikit-learn adjusted_rand_score",
    measure: ari,
};

fn ari(counts: &Counts) -> Option<f64> {
    let rows = counts.rows();
    if rows == 0 {
        return None;
    }
    let pairs = |counts: &[usize]| counts.iter().map(|count| pairs(*count)).sum::<f64>();
    let both: f64 = counts.table.iter().map(|of| pairs(of)).sum();
    let (clusters, classes) = (pairs(&counts.of_clusters()), pairs(&counts.of_classes()));
    let all = self::pairs(rows);
    let expected = if all > 0.0 { clusters * classes / all } else { 0.0 };
    let most = f64::midpoint(clusters, classes);
    // all rows in one cluster and one class, or each alone in both: they agree
    Some(if (most - expected).abs() < f64::EPSILON * most.max(1.0) {
        1.0
    } else {
        (both - expected) / (most - expected)
    })
}

fn pairs(count: usize) -> f64 {
    let count = count as f64;
    count * (count - 1.0) / 2.0
}
