//! Reconstruction error of the sequence autoencoder beside two baselines, in the space of its target.
//!
//! `masked_mse`: mean over all values of all real detections. `masked_mse_earlier`: without each object's last detection,
//! which the baseline that repeats it gets for nothing. The code holds `hidden` values, the repeated detection as many as a
//! detection has: read the two with those sizes in mind.

use crate::artifacts::scores::Metric;
use crate::artifacts::split::{ALL, TRAIN};
use crate::metrics::statistics::ratio_interval;
use crate::nn::{Backend, Batch, Model};
use crate::stage::StageError;

use super::INFERENCE_BATCH;
use super::rows::SequenceRows;

const SERIES: [&str; 3] = ["sequence_autoencoder", "repeat last detection", "training mean"];

/// Squared errors of one object by series: summed over all detections and over all but the last.
struct ObjectError {
    all: [f64; 3],
    earlier: [f64; 3],
    detections: usize,
}

/// All metrics of the stage; `split` gives the objects of a split.
pub(super) fn measure<'a, B: Backend>(
    model: &Model<B>,
    split: impl Fn(&'static str) -> SequenceRows<'a>,
) -> Result<Vec<Metric>, StageError> {
    let mean = mean_detection(model, &split(TRAIN))?;
    let mut metrics = Vec::new();
    for name in ALL {
        let mut errors = Vec::new();
        model.compare(&split(name), INFERENCE_BATCH, |batch, made, target| {
            each_object(batch, made, target, mean.len(), |made, target| errors.push(object_error(made, target, &mean)));
        })?;
        for (i, series) in SERIES.iter().enumerate() {
            let width = mean.len() as f64;
            let all: Vec<_> = errors.iter().map(|e| (e.all[i], e.detections as f64 * width)).collect();
            let earlier: Vec<_> = errors.iter().map(|e| (e.earlier[i], (e.detections - 1) as f64 * width)).collect();
            metrics.push(metric(series, name, "masked_mse", &all));
            metrics.push(metric(series, name, "masked_mse_earlier", &earlier));
        }
    }
    Ok(metrics)
}

/// Hands over the real detections of each object, `[detection, width]`.
fn each_object(batch: &Batch, made: &[f32], target: &[f32], width: usize, mut take: impl FnMut(&[f32], &[f32])) {
    let steps = made.len() / (batch.rows * width).max(1);
    let objects = made.chunks_exact(steps * width).zip(target.chunks_exact(steps * width));
    for ((made, target), length) in objects.zip(batch.column("length")) {
        let values = *length as usize * width;
        take(&made[..values], &target[..values]);
    }
}

/// Mean target over the training detections, `[width]`.
fn mean_detection<B: Backend>(model: &Model<B>, train: &SequenceRows) -> Result<Vec<f32>, StageError> {
    let mut sums: Vec<f64> = Vec::new();
    let mut detections = 0.0;
    model.compare(train, INFERENCE_BATCH, |batch, made, target| {
        let width = made.len() / (batch.rows * train.steps()).max(1);
        sums.resize(width, 0.0);
        each_object(batch, made, target, width, |_, target| {
            for detection in target.chunks_exact(width) {
                detections += 1.0;
                sums.iter_mut().zip(detection).for_each(|(sum, value)| *sum += f64::from(*value));
            }
        });
    })?;
    Ok(sums.iter().map(|sum| (sum / detections) as f32).collect())
}

fn object_error(made: &[f32], target: &[f32], mean: &[f32]) -> ObjectError {
    let width = mean.len();
    let last = &target[target.len() - width..];
    let (mut all, mut earlier) = ([0.0; 3], [0.0; 3]);
    let detections = target.len() / width;
    for (i, (made, target)) in made.chunks_exact(width).zip(target.chunks_exact(width)).enumerate() {
        for (series, guess) in [made, last, mean].into_iter().enumerate() {
            let error: f64 = guess.iter().zip(target).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            all[series] += error;
            earlier[series] += if i + 1 < detections { error } else { 0.0 };
        }
    }
    ObjectError { all, earlier, detections }
}

/// Ratio of sums over the objects that have values, `Σ error / Σ values`, with its 95 % interval over them.
fn metric(series: &str, split: &str, name: &str, parts: &[(f64, f64)]) -> Metric {
    let (error, values) = parts.iter().fold((0.0, 0.0), |(e, v), part| (e + part.0, v + part.1));
    let ratio = (values > 0.0).then(|| error / values);
    let (series, split, class) = (series.into(), split.into(), String::new());
    let n = parts.iter().filter(|part| part.1 > 0.0).count();
    Metric { series, split, metric: name.into(), class, value: ratio, n, interval: ratio_interval(parts) }
}
