//! Compares arms: one row for each arm and measure, with spread over replicates and the paired difference from the
//! baseline. Knows no format.

mod apart;
mod effects;
mod objects;
mod points;
mod resplit;
mod scale;
mod series;
mod stages;

use std::collections::BTreeSet;

pub use effects::Effect;
use points::{Known, OfArm, Point};
use resplit::Splits;
use scale::Scale;
pub use series::SeriesDifference;
use stages::Stages;

use super::record::{ArmRecord, Record};
use super::tidy::{self, TidyRow};
use super::words::{self, Direction};
use crate::artifacts::split;
use crate::metrics::paired_objects::ObjectsDifference;
use crate::metrics::statistics::{PairedDifference, Summary, holm};

/// What to compare.
#[derive(Clone, Debug)]
pub struct ComparisonOptions {
    /// Arm that the others are compared with; `None`: that of the first experiment.
    pub baseline: Option<String>,
    /// Only these metrics; empty: all.
    pub metrics: Vec<String>,
    /// Split whose numbers are compared. Numbers that belong to no split are always in.
    pub split: String,
}

impl Default for ComparisonOptions {
    fn default() -> Self {
        Self { baseline: None, metrics: Vec::new(), split: split::TEST.into() }
    }
}

/// What a number is about: rows of different arms with the same measure are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Name of the stage.
    pub stage: String,
    /// As in [`crate::artifacts::scores::Metric`].
    pub series: String,
    /// Split.
    pub split: String,
    /// Word of the metric.
    pub metric: String,
    /// Class, or empty.
    pub class: String,
}

/// One arm's numbers for one measure.
#[derive(Clone, Debug)]
pub struct ComparisonRow {
    /// Name of the arm; `experiment/arm` when several experiments are compared, with the file of one whose name another has, too.
    pub arm: String,
    /// What was measured.
    pub measure: Measure,
    /// Mean over replicates; `None`: missing.
    pub summary: Option<Summary>,
    /// Replicates whose results are in.
    pub values: Vec<f64>,
    /// Fewest rows (alerts, objects) behind a value.
    pub rows: Option<usize>,
    /// The one replicate's own 95 % interval (over alerts), where there is one replicate and it has one.
    pub own_interval: Option<(f64, f64)>,
    /// Paired difference from the baseline arm.
    pub delta: Option<PairedDifference>,
    /// p of the paired t-test, Holm-corrected over the arms.
    pub p_holm: Option<f64>,
    /// The same difference over the test objects, where the predictions behind it are known.
    pub objects: Option<ObjectsDifference>,
    /// p of its permutation test, Holm-corrected over the arms.
    pub objects_p_holm: Option<f64>,
    /// Whether it is what the baseline arm has, number by number of its series: a setting that does not touch it.
    pub untouched: bool,
    /// Whether it is an error in pixels that are scaled, cut or chosen otherwise than the baseline's or, without one, those of the
    /// first arm: no difference has a meaning, and there is no best.
    pub other_scale: bool,
    /// Whether its mean is the best of the arms.
    pub best: bool,
}

impl ComparisonRow {
    /// Its interval: over replicates, else over the rows of the one replicate.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.summary.and_then(|summary| summary.interval).or(self.own_interval)
    }

    /// The interval that figures draw; of a share within 0 and 1, beyond which Student's t knows no better.
    pub fn drawn_interval(&self) -> Option<(f64, f64)> {
        let (low, high) = self.interval()?;
        let within = |value: f64| if words::is_share(&self.measure.metric) { value.clamp(0.0, 1.0) } else { value };
        Some((within(low), within(high)))
    }
}

/// The comparison.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Names of the experiments.
    pub experiments: Vec<String>,
    /// Arms in order, with the settings that differ.
    pub arms: Vec<ArmRecord>,
    /// Name of the baseline arm, if there is one.
    pub baseline: Option<String>,
    /// Split of the numbers.
    pub split: String,
    /// Measure by measure, arms in order.
    pub rows: Vec<ComparisonRow>,
    /// What each setting does, averaged over the others, measure by measure.
    pub effects: Vec<Effect>,
    /// Differences between the series of a stage over test objects, of arms with one result.
    pub series: Vec<SeriesDifference>,
    /// What has no result.
    pub missing: Vec<String>,
}

impl Comparison {
    /// The rows, measure by measure: each has one row for each arm.
    fn blocks(&self) -> impl Iterator<Item = &[ComparisonRow]> {
        self.rows.chunks(self.arms.len().max(1))
    }

    /// The measures in order.
    pub fn measures(&self) -> Vec<&Measure> {
        self.blocks().map(|block| &block[0].measure).collect()
    }

    /// The row of `arm` for `measure`.
    pub fn row(&self, arm: &str, measure: &Measure) -> Option<&ComparisonRow> {
        self.blocks().find(|block| block[0].measure == *measure)?.iter().find(|row| row.arm == arm)
    }

    /// Whether the arms have one scale for `measure`, so that one can be better than another.
    pub fn is_of_one_scale(&self, measure: &Measure) -> bool {
        self.rows_of(measure).iter().all(|row| !row.other_scale)
    }

    /// Rows of one measure, arms in order.
    pub fn rows_of(&self, measure: &Measure) -> Vec<&ComparisonRow> {
        self.blocks().find(|block| block[0].measure == *measure).into_iter().flatten().collect()
    }
}

/// One arm of one experiment.
struct Arm<'a> {
    name: String,
    experiment: &'a Record,
    record: &'a ArmRecord,
}

/// What there is of one measure, arm by arm.
struct OfMeasure<'a> {
    measure: &'a Measure,
    arms: &'a [Arm<'a>],
    points: Vec<Vec<Point>>,
    /// What replicates share, see [`resplit`].
    shared: Vec<f64>,
    scales: Vec<Scale<'a>>,
}

/// Compares the arms of one or more experiments.
pub fn comparison(records: &[Record], options: &ComparisonOptions) -> Comparison {
    let records = &*apart::told_apart(records);
    let arms = arms(records);
    let tidy: Vec<TidyRow> = records.iter().flat_map(|record| tidy::collect(record).0).collect();
    let tidy: Vec<&TidyRow> = tidy.iter().filter(|row| wanted(row, options)).collect();
    let (known, stages) = (Known::new(&tidy), Stages::new(records));
    let splits = Splits::new(&stages);
    let baseline = baseline(&arms, records, options);
    let (mut rows, mut effects) = (Vec::new(), Vec::new());
    for measure in measures(&tidy) {
        let of = OfMeasure {
            measure: &measure,
            arms: &arms,
            points: arms.iter().map(|arm| known.points(arm, &measure)).collect(),
            shared: arms.iter().map(|arm| splits.shared(&stages, arm, &measure)).collect(),
            scales: arms.iter().map(|arm| scale::of(&stages, arm, &measure)).collect(),
        };
        rows.extend(compare_measure(&of, baseline));
        effects.extend(baseline.map(|base| effects::effects(&of, base)).unwrap_or_default());
    }
    if let Some(base) = baseline {
        objects::attach(&mut rows, &arms, base, &known, records, &options.split);
    }
    // Each measure has one row for each arm.
    rows.chunks_mut(arms.len().max(1)).for_each(correct);
    Comparison {
        experiments: records.iter().map(|r| r.experiment.clone()).collect(),
        baseline: baseline.map(|index| arms[index].name.clone()),
        arms: arms.iter().map(|a| ArmRecord { name: a.name.clone(), settings: a.record.settings.clone() }).collect(),
        split: options.split.clone(),
        rows,
        effects,
        series: series::differences(&arms, records, options),
        missing: records.iter().flat_map(tidy::missing).collect(),
    }
}

fn wanted(row: &TidyRow, options: &ComparisonOptions) -> bool {
    let m = &row.metric;
    (m.split == options.split || m.split.is_empty())
        && (options.metrics.is_empty() || options.metrics.contains(&m.metric))
}

fn arms(records: &[Record]) -> Vec<Arm<'_>> {
    let several = records.len() > 1;
    let name = |record: &Record, arm: &ArmRecord| {
        if several { format!("{}/{}", record.experiment, arm.name) } else { arm.name.clone() }
    };
    let all = records.iter().flat_map(|r| r.arms.iter().map(move |a| (r, a)));
    all.map(|(r, a)| Arm { name: name(r, a), experiment: r, record: a }).collect()
}

/// Names by which an arm can be the baseline: as in the comparison, and its own.
pub fn arm_names(records: &[Record]) -> Vec<String> {
    let names = |arm: Arm| [arm.name.clone(), arm.record.name.clone()];
    let mut names: Vec<String> = arms(&apart::told_apart(records)).into_iter().flat_map(names).collect();
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn baseline(arms: &[Arm], records: &[Record], options: &ComparisonOptions) -> Option<usize> {
    let wanted = options.baseline.as_ref().or_else(|| records.iter().find_map(|r| r.baseline.as_ref()))?;
    arms.iter().position(|a| a.name == *wanted).or_else(|| arms.iter().position(|a| a.record.name == *wanted))
}

/// Measures in the order in which stages and series come, the important metrics first, all classes before each class.
fn measures(tidy: &[&TidyRow]) -> Vec<Measure> {
    let mut places: Vec<(&str, &str)> = Vec::new();
    let mut found: Vec<(usize, usize, bool, usize, Measure)> = Vec::new();
    let mut seen = BTreeSet::new();
    for row in tidy {
        let m = &row.metric;
        if !seen.insert((&row.stage, &m.series, &m.split, &m.metric, &m.class)) {
            continue;
        }
        let place = (row.stage.as_str(), m.series.as_str());
        let position = places.iter().position(|p| *p == place).unwrap_or(places.len());
        if position == places.len() {
            places.push(place);
        }
        let stage = places.iter().position(|p| p.0 == place.0).unwrap_or(0);
        let measure = Measure {
            stage: row.stage.clone(),
            series: m.series.clone(),
            split: m.split.clone(),
            metric: m.metric.clone(),
            class: m.class.clone(),
        };
        found.push((stage, position, !m.class.is_empty(), words::rank(&m.metric), measure));
    }
    found.sort_by_key(|f| (f.0, f.1, f.2, f.3));
    found.into_iter().map(|f| f.4).collect()
}

fn compare_measure(of: &OfMeasure, baseline: Option<usize>) -> Vec<ComparisonRow> {
    let mut rows: Vec<ComparisonRow> = (0..of.arms.len()).map(|arm| row(of, arm)).collect();
    let has_numbers = |arm: &usize| !of.points[*arm].is_empty();
    let scale =
        baseline.filter(has_numbers).or_else(|| (0..of.arms.len()).find(has_numbers)).map(|arm| &of.scales[arm]);
    for (index, row) in rows.iter_mut().enumerate() {
        row.other_scale = has_numbers(&index) && Some(&of.scales[index]) != scale;
        let Some(base) = baseline.filter(|base| *base != index && !row.other_scale) else { continue };
        if of.arms[index].experiment.seed == of.arms[base].experiment.seed {
            let (points, others) = (&of.points[index], &of.points[base]);
            row.delta = points::difference(points, others, of.shared[index].max(of.shared[base]));
            row.untouched = row.summary.is_some() && points::are_the_same(points, others);
        }
    }
    if rows.iter().all(|row| !row.other_scale) {
        mark_best(&mut rows);
    }
    rows
}

fn row(of: &OfMeasure, arm: usize) -> ComparisonRow {
    let OfArm { values, summary, rows, own_interval } = OfArm::of(&of.points[arm], of.shared[arm]);
    ComparisonRow {
        arm: of.arms[arm].name.clone(),
        measure: of.measure.clone(),
        summary,
        values,
        rows,
        own_interval,
        delta: None,
        p_holm: None,
        objects: None,
        objects_p_holm: None,
        untouched: false,
        other_scale: false,
        best: false,
    }
}

/// Holm's correction over the arms, of each of the two tests; an arm that does not touch the series tests nothing.
fn correct(rows: &mut [ComparisonRow]) {
    let (over_replicates, over_objects) = (
        adjusted(rows, |row| row.delta?.t_test),
        adjusted(rows, |row| row.objects.filter(|_| !row.untouched).map(|objects| objects.permutation)),
    );
    for ((row, replicates), objects) in rows.iter_mut().zip(over_replicates).zip(over_objects) {
        (row.p_holm, row.objects_p_holm) = (replicates, objects);
    }
}

/// The p-values of the rows that have one, corrected.
fn adjusted(rows: &[ComparisonRow], p_value: impl Fn(&ComparisonRow) -> Option<f64>) -> Vec<Option<f64>> {
    let p_values: Vec<Option<f64>> = rows.iter().map(p_value).collect();
    let mut corrected = holm(&p_values.iter().copied().flatten().collect::<Vec<_>>()).into_iter();
    p_values.iter().map(|p| p.and_then(|_| corrected.next())).collect()
}

/// Marks the best mean, unless all arms share it.
fn mark_best(rows: &mut [ComparisonRow]) {
    let means: Vec<f64> = rows.iter().filter_map(|row| row.summary.map(|s| s.mean)).collect();
    let Some(first) = means.first() else { return };
    let direction = words::direction(&rows[0].measure.metric);
    if direction == Direction::Neither || words::is_reference(&rows[0].measure.series) {
        return;
    }
    let best = means.iter().fold(*first, |best, m| if direction.better(*m, best) { *m } else { best });
    if means.iter().any(|m| !words::is_rounding(m - best, best)) {
        for row in rows {
            row.best = row.summary.is_some_and(|s| words::is_rounding(s.mean - best, best));
        }
    }
}
