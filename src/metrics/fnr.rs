//! Share of missed rows at a given rate of false alarms: the operating points of Cabrera-Vives et al. 2017, table 3.

use super::rates::rates;
use super::{Better, Judged, Measure, Metric};

/// Missed rows where at most one in a hundred others is taken for the class.
pub static FNR_AT_1E2: Metric = Metric {
    name: "fnr_at_fpr_1e-2",
    summary: "Lowest share of the class's rows that is missed by a threshold on its probability that takes at most 1 % of the \
              other rows for it; undefined with fewer than 100 others, of which one is already more.",
    formula: FORMULA,
    source: SOURCE,
    better: Better::Lower,
    measure: Measure::OfClass(|rows, class| fnr(rows, class, 100)),
};

/// Missed rows where at most one in a thousand others is taken for the class.
pub static FNR_AT_1E3: Metric = Metric {
    name: "fnr_at_fpr_1e-3",
    summary: "The same where at most 0.1 % of the other rows are taken for the class; undefined with fewer than 1000 others.",
    formula: FORMULA,
    source: SOURCE,
    better: Better::Lower,
    measure: Measure::OfClass(|rows, class| fnr(rows, class, 1000)),
};

const FORMULA: &str = r"\min_t \{ 1 - \mathrm{TPR}(t) : \mathrm{FPR}(t) \le f \}";
const SOURCE: &str = "Cabrera-Vives et al. 2017 (arXiv:1701.00458), table 3";

/// `one_in`: the inverse of the highest rate of false alarms.
fn fnr(rows: &[Judged], class: usize, one_in: usize) -> Option<f64> {
    let others = rows.iter().filter(|row| row.label != class).count();
    if others < one_in {
        return None;
    }
    let points = rates(rows.iter().map(|row| (row.probabilities[class], row.label == class)).collect())?;
    let allowed = (others / one_in) as f64 / others as f64;
    let best = points.iter().filter(|point| point.0 <= allowed).map(|point| point.1).fold(0.0, f64::max);
    Some(1.0 - best)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{judged, sample};
    use super::*;

    /// ```python
    /// from sklearn.metrics import roc_curve
    /// y, p = sample(400)
    /// for c in range(4):
    ///     fpr, tpr, _ = roc_curve(y == c, p[:, c], drop_intermediate=False)
    ///     print(1 - tpr[fpr <= 0.01].max())
    /// ```
    #[test]
    fn equals_scikit_learn() {
        let (labels, probabilities) = sample(400);
        let rows = judged(&labels, &probabilities);
        for (class, expected) in SKLEARN.into_iter().enumerate() {
            let own = fnr(&rows, class, 100).unwrap();
            assert!((own - expected).abs() < 1e-12, "class {class}: {own} against {expected}");
        }
        assert_eq!(fnr(&rows, 0, 1000), None, "too few others");
        assert_eq!(fnr(&rows[..90], 0, 100), None);
    }

    const SKLEARN: [f64; 4] = [0.853448275862069, 0.7586206896551724, 0.9380530973451328, 0.5476190476190477];
}
