//! F1 of each class and its mean.

use super::{Better, Judged, Measure, Metric, mean_of_defined, share};

/// Harmonic mean of precision and recall; undefined when the class is neither true nor predicted anywhere.
pub static F1: Metric = Metric {
    name: "f1",
    summary: "Harmonic mean of precision and recall; undefined when the class is neither true nor predicted anywhere.",
    formula: r"F_c = \frac{2 \sum_i [\hat y_i = c][y_i = c]}{\sum_i [\hat y_i = c] + \sum_i [y_i = c]}",
    source: "scikit-learn f1_score",
    better: Better::Higher,
    measure: Measure::OfClass(f1),
};

/// Mean of F1 over the classes where it is defined.
pub static MACRO_F1: Metric = Metric {
    name: "macro_f1",
    summary: "Mean of F1 over the classes where it is defined.",
    formula: r"\frac{1}{K} \sum_c F_c",
    source: "scikit-learn f1_score, average=\"macro\"",
    better: Better::Higher,
    measure: Measure::OverClasses(|rows, classes| mean_of_defined((0..classes).map(|class| f1(rows, class)))),
};

fn f1(rows: &[Judged], class: usize) -> Option<f64> {
    let count = |holds: fn(&Judged, usize) -> bool| rows.iter().filter(|row| holds(row, class)).count();
    let hits = count(|row, class| row.label == class && row.predicted == class);
    share(2 * hits, count(|row, class| row.label == class) + count(|row, class| row.predicted == class))
}
