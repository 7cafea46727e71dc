//! The list of networks: what `estampa models`, `bench`, the stages and the tests loop over. A new network is one file
//! here and one line in [`entries`].

#[cfg(test)]
mod classifier_tests;
mod conv_autoencoder;
mod conv_coder;
mod deep_hits;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod profile_tests;
mod rcnn;
mod rotations;
mod sequence_autoencoder;
mod stamp_classifier;
mod stamp_trunk;
mod temporal_stamp_classifier;
mod vade;
mod vae;
mod variational;
#[cfg(test)]
mod variational_tests;

use std::path::Path;

use serde_json::Value;

use crate::nn::{Backend, Batch, Builder, Made, Model, ModelCard, Network, NnError};

pub use conv_autoencoder::Settings as ConvAutoencoderSettings;
pub use conv_coder::encoder_maps;
pub use deep_hits::Settings as DeepHitsSettings;
pub use rcnn::Settings as RcnnSettings;
pub use rotations::Rotations;
pub use sequence_autoencoder::{ENCODER, Settings as SequenceAutoencoderSettings};
pub use stamp_classifier::Settings as StampClassifierSettings;
pub use temporal_stamp_classifier::{Sees, Settings as TemporalStampClassifierSettings};
pub use vade::Settings as VadeSettings;
pub use vae::Settings as VaeSettings;
pub use variational::MIXTURE;

/// What a build makes, or why the settings do not do.
type Built<B> = Result<Box<dyn Network<B>>, NnError>;

/// What a network is trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// To reconstruct its input from a code, without labels.
    Reconstruct,
    /// To give the probability of each class.
    Classify,
}

/// One network of the list.
pub struct Entry<B: Backend> {
    /// Name in TOML and `model.json`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The paper.
    pub source: &'static str,
    /// Settings when nothing else is said; those of the reference in PyTorch.
    pub defaults: fn() -> Value,
    build: fn(&Value, &mut Builder<B>) -> Built<B>,
    /// What it is for.
    pub task: Task,
    /// Whether it reads sequences of detections; otherwise single stamps.
    pub sequential: bool,
    /// A batch of plausible random values for the default settings.
    pub example: fn(usize) -> Batch,
}

/// Every network.
pub fn entries<B: Backend>() -> [Entry<B>; 8] {
    [
        conv_autoencoder::entry(),
        vae::entry(),
        vade::entry(),
        sequence_autoencoder::entry(),
        stamp_classifier::entry(),
        deep_hits::entry(),
        temporal_stamp_classifier::entry(),
        rcnn::entry(),
    ]
}

/// The network called `name`.
pub fn entry<B: Backend>(name: &str) -> Result<Entry<B>, NnError> {
    let known: Vec<&str> = entries::<B>().map(|entry| entry.name).to_vec();
    let unknown = || NnError::UnknownModel { name: name.into(), known: known.join(", ") };
    entries().into_iter().find(|entry| entry.name == name).ok_or_else(unknown)
}

/// Builds the network that `card` names, with starting weights from `seed`.
pub fn build<B: Backend>(card: ModelCard, seed: u64) -> Result<Model<B>, NnError> {
    let mut builder = Builder::new(seed);
    let network = (entry::<B>(&card.model)?.build)(&card.settings, &mut builder)?;
    Ok(Model { card, network, weights: builder.finish() })
}

/// Loads the model in `folder`: `model.json` and `weights.safetensors`.
pub fn load<B: Backend>(folder: &Path) -> Result<Model<B>, NnError> {
    let mut model = build::<B>(Model::<B>::card(folder)?, 0)?;
    model.load_weights(folder)?;
    Ok(model)
}

/// Whether the model in `folder` reads sequences of detections.
pub fn is_sequential(folder: &Path) -> Result<bool, NnError> {
    Ok(entry::<crate::nn::Kernels>(&Model::<crate::nn::Kernels>::card(folder)?.model)?.sequential)
}

fn settings<T: serde::de::DeserializeOwned>(model: &str, value: &Value) -> Result<T, NnError> {
    let fault = |what: serde_json::Error| NnError::Settings { model: model.into(), what: what.to_string() };
    serde_json::from_value(value.clone()).map_err(fault)
}

fn json<T: serde::Serialize>(settings: &T) -> Value {
    serde_json::to_value(settings).unwrap_or(Value::Null)
}

fn boxed<B: Backend, N: Network<B> + 'static>(made: Made<N, B>) -> Built<B> {
    made.map(|network| Box::new(network) as Box<dyn Network<B>>).map_err(|fault| NnError::Device(fault.to_string()))
}

/// The class of each row of a batch.
fn classes_of(batch: &Batch) -> Vec<usize> {
    batch.column("class").iter().map(|class| *class as usize).collect()
}

/// `[outer, inner, width]` as `[inner, outer, width]`.
fn swap_outer(values: &[f32], outer: usize, inner: usize, width: usize) -> Vec<f32> {
    let cell = |i: usize, o: usize| values[(o * inner + i) * width..][..width].iter().copied();
    (0..inner).flat_map(|i| (0..outer).flat_map(move |o| cell(i, o))).collect()
}

/// Values in [0, 1) from a fixed sequence, for batches of examples.
fn uniform(count: usize, seed: u64) -> Vec<f32> {
    use rand::{Rng, SeedableRng};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random()).collect()
}
