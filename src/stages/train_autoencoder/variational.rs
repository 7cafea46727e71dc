//! Training of `vae` and, stage by stage, of `vade` (Astorga et al. 2018, section IV): a VAE, a mixture of Gaussians fitted
//! to the codes of the training split, the VaDE that starts with both. Each stage has checkpoints of its own.

use super::clusters::Clusters;
use super::{ConvKeys, Training, health, mixture};
use crate::artifacts::scores::Metric;
use crate::artifacts::split::TRAIN;
use crate::artifacts::table::{RowWriter, number};
use crate::models;
use crate::nn::train::{Length, Progress, Round, Schedule};
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
    prepare(job, &job.keys()?, &mut first)?;
    fit_stage(training, &mut first, 0, &mut history)?;

    let codes = mixture::means(training, &first)?;
    let start = mixture::fit(training, &codes, &keys)?;
    let mut model = models::build::<B>(vade_card(training, &keys)?, job.seed)?;
    model.weights.adopt(&first.weights).map_err(NnError::device)?;
    mixture::begin(&mut model, &start, &keys)?;
    model.weights.freeze(&job.keys::<TrainingKeys>()?.frozen)?;
    fit_stage(training, &mut model, 1, &mut history)?;

    write_stages(job, &history)?;
    more.extend(health::measure(training, &model)?);
    more.extend(clusters.measure(&model)?);
    more.extend(clusters.baselines(&codes, &start)?);
    Ok(model)
}

/// Names of the stages, in `history.csv` and as folders of checkpoints.
const STAGES: [&str; 2] = ["vae", "vade"];

/// Trains `model` in stage 0 or 1 of the two.
fn fit_stage<B: Backend>(
    training: &Training,
    model: &mut Model<B>,
    stage: usize,
    history: &mut Vec<(&'static str, Round)>,
) -> Result<(), StageError> {
    let job = training.job;
    let last = job.keys::<TrainingKeys>()?.schedule(job.seed.wrapping_add(1)); // other draws in each stage
    let first = Schedule { length: Length::Epochs(job.keys::<VadeKeys>()?.pretrain), seed: job.seed, ..last.clone() };
    let steps = [steps(&first, training), steps(&last, training)];
    let (before, total) = (steps[..stage].iter().sum::<usize>(), steps.iter().sum::<usize>());
    // a stage that is over says nothing when it is taken up again: the next one does
    let mut taken_up = None;
    let mut watch = |progress: Progress| {
        let Progress { done, total: own, loss, .. } = progress;
        let tell = |done: usize, note: &str| {
            job.progress((before + done) as u64, total as u64, note).map_err(|_| NnError::Interrupted)
        };
        let Some(loss) = loss else {
            taken_up =
                Some((done, format!("{}: goes on from a checkpoint: {done} of {own} steps done", STAGES[stage])));
            return Ok(());
        };
        if let Some((done, note)) = taken_up.take() {
            tell(done, &note)?;
        }
        tell(done, &format!("{}: step {done}/{own} loss {loss:.4}", STAGES[stage]))
    };
    let schedule = if stage == 0 { &first } else { &last };
    let trained = training.fit(model, schedule, &job.checkpoint.join(STAGES[stage]), &mut watch)?;
    history.extend(trained.history.into_iter().map(|round| (STAGES[stage], round)));
    Ok(())
}

/// Steps of a schedule, as far as is known before.
fn steps(schedule: &Schedule, training: &Training) -> usize {
    match schedule.length {
        Length::Epochs(epochs) => epochs * training.stamps.rows_of(TRAIN).len().div_ceil(schedule.batch),
        Length::Steps { steps, .. } => steps,
    }
}

/// Writes `history.csv`: as of one stage, with its name; validations are counted through.
fn write_stages(job: &Job, history: &[(&str, Round)]) -> Result<(), StageError> {
    let header = ["epoch", "train_loss", "validation_loss", "stage"];
    let mut table = RowWriter::create(job.out.join("history.csv"), &header)?;
    for (at, (stage, round)) in history.iter().enumerate() {
        let validation = round.validation_loss.map_or_else(String::new, number);
        table.push([(at + 1).to_string(), number(round.train_loss), validation, (*stage).to_string()])?;
    }
    Ok(table.finish()?)
}

fn vae_card(training: &Training) -> Result<ModelCard, StageError> {
    let ConvKeys { latent, maps } = training.job.keys()?;
    let VaeKeys { variance_head, kl_warm_up } = training.job.keys()?;
    let (channels, crop) = (training.stamps.facts.channels.len(), training.stamps.facts.side);
    let steps = training.stamps.rows_of(TRAIN).len().div_ceil(training.job.keys::<TrainingKeys>()?.batch);
    let settings =
        models::VaeSettings { channels, crop, latent, maps, variance_head, warm_up: kl_warm_up.saturating_mul(steps) };
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
