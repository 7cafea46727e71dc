//! Accuracy.

use super::{Better, Measure, Metric};

/// Share of rows whose most probable class is the true one.
pub static ACCURACY: Metric = Metric {
    name: "accuracy",
    summary: "Share of rows whose most probable class is the true one.",
    formula: r"\frac{1}{n} \sum_i [\hat y_i = y_i]",
    source: "scikit-learn accuracy_score",
    better: Better::Higher,
    measure: Measure::Share(|row| row.predicted == row.label),
};
