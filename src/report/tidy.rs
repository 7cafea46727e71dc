//! All metrics of all artifacts as one tidy list: what tables and figures are made from.
//! Knows files of artifacts, but not how numbers are compared.

use std::path::Path;

use super::record::{Record, StepRecord};
use crate::artifacts::scores::{Metric, read_metrics};
use crate::artifacts::table::{RowWriter, number};
use crate::artifacts::{self};

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
    /// Key of the result: replicates that share one share the number, and count once.
    pub key: String,
    /// The number.
    pub metric: Metric,
}

/// Metrics of every artifact of `record` in the order of its steps, and what could not be read.
pub fn collect(record: &Record) -> (Vec<TidyRow>, Vec<String>) {
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for step in &record.steps {
        let Some(folder) = &step.folder else { continue };
        match read_metrics(folder) {
            Ok(metrics) => rows.extend(metrics.into_iter().map(|metric| row(record, step, metric))),
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

/// Where a step stands, in words.
pub fn place(step: &StepRecord) -> String {
    format!("arm {}, replicate {}, stage {}", step.arm, step.replicate, step.stage)
}

fn row(record: &Record, step: &StepRecord, metric: Metric) -> TidyRow {
    TidyRow {
        experiment: record.experiment.clone(),
        arm: step.arm.clone(),
        replicate: step.replicate,
        stage: step.stage.clone(),
        key: step.key.clone(),
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
