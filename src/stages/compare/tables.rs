//! The tables that `compare` writes, from series of judged rows.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::Series;
use crate::artifacts::scores::{ConfusionCell, Difference, MCNEMAR, Metric, PAIRED_BOOTSTRAP, PAIRED_SCORE, SIGN_TEST};
use crate::metrics::bootstrap::{Groups, interval, p_value, resample};
use crate::metrics::confusion::confusion as count;
use crate::metrics::paired_shares::{Pair, paired_shares};
use crate::metrics::shares::{self, Count};
use crate::metrics::{Judged, METRICS, Measure, accuracy, mcnemar};

/// Fewest objects of a class of which a mean over classes has an interval: with fewer, so many resamples lack the class that
/// intervals of 95 % cover in 80 to 91 % of the cases.
const FEWEST: usize = 3;

/// Values of all metrics, class by class, in the order of [`METRICS`]: `[value]`.
type Values = Vec<Option<f64>>;

/// `[draw][series][value]`: the same resampled rows for all series of a draw.
pub(super) fn draw(series: &[Series], draws: usize, seed: u64) -> Vec<Vec<Values>> {
    let Some(first) = series.first() else { return Vec::new() };
    let groups = Groups::new(first.objects.iter().copied());
    let judged: Vec<Vec<Judged>> = series.iter().map(Series::judged).collect();
    resample(&groups, draws, seed, |rows| {
        let mut drawn = Vec::with_capacity(rows.len());
        let mut values = Vec::with_capacity(judged.len());
        for judged in &judged {
            drawn.clear();
            drawn.extend(rows.iter().map(|row| judged[*row]));
            values.push(measure(&drawn, first.classes.len()));
        }
        values
    })
}

fn measure(rows: &[Judged], classes: usize) -> Values {
    METRICS.iter().flat_map(|metric| metric.values(rows, classes)).map(|(_, value)| value).collect()
}

/// Draws of one value of one series.
fn draws_of(draws: &[Vec<Values>], series: usize, value: usize) -> Values {
    draws.iter().map(|draw| draw[series][value]).collect()
}

/// Every metric of every series; `n` is the number of rows: for a share of those that count, otherwise for a class of its own.
pub(super) fn metrics(series: &[Series], draws: &[Vec<Values>]) -> Vec<Metric> {
    let Some(first) = series.first() else { return Vec::new() };
    let groups = Groups::new(first.objects.iter().copied());
    let mut table = Vec::new();
    for (number, series) in series.iter().enumerate() {
        let rows = series.judged();
        let with_classes = rarest(&groups, &rows) >= FEWEST;
        let values = METRICS.iter().flat_map(|metric| {
            metric.values(&rows, series.classes.len()).into_iter().map(move |(class, value)| (metric, class, value))
        });
        for (position, (metric, class, value)) in values.enumerate() {
            let outcomes = metric.outcomes(&rows, class);
            let interval = match (&outcomes, metric.measure) {
                (Some(outcomes), _) => shares::interval(groups.rows().map(|rows| counted(outcomes, rows))),
                (None, Measure::Biased(_)) => None,
                (None, Measure::OverClasses(_)) if !with_classes => None,
                _ => value.and_then(|_| of_draws(&draws_of(draws, number, position))),
            };
            let n = match outcomes {
                Some(outcomes) => outcomes.iter().flatten().count(),
                None => rows.iter().filter(|row| class.is_none_or(|class| row.label == class)).count(),
            };
            table.push(Metric {
                series: series.name.into(),
                split: series.split.into(),
                metric: metric.name.into(),
                class: class.map_or_else(String::new, |class| series.classes[class].clone()),
                value,
                n,
                interval,
            });
        }
    }
    table
}

/// How many objects have rows of the rarest class that occurs.
fn rarest(groups: &Groups, rows: &[Judged]) -> usize {
    let mut objects: BTreeMap<usize, usize> = BTreeMap::new();
    for group in groups.rows() {
        let labels: BTreeSet<usize> = group.iter().map(|row| rows[*row].label).collect();
        for label in labels {
            *objects.entry(label).or_default() += 1;
        }
    }
    objects.into_values().min().unwrap_or(0)
}

/// The outcomes of one object's rows.
fn counted(outcomes: &[Option<bool>], rows: &[usize]) -> Count {
    let outcomes = || rows.iter().filter_map(|row| outcomes[*row]);
    Count { rows: outcomes().count(), hits: outcomes().filter(|holds| *holds).count() }
}

/// The interval of draws; none where all are equal, for they say nothing of how far the value could be off.
fn of_draws(draws: &[Option<f64>]) -> Option<(f64, f64)> {
    interval(draws).filter(|(low, high)| low < high)
}

/// Counts of every pair of classes.
pub(super) fn confusion(series: &[Series]) -> Vec<ConfusionCell> {
    let mut table = Vec::new();
    for series in series {
        for (truth, counts) in count(&series.judged(), series.classes.len()).into_iter().enumerate() {
            for (predicted, count) in counts.into_iter().enumerate() {
                table.push(ConfusionCell {
                    series: series.name.into(),
                    split: series.split.into(),
                    truth: series.classes[truth].clone(),
                    predicted: series.classes[predicted].clone(),
                    count,
                });
            }
        }
    }
    table
}

/// A difference of two series: interval, p and the test that gives both.
type Compared = (Option<(f64, f64)>, Option<f64>, &'static str);

/// Differences of every series from the baseline in the metrics of all rows together, and an exact test of accuracy.
pub(super) fn differences(series: &[Series], draws: &[Vec<Values>], baseline: &str) -> Vec<Difference> {
    let Some(base) = series.iter().position(|series| series.name == baseline) else { return Vec::new() };
    let groups = Groups::new(series[base].objects.iter().copied());
    let base_rows = series[base].judged();
    let with_classes = rarest(&groups, &base_rows) >= FEWEST;
    let mut table = Vec::new();
    for (number, series) in series.iter().enumerate().filter(|(number, _)| *number != base) {
        let rows = series.judged();
        let mut push = |metric: &str, value, (interval, p_value, test): Compared| {
            table.push(Difference {
                series: series.name.into(),
                baseline: baseline.into(),
                split: series.split.into(),
                metric: metric.into(),
                value,
                n: rows.len(),
                interval,
                p_value,
                test: test.into(),
            });
        };
        let mut position = 0;
        for metric in METRICS {
            let (ours, theirs) =
                (metric.values(&rows, series.classes.len()), metric.values(&base_rows, series.classes.len()));
            if let ([(None, ours)], [(None, theirs)]) = (ours.as_slice(), theirs.as_slice()) {
                let value = ours.zip(*theirs).map(|(a, b)| a - b);
                let compared = match metric.measure {
                    Measure::Share(holds) => of_shares(&pairs(&groups, &rows, &base_rows, holds)),
                    Measure::Biased(_) => (None, None, ""),
                    Measure::OverClasses(_) if !with_classes => (None, None, ""),
                    _ => of_difference(&difference_draws(draws, number, base, position), value),
                };
                push(metric.name, value, compared);
            }
            position += ours.len();
        }
        let objects = pairs(&groups, &rows, &base_rows, |row| row.label == row.predicted);
        let value = accuracy::ACCURACY.whole(&rows, 0).zip(accuracy::ACCURACY.whole(&base_rows, 0)).map(|(a, b)| a - b);
        push(accuracy::ACCURACY.name, value, exact(&objects));
    }
    table
}

/// Of each object for how many rows it holds of one series alone.
fn pairs(groups: &Groups, ours: &[Judged], theirs: &[Judged], holds: fn(&Judged) -> bool) -> Vec<Pair> {
    let pair = |rows: &[usize]| {
        let only = |a: &[Judged], b: &[Judged]| rows.iter().filter(|row| holds(&a[**row]) && !holds(&b[**row])).count();
        Pair { rows: rows.len(), first: only(ours, theirs), second: only(theirs, ours) }
    };
    groups.rows().map(pair).collect()
}

fn of_shares(objects: &[Pair]) -> Compared {
    let of = paired_shares(objects.iter().copied());
    (of.map(|of| of.interval), of.map(|of| of.p_value), PAIRED_SCORE)
}

/// None where all draws are equal, see [`of_draws`].
fn of_difference(drawn: &[Option<f64>], value: Option<f64>) -> Compared {
    match value.and_then(|_| of_draws(drawn)) {
        None => (None, None, ""),
        interval => (interval, p_value(drawn), PAIRED_BOOTSTRAP),
    }
}

/// McNemar's test, or, where an object has several rows, the sign test over objects that it becomes.
fn exact(objects: &[Pair]) -> Compared {
    let more = |of: fn(&Pair) -> bool| objects.iter().filter(|object| of(object)).count();
    let p = mcnemar::p_value(more(|object| object.first > object.second), more(|object| object.second > object.first));
    let test = if objects.iter().all(|object| object.rows == 1) { MCNEMAR } else { SIGN_TEST };
    (None, (!objects.is_empty()).then_some(p), test)
}

fn difference_draws(draws: &[Vec<Values>], series: usize, base: usize, position: usize) -> Values {
    draws.iter().map(|draw| draw[series][position].zip(draw[base][position]).map(|(a, b)| a - b)).collect()
}
