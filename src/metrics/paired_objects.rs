//! A paired difference between two classifiers over the objects that both judged: how far it may be the luck of which objects
//! are in the test split. Interval by bootstrap, p by permutation and by a sign test. Knows sums by object, no metric.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::bootstrap::interval;
use super::mcnemar;

/// Resamples of the objects, and random sign assignments.
pub const DRAWS: usize = 2000;
/// Most objects with a difference for which all `2^n` sign assignments are tried.
const EXACT_LIMIT: usize = 14;
/// Both are drawn from a fixed seed: a table made again says the same.
const SEED: u64 = 0x0065_7374_616d_7061;

/// What one object contributes: differences of all its rows (and of all replicates that judged it) in several metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectSum {
    /// Number of differences.
    pub rows: usize,
    /// Their sum, `[metric]`.
    pub sums: Vec<f64>,
}

/// A difference over objects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectsDifference {
    /// Number of objects.
    pub objects: usize,
    /// Mean difference over all rows.
    pub mean: f64,
    /// 95 % percentile interval, objects drawn with replacement; `None` for fewer than two objects.
    pub interval: Option<(f64, f64)>,
    /// Two-sided p of the permutation test that exchanges the two classifiers object by object.
    pub permutation: f64,
    /// Two-sided p of the exact sign test over objects; with one row for each object, of accuracy, McNemar's exact test.
    pub sign: f64,
}

/// The difference in each metric; empty without objects.
///
/// With `D_o` the sum and `n_o` the number of differences of object `o`, the mean is `\sum_o D_o / \sum_o n_o`.
/// *Interval*: the same ratio over objects drawn with replacement (Efron & Tibshirani 1993, section 13.3).
/// *Permutation*: under no difference the sign of each `D_o` is a toss (Good 2005, section 3.6):
/// `p = \frac{1 + \#\{|\sum_o \pm D_o| \ge |\sum_o D_o|\}}{1 + B}` of `B` random assignments, or the exact share of all of them
/// where few objects differ. *Sign*: binomial test of how many `D_o` are above 0, of those that are not 0.
pub fn differences(objects: &[ObjectSum]) -> Vec<ObjectsDifference> {
    let metrics = objects.first().map_or(0, |object| object.sums.len());
    let rows: usize = objects.iter().map(|object| object.rows).sum();
    if rows == 0 {
        return Vec::new();
    }
    // Arms often share a result; then there is nothing to draw.
    let same = objects.iter().all(|object| object.sums.iter().all(|sum| *sum == 0.0));
    let resampled = if same { vec![vec![0.0; metrics]] } else { resampled(objects, metrics) };
    let of = |metric: usize| {
        let sums: Vec<f64> = objects.iter().map(|object| object.sums[metric]).collect();
        let draws: Vec<Option<f64>> = resampled.iter().map(|draw| Some(draw[metric])).collect();
        let count = |holds: fn(f64) -> bool| sums.iter().filter(|sum| holds(**sum)).count();
        ObjectsDifference {
            objects: objects.len(),
            mean: sums.iter().sum::<f64>() / rows as f64,
            interval: if objects.len() > 1 { interval(&draws) } else { None },
            permutation: permutation(&sums),
            sign: mcnemar::p_value(count(|sum| sum > 0.0), count(|sum| sum < 0.0)),
        }
    };
    (0..metrics).map(of).collect()
}

/// Means of resampled objects, `[draw][metric]`.
fn resampled(objects: &[ObjectSum], metrics: usize) -> Vec<Vec<f64>> {
    let draw = |draw: usize| {
        let mut random = stream(draw);
        let (mut rows, mut sums) = (0, vec![0.0; metrics]);
        for _ in objects {
            let object = &objects[random.random_range(0..objects.len())];
            rows += object.rows;
            sums.iter_mut().zip(&object.sums).for_each(|(sum, more)| *sum += more);
        }
        sums.into_iter().map(|sum| sum / rows as f64).collect()
    };
    (0..DRAWS).into_par_iter().map(draw).collect()
}

fn stream(number: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    random.set_stream(number as u64);
    random
}

/// Share of sign assignments whose sum is at least as far from 0; what is 0 has no sign.
fn permutation(sums: &[f64]) -> f64 {
    let sums: Vec<f64> = sums.iter().copied().filter(|sum| *sum != 0.0).collect();
    let threshold = sums.iter().sum::<f64>().abs() * (1.0 - 1e-12);
    if sums.len() <= EXACT_LIMIT {
        let all = 1_u64 << sums.len();
        let extreme = (0..all).filter(|signs| signed(&sums, || *signs) >= threshold).count();
        return extreme as f64 / all as f64;
    }
    let is_extreme = |draw: &usize| {
        let mut random = stream(*draw);
        signed(&sums, || random.random()) >= threshold
    };
    let extreme = (0..DRAWS).into_par_iter().filter(is_extreme).count();
    (1 + extreme) as f64 / (1 + DRAWS) as f64
}

/// Distance from 0 of the sum under signs that `word` tosses, 64 at a time.
fn signed(sums: &[f64], mut word: impl FnMut() -> u64) -> f64 {
    let mut total = 0.0;
    for chunk in sums.chunks(64) {
        let signs = word();
        total += chunk.iter().enumerate().map(|(i, sum)| if signs >> i & 1 == 1 { -sum } else { *sum }).sum::<f64>();
    }
    total.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(sums: &[f64]) -> Vec<ObjectSum> {
        sums.iter().map(|sum| ObjectSum { rows: 1, sums: vec![*sum] }).collect()
    }

    /// ```python
    /// import numpy as np; from scipy import stats
    /// d = np.array([((7*i*i + 3*i) % 11 - 4) / 10 for i in range(12)])
    /// print(d.mean(), stats.permutation_test((d,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue)
    /// print(stats.binomtest((d > 0).sum(), (d != 0).sum()).pvalue)
    /// D = np.array([((7*i*i + 3*i) % 11 - 4.5) / 10 for i in range(300)])
    /// print(D.mean(), stats.permutation_test((D,), np.sum, permutation_type="samples", n_resamples=200_000).pvalue)
    /// print(stats.bootstrap((D,), np.mean, n_resamples=200_000, method="percentile").confidence_interval)
    /// ```
    #[test]
    fn equals_scipy_exactly_where_it_is_exact_and_within_the_luck_of_the_draws_elsewhere() {
        let few: Vec<f64> = (0..12).map(|i| f64::from((7 * i * i + 3 * i) % 11 - 4) / 10.0).collect();
        let ours = differences(&objects(&few))[0];
        for (ours, theirs) in [(ours.mean, FEW.0), (ours.permutation, FEW.1), (ours.sign, FEW.2)] {
            assert!((ours - theirs).abs() < 1e-12, "{ours} against {theirs}");
        }
        let many: Vec<f64> = (0..300).map(|i| (f64::from((7 * i * i + 3 * i) % 11) - 4.5) / 10.0).collect();
        let ours = differences(&objects(&many))[0];
        let (low, high) = ours.interval.unwrap();
        assert!((ours.mean - MANY.0).abs() < 1e-12, "{}", ours.mean);
        assert!((ours.permutation - MANY.1).abs() < 4.0 * (MANY.1 * (1.0 - MANY.1) / DRAWS as f64).sqrt());
        let width = MANY.3 - MANY.2;
        assert!((low - MANY.2).abs() < 0.06 * width && (high - MANY.3).abs() < 0.06 * width, "{low} to {high}");
    }

    const FEW: (f64, f64, f64) = (-0.033_333_333_333_333_34, 0.813_476_562_5, 0.548_828_125);
    const MANY: (f64, f64, f64, f64) = (-0.050_333_333_333_333_33, 0.013_15, -0.089_333_333, -0.010_666_667);

    #[test]
    fn rows_of_one_object_count_as_one_piece_of_evidence() {
        let alone: Vec<ObjectSum> = objects(&[1.0, -1.0, 1.0, 1.0].repeat(50));
        let together: Vec<ObjectSum> =
            [1.0, -1.0, 1.0, 1.0].repeat(5).iter().map(|sum| ObjectSum { rows: 10, sums: vec![10.0 * sum] }).collect();
        let (alone, together) = (differences(&alone)[0], differences(&together)[0]);
        let width = |d: ObjectsDifference| d.interval.map(|(low, high)| high - low).unwrap();
        assert_eq!((alone.mean, together.mean), (0.5, 0.5));
        assert!(width(together) > 2.8 * width(alone) && together.permutation > 20.0 * alone.permutation);
    }

    #[test]
    fn without_a_difference_p_is_one_and_without_objects_there_is_nothing() {
        let none = differences(&objects(&[0.0; 40]))[0];
        assert_eq!((none.mean, none.interval, none.permutation, none.sign), (0.0, Some((0.0, 0.0)), 1.0, 1.0));
        assert_eq!(differences(&[]), []);
        let one = differences(&objects(&[0.5]))[0];
        assert_eq!((one.interval, one.permutation), (None, 1.0));
        assert!((one.sign - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_same_with_any_number_of_threads() {
        let sums: Vec<f64> = (0..100).map(|i| f64::from(i % 7) - 2.5).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| differences(&objects(&sums)))
        };
        assert_eq!(with(1), with(3));
    }
}
