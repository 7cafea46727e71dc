//! Statistics over replicates: intervals of a mean, paired differences, correction for many comparisons.
//! Knows numbers only, not what they measure.

use std::sync::OnceLock;

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Coverage of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// Most pairs for which all `2^n` sign assignments are tried.
const EXACT_LIMIT: usize = 16;

/// Sums in another order differ by less than this share of the numbers.
const ROUNDING: f64 = 1e-9;

/// Whether a difference between numbers of this size is what sums in another order make.
pub fn is_rounding(difference: f64, size: f64) -> bool {
    difference.abs() <= ROUNDING * size.abs()
}

/// What is as far from 0 as `total`, but for the rounding of terms whose sizes add up to `size`.
pub(super) fn as_far_as(total: f64, size: f64) -> f64 {
    total.abs() - ROUNDING * size
}

/// A mean over replicates with its spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Sample standard deviation (`n - 1`); `None` for one value, 0 for values that are equal but for rounding.
    pub std: Option<f64>,
    /// 95 % interval of the mean, Student's t with `n - 1` degrees of freedom, see [`mean_interval`]; `None` for one value, and
    /// for equal ones, which say nothing of how far the mean could be off.
    pub interval: Option<(f64, f64)>,
    /// What the values share, see [`mean_interval`].
    pub shared: f64,
}

/// Mean, standard deviation and 95 % interval of `values`; `None` when there are none.
///
/// `shared`: 0 where replicates are independent. Where each divides the same objects anew, their training and test sets overlap,
/// so their spread is too small, and it is the number of test objects over that of training objects: the variance of the mean is
/// then taken as `s^2 (1/n + n_test/n_train)` (Nadeau & Bengio 2003, Machine Learning 52, 239, eq. 9).
///
/// ```
/// use estampa::metrics::statistics::mean_interval;
/// assert_eq!(mean_interval(&[0.5], 0.0).unwrap().interval, None);
/// ```
pub fn mean_interval(values: &[f64], shared: f64) -> Option<Summary> {
    summary(values, largest(values), shared)
}

/// The largest size of `values`.
fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

/// The same, of values that come of numbers of this size.
fn summary(values: &[f64], size: f64, shared: f64) -> Option<Summary> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    if n == 1 {
        return Some(Summary { n, mean, std: None, interval: None, shared });
    }
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let std = (squares / (n - 1) as f64).sqrt();
    if is_rounding(std, size) {
        return Some(Summary { n, mean, std: Some(0.0), interval: None, shared });
    }
    let half = t_quantile(n - 1) * std * (1.0 / n as f64 + shared).sqrt();
    Some(Summary { n, mean, std: Some(std), interval: Some((mean - half, mean + half)), shared })
}

/// 95 % interval of a ratio of sums `r = \sum a_i / \sum b_i` over independent parts `(a_i, b_i)`, such as the sum and the number
/// of one object's values, whose ratio is the mean of all: Student's t with the variance of a ratio of means,
/// `\frac{n}{n-1} \sum (a_i - r b_i)^2 / (\sum b_i)^2` (Cochran 1977, Sampling Techniques, section 6.3). Parts without values tell
/// nothing and do not count. `None` for fewer than two parts.
pub fn ratio_interval(parts: &[(f64, f64)]) -> Option<(f64, f64)> {
    let parts: Vec<(f64, f64)> = parts.iter().copied().filter(|part| part.1 > 0.0).collect();
    let (above, below) = parts.iter().fold((0.0, 0.0), |(above, below), part| (above + part.0, below + part.1));
    if parts.len() < 2 || below <= 0.0 {
        return None;
    }
    let (ratio, n) = (above / below, parts.len() as f64);
    let squares: f64 = parts.iter().map(|(above, below)| (above - ratio * below).powi(2)).sum();
    let half = t_quantile(parts.len() - 1) * (squares * n / (n - 1.0)).sqrt() / below;
    Some((ratio - half, ratio + half))
}

/// Difference between two arms over the replicates that both have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedDifference {
    /// Mean of the differences, with interval.
    pub summary: Summary,
    /// Two-sided p of the paired t-test; `None` for one pair, or when all differences are equal but for rounding: what is left
    /// of their scatter would make any of them sure.
    pub t_test: Option<f64>,
    /// Two-sided p of the exact sign-flip permutation test of the mean (all `2^n` signs); `None` for one pair or more
    /// than 16, and for pairs that share objects: their signs are not independent.
    pub sign_flip: Option<f64>,
    /// The smallest p that the sign-flip test can give with so many pairs, `2 / 2^n`.
    pub smallest_sign_flip: f64,
}

/// `arm - baseline` pair by pair; `None` when there is no pair. Slices must be equally long; what is beyond the
/// shorter one is left out. `shared` as in [`mean_interval`].
pub fn paired_difference(arm: &[f64], baseline: &[f64], shared: f64) -> Option<PairedDifference> {
    let size = largest(arm).max(largest(baseline));
    let difference = |(a, b): (&f64, &f64)| if is_rounding(a - b, size) { 0.0 } else { a - b };
    let differences: Vec<f64> = arm.iter().zip(baseline).map(difference).collect();
    let summary = summary(&differences, size, shared)?;
    let n = summary.n;
    let t_test = summary.std.filter(|std| *std > 0.0).map(|std| {
        let t = summary.mean / (std * (1.0 / n as f64 + shared).sqrt());
        t_two_sided(t, n - 1)
    });
    let sign_flip = ((2..=EXACT_LIMIT).contains(&n) && shared == 0.0).then(|| sign_flip(&differences));
    let smallest_sign_flip = 2.0_f64.powi(1 - n.min(1000) as i32);
    Some(PairedDifference { summary, t_test, sign_flip, smallest_sign_flip })
}

/// Share of all sign assignments whose mean is at least as far from zero as the observed one.
fn sign_flip(differences: &[f64]) -> f64 {
    let threshold = as_far_as(differences.iter().sum(), differences.iter().map(|d| d.abs()).sum());
    let signed = |signs: u32| -> f64 {
        differences.iter().enumerate().map(|(i, d)| if signs >> i & 1 == 1 { -d } else { *d }).sum()
    };
    let all = 1_u32 << differences.len();
    let extreme = (0..all).filter(|signs| signed(*signs).abs() >= threshold).count();
    extreme as f64 / f64::from(all)
}

/// Holm's step-down correction: adjusted p-values in the order given (Holm 1979, Scand. J. Statist. 6, 65).
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        let factor = (p_values.len() - rank) as f64;
        largest = largest.max((factor * p_values[index]).min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

fn student(freedom: usize) -> StudentsT {
    StudentsT::new(0.0, 1.0, freedom as f64).expect("at least one degree of freedom")
}

/// Two-sided tail beyond `|t|`.
fn t_two_sided(t: f64, freedom: usize) -> f64 {
    2.0 * student(freedom).cdf(-t.abs())
}

/// The `t` with [`CONFIDENCE`] between `-t` and `t`; those of few degrees of freedom are found once.
pub(super) fn t_quantile(freedom: usize) -> f64 {
    static FOUND: [OnceLock<f64>; 64] = [const { OnceLock::new() }; 64];
    FOUND.get(freedom).map_or_else(|| bisected(freedom), |found| *found.get_or_init(|| bisected(freedom)))
}

/// The same, by bisection of the distribution function.
fn bisected(freedom: usize) -> f64 {
    let (mut low, mut high) = (0.0_f64, 20.0_f64);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if t_two_sided(middle, freedom) > 1.0 - CONFIDENCE { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The numbers are from scipy 1.x:
    //   a = np.array([0.912, 0.905, 0.921, 0.917, 0.899, 0.913, 0.908]); d = a - b
    //   b = np.array([0.901, 0.907, 0.903, 0.905, 0.896, 0.904, 0.909])
    //   a.mean(), a.std(ddof=1), stats.t.interval(0.95, 6, a.mean(), stats.sem(a))
    //   d.mean(), stats.t.interval(0.95, 6, d.mean(), stats.sem(d)), stats.ttest_rel(a, b).pvalue
    //   stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    const A: [f64; 7] = [0.912, 0.905, 0.921, 0.917, 0.899, 0.913, 0.908];
    const B: [f64; 7] = [0.901, 0.907, 0.903, 0.905, 0.896, 0.904, 0.909];

    fn close(ours: f64, scipy: f64) {
        assert!((ours - scipy).abs() < 1e-10 * scipy.abs().max(1e-3), "{ours} is not {scipy}");
    }

    #[test]
    fn mean_and_interval_agree_with_scipy() {
        let summary = mean_interval(&A, 0.0).unwrap();
        close(summary.mean, 0.910_714_285_714_285_8);
        close(summary.std.unwrap(), 0.007_409_774_753_982_877);
        let (low, high) = summary.interval.unwrap();
        close(low, 0.903_861_387_037_070_3);
        close(high, 0.917_567_184_391_501_3);
    }

    #[test]
    fn paired_difference_agrees_with_scipy() {
        let paired = paired_difference(&A, &B, 0.0).unwrap();
        close(paired.summary.mean, 0.007_142_857_142_857_15);
        let (low, high) = paired.summary.interval.unwrap();
        close(low, 0.000_316_756_781_672_853_7);
        close(high, 0.013_968_957_504_041_445);
        close(paired.t_test.unwrap(), 0.042_882_244_998_284_52);
        close(paired.sign_flip.unwrap(), 0.078_125);
    }

    /// Seven splits of the same 100 objects, 70 to train and 15 to test on:
    /// ```python
    /// scale = d.std(ddof=1) * np.sqrt(1/7 + 15/70)
    /// stats.t.interval(0.95, 6, d.mean(), scale), 2 * stats.t.sf(abs(d.mean()) / scale, 6)
    /// ```
    #[test]
    fn splits_of_the_same_objects_have_the_variance_of_nadeau_and_bengio() {
        let paired = paired_difference(&A, &B, 15.0 / 70.0).unwrap();
        let (low, high) = paired.summary.interval.unwrap();
        close(low, -0.003_650_155_196_263_052_3);
        close(high, 0.017_935_869_481_977_35);
        close(paired.t_test.unwrap(), 0.156_493_691_951_713_25);
        assert_eq!(paired.sign_flip, None);
    }

    #[test]
    fn quantiles_and_tails_agree_with_scipy() {
        // stats.t.ppf(0.975, df) and 2 * stats.t.sf(t, df)
        let quantiles = [(1, 12.706_204_736_174_694), (4, 2.776_445_105_197_793_4), (99, 1.984_216_951_586_417_4)];
        for (freedom, t) in quantiles {
            close(t_quantile(freedom), t);
        }
        close(t_two_sided(0.5, 1), 0.704_832_764_699_133_5);
        close(t_two_sided(10.0, 4), 0.000_562_003_622_715_991);
        assert!((t_two_sided(40.0, 9) / 1.898_299_844_933_982_2e-11 - 1.0).abs() < 1e-8);
    }

    /// ```python
    /// s, n = np.array([3.0, 1.5, 4.0, 2.0, 6.5]), np.array([2, 1, 3, 1, 4])
    /// r = s.sum() / n.sum()
    /// scale = np.sqrt(5/4 * ((s - r*n)**2).sum()) / n.sum()
    /// stats.t.interval(0.95, 4, r, scale)
    /// ```
    #[test]
    fn interval_of_a_ratio_agrees_with_scipy() {
        let parts = [(3.0, 2.0), (1.5, 1.0), (4.0, 3.0), (2.0, 1.0), (6.5, 4.0)];
        let (low, high) = ratio_interval(&parts).unwrap();
        close(low, 1.305_481_339_319_711_8);
        close(high, 1.785_427_751_589_379);
        let alone: Vec<(f64, f64)> = A.iter().map(|a| (*a, 1.0)).collect();
        let (ours, mean) = (ratio_interval(&alone).unwrap(), mean_interval(&A, 0.0).unwrap().interval.unwrap());
        assert!((ours.0 - mean.0).abs() < 1e-14 && (ours.1 - mean.1).abs() < 1e-14, "a mean of as many values");
        assert_eq!(ratio_interval(&parts[..1]), None);
        let with_none: Vec<(f64, f64)> = parts.into_iter().chain([(0.0, 0.0); 95]).collect();
        assert_eq!(ratio_interval(&with_none), Some((low, high)), "objects without a value");
    }

    #[test]
    fn one_replicate_has_no_interval_and_no_p() {
        let paired = paired_difference(&[0.9], &[0.8], 0.0).unwrap();
        assert_eq!((paired.summary.interval, paired.t_test, paired.sign_flip), (None, None, None));
        assert_eq!(mean_interval(&[], 0.0), None);
    }

    #[test]
    fn few_replicates_cannot_reach_a_small_p() {
        let paired = paired_difference(&[2.0, 2.1, 2.2, 2.3, 2.4], &[1.0; 5], 0.0).unwrap();
        assert_eq!(paired.sign_flip, Some(0.0625));
        assert_eq!(paired.smallest_sign_flip, 0.0625);
    }

    #[test]
    fn equal_differences_have_no_t() {
        let paired = paired_difference(&[0.5, 0.6], &[0.5, 0.6], 0.0).unwrap();
        assert_eq!((paired.t_test, paired.sign_flip), (None, Some(1.0)));
        // One row of 45 more is right in each: no two of these differences have the same last digits.
        let share = |right: i32| f64::from(right) / 45.0;
        let (arm, base): (Vec<f64>, Vec<f64>) = (36..41).map(|right| (share(right + 1), share(right))).unzip();
        let paired = paired_difference(&arm, &base, 0.0).unwrap();
        assert!(arm.iter().zip(&base).any(|(a, b)| a - b != arm[0] - base[0]), "they differ in no digit");
        assert_eq!((paired.summary.std, paired.summary.interval, paired.t_test), (Some(0.0), None, None));
        assert_eq!(paired.sign_flip, Some(0.0625));
        // Sums in another order.
        let paired = paired_difference(&[0.1 + 0.2, 0.6], &[0.3, 0.6], 0.0).unwrap();
        assert_eq!((paired.summary.mean, paired.t_test, paired.sign_flip), (0.0, None, Some(1.0)));
    }

    /// `statsmodels.stats.multitest.multipletests([0.0123, 0.5, 0.0007, 0.0311, 0.0123, 0.96, 0.0499], method="holm")[1]`
    #[test]
    fn holm_equals_statsmodels() {
        let ours = holm(&[0.0123, 0.5, 0.0007, 0.0311, 0.0123, 0.96, 0.0499]);
        let theirs = [0.0738, 1.0, 0.0049, 0.1244, 0.0738, 1.0, 0.1497];
        assert!(ours.iter().zip(theirs).all(|(ours, theirs)| (ours - theirs).abs() < 1e-12), "{ours:?}");
    }

    #[test]
    fn holm_by_hand() {
        // 3 * 0.01, max(2 * 0.02, ..), max(1 * 0.04, ..)
        assert_eq!(holm(&[0.04, 0.01, 0.02]), [0.04, 0.03, 0.04]);
        assert_eq!(holm(&[0.9, 0.6]), [1.0, 1.0]);
    }
}
