//! Accuracy within the two most probable classes.

use super::{Better, Judged, Measure, Metric, ranking};

/// Share of rows whose true class is among the two most probable.
pub static TOP2_ACCURACY: Metric = Metric {
    name: "top2_accuracy",
    summary: "Share of rows whose true class is among the two most probable; of equals the first in the list of classes.",
    formula: r"\frac{1}{n} \sum_i [y_i \in \mathrm{top}_2(p_i)]",
    source: "scikit-learn top_k_accuracy_score, k=2",
    better: Better::Higher,
    measure: Measure::Share(in_top_two),
};

fn in_top_two(row: &Judged) -> bool {
    ranking(row.probabilities).iter().take(2).any(|class| *class == row.label)
}
