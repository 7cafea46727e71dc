//! `train_autoencoder`: stamps to a network that makes short codes of them. Knows no survey.
//!
//! Weights move by the training split, the validation split chooses the epoch, the test split only measures.

mod error;

use crate::artifacts::array::ArrayWriter;
use crate::artifacts::scores::write_metrics;
use crate::artifacts::split::{TEST, TRAIN, VALIDATION};
use crate::artifacts::stamps::Stamps;
use crate::models;
use crate::nn::train::train;
use crate::nn::{Backend, Column, Model, ModelCard, Rows};
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind, Variant, Variants};

use super::training::{Work, on_device, report, schedule, write_history};

/// Rows per batch when nothing is learned.
const INFERENCE_BATCH: usize = 64;

crate::keys! {
    /// Keys of `train_autoencoder`.
    pub struct AutoencoderKeys {
        /// Passes over the training split.
        epochs: usize = 30, range(1, 100_000);
        /// Stamps per step of the optimiser ([1]: 100).
        batch: usize = 64, range(1, 100_000);
        /// Learning rate of Adam ([1]: 3.33e-5 with 160 epochs of 1.25 million stamps).
        rate: f64 = 0.001, range(0, 1);
        /// Epochs without a better validation loss after which training stops; left out: never.
        patience: Option<usize> = None, at_least(1);
        /// Test stamps that are kept with their reconstructions, for the figure.
        examples: usize = 8, range(0, 1000);
    }
}

crate::keys! {
    /// Keys of `conv_autoencoder`.
    pub struct ConvKeys {
        /// Length of the code ([1]: 21).
        latent: usize = 21, range(1, 4096);
    }
}

/// The kind `train_autoencoder`.
pub struct TrainAutoencoder;

impl StageKind for TrainAutoencoder {
    fn name(&self) -> &'static str {
        "train_autoencoder"
    }
    fn summary(&self) -> &'static str {
        "Trains an autoencoder of stamps and measures its reconstructions beside PCA with as many components."
    }
    fn source(&self) -> &'static str {
        "Astorga et al. 2018 (IJCNN)"
    }
    fn version(&self) -> u32 {
        1
    }
    fn ports(&self) -> &'static [Port] {
        const PORTS: &[Port] =
            &[Port { name: "stamps", accepts: &[ArtifactType::Stamps], required: true, help: "Stamps to learn." }];
        PORTS
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Model
    }
    fn keys(&self) -> Vec<Key> {
        AutoencoderKeys::keys()
    }
    fn variants(&self) -> Option<Variants> {
        let conv = Variant {
            name: "conv_autoencoder",
            summary: "Convolutional autoencoder: four 3 x 3 convolutions down, linear code, nearest-neighbour resizes up.",
            source: "Astorga et al. 2018 (IJCNN), section III, figure 5",
            keys: ConvKeys::keys(),
        };
        Some(Variants { key: "model", list: vec![conv] })
    }
    fn randomness(&self, _: &Params) -> Randomness {
        Randomness::PerReplicate
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let stamps = Stamps::open(job.input("stamps")?)?;
        on_device(job, &Training { job, stamps: &stamps, keys: job.keys()? })
    }
}

/// One run of the stage.
struct Training<'a> {
    job: &'a Job<'a>,
    stamps: &'a Stamps,
    keys: AutoencoderKeys,
}

impl Training<'_> {
    fn card(&self) -> Result<ModelCard, StageError> {
        let ConvKeys { latent } = self.job.keys()?;
        let facts = &self.stamps.facts;
        let settings = models::ConvAutoencoderSettings { channels: facts.channels.len(), crop: facts.side, latent };
        Ok(ModelCard { model: "conv_autoencoder".into(), settings: serde_json::json!(settings) })
    }

    fn write_examples<B: Backend>(&self, model: &Model<B>) -> Result<(), StageError> {
        let (side, channels) = (self.stamps.facts.side, self.stamps.facts.channels.len());
        let mut rows = self.stamps.rows_of(TEST);
        let step = (rows.len() / self.keys.examples.max(1)).max(1);
        rows = rows.into_iter().step_by(step).take(self.keys.examples).collect(); // spread over the split
        let images = if self.stamps.clean.is_some() { 3 } else { 2 };
        let shape = [images, channels, side, side];
        let mut writer = ArrayWriter::create(self.job.out.join("reconstructions.npy"), &shape)?;
        for row in rows {
            let mut made = Vec::new();
            model.reconstruct(&StampRows::new(self.stamps, vec![row]), 1, |_, values| {
                made = values;
                Ok(())
            })?;
            let clean = self.stamps.clean.as_ref().map_or(&[][..], |clean| clean.row(row));
            writer.push(&[self.stamps.images.row(row), clean, &made].concat())?;
        }
        Ok(writer.finish()?)
    }
}

impl Work for Training<'_> {
    fn run<B: Backend>(&self) -> Result<(), StageError> {
        let (job, keys) = (self.job, &self.keys);
        let split = |name| StampRows::new(self.stamps, self.stamps.rows_of(name));
        let mut model = models::build::<B>(self.card()?, job.seed)?;
        let schedule = schedule(keys.epochs, keys.batch, keys.rate, keys.patience, job.seed);
        let mut watch = |progress: crate::nn::train::Progress| report(job, progress);
        let checkpoint = Some(job.checkpoint);
        let trained = train(&mut model, &split(TRAIN), &split(VALIDATION), &schedule, checkpoint, &mut watch)?;
        model.save(job.out)?;
        write_history(job.out, &trained.history)?;
        write_metrics(job.out, &error::measure(self.stamps, &model, self.job.keys::<ConvKeys>()?.latent)?)?;
        self.write_examples(&model)
    }
}

/// Some rows of a stamps artifact.
pub(super) struct StampRows<'a> {
    stamps: &'a Stamps,
    rows: Vec<usize>,
}

impl<'a> StampRows<'a> {
    /// The rows at `rows`.
    pub(super) fn new(stamps: &'a Stamps, rows: Vec<usize>) -> Self {
        Self { stamps, rows }
    }
}

impl Rows for StampRows<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }
    fn columns(&self) -> Vec<Column> {
        vec![Column { name: "stamps", width: self.stamps.images.row_len() }]
    }
    fn copy_row(&self, row: usize, _: usize, into: &mut [f32]) {
        into.copy_from_slice(self.stamps.images.row(self.rows[row]));
    }
}

/// Codes of chosen rows of stamps by the model in `folder`, handed over batch by batch as rows `[row, latent]`.
pub fn encode(
    folder: &std::path::Path,
    stamps: &Stamps,
    rows: Vec<usize>,
    mut take: impl FnMut(&[f32]) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let model = models::load::<crate::nn::Kernels>(folder)?;
    for rows in rows.chunks(INFERENCE_BATCH) {
        take(&model.encode(&StampRows::new(stamps, rows.to_vec()), INFERENCE_BATCH)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
