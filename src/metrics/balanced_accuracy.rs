//! Balanced accuracy.

use super::recall::recall;
use super::{Better, Measure, Metric, mean_of_defined};

/// Mean recall over the classes that occur.
pub static BALANCED_ACCURACY: Metric = Metric {
    name: "balanced_accuracy",
    summary: "Mean recall over the classes that occur.",
    formula: r"\frac{1}{K} \sum_c R_c",
    source: "scikit-learn balanced_accuracy_score",
    better: Better::Higher,
    measure: Measure::OverClasses(|rows, classes| mean_of_defined((0..classes).map(|class| recall(rows, class)))),
};
