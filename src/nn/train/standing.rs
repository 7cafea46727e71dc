//! Where a training run stands, as the bytes of a checkpoint and back, to the last bit. Knows no files.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Epoch, Schedule};
use crate::nn::adam::{Adam, State};
use crate::nn::backend::Backend;
use crate::nn::checkpoint::{self, Array};
use crate::nn::network::{Model, ModelCard};
use crate::nn::weights::Weights;

/// What must be the same for a checkpoint to be taken up, beside what the folder that it lies in stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) card: ModelCard,
    /// See [`Backend::arithmetic`]: half of a run on another processor would give the bytes of neither.
    pub(super) arithmetic: String,
    pub(super) schedule: Schedule,
    /// Training and validation rows.
    pub(super) rows: [usize; 2],
}

/// What is done so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) adam_steps: u64,
    /// Finished epochs.
    pub(super) history: Vec<Epoch>,
    pub(super) best_epoch: usize,
    /// Steps done in the epoch after those.
    pub(super) step: usize,
    /// Sum of the losses of its rows.
    pub(super) sum: f64,
}

/// What a checkpoint says beside its arrays.
#[derive(Serialize, Deserialize)]
struct Note {
    identity: Identity,
    standing: Standing,
}

/// The bytes of a checkpoint.
pub(super) fn pack<B: Backend>(
    identity: &Identity,
    standing: &Standing,
    model: &Model<B>,
    best: &Weights<B>,
    adam: &Adam,
) -> Result<Vec<u8>, String> {
    let note = Note { identity: identity.clone(), standing: standing.clone() };
    let note = serde_json::to_string(&note).map_err(|fault| fault.to_string())?;
    let mut arrays = checkpoint::arrays(&model.weights, "now/");
    arrays.extend(checkpoint::arrays(best, "best/"));
    for (entry, State { mean, square }) in model.weights.entries.iter().zip(&adam.states) {
        for (kind, values) in [("mean", mean), ("square", square)] {
            let (name, shape) = (format!("{kind}/{}", entry.name), vec![values.len()]);
            arrays.push(Array { name, shape, values: values.clone() });
        }
    }
    checkpoint::pack(&arrays, Some(note))
}

/// A checkpoint as it was packed.
pub(super) struct Unpacked<B: Backend> {
    pub(super) standing: Standing,
    pub(super) now: Weights<B>,
    pub(super) best: Weights<B>,
    pub(super) states: Vec<State>,
}

/// Reads a checkpoint; `None` if it is of another run. Nothing of it is used unless all of it is there.
pub(super) fn unpack<B: Backend>(bytes: &[u8], identity: &Identity, model: &Model<B>) -> Option<Unpacked<B>> {
    let (arrays, note) = checkpoint::unpack(bytes).ok()?;
    let note: Note = serde_json::from_str(&note?).ok()?;
    if note.identity != *identity {
        return None;
    }
    let (mut now, mut best) = (model.weights.clone(), model.weights.clone());
    checkpoint::fill(&mut now, &arrays, "now/", Path::new("checkpoint")).ok()?;
    checkpoint::fill(&mut best, &arrays, "best/", Path::new("checkpoint")).ok()?;
    let values = |name: String| arrays.iter().find(|array| array.name == name).map(|array| array.values.clone());
    let state =
        |name: &str| Some(State { mean: values(format!("mean/{name}"))?, square: values(format!("square/{name}"))? });
    let states = model.weights.entries.iter().map(|entry| state(&entry.name)).collect::<Option<_>>()?;
    Some(Unpacked { standing: note.standing, now, best, states })
}
