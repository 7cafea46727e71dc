//! All metrics of all artifacts as one tidy list: what tables and figures are made from.
//! Knows files of artifacts, but not how numbers are compared.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::record::{Record, StepRecord};
use crate::artifacts::scores::{Difference, Metric, read_differences, read_metrics};
use crate::artifacts::table::{RowWriter, number};
use crate::artifacts::{self};
use crate::stage::ArtifactType;

/// One measured number and where it comes from.
#[derive(Clone, Debug)]
pub struct TidyRow {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the arm.
    pub arm: String,
    /// Number of the replicate.
    pub replicate: usize,
    /// Name of the stage.
    pub stage: String,
    /// What the numbers of its series are called: results whose numbers are all the same share it, whether they are one result
    /// or were computed again, as those of a forest on metadata that no arm touches are.
    pub numbers: String,
    /// The replicate whose own measurement it is; `None` where all replicates of the arm have the same numbers of this series:
    /// no seed changes them, so they are one measurement. Where a few agree, as the seeds of k-means that end in one optimum, each
    /// is a draw of its own.
    pub draw: Option<usize>,
    /// The number.
    pub metric: Metric,
}

/// Metrics of every artifact of `record` in the order of its steps, and what could not be read.
pub fn collect(record: &Record) -> (Vec<TidyRow>, Vec<String>) {
    let (mut rows, mut problems, mut distinct) = (Vec::new(), Vec::new(), Distinct::default());
    for step in &record.steps {
        let Some(folder) = &step.folder else { continue };
        match read_metrics(folder) {
            Ok(metrics) => {
                let numbers = distinct.of(step, &metrics);
                let row = |metric: Metric| row(record, step, numbers[&metric.series].clone(), metric);
                rows.extend(metrics.into_iter().map(row));
            }
            Err(error) => problems.push(format!("{}: {}", place(step), error.what)),
        }
    }
    join_repeats(&mut rows);
    (rows, problems)
}

/// Series of which no replicate of an arm differs from the first have one measurement.
fn join_repeats(rows: &mut [TidyRow]) {
    let (mut first, mut varied) = (HashMap::new(), HashSet::new());
    for row in rows.iter() {
        let place = [&row.arm, &row.stage, &row.metric.series].map(String::as_str);
        if *first.entry(place).or_insert(&row.numbers) != &row.numbers {
            varied.insert(place);
        }
    }
    let varies = |row: &TidyRow| varied.contains(&[&row.arm, &row.stage, &row.metric.series].map(String::as_str));
    let draws: Vec<Option<usize>> = rows.iter().map(|row| varies(row).then_some(row.replicate)).collect();
    rows.iter_mut().zip(draws).for_each(|(row, draw)| row.draw = draw);
}

/// A paired difference between two series of a stage, and where it comes from.
#[derive(Clone, Debug)]
pub struct TidyDifference {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the arm.
    pub arm: String,
    /// Number of the replicate, from 0.
    pub replicate: usize,
    /// Name of the stage.
    pub stage: String,
    /// Key of the result.
    pub key: String,
    /// The difference.
    pub difference: Difference,
}

/// Paired differences between series of all `scores` of `record` in the order of its steps, and what could not be read.
pub fn differences(record: &Record) -> (Vec<TidyDifference>, Vec<String>) {
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for step in record.steps.iter().filter(|step| step.artifact == ArtifactType::Scores) {
        let Some(folder) = &step.folder else { continue };
        let row = |difference| TidyDifference {
            experiment: record.experiment.clone(),
            arm: step.arm.clone(),
            replicate: step.replicate,
            stage: step.stage.clone(),
            key: step.key.clone(),
            difference,
        };
        match read_differences(folder) {
            Ok(differences) => rows.extend(differences.into_iter().map(row)),
            Err(error) => problems.push(format!("{}: {}", place(step), error.what)),
        }
    }
    (rows, problems)
}

/// Steps without a result, in words.
pub fn missing(record: &Record) -> Vec<String> {
    let steps = record.steps.iter().filter(|step| step.is_missing());
    steps.map(|step| format!("{}: {}", place(step), step.state)).collect()
}

/// Where a step stands, in words, which count replicates from 1 as all that people read does.
pub fn place(step: &StepRecord) -> String {
    format!("arm {}, replicate {}, stage {}", step.arm, step.replicate + 1, step.stage)
}

/// So many numbers agree in two results only if these are the same; a few may do so by chance.
const SURE: usize = 4;

/// The numbers of each series of each stage, as text, with the key of the result that had them first.
#[derive(Default)]
struct Distinct(HashMap<String, String>);

impl Distinct {
    /// What the numbers of each series of a result are called.
    fn of(&mut self, step: &StepRecord, metrics: &[Metric]) -> HashMap<String, String> {
        let mut numbers: BTreeMap<&str, (usize, String)> = BTreeMap::new();
        for m in metrics {
            let first = || (0, format!("{}\n{}\n", step.stage, m.series));
            let (known, text) = numbers.entry(&m.series).or_insert_with(first);
            *known += usize::from(m.value.is_some());
            // Sums in another order differ in their last digits.
            text.push_str(&format!("{} {} {} {:.9e}\n", m.split, m.metric, m.class, m.value.unwrap_or(f64::NAN)));
        }
        let own = |(series, (known, text)): (&str, (usize, String))| {
            let key = if known < SURE { &step.key } else { self.0.entry(text).or_insert_with(|| step.key.clone()) };
            (series.to_string(), key.clone())
        };
        numbers.into_iter().map(own).collect()
    }
}

fn row(record: &Record, step: &StepRecord, numbers: String, metric: Metric) -> TidyRow {
    TidyRow {
        experiment: record.experiment.clone(),
        arm: step.arm.clone(),
        replicate: step.replicate,
        stage: step.stage.clone(),
        numbers,
        draw: Some(step.replicate),
        metric,
    }
}

/// Writes `tables/metrics.csv`.
pub fn write(path: &Path, rows: &[TidyRow]) -> artifacts::Result<()> {
    let header = [
        "experiment",
        "arm",
        "replicate",
        "stage",
        "series",
        "split",
        "metric",
        "class",
        "value",
        "n",
        "ci_low",
        "ci_high",
    ];
    let mut table = RowWriter::create(path, &header)?;
    let cell = |value: Option<f64>| value.map_or_else(String::new, number);
    for row in rows {
        let m = &row.metric;
        table.push([
            row.experiment.clone(),
            row.arm.clone(),
            row.replicate.to_string(),
            row.stage.clone(),
            m.series.clone(),
            m.split.clone(),
            m.metric.clone(),
            m.class.clone(),
            cell(m.value),
            m.n.to_string(),
            cell(m.interval.map(|i| i.0)),
            cell(m.interval.map(|i| i.1)),
        ])?;
    }
    table.finish()
}

/// Writes `tables/differences.csv`.
pub fn write_differences(path: &Path, rows: &[TidyDifference]) -> artifacts::Result<()> {
    let place = ["experiment", "arm", "replicate", "stage"];
    let about = ["series", "baseline", "split", "metric", "difference", "n", "ci_low", "ci_high", "p_value", "test"];
    let mut table = RowWriter::create(path, &place.into_iter().chain(about).collect::<Vec<_>>())?;
    let cell = |value: Option<f64>| value.map_or_else(String::new, number);
    for row in rows {
        let d = &row.difference;
        table.push([
            row.experiment.clone(),
            row.arm.clone(),
            row.replicate.to_string(),
            row.stage.clone(),
            d.series.clone(),
            d.baseline.clone(),
            d.split.clone(),
            d.metric.clone(),
            cell(d.value),
            d.n.to_string(),
            cell(d.interval.map(|i| i.0)),
            cell(d.interval.map(|i| i.1)),
            cell(d.p_value),
            d.test.clone(),
        ])?;
    }
    table.finish()
}
