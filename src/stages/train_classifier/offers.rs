//! The networks that this kind trains: their keys, and the card that keys and data make. A new one is one entry of
//! `OFFERS`.

use super::data::Data;
use super::sequences::{LengthKeys, Sequenced};
use crate::artifacts::stamps::StampsFacts;
use crate::models::{self, Rotations};
use crate::nn::recurrent::{Cell, Reading};
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

crate::choice! {
    /// What of an object is judged.
    pub enum SeesWord {
        /// Images, time gaps and metadata.
        Both = "both",
        /// Images and time gaps.
        Images = "images",
        /// Time gaps and metadata.
        Metadata = "metadata",
    }
}

crate::choice! {
    /// What reads a sequence.
    pub enum CellWord {
        /// Convolutions over time.
        Conv1d = "conv1d",
        /// Simple recurrent units.
        Rnn = "rnn",
        /// Gated recurrent units.
        Gru = "gru",
        /// Long short-term memory.
        Lstm = "lstm",
    }
}

crate::keys! {
    /// Keys of `temporal_stamp_classifier`.
    pub struct TemporalKeys {
        /// What is judged: images with time gaps and metadata, images with time gaps, or metadata with time gaps (tables 8, 6 and 7 of Neira et al. 2024).
        sees: SeesWord = SeesWord::Both;
        /// What reads the sequence of detections: convolutions over time, whose outputs are averaged over the detections, simple recurrent units, GRU or LSTM.
        recurrent: CellWord = CellWord::Lstm;
        /// Values that it makes of a sequence (32, 64 and 128 were tried).
        width: usize = 128, range(1, 4096);
        /// Its layers (1 to 3 were tried).
        layers: usize = 1, range(1, 3);
        /// Detections that a convolution over time sees at once (2 up to all were tried).
        taps: usize = 2, range(1, 100);
        /// Side of the inner kernels of the stamp trunk, odd.
        kernel: usize = 5, range(1, 15), unit("px");
        /// Share of values of the first dense layer after the sequence that training drops.
        dropout: f64 = 0.5, range(0, 0.99);
        /// Weight of the entropy of the probabilities in the loss, as in the Stamp Classifier; Neira et al. 2024 do not mention one.
        entropy: f64 = 0.0, range(0, 10);
        /// Evenly spaced rotations over which each stamp is averaged.
        rotations: usize = 6, range(1, 64);
        /// Largest random addition to each rotation, either way, drawn afresh in every step (28.8 is printed as 0.08 of a turn).
        jitter: f64 = 28.8, range(0, 180), unit("degrees");
        /// Side that is cut from the centre after the rotation, so that no border is invented (33, of at least 47); 0: the whole stamp.
        cut: usize = 0, range(0, 63), unit("px");
    }
}

crate::keys! {
    /// Keys of `rcnn`.
    pub struct RcnnKeys {
        /// Consecutive images that are seen at once (3 in Carrasco-Davis et al. 2019, whose visits are many).
        window: usize = 1, range(1, 100);
        /// Maps of each convolution.
        maps: usize = 64, range(1, 1024);
        /// Values of the dense layer.
        dense: usize = 1024, range(1, 65_536);
        /// Values of the state of the LSTM.
        hidden: usize = 512, range(1, 4096);
        /// Share of dense values that training drops; the paper drops some and does not say how many.
        dropout: f64 = 0.5, range(0, 0.99);
        /// Batch renormalisation: largest ratio of a batch's deviation to the running one that is undone (3 in Ioffe 2017; not in the paper); 1 with `d_max` 0 is batch norm.
        r_max: f64 = 3.0, range(1, 100);
        /// Batch renormalisation: largest distance of a batch's mean from the running one that is undone, in deviations (5 in Ioffe 2017).
        d_max: f64 = 5.0, range(0, 100);
        /// Steps of the optimiser over which both limits open, from those of batch norm.
        renorm_steps: usize = 5000, range(0, 100_000_000);
    }
}

impl From<SeesWord> for models::Sees {
    fn from(word: SeesWord) -> Self {
        match word {
            SeesWord::Both => Self::Both,
            SeesWord::Images => Self::Images,
            SeesWord::Metadata => Self::Metadata,
        }
    }
}

impl From<CellWord> for Cell {
    fn from(word: CellWord) -> Self {
        match word {
            CellWord::Conv1d => Self::Conv1d,
            CellWord::Rnn => Self::Rnn,
            CellWord::Gru => Self::Gru,
            CellWord::Lstm => Self::Lstm,
        }
    }
}

/// Settings of a network for these data and so many classes, by what it judges.
enum Settings {
    Stamps(fn(&Job, &StampsFacts, usize) -> Result<serde_json::Value, StageError>),
    Sequences(fn(&Job, &Sequenced, usize) -> Result<serde_json::Value, StageError>),
}

/// A network with its keys.
pub(super) struct Offer {
    name: &'static str,
    keys: fn() -> Vec<Key>,
    settings: Settings,
}

/// All of them; the first is the default.
pub(super) static OFFERS: &[Offer] = &[
    Offer {
        name: "stamp_classifier",
        keys: StampClassifierKeys::keys,
        settings: Settings::Stamps(|job, facts, classes| {
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
        }),
    },
    Offer {
        name: "deep_hits",
        keys: DeepHitsKeys::keys,
        settings: Settings::Stamps(|job, facts, classes| {
            let keys: DeepHitsKeys = job.keys()?;
            Ok(serde_json::json!(models::DeepHitsSettings {
                channels: facts.channels.len(),
                crop: facts.side,
                classes,
                dropout: keys.dropout as f32,
                leak: keys.leak as f32,
            }))
        }),
    },
    Offer {
        name: "temporal_stamp_classifier",
        keys: || [TemporalKeys::keys(), LengthKeys::keys()].concat(),
        settings: Settings::Sequences(|job, data, classes| {
            let (keys, facts): (TemporalKeys, _) = (job.keys()?, data.facts());
            let reading =
                Reading { cell: keys.recurrent.into(), width: keys.width, layers: keys.layers, kernel: keys.taps };
            Ok(serde_json::json!(models::TemporalStampClassifierSettings {
                channels: facts.stamps.channels.len(),
                crop: facts.stamps.side,
                dynamic: facts.dynamic.len(),
                fixed: facts.fixed.len(),
                classes,
                steps: data.steps,
                sees: keys.sees.into(),
                kernel: keys.kernel,
                rotations: Rotations { count: keys.rotations, jitter: keys.jitter, cut: keys.cut },
                reading,
                dropout: keys.dropout as f32,
                entropy: keys.entropy as f32,
            }))
        }),
    },
    Offer {
        name: "rcnn",
        keys: || [RcnnKeys::keys(), LengthKeys::keys()].concat(),
        settings: Settings::Sequences(|job, data, classes| {
            let (keys, facts): (RcnnKeys, _) = (job.keys()?, data.facts());
            Ok(serde_json::json!(models::RcnnSettings {
                channels: facts.stamps.channels.len(),
                crop: facts.stamps.side,
                window: keys.window,
                classes,
                steps: data.steps,
                maps: keys.maps,
                dense: keys.dense,
                hidden: keys.hidden,
                dropout: keys.dropout as f32,
                r_max: keys.r_max as f32,
                d_max: keys.d_max as f32,
                renorm_steps: keys.renorm_steps,
            }))
        }),
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
    pub(super) fn card(&self, job: &Job, data: &Data, classes: usize) -> Result<ModelCard, StageError> {
        let settings = match (&self.settings, data) {
            (Settings::Stamps(settings), Data::Stamps(stamps)) => settings(job, &stamps.facts, classes)?,
            (Settings::Sequences(settings), Data::Sequences(sequences)) => settings(job, sequences, classes)?,
            (Settings::Stamps(_), Data::Sequences(_)) => {
                let what = format!("`{}` judges single stamps, and `sequences` are connected", self.name);
                return Err(StageError::with_hint(what, "connect `stamps`, or choose a model of sequences"));
            }
            (Settings::Sequences(_), Data::Stamps(_)) => {
                let what = format!("`{}` judges sequences of detections, and `stamps` are connected", self.name);
                return Err(StageError::with_hint(what, "connect `sequences`, or choose a model of single stamps"));
            }
        };
        Ok(ModelCard { model: self.name.into(), settings })
    }
}
