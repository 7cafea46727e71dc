//! The tables that `compare` writes, from series of judged rows.

use super::rows::Series;
use crate::artifacts::scores::{ConfusionCell, Difference, Metric};
use crate::metrics::bootstrap::{Groups, interval, p_value, resample};
use crate::metrics::confusion::confusion as count;
use crate::metrics::shares::{self, Count};
use crate::metrics::{Judged, METRICS, Measure, mcnemar};

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
        let values = METRICS.iter().flat_map(|metric| {
            metric.values(&rows, series.classes.len()).into_iter().map(move |(class, value)| (metric, class, value))
        });
        for (position, (metric, class, value)) in values.enumerate() {
            let outcomes = metric.outcomes(&rows, class);
            let interval = match (&outcomes, metric.measure) {
                (Some(outcomes), _) => shares::interval(groups.rows().map(|rows| counted(outcomes, rows))),
                (None, Measure::Biased(_)) => None,
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

/// Differences of every series from the baseline in the metrics of all rows together, and McNemar's test of accuracy.
pub(super) fn differences(series: &[Series], draws: &[Vec<Values>], baseline: &str) -> Vec<Difference> {
    let Some(base) = series.iter().position(|series| series.name == baseline) else { return Vec::new() };
    let base_rows = series[base].judged();
    let mut table = Vec::new();
    for (number, series) in series.iter().enumerate().filter(|(number, _)| *number != base) {
        let rows = series.judged();
        let row = |metric: &str, value, interval, p_value, test: &str| Difference {
            series: series.name.into(),
            baseline: baseline.into(),
            split: series.split.into(),
            metric: metric.into(),
            value,
            n: rows.len(),
            interval,
            p_value,
            test: test.into(),
        };
        let mut position = 0;
        for metric in METRICS {
            let (ours, theirs) =
                (metric.values(&rows, series.classes.len()), metric.values(&base_rows, series.classes.len()));
            if let ([(None, ours)], [(None, theirs)]) = (ours.as_slice(), theirs.as_slice()) {
                let value = ours.zip(*theirs).map(|(a, b)| a - b);
                table.push(if let Measure::Biased(_) = metric.measure {
                    row(metric.name, value, None, None, "")
                } else {
                    let drawn = difference_draws(draws, number, base, position);
                    let interval = value.and_then(|_| interval(&drawn));
                    row(metric.name, value, interval, p_value(&drawn), "paired bootstrap over objects")
                });
            }
            position += ours.len();
        }
        let (p, value) = mcnemar(&rows, &base_rows);
        table.push(row("accuracy", value, None, p, "McNemar exact"));
    }
    table
}

fn difference_draws(draws: &[Vec<Values>], series: usize, base: usize, position: usize) -> Values {
    draws.iter().map(|draw| draw[series][position].zip(draw[base][position]).map(|(a, b)| a - b)).collect()
}

/// p-value of McNemar's test and the difference in accuracy.
fn mcnemar(rows: &[Judged], base: &[Judged]) -> (Option<f64>, Option<f64>) {
    let right = |row: &Judged| row.label == row.predicted;
    let only = |a: &[Judged], b: &[Judged]| a.iter().zip(b).filter(|(a, b)| right(a) && !right(b)).count();
    let (ours, theirs) = (only(rows, base), only(base, rows));
    let value = (!rows.is_empty()).then(|| (ours as f64 - theirs as f64) / rows.len() as f64);
    (value.map(|_| mcnemar::p_value(ours, theirs)), value)
}
