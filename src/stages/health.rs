//! `health`: what an autoencoder of stamps keeps and what its codes are like, measured on each split. Knows no classifier.

mod codes;
mod images;
mod neighbours;
mod traversals;

use crate::artifacts::scores::{write_confusion, write_differences, write_metrics};
use crate::artifacts::split;
use crate::artifacts::stamps::Stamps;
use crate::keys;
use crate::spec::keys::{Key, Keys};
use crate::stage::{ArtifactType, Job, Port, StageError, StageKind};

keys! {
    /// Keys of [`Health`].
    pub struct HealthKeys {
        /// Radius of the aperture in which the light of stamp and reconstruction is compared.
        aperture: f64 = 5.0, range(1, 30), unit("px");
        /// Stamps of which the nearest of the training split, by the angle between codes, are written for the report: in turns of their labels, from the test split or else validation.
        queries: usize = 10, range(0, 100), added_later();
        /// How many nearest, of other objects.
        nearest: usize = 5, range(1, 20), added_later();
        /// Values of the code, those that vary most over the training split, that are moved one by one through what they take there while the others stay at their mean; what the decoder makes of that is written for the report.
        traversed: usize = 8, range(0, 64), added_later();
    }
}

/// Measures an autoencoder.
pub struct Health;

impl StageKind for Health {
    fn name(&self) -> &'static str {
        "health"
    }
    fn summary(&self) -> &'static str {
        "What an autoencoder keeps of stamps (variance, structure, noise, light in an aperture), how its codes take turned, mirrored and shifted views, which stamps it holds for alike and what each value of the code does."
    }
    fn source(&self) -> &'static str {
        "structural similarity: Wang et al. 2004, IEEE Trans. Image Process. 13, 600"
    }
    fn version(&self) -> u32 {
        3
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
        let model = super::train_autoencoder::reconstructing(folder)?;
        let mut metrics = images::measure(job, &model, &stamps, keys.aperture)?;
        let codes = codes::Codes::of(job, folder, &stamps)?;
        metrics.extend(codes.measure(job, folder)?);
        neighbours::write(job.out, &codes, &keys)?;
        traversals::write(job.out, &codes, &model, keys.traversed)?;
        write_metrics(job.out, &metrics)?;
        write_confusion(job.out, &[])?;
        Ok(write_differences(job.out, &[])?)
    }
}

/// Splits and their rows, without empty ones.
fn splits(stamps: &Stamps) -> Vec<(&'static str, Vec<usize>)> {
    let all = split::ALL.into_iter().map(|split| (split, stamps.originals(split)));
    all.filter(|(_, rows)| !rows.is_empty()).collect()
}

#[cfg(test)]
mod tests;
