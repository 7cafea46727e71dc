//! The list of stage kinds. A new kind is one file here and one line in [`KINDS`].

pub mod augment;
pub mod calibration;
pub mod classify;
pub mod cluster;
pub mod command;
pub mod compare;
pub mod detect_anomalies;
mod encoder;
pub mod extract_features;
pub mod few_labels;
#[cfg(test)]
mod golden;
pub mod health;
pub mod load;
pub mod predict;
pub mod preprocess;
pub mod project;
pub mod sequences;
pub mod simulate;
#[cfg(test)]
mod testing;
pub mod train_autoencoder;
pub mod train_classifier;
pub mod train_sequence_autoencoder;
pub mod training;
mod vectors;
pub mod views;

use crate::stage::StageKind;

/// Every stage kind, in the order in which data flow.
pub static KINDS: &[&dyn StageKind] = &[
    &simulate::Simulate,
    &load::Load,
    &preprocess::Preprocess,
    &augment::Augment,
    &sequences::SequencesKind,
    &train_autoencoder::TrainAutoencoder,
    &train_sequence_autoencoder::TrainSequenceAutoencoder,
    &train_classifier::TrainClassifier,
    &predict::Predict,
    &extract_features::ExtractFeatures,
    &health::Health,
    &project::Project,
    &cluster::Cluster,
    &classify::Classify,
    &detect_anomalies::DetectAnomalies,
    &compare::Compare,
    &command::UserCommand,
];

/// The kind called `name`.
pub fn kind(name: &str) -> Option<&'static dyn StageKind> {
    KINDS.iter().copied().find(|kind| kind.name() == name)
}
