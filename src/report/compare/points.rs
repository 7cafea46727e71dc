//! The numbers of an arm, replicate by replicate, which of them are measurements of their own, and the pairs that two arms have.
//! Knows no table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Arm, Measure};
use crate::metrics::statistics::{PairedDifference, Summary, mean_interval, paired_difference};
use crate::report::tidy::TidyRow;

/// A value with what pairs it.
pub(super) struct Point {
    pub(super) replicate: usize,
    /// As in [`TidyRow`].
    pub(super) draw: Option<usize>,
    /// As in [`TidyRow`].
    pub(super) numbers: String,
    pub(super) value: f64,
    pub(super) rows: usize,
    pub(super) interval: Option<(f64, f64)>,
}

impl Point {
    fn is_the_same(&self, other: &Self) -> bool {
        (self.replicate, &self.numbers) == (other.replicate, &other.numbers)
    }
}

/// Whether an arm has, replicate by replicate, what the other has: what differs between them does not touch the series.
pub(super) fn are_the_same(arm: &[Point], other: &[Point]) -> bool {
    arm.iter().all(|point| other.iter().any(|same| point.is_the_same(same)))
}

/// All numbers by experiment, arm and what they are about.
pub(super) struct Known<'a>(HashMap<[&'a str; 7], Vec<&'a TidyRow>>);

impl<'a> Known<'a> {
    pub(super) fn new(tidy: &[&'a TidyRow]) -> Self {
        let mut known: HashMap<_, Vec<&TidyRow>> = HashMap::new();
        for row in tidy {
            let m = &row.metric;
            let about = [&row.experiment, &row.arm, &row.stage, &m.series, &m.split, &m.metric, &m.class];
            known.entry(about.map(String::as_str)).or_default().push(row);
        }
        Self(known)
    }

    /// The values of an arm, replicate by replicate.
    pub(super) fn points(&self, arm: &Arm, measure: &Measure) -> Vec<Point> {
        let Measure { stage, series, split, metric, class } = measure;
        let about = [&arm.experiment.experiment, &arm.record.name, stage, series, split, metric, class];
        let point = |row: &&TidyRow| {
            let (m, numbers) = (&row.metric, row.numbers.clone());
            let point = |value| Point {
                replicate: row.replicate,
                draw: row.draw,
                numbers,
                value,
                rows: m.n,
                interval: m.interval,
            };
            m.value.map(point)
        };
        self.0.get(&about.map(String::as_str)).into_iter().flatten().filter_map(point).collect()
    }
}

/// The points that are measurements of their own.
fn distinct(points: &[Point]) -> Vec<&Point> {
    let mut seen = BTreeSet::new();
    points.iter().filter(|point| seen.insert(point.draw)).collect()
}

/// What an arm has of a measure.
pub(super) struct OfArm {
    pub(super) values: Vec<f64>,
    pub(super) summary: Option<Summary>,
    /// Fewest rows behind a value.
    pub(super) rows: Option<usize>,
    /// That of the one measurement.
    pub(super) own_interval: Option<(f64, f64)>,
}

impl OfArm {
    pub(super) fn of(points: &[Point], shared: f64) -> Self {
        let distinct = distinct(points);
        let values: Vec<f64> = distinct.iter().map(|point| point.value).collect();
        let summary = mean_interval(&values, shared);
        let rows = distinct.iter().map(|point| point.rows).min();
        Self { values, summary, rows, own_interval: if let [only] = distinct[..] { only.interval } else { None } }
    }
}

/// The points of two arms in the replicates that both have; those of which neither varies count once.
pub(super) fn pairs<'p>(arm: &'p [Point], baseline: &'p [Point]) -> Vec<(&'p Point, &'p Point)> {
    let by_replicate: BTreeMap<usize, &Point> = baseline.iter().map(|point| (point.replicate, point)).collect();
    let both = arm.iter().filter_map(|point| Some((point, *by_replicate.get(&point.replicate)?)));
    let mut seen = BTreeSet::new();
    both.filter(|(point, base)| seen.insert((point.draw, base.draw))).collect()
}

/// The paired difference of two arms.
pub(super) fn difference(arm: &[Point], baseline: &[Point], shared: f64) -> Option<PairedDifference> {
    let (arm, baseline): (Vec<f64>, Vec<f64>) =
        pairs(arm, baseline).into_iter().map(|(point, base)| (point.value, base.value)).unzip();
    paired_difference(&arm, &baseline, shared)
}
