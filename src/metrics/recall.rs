//! Recall of each class.

use super::{Better, Judged, Measure, Metric, share_of};

/// Share of the rows of a class that are given that class; undefined without rows of the class.
pub static RECALL: Metric = Metric {
    name: "recall",
    summary: "Share of the rows of a class that are given that class; undefined without rows of the class.",
    formula: r"R_c = \frac{\sum_i [\hat y_i = c][y_i = c]}{\sum_i [y_i = c]}",
    source: "scikit-learn recall_score",
    better: Better::Higher,
    measure: Measure::ShareOfClass(found),
};

fn found(row: &Judged, class: usize) -> Option<bool> {
    (row.label == class).then_some(row.predicted == class)
}

pub(super) fn recall(rows: &[Judged], class: usize) -> Option<f64> {
    share_of(rows, |row| found(row, class))
}
