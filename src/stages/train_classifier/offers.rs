//! The networks that this kind trains: their keys, and the card that keys and data make. A new one is one entry of
//! [`OFFERS`].

use crate::artifacts::stamps::StampsFacts;
use crate::models::{self, Rotations};
use crate::nn::{Kernels, ModelCard};
use crate::spec::keys::{Key, Keys};
use crate::stage::{Job, StageError, Variant};

crate::keys! {
    /// Keys of `stamp_classifier`.
    pub struct StampClassifierKeys {
        /// Whether the packet's metadata are joined with what the images say (Carrasco-Davis et al. 2021).
        metadata: bool = true;
        /// Side of the inner kernels, odd (5 in the deployed model of Carrasco-Davis et al. 2021; 3 and 7 were tried).
        kernel: usize = 5, range(1, 15), unit("px");
        /// Share of dense values that training drops.
        dropout: f64 = 0.5, range(0, 0.99);
        /// Weight of the entropy of the probabilities in the loss, which keeps them from saturating (equation 1; 0, 0.3, 0.5, 0.8 and 1 were tried).
        entropy: f64 = 0.5, range(0, 10);
        /// Evenly spaced rotations over which a stamp is averaged (4 in Carrasco-Davis et al. 2021; 6 in the enhanced form of Neira et al. 2024).
        rotations: usize = 4, range(1, 64);
        /// Largest random addition to each rotation, either way, drawn afresh in every step (28.8 in the enhanced form, which prints it as 0.08 of a turn).
        jitter: f64 = 0.0, range(0, 180), unit("degrees");
        /// Side that is cut from the centre after the rotation, so that no border is invented (33 of at least 47 in the enhanced form); 0: the whole stamp.
        cut: usize = 0, range(0, 63), unit("px");
    }
}

crate::keys! {
    /// Keys of `deep_hits`.
    pub struct DeepHitsKeys {
        /// Share of dense values that training drops.
        dropout: f64 = 0.5, range(0, 0.99);
        /// Slope of the activations below zero (0.01 in the authors' configuration, 0 in the paper's text).
        leak: f64 = 0.01, range(0, 0.99);
    }
}

/// A network with its keys.
pub(super) struct Offer {
    name: &'static str,
    keys: fn() -> Vec<Key>,
    settings: fn(&Job, &StampsFacts, usize) -> Result<serde_json::Value, StageError>,
}

/// All of them; the first is the default.
pub(super) static OFFERS: &[Offer] = &[
    Offer {
        name: "stamp_classifier",
        keys: StampClassifierKeys::keys,
        settings: |job, facts, classes| {
            let keys: StampClassifierKeys = job.keys()?;
            Ok(serde_json::json!(models::StampClassifierSettings {
                channels: facts.channels.len(),
                crop: facts.side,
                metadata: if keys.metadata { facts.metadata.len() } else { 0 },
                classes,
                kernel: keys.kernel,
                dropout: keys.dropout as f32,
                entropy: keys.entropy as f32,
                rotations: Rotations { count: keys.rotations, jitter: keys.jitter, cut: keys.cut },
            }))
        },
    },
    Offer {
        name: "deep_hits",
        keys: DeepHitsKeys::keys,
        settings: |job, facts, classes| {
            let keys: DeepHitsKeys = job.keys()?;
            Ok(serde_json::json!(models::DeepHitsSettings {
                channels: facts.channels.len(),
                crop: facts.side,
                classes,
                dropout: keys.dropout as f32,
                leak: keys.leak as f32,
            }))
        },
    },
];

/// The one called `name`.
pub(super) fn offer(name: &str) -> Result<&'static Offer, StageError> {
    let found = OFFERS.iter().find(|offer| offer.name == name);
    found.ok_or_else(|| StageError::failed(format!("there is no model `{name}`")))
}

impl Offer {
    /// As the checker and the documentation see it.
    pub(super) fn variant(&self) -> Variant {
        let entry = models::entry::<Kernels>(self.name);
        let (summary, source) = entry.map_or(("", ""), |entry| (entry.summary, entry.source));
        Variant { name: self.name, summary, source, keys: (self.keys)() }
    }

    /// The network for these data and so many classes.
    pub(super) fn card(&self, job: &Job, facts: &StampsFacts, classes: usize) -> Result<ModelCard, StageError> {
        Ok(ModelCard { model: self.name.into(), settings: (self.settings)(job, facts, classes)? })
    }
}
