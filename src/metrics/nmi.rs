//! Normalised mutual information of clusters and classes.

use super::clusters::{ClusterMetric, Counts};

/// Mutual information over the mean of both entropies.
pub static NMI: ClusterMetric = ClusterMetric {
    name: "nmi",
    summary: "Mutual information of clusters and classes over the arithmetic mean of their entropies; 1 if there is one cluster and \
              one class.",
    formula: r"\frac{2 I(C; K)}{H(C) + H(K)}, \quad I = \sum_{ck} \frac{n_{ck}}{N} \ln \frac{N n_{ck}}{n_c n_k}",
    source: "scikit-learn normalized_mutual_info_score",
    measure: nmi,
};

fn nmi(counts: &Counts) -> Option<f64> {
    let (clusters, classes, rows) = (counts.of_clusters(), counts.of_classes(), counts.rows() as f64);
    if rows == 0.0 {
        return None;
    }
    let mean = f64::midpoint(entropy(&clusters, rows), entropy(&classes, rows));
    if mean == 0.0 {
        return Some(1.0);
    }
    let mut information = 0.0;
    for (cluster, of) in counts.table.iter().enumerate() {
        for (class, &both) in of.iter().enumerate().filter(|(_, both)| **both > 0) {
            let independent = clusters[cluster] as f64 * classes[class] as f64;
            information += both as f64 / rows * (rows * both as f64 / independent).ln();
        }
    }
    Some(information.max(0.0) / mean)
}

fn entropy(counts: &[usize], rows: f64) -> f64 {
    let shares = counts.iter().filter(|count| **count > 0).map(|count| *count as f64 / rows);
    -shares.map(|share| share * share.ln()).sum::<f64>()
}
