//! Brier score.

use super::{Better, Judged, Measure, Metric};

/// Mean squared distance of the probabilities from the true class, between 0 and 2.
pub static BRIER: Metric = Metric {
    name: "brier",
    summary: "Mean squared distance of the probabilities from the true class, summed over the classes: between 0 and 2.",
    formula: r"\frac{1}{n} \sum_i \sum_c (p_{ic} - [y_i = c])^2",
    source: "Brier 1950, Monthly Weather Review 78, 1; scikit-learn brier_score_loss, scale_by_half=False",
    better: Better::Lower,
    measure: Measure::Whole(|rows, _| brier(rows)),
};

fn brier(rows: &[Judged]) -> Option<f64> {
    let distance = |row: &Judged| -> f64 {
        let truth = |class| if class == row.label { 1.0 } else { 0.0 };
        row.probabilities.iter().enumerate().map(|(class, p)| (p - truth(class)).powi(2)).sum()
    };
    (!rows.is_empty()).then(|| rows.iter().map(distance).sum::<f64>() / rows.len() as f64)
}
