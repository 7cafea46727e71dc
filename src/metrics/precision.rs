//! Precision of each class.

use super::{Better, Measure, Metric};

/// Share of the rows given a class that are of that class; undefined when no row is given it.
pub static PRECISION: Metric = Metric {
    name: "precision",
    summary: "Share of the rows given a class that are of that class; undefined when no row is given it.",
    formula: r"P_c = \frac{\sum_i [\hat y_i = c][y_i = c]}{\sum_i [\hat y_i = c]}",
    source: "scikit-learn precision_score",
    better: Better::Higher,
    measure: Measure::ShareOfClass(|row, class| (row.predicted == class).then_some(row.label == class)),
};
