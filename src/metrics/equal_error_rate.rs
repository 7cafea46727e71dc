//! The rate at which a threshold misses as many of a class as it takes of the others.

use super::rates::rates;
use super::{Better, Judged, Measure, Metric};

/// Misses and false alarms where both are equally frequent.
pub static EQUAL_ERROR_RATE: Metric = Metric {
    name: "equal_error_rate",
    summary: "Share of the class's rows that is missed by the threshold on its probability that takes the same share of the other \
              rows for it.",
    formula: r"f : 1 - \mathrm{TPR}(t) = \mathrm{FPR}(t) = f",
    source: "Duev et al. 2019 (arXiv:1907.11259), who choose the threshold of real and bogus so; between two thresholds on the \
             straight line",
    better: Better::Lower,
    measure: Measure::OfClass(equal_error_rate),
};

fn equal_error_rate(rows: &[Judged], class: usize) -> Option<f64> {
    let points = rates(rows.iter().map(|row| (row.probabilities[class], row.label == class)).collect())?;
    // Below 0 at the first point, (0, 0), and 1 at the last.
    let excess = |point: (f64, f64)| point.0 + point.1 - 1.0;
    let crossing = points.windows(2).find(|pair| excess(pair[1]) >= 0.0)?;
    let (before, after) = (excess(crossing[0]), excess(crossing[1]));
    Some(crossing[0].0 + (crossing[1].0 - crossing[0].0) * before / (before - after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scores: &[(f64, usize)]) -> Option<f64> {
        let probabilities: Vec<[f64; 2]> = scores.iter().map(|(score, _)| [*score, 1.0 - score]).collect();
        let rows: Vec<Judged> =
            scores.iter().zip(&probabilities).map(|((_, label), p)| Judged::new(*label, p)).collect();
        equal_error_rate(&rows, 0)
    }

    #[test]
    fn by_hand() {
        assert_eq!(of(&[(0.9, 0), (0.8, 0), (0.2, 1), (0.1, 1)]), Some(0.0));
        assert_eq!(of(&[(0.9, 0), (0.8, 1), (0.2, 0), (0.1, 1)]), Some(0.5));
        assert_eq!(of(&[(0.5, 0), (0.5, 1)]), Some(0.5), "on the line from (0, 0) to (1, 1)");
        assert_eq!(of(&[(0.1, 0), (0.9, 1)]), Some(1.0), "always wrong");
        assert_eq!(of(&[(0.1, 0)]), None);
    }
}
