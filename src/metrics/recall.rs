//! Recall of each class.

use super::{Better, Judged, Measure, Metric, share};

/// Share of the rows of a class that are given that class; undefined without rows of the class.
pub static RECALL: Metric = Metric {
    name: "recall",
    summary: "Share of the rows of a class that are given that class; undefined without rows of the class.",
    formula: r"R_c = \frac{\sum_i [\hat y_i = c][y_i = c]}{\sum_i [y_i = c]}",
    source: "scikit-learn recall_score",
    better: Better::Higher,
    measure: Measure::OfClass(recall),
};

pub(super) fn recall(rows: &[Judged], class: usize) -> Option<f64> {
    let of_class = || rows.iter().filter(|row| row.label == class);
    share(of_class().filter(|row| row.predicted == class).count(), of_class().count())
}
