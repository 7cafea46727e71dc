//! McNemar's exact test: do two classifiers that judged the same rows differ in accuracy?

use statrs::distribution::{Binomial, DiscreteCDF};

/// Two-sided p-value,
/// `p = \min(1, 2 \sum_{k=0}^{\min(b, c)} \binom{b+c}{k} 2^{-(b+c)})`, with `b` rows that only the first judged rightly
/// and `c` that only the second did (McNemar 1947; Edwards 1948 for the exact form). It takes them as independent: where an
/// object has several rows, `b` and `c` are to count the objects of which more rows are right by the one or by the other, which
/// makes it a sign test over objects.
pub fn p_value(only_first: usize, only_second: usize) -> f64 {
    let (fewer, all) = (only_first.min(only_second) as u64, (only_first + only_second) as u64);
    Binomial::new(0.5, all).map_or(1.0, |binomial| (2.0 * binomial.cdf(fewer)).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: [(usize, usize, f64); 5] = [
        (0, 0, 1.0),
        (3, 9, 0.145_996_093_75),
        (10, 10, 1.0),
        (120, 80, 0.005_685_155_996_750_306),
        (1, 30, 2.9802322387695312e-08),
    ];

    /// `scipy.stats.binomtest(b, b + c).pvalue` for (0, 0), (3, 9), (10, 10), (120, 80), (1, 30); the same from
    /// `statsmodels.stats.contingency_tables.mcnemar([[5, b], [c, 5]], exact=True).pvalue`.
    #[test]
    fn equals_scipy_and_statsmodels() {
        for (b, c, p) in CASES {
            assert!((p_value(b, c) - p).abs() < 1e-12 * p.max(1e-3), "{b}, {c}: {} against {p}", p_value(b, c));
        }
    }
}
