//! What is thought of objects after each of their detections: `steps.csv` (`objectId`, `label`, `split`, `detections`,
//! `predicted`, then `p_CLASS` for each class) and the metrics by number of detections.
//!
//! After `n` detections all objects count that have as many, so the objects of two `n` differ: `n` of each metric tells how
//! many they are. In `metrics.csv` the column `class` holds the number of detections.

use std::path::Path;

use crate::artifacts::predictions::Prediction;
use crate::artifacts::scores::Metric;
use crate::artifacts::split::{TEST, VALIDATION};
use crate::artifacts::table::{RowWriter, number};
use crate::metrics::{Judged, accuracy::ACCURACY, balanced_accuracy::BALANCED_ACCURACY};
use crate::stage::StageError;

/// Name of the table in a model's folder.
pub(super) const STEPS: &str = "steps.csv";

/// What is thought of an object after some detections.
pub(super) struct Step {
    pub(super) detections: usize,
    pub(super) prediction: Prediction,
}

/// Writes the table.
pub(super) fn write(folder: &Path, classes: &[String], steps: &[Step]) -> Result<(), StageError> {
    let mut header: Vec<String> = ["objectId", "label", "split", "detections", "predicted"].map(String::from).into();
    header.extend(classes.iter().map(|class| format!("p_{class}")));
    let mut table = RowWriter::create(folder.join(STEPS), &header)?;
    for Step { detections, prediction } in steps {
        let identity = [
            prediction.object_id.clone(),
            classes[prediction.label].clone(),
            prediction.split.clone(),
            detections.to_string(),
            classes[prediction.predicted()].clone(),
        ];
        table.push(identity.into_iter().chain(prediction.probabilities.iter().map(|p| number(*p))))?;
    }
    Ok(table.finish()?)
}

/// `accuracy_at` and `balanced_accuracy_at` for each split and number of detections.
pub(super) fn metrics(series: &str, classes: usize, steps: &[Step]) -> Vec<Metric> {
    let longest = steps.iter().map(|step| step.detections).max().unwrap_or(0);
    let mut metrics = Vec::new();
    for split in [VALIDATION, TEST] {
        for detections in 1..=longest {
            let here = steps.iter().filter(|step| step.detections == detections && step.prediction.split == split);
            let rows: Vec<Judged> =
                here.map(|step| Judged::new(step.prediction.label, &step.prediction.probabilities)).collect();
            for measure in [&ACCURACY, &BALANCED_ACCURACY] {
                metrics.extend(measure.values(&rows, classes).into_iter().map(|(_, value)| Metric {
                    series: series.into(),
                    split: split.into(),
                    metric: format!("{}_at", measure.name),
                    class: detections.to_string(),
                    value,
                    n: rows.len(),
                    interval: None,
                }));
            }
        }
    }
    metrics
}
