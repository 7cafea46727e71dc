//! Log loss.

use super::{Better, Judged, Measure, Metric};

/// Mean negative log probability of the true class.
pub static LOG_LOSS: Metric = Metric {
    name: "log_loss",
    summary: "Mean negative log probability of the true class, probabilities kept from 0 by the f64 epsilon.",
    formula: r"-\frac{1}{n} \sum_i \ln \max(p_{i y_i}, \epsilon)",
    source: "scikit-learn log_loss",
    better: Better::Lower,
    measure: Measure::Whole(|rows, _| log_loss(rows)),
};

/// Mean of `-ln p` of the true class; undefined without rows.
pub fn log_loss(rows: &[Judged]) -> Option<f64> {
    let loss = |row: &Judged| -row.probabilities[row.label].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
    (!rows.is_empty()).then(|| rows.iter().map(loss).sum::<f64>() / rows.len() as f64)
}
