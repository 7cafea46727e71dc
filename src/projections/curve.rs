//! How near two places of a UMAP are: `1 / (1 + a d^{2b})`, with `a` and `b` such that it comes closest to 1 up to the least
//! distance and `exp(-(d - min_dist) / spread)` beyond (McInnes et al. 2018, definition 11). Knows no layout.

/// Distances at which it is compared, up to three times the spread.
const SAMPLES: usize = 300;
/// Steps of Levenberg and Marquardt at most.
const STEPS: usize = 200;

/// The nearness `1 / (1 + a d^{2b})`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curve {
    /// See there.
    pub a: f64,
    /// See there.
    pub b: f64,
}

impl Curve {
    /// The least squares fit.
    pub fn fit(min_dist: f64, spread: f64) -> Self {
        let wanted = |d: f64| if d < min_dist { 1.0 } else { (-(d - min_dist) / spread).exp() };
        let sample = |i: usize| 3.0 * spread * i as f64 / (SAMPLES - 1) as f64;
        let pairs: Vec<(f64, f64)> = (0..SAMPLES).map(sample).map(|d| (d, wanted(d))).collect();
        let (mut curve, mut damping) = (Self { a: 1.0, b: 1.0 }, 1e-3);
        for _ in 0..STEPS {
            let next = curve.step(&pairs, damping);
            if next.a > 0.0 && next.b > 0.0 && next.error(&pairs) < curve.error(&pairs) {
                (curve, damping) = (next, damping / 3.0);
            } else {
                damping *= 4.0;
            }
        }
        curve
    }

    fn nearness(self, d: f64) -> f64 {
        1.0 / (1.0 + self.a * d.powf(2.0 * self.b))
    }

    fn error(self, pairs: &[(f64, f64)]) -> f64 {
        pairs.iter().map(|(d, wanted)| (self.nearness(*d) - wanted).powi(2)).sum()
    }

    /// One step towards less error; short and steep where `damping` is large.
    fn step(self, pairs: &[(f64, f64)], damping: f64) -> Self {
        let (mut aa, mut ab, mut bb, mut ra, mut rb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (d, wanted) in pairs.iter().filter(|pair| pair.0 > 0.0) {
            let nearness = self.nearness(*d);
            let by_a = -d.powf(2.0 * self.b) * nearness * nearness;
            let by_b = 2.0 * self.a * d.ln() * by_a;
            let rest = wanted - nearness;
            (aa, ab, bb) = (aa + by_a * by_a, ab + by_a * by_b, bb + by_b * by_b);
            (ra, rb) = (ra + by_a * rest, rb + by_b * rest);
        }
        let (aa, bb) = (aa * (1.0 + damping), bb * (1.0 + damping));
        let determinant = aa * bb - ab * ab;
        Self { a: self.a + (ra * bb - rb * ab) / determinant, b: self.b + (rb * aa - ra * ab) / determinant }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// from umap.umap_ import find_ab_params
    /// for m, s in [(0.1, 1.0), (0.0, 1.0), (0.5, 1.0), (0.25, 2.0)]: print(find_ab_params(s, m))
    /// ```
    #[test]
    fn equals_umap_learn() {
        let expected = [
            ((0.1, 1.0), (1.576_943_46, 0.895_060_88)),
            ((0.0, 1.0), (1.932_808_40, 0.790_494_97)),
            ((0.5, 1.0), (0.583_030_02, 1.334_166_99)),
            ((0.25, 2.0), (0.416_273_50, 0.921_855_13)),
        ];
        for ((min_dist, spread), (a, b)) in expected {
            let curve = Curve::fit(min_dist, spread);
            assert!((curve.a - a).abs() < 1e-5 && (curve.b - b).abs() < 1e-5, "{curve:?} against {a} {b}");
        }
    }
}
