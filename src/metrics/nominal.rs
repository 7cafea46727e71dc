//! Do the intervals cover as often as they say, and do the tests find a difference where there is none as often as they say?
//! Simulated again and again, from fixed seeds: what a script cannot quote.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution, StandardNormal};
use rayon::prelude::*;

use super::bootstrap::{self, Groups};
use super::mcnemar;
use super::paired_objects::{ObjectSum, ObjectsDifference, differences};
use super::paired_shares::{Pair, paired_shares};
use super::shares::{self, Count};
use super::statistics::{holm, mean_interval, paired_difference, ratio_interval};

const TRIALS: u64 = 2000;

/// Share of trials that `holds`, each with its own random stream.
fn share(holds: impl Fn(&mut ChaCha8Rng) -> bool + Sync) -> f64 {
    let trial = |trial: &u64| {
        let mut random = ChaCha8Rng::seed_from_u64(2026);
        random.set_stream(*trial);
        holds(&mut random)
    };
    (0..TRIALS).into_par_iter().filter(trial).count() as f64 / TRIALS as f64
}

fn normals(random: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| StandardNormal.sample(random)).collect()
}

/// Objects that two classifiers judge rightly with chances that depend on how hard the object is: 1 to 3 rows each, alike.
fn objects(random: &mut ChaCha8Rng, n: usize, gain: f64) -> Vec<ObjectSum> {
    let object = |_| {
        let (rows, ease) = (random.random_range(1..=3), random.random_range(0.4..0.95));
        let right = |chance: f64, random: &mut ChaCha8Rng| f64::from(u8::from(random.random_bool(chance)));
        let difference = right(ease + gain, random) - right(ease, random);
        ObjectSum { rows, sum: rows as f64 * difference }
    };
    (0..n).map(object).collect()
}

fn difference(random: &mut ChaCha8Rng, gain: f64) -> ObjectsDifference {
    differences(&[objects(random, 150, gain)])[0].unwrap()
}

fn covers(interval: Option<(f64, f64)>, truth: f64) -> bool {
    interval.is_some_and(|(low, high)| low <= truth && truth <= high)
}

fn assert_covers(name: &str, share: f64) {
    assert!((0.93..=0.97).contains(&share), "95 % intervals of {name} cover in {share} of the trials");
}

/// Of 2000 trials at 5 % between 3.5 and 6.5 %: three standard errors.
fn assert_nominal(name: &str, share: f64) {
    assert!((0.035..=0.065).contains(&share), "{name} finds a difference in {share} of the trials without one");
}

#[test]
fn intervals_over_replicates_cover() {
    assert_covers(
        "a mean of 5",
        share(|random| covers(mean_interval(&normals(random, 5), 0.0).unwrap().interval, 0.0)),
    );
    let paired = |random: &mut ChaCha8Rng| {
        let luck = normals(random, 5);
        let arm = |shift: f64, random: &mut ChaCha8Rng| -> Vec<f64> {
            luck.iter().zip(normals(random, 5)).map(|(luck, noise)| 3.0 * luck + noise + shift).collect()
        };
        let (a, b) = (arm(0.5, random), arm(0.0, random));
        covers(paired_difference(&a, &b, 0.0).unwrap().summary.interval, 0.5)
    };
    assert_covers("a paired difference of 5", share(paired));
}

#[test]
fn intervals_over_objects_cover() {
    // Of the ratio of sums: rows are drawn apart from what they add, so the truth is the gain.
    let over_objects = |random: &mut ChaCha8Rng| covers(difference(random, 0.04).interval, 0.04);
    assert_covers("a difference over 150 objects", share(over_objects));
    let bootstrap = |random: &mut ChaCha8Rng| {
        let names: Vec<String> = (0..240).map(|row| (row / 2).to_string()).collect();
        let of_objects = normals(random, 120);
        let noise = normals(random, 240);
        let mean = |rows: &[usize]| {
            Some(rows.iter().map(|row| of_objects[row / 2] + 0.3 * noise[*row]).sum::<f64>() / rows.len() as f64)
        };
        let groups = Groups::new(names.iter().map(String::as_str));
        covers(bootstrap::interval(&bootstrap::resample(&groups, 500, random.random(), mean)), 0.0)
    };
    assert_covers("a bootstrap of 120 objects with two rows each", share(bootstrap));
    let mean = |random: &mut ChaCha8Rng| {
        let objects = normals(random, 20).into_iter().map(|object| {
            let rows = random.random_range(1..=5);
            (normals(random, rows).iter().map(|noise| object + 0.3 * noise).sum(), rows as f64)
        });
        covers(ratio_interval(&objects.collect::<Vec<_>>()), 0.0)
    };
    assert_covers("a mean of rows of 20 objects", share(mean));
}

/// Exact intervals of one row for each object are never too narrow, and wider than they need be for few; with several rows, of
/// which the number that counts is estimated, they may cover a little less.
#[test]
fn intervals_of_shares_near_one_cover() {
    let covered = |rows: usize, truth: f64| {
        share(|random| {
            let row = |_| Count { rows: 1, hits: usize::from(random.random_bool(truth)) };
            covers(shares::interval((0..rows).map(row)), truth)
        })
    };
    for (rows, truth) in [(7, 0.98), (11, 0.9), (34, 0.95), (100, 0.98)] {
        let covered = covered(rows, truth);
        assert!(covered >= 0.945, "95 % intervals of {truth} of {rows} rows cover in {covered} of the trials");
    }
    // Rows of an object agree more than those of others do: 1 to 5 rows, the chance of each object drawn from 0.8 to 1, or 0 or 1.
    let of_objects = |number: usize, ease: fn(&mut ChaCha8Rng) -> f64| {
        share(|random| {
            let object = |_| {
                let (rows, ease) = (random.random_range(1..=5), ease(random));
                Count { rows, hits: (0..rows).filter(|_| random.random_bool(ease)).count() }
            };
            let objects: Vec<Count> = (0..number).map(object).collect();
            covers(shares::interval(objects), 0.9)
        })
    };
    for number in [20, 60] {
        let alike = of_objects(number, |random| random.random_range(0.8..1.0));
        let equal = of_objects(number, |random| f64::from(u8::from(random.random_bool(0.9))));
        assert!(alike.min(equal) >= 0.93, "{number} objects with several rows: {alike} and {equal} of the trials");
    }
}

/// Objects with `rows` rows each that two classifiers get wrong with chances that are drawn for each object, on average `wrong`.
fn judged_by_two(random: &mut ChaCha8Rng, number: usize, rows: usize, wrong: [f64; 2]) -> Vec<Pair> {
    let chance = |wrong: f64, random: &mut ChaCha8Rng| {
        let alike = Beta::new(2.5 * wrong, 2.5 * (1.0 - wrong)).ok().filter(|_| rows > 1);
        alike.map_or(wrong, |beta| beta.sample(random))
    };
    let object = |_| {
        let [ours, theirs] = wrong.map(|wrong| chance(wrong, random));
        let mut pair = Pair { rows, ..Pair::default() };
        for _ in 0..rows {
            match (random.random_bool(ours), random.random_bool(theirs)) {
                (false, true) => pair.first += 1,
                (true, false) => pair.second += 1,
                _ => (),
            }
        }
        pair
    };
    (0..number).map(object).collect()
}

/// The bootstrap covers in 0.64 of the trials with 20 rows and errors of 0 and 5 %, and in 0.86 with 100 rows and 1 and 2 %.
#[test]
fn intervals_of_differences_of_shares_cover() {
    let covered = |number: usize, rows: usize, wrong: [f64; 2]| {
        share(|random| {
            let found = paired_shares(judged_by_two(random, number, rows, wrong)).unwrap();
            covers(Some(found.interval), wrong[1] - wrong[0])
        })
    };
    for (rows, wrong) in
        [(20, [0.0, 0.05]), (60, [0.01, 0.04]), (100, [0.01, 0.02]), (34, [0.05, 0.05]), (45, [0.1, 0.2])]
    {
        let covered = covered(rows, 1, wrong);
        assert!(covered >= 0.935, "errors of {wrong:?} of {rows} rows: {covered} of the trials");
    }
    for (number, rows, wrong) in
        [(30, 5, [0.2, 0.2]), (30, 15, [0.2, 0.3]), (20, 8, [0.05, 0.05]), (60, 3, [0.1, 0.15])]
    {
        let covered = covered(number, rows, wrong);
        assert!(covered >= 0.93, "errors of {wrong:?} of {number} objects with {rows} rows: {covered} of the trials");
    }
}

/// Taken as independent, rows of one object find a difference where there is none in a third of the trials.
#[test]
fn tests_of_rows_of_objects_find_no_more_than_they_may() {
    let more = |objects: &[Pair], of: fn(&Pair) -> (usize, usize)| {
        objects.iter().map(of).filter(|(ours, theirs)| ours > theirs).count()
    };
    for rows in [1, 5, 15] {
        let found =
            |p_value: fn(&[Pair]) -> f64| share(|random| p_value(&judged_by_two(random, 30, rows, [0.2; 2])) <= 0.05);
        let score = found(|objects| paired_shares(objects.iter().copied()).unwrap().p_value);
        assert!((0.03..=0.065).contains(&score), "score test, {rows} rows: {score} of the trials");
        let sign = share(|random| {
            let objects = judged_by_two(random, 30, rows, [0.2; 2]);
            let (ours, theirs) = (more(&objects, |o| (o.first, o.second)), more(&objects, |o| (o.second, o.first)));
            mcnemar::p_value(ours, theirs) <= 0.05
        });
        assert!((0.005..=0.055).contains(&sign), "sign test over objects, {rows} rows: {sign} of the trials");
        let of_rows = found(|objects| {
            let sum = |of: fn(&Pair) -> usize| objects.iter().map(of).sum();
            mcnemar::p_value(sum(|object| object.first), sum(|object| object.second))
        });
        assert!(rows < 15 || of_rows > 0.2, "McNemar over rows: {of_rows} of the trials");
    }
}

/// Counts of few rows are often apart by the same number in all replicates, and seeds often end in one of few optima.
#[test]
fn replicates_with_few_outcomes_find_no_more_than_they_may() {
    for (replicates, rows) in [(2, 45), (3, 24), (5, 24)] {
        let p_value = |random: &mut ChaCha8Rng| {
            let mut count = |chance: f64| (0..rows).filter(|_| random.random_bool(chance)).count() as f64;
            let both = (0..replicates).map(|_| {
                let right = count(0.8);
                ((right + count(0.03) - count(0.03)) / f64::from(rows), right / f64::from(rows))
            });
            let (arm, base): (Vec<f64>, Vec<f64>) = both.unzip();
            paired_difference(&arm, &base, 0.0).unwrap().t_test.unwrap_or(1.0)
        };
        let (found, sure) = (share(|random| p_value(random) <= 0.05), share(|random| p_value(random) < 1e-6));
        assert!(found <= 0.065 && sure == 0.0, "{replicates} of {rows} rows: {found}, beyond all doubt {sure}");
    }
    let optima = |random: &mut ChaCha8Rng| -> Vec<f64> {
        let optimum = |_| match random.random_range(0..20) {
            0..13 => 0.043,
            13..17 => 0.052,
            17..19 => 0.061,
            _ => 0.075,
        };
        (0..20).map(optimum).collect()
    };
    let found = share(|random| {
        paired_difference(&optima(random), &optima(random), 0.0).unwrap().t_test.is_some_and(|p| p <= 0.05)
    });
    assert_nominal("the paired t-test of 20 replicates in four optima", found);
}

/// Recall of a rare class of 60 objects, of which 20 are to test and 20 to train on, by a threshold on each of two columns that tell
/// equally much; the common class has 600.
fn over_counted_splits(random: &mut ChaCha8Rng, replicates: usize) -> [Vec<f64>; 2] {
    let columns = [(); 2].map(|()| [normals(random, 60), normals(random, 600)]);
    let mut orders = [60, 600].map(|n| (0..n).collect::<Vec<usize>>());
    let mut recalls = [Vec::new(), Vec::new()];
    for _ in 0..replicates {
        for order in &mut orders {
            order.shuffle(random);
        }
        for (column, recalls) in columns.iter().zip(&mut recalls) {
            let mean = |class: usize| {
                let trained = &orders[class][40..];
                trained.iter().map(|i| column[class][*i]).sum::<f64>() / trained.len() as f64 + class as f64
            };
            let threshold = f64::midpoint(mean(0), mean(1));
            recalls.push(orders[0][..20].iter().filter(|i| column[0][**i] <= threshold).count() as f64 / 20.0);
        }
    }
    recalls
}

/// With the objects of all classes, 40 to test and 580 to train on, hardly anything is corrected.
#[test]
fn a_rare_class_in_many_splits_finds_no_more_than_it_may() {
    let found = |shared: f64| {
        share(|random| {
            let [a, b] = over_counted_splits(random, 10);
            paired_difference(&a, &b, shared).unwrap().t_test.is_some_and(|p| p <= 0.05)
        })
    };
    let (own, all) = (found(20.0 / 20.0), found(40.0 / 580.0));
    assert!(own <= 0.05 && all > 0.09, "{own} with the class's own objects, {all} with all");
}

#[test]
fn tests_find_nothing_where_there_is_nothing() {
    let p_below = |p: Option<f64>| p.is_some_and(|p| p <= 0.05);
    let replicates = |n: usize| {
        move |random: &mut ChaCha8Rng| paired_difference(&normals(random, n), &normals(random, n), 0.0).unwrap()
    };
    assert_nominal("the paired t-test of 5", share(|random| p_below(replicates(5)(random).t_test)));
    // 2^8 assignments: at most 12 of them are 5 %.
    assert_nominal("the sign-flip test of 8", share(|random| p_below(replicates(8)(random).sign_flip)));
    assert_nominal("the permutation test over objects", share(|random| difference(random, 0.0).permutation <= 0.05));
    let bootstrap = |random: &mut ChaCha8Rng| {
        let difference = normals(random, 150);
        let names: Vec<String> = (0..150).map(|row| row.to_string()).collect();
        let groups = Groups::new(names.iter().map(String::as_str));
        let mean = |rows: &[usize]| Some(rows.iter().map(|row| difference[*row]).sum::<f64>());
        p_below(bootstrap::p_value(&bootstrap::resample(&groups, 500, random.random(), mean)))
    };
    assert_nominal("the bootstrap of 150 objects", share(bootstrap));
}

/// Accuracies over `replicates` random splits of the same objects of two classes, by a threshold on each of two columns that
/// tell equally much of the class.
fn over_splits(random: &mut ChaCha8Rng, (train, test): (usize, usize), replicates: usize) -> [Vec<f64>; 2] {
    const OBJECTS: usize = 120;
    let columns = [(); 2].map(|()| {
        let noise = normals(random, OBJECTS);
        noise.into_iter().enumerate().map(|(i, noise)| noise + (i % 2) as f64).collect::<Vec<f64>>()
    });
    let mut order: Vec<usize> = (0..OBJECTS).collect();
    let mut accuracies = [Vec::new(), Vec::new()];
    for _ in 0..replicates {
        order.shuffle(random);
        let (trained, tested) = (&order[..train], &order[train..train + test]);
        for (column, accuracies) in columns.iter().zip(&mut accuracies) {
            let mean = |class: usize| {
                let values: Vec<f64> = trained.iter().filter(|i| **i % 2 == class).map(|i| column[*i]).collect();
                values.iter().sum::<f64>() / values.len() as f64
            };
            let threshold = f64::midpoint(mean(0), mean(1));
            let right = tested.iter().filter(|i| (column[**i] > threshold) == (**i % 2 == 1)).count();
            accuracies.push(right as f64 / test as f64);
        }
    }
    accuracies
}

/// Taken as independent, these splits find a difference where there is none in a tenth to a fifth of the trials.
#[test]
fn splits_of_the_same_objects_find_no_more_than_they_may() {
    for (sizes, replicates) in [((84, 18), 5), ((84, 18), 10), ((60, 36), 5)] {
        let found = |shared: f64| {
            share(|random| {
                let [a, b] = over_splits(random, sizes, replicates);
                paired_difference(&a, &b, shared).unwrap().t_test.is_some_and(|p| p <= 0.05)
            })
        };
        let (corrected, plain) = (found(sizes.1 as f64 / sizes.0 as f64), found(0.0));
        assert!((0.015..=0.065).contains(&corrected), "{sizes:?}, {replicates} splits: {corrected} of the trials");
        assert!(plain > 0.09, "{sizes:?}, {replicates} splits: {plain} without the correction");
    }
}

#[test]
fn exact_tests_of_counts_never_find_more_than_they_may() {
    // Counts are discrete, so an exact test stays below its level.
    let sign = share(|random| difference(random, 0.0).sign <= 0.05);
    let counts = share(|random| {
        let only_first = (0..40).filter(|_| random.random_bool(0.5)).count();
        mcnemar::p_value(only_first, 40 - only_first) <= 0.05
    });
    assert!((0.015..=0.055).contains(&sign), "sign test over objects: {sign}");
    assert!((0.015..=0.055).contains(&counts), "McNemar: {counts}");
}

#[test]
fn holm_keeps_the_chance_of_any_false_find() {
    let any = share(|random| {
        let p_values: Vec<f64> =
            (0..6).map(|_| paired_difference(&normals(random, 6), &[0.0; 6], 0.0).unwrap().t_test.unwrap()).collect();
        holm(&p_values).iter().any(|p| *p <= 0.05)
    });
    assert_nominal("the best of six arms after Holm", any);
}
