//! Training of `vae` and, stage by stage, of `vade` (Astorga et al. 2018, section IV): a VAE, a mixture of Gaussians fitted
//! to the codes of the training split, the VaDE that starts with both. Each stage has checkpoints of its own.

use super::clusters::Clusters;
use super::{ConvKeys, Training, health, mixture};
use crate::artifacts::scores::Metric;
use crate::artifacts::split::TRAIN;
use crate::artifacts::table::{RowWriter, number};
use crate::models;
use crate::nn::train::{Length, Progress, Schedule, Trained};
use crate::nn::{Backend, Kernels, Model, ModelCard, NnError};
use crate::spec::keys::Keys;
use crate::stage::{Job, StageError, Variant};
use crate::stages::training::{TrainingKeys, prepare};

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
    let mut first = models::build::<B>(vae_card(training)?, job.seed)?;
    let mut history = Vec::new();
    fit_stage(training, &mut first, 0, &mut history)?;

    let codes = mixture::means(training, &first)?;
    let start = mixture::fit(training, &codes, &keys)?;
    let mut model = models::build::<B>(vade_card(training, &keys)?, job.seed)?;
    model.weights.adopt(&first.weights).map_err(NnError::device)?;
    mixture::begin(&mut model, &start, &keys)?;
    fit_stage(training, &mut model, 1, &mut history)?;

    write_stages(job, &history)?;
    more.extend(health::measure(training, &model)?);
    more.extend(clusters.measure(&model)?);
    more.extend(clusters.baselines(&codes, &start)?);
    Ok(model)
}

/// Names of the stages, in `history.csv` and as folders of checkpoints.
const STAGES: [&str; 2] = ["vae", "vade"];

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

/// Trains `model` in stage 0 or 1 of the two.
fn fit_stage<B: Backend>(
    training: &Training,
    model: &mut Model<B>,
    stage: usize,
    history: &mut Vec<(&'static str, Trained)>,
) -> Result<(), StageError> {
    let job = training.job;
    let (keys, schedule) = keys_of(training, stage)?;
    if stage == 0 {
        prepare(job, &keys, model)?;
    } else {
        model.weights.freeze(&keys.frozen)?;
    }
    let (pretrain, last) = (job.keys::<VadeKeys>()?.pretrain, keys_of(training, 1)?.1.length);
    // a stage that is over says nothing when it is taken up again: the next one does
    let mut taken_up = None;
    let mut watch = |progress: Progress| {
        let Progress { done, total, per_epoch, loss, .. } = progress;
        let (before, after) = match (stage, last) {
            (0, Length::Epochs(epochs)) => (0, epochs * per_epoch),
            (0, Length::Steps { steps, .. }) => (0, steps),
            _ => (pretrain * per_epoch, 0),
        };
        let (done, all) = (before + done, before + total + after);
        let tell =
            |done: usize, note: &str| job.progress(done as u64, all as u64, note).map_err(|_| NnError::Interrupted);
        let Some(loss) = loss else {
            let note = format!("{}: goes on from a checkpoint: {done} of {all} steps done", STAGES[stage]);
            taken_up = Some((done, note));
            return Ok(());
        };
        if let Some((done, note)) = taken_up.take() {
            tell(done, &note)?;
        }
        tell(done, &format!("{}: step {done}/{all} loss {loss:.4}", STAGES[stage]))
    };
    let trained = training.fit(model, &schedule, &job.checkpoint.join(STAGES[stage]), &mut watch)?;
    history.push((STAGES[stage], trained));
    Ok(())
}

/// Writes `history.csv`: as of one stage, with its name; epochs or steps are counted through.
fn write_stages(job: &Job, history: &[(&str, Trained)]) -> Result<(), StageError> {
    let unit = history.last().map_or("epoch", |(_, trained)| trained.length.unit());
    let mut table = RowWriter::create(job.out.join("history.csv"), &[unit, "train_loss", "validation_loss", "stage"])?;
    let mut before = 0;
    for (stage, trained) in history {
        for round in &trained.history {
            let validation = round.validation_loss.map_or_else(String::new, number);
            let at = (before + round.at).to_string();
            table.push([at, number(round.train_loss), validation, (*stage).to_string()])?;
        }
        before += trained.history.last().map_or(0, |round| round.at);
    }
    Ok(table.finish()?)
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
