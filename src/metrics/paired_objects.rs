//! A paired difference between two classifiers over the objects that both judged: how far it may be the luck of which objects
//! are in the test split. Interval by bootstrap, p by permutation and by a sign test. Knows sums by object, no metric.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::bootstrap::interval;
use super::mcnemar;
use super::statistics::as_far_as;

/// Resamples of the objects, and random sign assignments.
pub const DRAWS: usize = 2000;
/// Most objects with a difference for which all `2^n` sign assignments are tried.
const EXACT_LIMIT: usize = 14;
/// Both are drawn from a fixed seed: a table made again says the same.
const SEED: u64 = 0x0065_7374_616d_7061;

/// What one object contributes to a difference: all its rows, and all replicates that judged it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectSum {
    /// Number of differences.
    pub rows: usize,
    /// Their sum.
    pub sum: f64,
}

/// A difference over objects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectsDifference {
    /// Number of objects.
    pub objects: usize,
    /// Mean difference over all rows.
    pub mean: f64,
    /// 95 % percentile interval, objects drawn with replacement; `None` for fewer than two objects, and where all draws are equal,
    /// which says nothing of how far the mean could be off.
    pub interval: Option<(f64, f64)>,
    /// Two-sided p of the permutation test that exchanges the two classifiers object by object.
    pub permutation: f64,
    /// Two-sided p of the exact sign test over objects; with one row for each object, of accuracy, McNemar's exact test.
    pub sign: f64,
}

/// Each difference on its own objects; `None` where no object has a row.
///
/// With `D_o` the sum and `n_o` the number of differences of object `o`, the mean is `\sum_o D_o / \sum_o n_o`.
/// *Interval*: the same ratio over objects drawn with replacement (Efron & Tibshirani 1993, section 13.3).
/// *Permutation*: under no difference the sign of each `D_o` is a toss (Good 2005, section 3.6):
/// `p = \frac{1 + \#\{|\sum_o \pm D_o| \ge |\sum_o D_o|\}}{1 + B}` of `B` random assignments, or the exact share of all of them
/// where few objects differ. *Sign*: binomial test of how many `D_o` are above 0, of those that are not 0.
///
/// Differences over equally many objects share their draws, which is what makes hundreds of them cheap.
pub fn differences(all: &[Vec<ObjectSum>]) -> Vec<Option<ObjectsDifference>> {
    let mut by_size: BTreeMap<usize, Vec<Columns>> = BTreeMap::new();
    for (position, objects) in all.iter().enumerate() {
        by_size.entry(objects.len()).or_default().push(Columns::of(position, objects));
    }
    let mut found = vec![None; all.len()];
    for (size, differences) in by_size {
        for (columns, difference) in differences.iter().zip(of_size(size, &differences)) {
            found[columns.position] = difference;
        }
    }
    found
}

/// One difference, laid out for sums over objects.
struct Columns {
    position: usize,
    rows: Vec<f64>,
    sums: Vec<f64>,
}

impl Columns {
    fn of(position: usize, objects: &[ObjectSum]) -> Self {
        let (rows, sums) = objects.iter().map(|object| (object.rows as f64, object.sum)).unzip();
        Self { position, rows, sums }
    }

    fn total(&self) -> f64 {
        self.sums.iter().sum()
    }

    /// Arms often share a result; then there is nothing to draw.
    fn is_zero(&self) -> bool {
        self.sums.iter().all(|sum| *sum == 0.0)
    }
}

/// What random draws say of a difference: its mean over resampled objects, and whether its sum under random signs is as far
/// from 0 as the real one.
type Drawn = (Option<f64>, bool);

/// The differences over `size` objects each.
fn of_size(size: usize, differences: &[Columns]) -> Vec<Option<ObjectsDifference>> {
    let thresholds: Vec<f64> = differences.iter().map(|columns| threshold(&columns.sums)).collect();
    let draw = |number: usize| -> Vec<Drawn> {
        let mut random = stream(number);
        let (times, signs) = (times_drawn(size, &mut random), signs(size, &mut random));
        let of = |(columns, threshold): (&Columns, &f64)| {
            if columns.is_zero() {
                return (Some(0.0), true);
            }
            let rows = dot(&times, &columns.rows);
            let mean = (rows > 0.0).then(|| dot(&times, &columns.sums) / rows);
            (mean, dot(&signs, &columns.sums).abs() >= *threshold)
        };
        differences.iter().zip(&thresholds).map(of).collect()
    };
    let drawn: Vec<Vec<Drawn>> = (0..DRAWS).into_par_iter().map(draw).collect();
    let of = |(index, columns): (usize, &Columns)| {
        let rows: f64 = columns.rows.iter().sum();
        let count = |holds: fn(f64) -> bool| columns.sums.iter().filter(|sum| holds(**sum)).count();
        let means: Vec<Option<f64>> = drawn.iter().map(|draw| draw[index].0).collect();
        let extreme = drawn.iter().filter(|draw| draw[index].1).count();
        (rows > 0.0).then(|| ObjectsDifference {
            objects: size,
            mean: columns.total() / rows,
            interval: interval(&means).filter(|(low, high)| size > 1 && low < high),
            permutation: exact(&columns.sums).unwrap_or((1 + extreme) as f64 / (1 + DRAWS) as f64),
            sign: mcnemar::p_value(count(|sum| sum > 0.0), count(|sum| sum < 0.0)),
        })
    };
    differences.iter().enumerate().map(of).collect()
}

fn stream(number: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    random.set_stream(number as u64);
    random
}

/// How often each of `size` objects is among as many that are drawn with replacement.
fn times_drawn(size: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut times = vec![0.0; size];
    (0..size).for_each(|_| times[random.random_range(0..size)] += 1.0);
    times
}

/// A sign for each of `size` objects, 64 tosses a word.
fn signs(size: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut signs = Vec::with_capacity(size.next_multiple_of(64));
    while signs.len() < size {
        let word: u64 = random.random();
        signs.extend((0..64).map(|bit| if word >> bit & 1 == 1 { -1.0 } else { 1.0 }));
    }
    signs.truncate(size);
    signs
}

/// `Σ a b`, in eight sums that the processor can add at once.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// What counts as being as far from 0 as their sum, but for rounding.
fn threshold(sums: &[f64]) -> f64 {
    as_far_as(sums.iter().sum(), sums.iter().map(|sum| sum.abs()).sum())
}

/// Share of all sign assignments whose sum is at least as far from 0, where few sums are not 0: what is 0 has no sign.
fn exact(sums: &[f64]) -> Option<f64> {
    let sums: Vec<f64> = sums.iter().copied().filter(|sum| *sum != 0.0).collect();
    if sums.len() > EXACT_LIMIT {
        return None;
    }
    let (all, threshold) = (1_u32 << sums.len(), threshold(&sums));
    let signed = |signs: u32| -> f64 {
        sums.iter().enumerate().map(|(i, sum)| if signs >> i & 1 == 1 { -sum } else { *sum }).sum()
    };
    let extreme = (0..all).filter(|signs| signed(*signs).abs() >= threshold).count();
    Some(extreme as f64 / f64::from(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(sums: &[f64]) -> Vec<ObjectSum> {
        sums.iter().map(|sum| ObjectSum { rows: 1, sum: *sum }).collect()
    }

    fn difference(objects: &[ObjectSum]) -> ObjectsDifference {
        differences(&[objects.to_vec()])[0].unwrap()
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
        let ours = difference(&objects(&few));
        for (ours, theirs) in [(ours.mean, FEW.0), (ours.permutation, FEW.1), (ours.sign, FEW.2)] {
            assert!((ours - theirs).abs() < 1e-12, "{ours} against {theirs}");
        }
        let many: Vec<f64> = (0..300).map(|i| (f64::from((7 * i * i + 3 * i) % 11) - 4.5) / 10.0).collect();
        let ours = difference(&objects(&many));
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
            [1.0, -1.0, 1.0, 1.0].repeat(5).iter().map(|sum| ObjectSum { rows: 10, sum: 10.0 * sum }).collect();
        let (alone, together) = (difference(&alone), difference(&together));
        let width = |d: ObjectsDifference| d.interval.map(|(low, high)| high - low).unwrap();
        assert_eq!((alone.mean, together.mean), (0.5, 0.5));
        assert!(width(together) > 2.8 * width(alone) && together.permutation > 20.0 * alone.permutation);
    }

    /// Among others, of the same and of other sizes, a difference is what it is alone.
    #[test]
    fn company_changes_nothing() {
        let sizes = [30, 100, 30, 0, 7];
        let all: Vec<Vec<ObjectSum>> = sizes
            .iter()
            .enumerate()
            .map(|(k, size)| {
                objects(&(0..*size).map(|i| f64::from((i * (k as i32 + 3)) % 7) - 2.5).collect::<Vec<_>>())
            })
            .collect();
        let together = differences(&all);
        for (objects, found) in all.iter().zip(&together) {
            assert_eq!(*found, differences(std::slice::from_ref(objects))[0]);
        }
        assert_eq!(together[3], None);
        assert_ne!(together[0], together[2]);
    }

    #[test]
    fn without_a_difference_p_is_one_and_without_objects_there_is_nothing() {
        let none = difference(&objects(&[0.0; 40]));
        assert_eq!((none.mean, none.interval, none.permutation, none.sign), (0.0, None, 1.0, 1.0));
        assert_eq!(difference(&objects(&[0.25; 40])).interval, None, "all draws are equal");
        assert_eq!(differences(&[Vec::new()]), [None]);
        let one = difference(&objects(&[0.5]));
        assert_eq!((one.interval, one.permutation), (None, 1.0));
        assert!((one.sign - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_same_with_any_number_of_threads() {
        let sums: Vec<f64> = (0..100).map(|i| f64::from(i % 7) - 2.5).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| difference(&objects(&sums)))
        };
        assert_eq!(with(1), with(3));
    }
}
