//! Accuracy.

use super::{Better, Judged, Measure, Metric, share};

/// Share of rows whose most probable class is the true one.
pub static ACCURACY: Metric = Metric {
    name: "accuracy",
    summary: "Share of rows whose most probable class is the true one.",
    formula: r"\frac{1}{n} \sum_i [\hat y_i = y_i]",
    source: "scikit-learn accuracy_score",
    better: Better::Higher,
    measure: Measure::Whole(|rows, _| share(correct(rows), rows.len())),
};

fn correct(rows: &[Judged]) -> usize {
    rows.iter().filter(|row| row.predicted == row.label).count()
}
