//! `train_autoencoder`: trains an autoencoder of single stamps without labels, and measures what it gives back against
//! principal components of the same number. Knows no network beyond its name and settings.

mod judge;

use serde_json::json;

use super::training::{ArrayRows, TrainingKeys, check_device, watch, write_history};
use crate::artifacts::scores::write_metrics;
use crate::artifacts::split;
use crate::artifacts::stamps::Stamps;
use crate::models;
use crate::nn::train::train;
use crate::nn::{Backend, Kernels, Model, ModelCard};
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use crate::stage::{ArtifactType, Device, Job, Port, Randomness, StageError, StageKind, Variant, Variants};

crate::keys! {
    /// Keys of `conv_autoencoder`.
    pub struct ConvAutoencoderKeys {
        /// Length of the code.
        latent: usize = 21, range(1, 4096);
    }
}

/// Trains an autoencoder of stamps.
pub struct TrainAutoencoder;

impl StageKind for TrainAutoencoder {
    fn name(&self) -> &'static str {
        "train_autoencoder"
    }

    fn summary(&self) -> &'static str {
        "Trains an autoencoder of single stamps without labels; keeps the weights of the lowest validation loss."
    }

    fn source(&self) -> &'static str {
        "Astorga et al. 2018 (IJCNN)"
    }

    fn version(&self) -> u32 {
        1
    }

    fn ports(&self) -> &'static [Port] {
        &[Port {
            name: "stamps",
            accepts: &[ArtifactType::Stamps],
            required: true,
            help: "stamps; the training split is learned, validation chooses the epoch, test is only measured",
        }]
    }

    fn output(&self) -> ArtifactType {
        ArtifactType::Model
    }

    fn keys(&self) -> Vec<Key> {
        TrainingKeys::keys()
    }

    fn variants(&self) -> Option<Variants> {
        let entry = models::entry::<Kernels>("conv_autoencoder").ok()?;
        let list = vec![Variant {
            name: entry.name,
            summary: entry.summary,
            source: entry.source,
            keys: ConvAutoencoderKeys::keys(),
        }];
        Some(Variants { key: "model", list })
    }

    fn randomness(&self, _: &Params) -> Randomness {
        Randomness::PerReplicate
    }

    fn run(&self, job: &Job) -> Result<(), StageError> {
        check_device(job)?;
        match job.device {
            Device::Cpu => fit::<Kernels>(job),
            #[cfg(feature = "cuda")]
            Device::Cuda(_) => fit::<crate::nn::OnCuda>(job),
            #[cfg(not(feature = "cuda"))]
            Device::Cuda(_) => Err(StageError::failed("this program was built without CUDA")),
        }
    }
}

fn fit<B: Backend>(job: &Job) -> Result<(), StageError> {
    let keys: TrainingKeys = job.keys()?;
    let stamps = Stamps::open(job.input("stamps")?)?;
    let [train_rows, validation_rows, _] = split::ALL.map(|name| stamps.rows_of(name));
    if train_rows.is_empty() {
        let hint = "look at splits.csv of the stage that made the stamps";
        return Err(StageError::with_hint("there are no stamps in the training split", hint));
    }
    let mut model = models::build::<B>(card(job, &stamps)?, job.seed)?;
    let rows = |rows| ArrayRows { name: "stamps", array: &stamps.images, rows };
    let schedule = keys.schedule(job.seed);
    let (learned, held) = (rows(&train_rows), rows(&validation_rows));
    let trained = train(&mut model, &learned, &held, &schedule, Some(job.checkpoint), &mut watch(job))?;
    write_history(job, &trained)?;
    model.save(job.out)?;
    write_metrics(job.out, &judge::metrics(job, &model, &stamps)?)?;
    judge::write_examples(job, &model, &stamps)
}

/// The network with the sizes that the stamps need.
fn card(job: &Job, stamps: &Stamps) -> Result<ModelCard, StageError> {
    let model = job.word("model").to_string();
    let ConvAutoencoderKeys { latent } = job.keys()?;
    let settings = json!({"channels": stamps.facts.channels.len(), "crop": stamps.facts.side, "latent": latent});
    Ok(ModelCard { model, settings })
}

/// Length of a model's code.
fn code_length<B: Backend>(model: &Model<B>) -> usize {
    model.card.settings["latent"].as_u64().unwrap_or(0) as usize
}
