//! Training of `vae` and, stage by stage, of `vade` (Astorga et al. 2018, section IV): a VAE, a mixture of Gaussians fitted
//! to the codes of the training split, the VaDE that starts with both. Each stage has checkpoints of its own.

use super::clusters::Clusters;
use super::{ConvKeys, Training, health, mixture};
use crate::artifacts::scores::Metric;
use crate::artifacts::split::TRAIN;
use crate::models;
use crate::nn::train::Schedule;
use crate::nn::{Backend, Kernels, Model, ModelCard, NnError};
use crate::spec::keys::Keys;
use crate::stage::{StageError, Variant};
use crate::stages::training::{Stages, TrainingKeys, prepare};

crate::keys! {
    /// Keys of `vae`, and of the first stage of `vade`, beside those of `conv_autoencoder`.
    pub(super) struct VaeKeys {
        /// Whether the decoder gives one variance for each stamp (Astorga et al. 2018); without it the loss has the squared error, a fixed variance of 1/2.
        variance_head: bool = true;
        /// Epochs over which the weight of the divergence grows to 1 (Sønderby et al. 2016, which Astorga et al. 2018 tried in place of the variance head); of `vade` in its first stage.
        kl_warm_up: usize = 0, range(0, 100_000);
    }
}

crate::keys! {
    /// Keys of `vade` alone.
    pub(super) struct VadeKeys {
        /// Clusters: components of the prior (10 in Astorga et al. 2018).
        clusters: usize = 10, range(1, 1000);
        /// Epochs of the first stage, a VAE whose codes the clusters start from (80 in Astorga et al. 2018); `epochs` are those of the last.
        pretrain: usize = 30, range(1, 100_000);
        /// Starts of the mixture fitted in between, of which the one of largest likelihood is kept.
        restarts: usize = 5, range(1, 1000);
        /// Smallest variance of a cluster along each dimension of the code, so that none shrinks to a point.
        min_variance: f64 = 0.001, range(0.000_001, 0.9);
        /// Draws of a stamp's code over which its probabilities of the clusters are averaged (10 in Astorga et al. 2018).
        draws: usize = 10, range(1, 10_000);
    }
}

/// The variational autoencoder, as the checker sees it.
pub(super) fn vae() -> Variant {
    variant("vae", [ConvKeys::keys(), VaeKeys::keys()].concat())
}

/// The clustering one.
pub(super) fn vade() -> Variant {
    variant("vade", [ConvKeys::keys(), VaeKeys::keys(), VadeKeys::keys()].concat())
}

fn variant(name: &'static str, keys: Vec<crate::spec::keys::Key>) -> Variant {
    let entry = models::entry::<Kernels>(name);
    let (summary, source) = entry.map_or(("", ""), |entry| (entry.summary, entry.source));
    Variant { name, summary, source, keys }
}

/// Trains a VAE; `more` gets what is measured of its codes.
pub(super) fn train_vae<B: Backend>(training: &Training, more: &mut Vec<Metric>) -> Result<Model<B>, StageError> {
    let mut model = models::build::<B>(vae_card(training)?, training.job.seed)?;
    training.fit_once(&mut model)?;
    more.extend(health::measure(training, &model)?);
    Ok(model)
}

/// Trains a VAE, fits a mixture to its codes and trains a VaDE from both; `more` gets what is measured of codes and clusters.
pub(super) fn train_vade<B: Backend>(training: &Training, more: &mut Vec<Metric>) -> Result<Model<B>, StageError> {
    let (job, keys) = (training.job, training.job.keys::<VadeKeys>()?);
    let clusters = Clusters::new(training, &keys)?;
    let [(first_keys, first_schedule), (last_keys, last_schedule)] = [keys_of(training, 0)?, keys_of(training, 1)?];
    let mut stages = Stages::new(job, vec![("vae", first_schedule.length), ("vade", last_schedule.length)]);
    let mut first = models::build::<B>(vae_card(training)?, job.seed)?;
    prepare(job, &first_keys, &mut first)?;
    stages.fit(|checkpoints, watch| training.fit(&mut first, &first_schedule, checkpoints, watch))?;

    let codes = mixture::means(training, &first)?;
    let start = mixture::fit(training, &codes, &keys)?;
    let mut model = models::build::<B>(vade_card(training, &keys)?, job.seed)?;
    model.weights.adopt(&first.weights).map_err(NnError::device)?;
    mixture::begin(&mut model, &start, &keys)?;
    model.weights.freeze(&last_keys.frozen)?;
    stages.fit(|checkpoints, watch| training.fit(&mut model, &last_schedule, checkpoints, watch))?;

    stages.write_history()?;
    more.extend(health::measure(training, &model)?);
    more.extend(clusters.measure(&model)?);
    more.extend(clusters.baselines(&codes, &start)?);
    Ok(model)
}

/// What the keys of training mean in a stage: the first has a length of its own, and no mixture.
fn keys_of(training: &Training, stage: usize) -> Result<(TrainingKeys, Schedule), StageError> {
    let job = training.job;
    let mut keys: TrainingKeys = job.keys()?;
    if stage == 0 {
        for parts in [&mut keys.group, &mut keys.frozen] {
            parts.retain(|part| !part.starts_with("mixture"));
        }
        (keys.steps, keys.extend, keys.epochs) = (None, 0, job.keys::<VadeKeys>()?.pretrain);
    }
    let schedule = keys.schedule(job.seed.wrapping_add(stage as u64)); // other draws in each stage
    Ok((keys, schedule))
}

fn vae_card(training: &Training) -> Result<ModelCard, StageError> {
    let ConvKeys { latent, maps } = training.job.keys()?;
    let VaeKeys { variance_head, kl_warm_up } = training.job.keys()?;
    let (channels, crop) = (training.stamps.facts.channels.len(), training.stamps.facts.side);
    let batch = training.job.keys::<TrainingKeys>()?.batch;
    let warm_up = kl_warm_up.saturating_mul(training.stamps.rows_of(TRAIN).len().div_ceil(batch));
    let settings = models::VaeSettings { channels, crop, latent, maps, variance_head, warm_up };
    Ok(ModelCard { model: "vae".into(), settings: serde_json::json!(settings) })
}

fn vade_card(training: &Training, keys: &VadeKeys) -> Result<ModelCard, StageError> {
    let ConvKeys { latent, maps } = training.job.keys()?;
    let VaeKeys { variance_head, .. } = training.job.keys()?;
    let (channels, crop) = (training.stamps.facts.channels.len(), training.stamps.facts.side);
    let (clusters, floor) = (keys.clusters, keys.min_variance as f32);
    let settings = models::VadeSettings { channels, crop, latent, maps, variance_head, clusters, floor };
    Ok(ModelCard { model: "vade".into(), settings: serde_json::json!(settings) })
}
