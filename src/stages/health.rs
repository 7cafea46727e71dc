//! `health`: what an autoencoder of stamps keeps and what its codes are like, measured on each split. Knows no classifier.

mod codes;
mod images;

use crate::artifacts::scores::{Metric, write_confusion, write_differences, write_metrics};
use crate::artifacts::split;
use crate::artifacts::stamps::Stamps;
use crate::keys;
use crate::models::{self, Task};
use crate::nn::{Kernels, Model};
use crate::spec::keys::{Key, Keys};
use crate::stage::{ArtifactType, Job, Port, StageError, StageKind};

keys! {
    /// Keys of [`Health`].
    pub struct HealthKeys {
        /// Radius of the aperture in which the light of stamp and reconstruction is compared.
        aperture: f64 = 5.0, range(1, 30), unit("px");
    }
}

/// Measures an autoencoder.
pub struct Health;

impl StageKind for Health {
    fn name(&self) -> &'static str {
        "health"
    }
    fn summary(&self) -> &'static str {
        "What an autoencoder keeps of stamps (variance, structure, noise, light in an aperture) and how its codes take turned, mirrored and shifted views."
    }
    fn source(&self) -> &'static str {
        "structural similarity: Wang et al. 2004, IEEE Trans. Image Process. 13, 600"
    }
    fn version(&self) -> u32 {
        1
    }
    fn ports(&self) -> &'static [Port] {
        const fn port(name: &'static str, accepts: &'static [ArtifactType], help: &'static str) -> Port {
            Port { name, accepts, required: true, help }
        }
        const {
            &[
                port("model", &[ArtifactType::Model], "An autoencoder of stamps."),
                port("stamps", &[ArtifactType::Stamps], "Stamps; augmented copies do not count."),
            ]
        }
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Scores
    }
    fn keys(&self) -> Vec<Key> {
        HealthKeys::keys()
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: HealthKeys = job.keys()?;
        let stamps = Stamps::open(job.input("stamps")?)?;
        let folder = job.input("model")?;
        let card = Model::<Kernels>::card(folder)?;
        let entry = models::entry::<Kernels>(&card.model)?;
        if entry.task != Task::Reconstruct || entry.sequential {
            let what = format!("`{}` does not reconstruct single stamps", card.model);
            return Err(StageError::with_hint(what, "connect a model of `train_autoencoder`"));
        }
        let model = models::load::<Kernels>(folder)?;
        let mut metrics = images::measure(job, &model, &stamps, keys.aperture)?;
        metrics.extend(codes::measure(job, folder, &stamps)?);
        write_metrics(job.out, &metrics)?;
        write_confusion(job.out, &[])?;
        Ok(write_differences(job.out, &[])?)
    }
}

/// Rows of a split that are no augmented copies.
fn originals(stamps: &Stamps, split: &str) -> Vec<usize> {
    let copies = stamps.index.ints("copy").unwrap_or_default();
    stamps.rows_of(split).into_iter().filter(|row| copies.get(*row).is_none_or(|copy| *copy == 0)).collect()
}

/// The mean of the values that are defined, with its normal 95 % interval.
fn mean(series: &str, split: &str, name: &str, class: &str, values: &[f64]) -> Metric {
    let values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let n = values.len() as f64;
    let value = (n > 0.0).then(|| values.iter().sum::<f64>() / n);
    let interval = value.filter(|_| n > 1.0).map(|mean| {
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let half = 1.96 * (variance / n).sqrt();
        (mean - half, mean + half)
    });
    Metric { interval, ..number(series, split, name, class, value, values.len()) }
}

/// A number without an interval.
fn number(series: &str, split: &str, name: &str, class: &str, value: Option<f64>, n: usize) -> Metric {
    let (series, split, metric, class) = (series.into(), split.into(), name.into(), class.into());
    Metric { series, split, metric, class, value, n, interval: None }
}

/// Splits and their rows, without empty ones.
fn splits(stamps: &Stamps) -> Vec<(&'static str, Vec<usize>)> {
    let all = split::ALL.into_iter().map(|split| (split, originals(stamps, split)));
    all.filter(|(_, rows)| !rows.is_empty()).collect()
}

#[cfg(test)]
mod tests;
