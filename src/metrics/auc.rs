//! Area under the ROC curve, each class against the rest, and its mean.

use super::{Better, Judged, Measure, Metric, mean_of_defined};

/// Chance that a row of the class has a higher probability of it than a row of another class, a tie counting half.
pub static AUC: Metric = Metric {
    name: "auc",
    summary: "Chance that a row of the class has a higher probability of it than a row of another class, a tie counting half; \
              undefined without rows of the class or of others.",
    formula: r"A_c = \frac{\sum_{i: y_i = c} r_i - n_c (n_c + 1) / 2}{n_c (n - n_c)}",
    source: "Mann-Whitney U with mid-ranks r_i; scikit-learn roc_auc_score",
    better: Better::Higher,
    measure: Measure::OfClass(auc),
};

/// Mean area under the ROC curve over the classes where it is defined.
pub static MACRO_AUC: Metric = Metric {
    name: "macro_auc",
    summary: "Mean area under the ROC curve, each class against the rest, over the classes where it is defined.",
    formula: r"\frac{1}{K} \sum_c A_c",
    source: "scikit-learn roc_auc_score, multi_class=\"ovr\"",
    better: Better::Higher,
    measure: Measure::OverClasses(|rows, classes| mean_of_defined((0..classes).map(|class| auc(rows, class)))),
};

fn auc(rows: &[Judged], class: usize) -> Option<f64> {
    area(rows.iter().map(|row| (row.probabilities[class], row.label == class)).collect())
}

/// Chance that the score of a positive is higher than that of another row, a tie counting half, from `(score, whether
/// positive)`. `None` without positives or without others.
pub fn area(mut scores: Vec<(f64, bool)>) -> Option<f64> {
    let positive = scores.iter().filter(|(_, is_positive)| *is_positive).count();
    let negative = scores.len() - positive;
    if positive == 0 || negative == 0 {
        return None;
    }
    scores.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // Twice the rank sum stays a whole number: mid-ranks of ties end in .5.
    let mut twice_rank_sum = 0;
    let mut before = 0;
    for tied in scores.chunk_by(|a, b| a.0 == b.0) {
        twice_rank_sum += tied.iter().filter(|(_, is_positive)| *is_positive).count() * (2 * before + tied.len() + 1);
        before += tied.len();
    }
    let twice_u = twice_rank_sum - positive * (positive + 1);
    Some(twice_u as f64 / (2 * positive * negative) as f64)
}
