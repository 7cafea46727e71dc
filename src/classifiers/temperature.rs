//! Temperature scaling: one number that makes probabilities as sure as they are right. Knows no classifier.

use super::softmax;

/// Lowest and highest temperature.
const LIMITS: [f64; 2] = [0.01, 100.0];
/// Halvings of the interval, after which it is narrower than rounding.
const STEPS: usize = 200;

/// Scores are divided by it: `p' = softmax(ln p / T)` (Guo et al. 2017, section 4.2; the scores of a network and the logarithms
/// of its probabilities differ by a constant, which changes nothing).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Temperature(pub f64);

impl Temperature {
    /// The one that makes the log loss of rows with these classes smallest, from 0.01 to 100; 1 where no temperature changes
    /// it, `None` without rows.
    ///
    /// The loss is convex in `β = 1 / T`, so its slope `mean(E_p[z] - z_y)` is zero once, where halving finds it. Where all rows
    /// are right it has no zero: then the lower limit is the answer.
    pub fn fit(rows: &[Vec<f64>], labels: &[usize]) -> Option<Self> {
        let scores: Vec<Vec<f64>> = rows.iter().map(|row| logarithms(row)).collect();
        let slope = |beta: f64| -> f64 {
            let of = |(scores, label): (&Vec<f64>, &usize)| {
                let expected: f64 = scaled(scores, beta).iter().zip(scores).map(|(p, score)| p * score).sum();
                expected - scores[*label]
            };
            scores.iter().zip(labels).map(of).sum()
        };
        if rows.is_empty() {
            return None;
        }
        let is_flat = scores.iter().all(|row| row.iter().all(|score| *score == row[0]));
        if is_flat {
            return Some(Self(1.0));
        }
        let [mut low, mut high] = [-LIMITS[1].ln(), -LIMITS[0].ln()];
        for _ in 0..STEPS {
            let middle = f64::midpoint(low, high);
            if slope(middle.exp()) > 0.0 { high = middle } else { low = middle }
        }
        Some(Self((-f64::midpoint(low, high)).exp()))
    }

    /// The probabilities at this temperature.
    pub fn apply(self, probabilities: &[f64]) -> Vec<f64> {
        scaled(&logarithms(probabilities), 1.0 / self.0)
    }
}

/// Kept from minus infinity as the log loss keeps probabilities from 0.
fn logarithms(probabilities: &[f64]) -> Vec<f64> {
    probabilities.iter().map(|p| p.max(f64::EPSILON).ln()).collect()
}

fn scaled(scores: &[f64], beta: f64) -> Vec<f64> {
    softmax(&scores.iter().map(|score| beta * score).collect::<Vec<f64>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::log_loss::log_loss;
    use crate::metrics::samples::{judged, sample};

    /// The sample is that of [`crate::metrics::samples`].
    /// ```python
    /// import numpy as np; from scipy.optimize import minimize_scalar; from scipy.special import log_softmax
    /// for q in (1, 3): # as it is, and too sure
    ///     y, p = sample(150); p = p**q / (p**q).sum(1, keepdims=True)
    ///     nll = lambda t: -log_softmax(np.log(p) / t, 1)[np.arange(150), y].mean()
    ///     m = minimize_scalar(nll, bounds=(0.01, 100), method="bounded", options=dict(xatol=1e-12)); print(m.x, m.fun)
    /// ```
    const SCIPY: [(i32, f64, f64); 2] =
        [(1, 0.681_666_172, 1.122_745_249_926_609_5), (3, 2.044_998_491, 1.122_745_249_926_609_5)];

    #[test]
    fn equals_the_minimum_that_scipy_finds() {
        let (labels, plain) = sample(150);
        for (power, temperature, loss) in SCIPY {
            let rows: Vec<Vec<f64>> = plain
                .iter()
                .map(|row| softmax(&row.iter().map(|p| f64::from(power) * p.ln()).collect::<Vec<_>>()))
                .collect();
            let found = Temperature::fit(&rows, &labels).unwrap();
            assert!((found.0 / temperature - 1.0).abs() < 1e-6, "{found:?}");
            let after: Vec<Vec<f64>> = rows.iter().map(|row| found.apply(row)).collect();
            assert!((log_loss(&judged(&labels, &after)).unwrap() - loss).abs() < 1e-10);
            assert!(after.iter().all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
            let order = |rows: &[Vec<f64>]| judged(&labels, rows).iter().map(|row| row.predicted).collect::<Vec<_>>();
            assert_eq!(order(&rows), order(&after), "the most probable class stays");
        }
    }

    #[test]
    fn rows_without_a_minimum_end_at_a_limit_or_at_one() {
        let right = vec![vec![0.8, 0.2]; 3];
        assert!((Temperature::fit(&right, &[0, 0, 0]).unwrap().0 / LIMITS[0] - 1.0).abs() < 1e-9);
        assert!((Temperature::fit(&right, &[1, 1, 1]).unwrap().0 / LIMITS[1] - 1.0).abs() < 1e-9);
        assert_eq!(Temperature::fit(&[vec![0.5, 0.5]], &[1]), Some(Temperature(1.0)));
        assert_eq!(Temperature::fit(&[], &[]), None);
        let sure = Temperature::fit(&[vec![1.0, 0.0], vec![1.0, 0.0], vec![1.0, 0.0]], &[0, 0, 1]).unwrap();
        let after = sure.apply(&[1.0, 0.0]);
        assert!((after[0] - 2.0 / 3.0).abs() < 1e-9, "two of three were right: {after:?}");
    }
}
