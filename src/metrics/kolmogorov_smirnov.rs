//! How far two samples are apart in one quantity. Knows only numbers.

/// Two-sample Kolmogorov-Smirnov distance: the largest difference between the two empirical distribution functions,
/// `D = \sup_x |F_a(x) - F_b(x)|`; 0 for equal distributions, 1 for ones that do not overlap (Kolmogorov 1933; Smirnov 1939;
/// scipy.stats.ks_2samp). Equal values step together. `None` where a sample is empty or a value is no number.
pub fn ks_distance(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.is_empty() || b.is_empty() || a.iter().chain(b).any(|value| value.is_nan()) {
        return None;
    }
    let (a, b) = (sorted(a), sorted(b));
    let (mut below_a, mut below_b, mut widest) = (0, 0, 0.0_f64);
    while below_a < a.len() && below_b < b.len() {
        let value = a[below_a].min(b[below_b]);
        below_a += a[below_a..].iter().take_while(|other| **other <= value).count();
        below_b += b[below_b..].iter().take_while(|other| **other <= value).count();
        widest = widest.max((below_a as f64 / a.len() as f64 - below_b as f64 / b.len() as f64).abs());
    }
    Some(widest)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// The distance that two samples of `a` and `b` independent values of one distribution exceed once in twenty times:
/// `\sqrt{-\frac12 \ln\frac{0.05}{2}} \sqrt{\frac{a + b}{a b}}`, for large samples (Smirnov 1948, Ann. Math. Stat. 19, 279).
pub fn chance_distance(a: usize, b: usize) -> f64 {
    let (a, b) = (a as f64, b as f64);
    ((-0.5 * (0.05_f64 / 2.0).ln()) * (a + b) / (a * b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: Option<f64>, theirs: f64) {
        let ours = ours.unwrap();
        assert!((ours - theirs).abs() < 1e-12, "{ours} against {theirs}");
    }

    /// ```python
    /// from scipy.stats import ks_2samp
    /// a = [(i*i % 37)/4 for i in range(60)]; b = [(i*i*i % 41)/5 + 1 for i in range(45)]; c = [x*x for x in b[:31]]
    /// print([ks_2samp(*pair).statistic for pair in ((a, b), (a, c), (c, b), ([1, 1, 2, 3], [1, 2, 2]))])
    /// ```
    #[test]
    fn equals_scipy() {
        let a: Vec<f64> = (0..60).map(|i| f64::from(i * i % 37) / 4.0).collect();
        let b: Vec<f64> = (0..45).map(|i| f64::from(i * i * i % 41) / 5.0 + 1.0).collect();
        let c: Vec<f64> = b[..31].iter().map(|x| x * x).collect();
        close(ks_distance(&a, &b), 0.155_555_555_555_555_56);
        close(ks_distance(&a, &c), 0.677_419_354_838_709_6);
        close(ks_distance(&c, &b), 0.687_455_197_132_616_5);
        close(ks_distance(&[1.0, 1.0, 2.0, 3.0], &[1.0, 2.0, 2.0]), 0.25);
    }

    #[test]
    fn by_hand() {
        assert_eq!(ks_distance(&[2.0, 1.0], &[1.0, 2.0]), Some(0.0));
        assert_eq!(ks_distance(&[1.0, 2.0], &[3.0]), Some(1.0));
        assert_eq!(ks_distance(&[f64::INFINITY, 1.0], &[1.0]), Some(0.5));
        assert_eq!([ks_distance(&[], &[1.0]), ks_distance(&[1.0], &[f64::NAN])], [None, None]);
    }

    /// Tables give 1.358 for one sample without end: `\sqrt{a b / (a + b)} D`.
    #[test]
    fn chance_is_that_of_tables() {
        assert!((chance_distance(100, 100) * 50.0_f64.sqrt() - 1.358).abs() < 5e-4);
        assert!((chance_distance(900, 100) * 90.0_f64.sqrt() - 1.358).abs() < 5e-4);
    }
}
