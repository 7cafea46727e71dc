//! Where a training run stands, as the bytes of a checkpoint and back, to the last bit. Knows no files.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Round, Schedule};
use crate::nn::backend::Backend;
use crate::nn::checkpoint::{self, Array};
use crate::nn::network::{Model, ModelCard};
use crate::nn::optimisers::Optimiser;
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
    /// Validations.
    pub(super) history: Vec<Round>,
    /// Position of the best of them, from 1; 0: there is none yet.
    pub(super) best: usize,
    /// Steps done.
    pub(super) done: usize,
    /// Steps done at the last validation.
    pub(super) validated: usize,
    /// Steps in all, as far as is known.
    pub(super) horizon: usize,
    /// Rows of the steps since the last validation.
    pub(super) rows: usize,
    /// Sum of the losses of these rows.
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
    optimiser: &Optimiser,
) -> Result<Vec<u8>, String> {
    let note = Note { identity: identity.clone(), standing: standing.clone() };
    let note = serde_json::to_string(&note).map_err(|fault| fault.to_string())?;
    let mut arrays = checkpoint::arrays(&model.weights, "now/");
    arrays.extend(checkpoint::arrays(best, "best/"));
    for (what, array, values) in optimiser.memory() {
        arrays.push(Array { name: memory(what, array), shape: vec![values.len()], values: values.clone() });
    }
    checkpoint::pack(&arrays, Some(note))
}

/// Name of what the optimiser remembers of an array.
fn memory(what: &str, array: &str) -> String {
    format!("optimiser/{what}/{array}")
}

/// A checkpoint as it was packed.
pub(super) struct Unpacked<B: Backend> {
    pub(super) standing: Standing,
    pub(super) now: Weights<B>,
    pub(super) best: Weights<B>,
    pub(super) optimiser: Optimiser,
}

/// Reads a checkpoint; `None` if it is of another run. Nothing of it is used unless all of it is there.
pub(super) fn unpack<B: Backend>(
    bytes: &[u8],
    identity: &Identity,
    model: &Model<B>,
    mut optimiser: Optimiser,
) -> Option<Unpacked<B>> {
    let (arrays, note) = checkpoint::unpack(bytes).ok()?;
    let note: Note = serde_json::from_str(&note?).ok()?;
    if note.identity != *identity {
        return None;
    }
    let (mut now, mut best) = (model.weights.clone(), model.weights.clone());
    checkpoint::fill(&mut now, &arrays, "now/", Path::new("checkpoint")).ok()?;
    checkpoint::fill(&mut best, &arrays, "best/", Path::new("checkpoint")).ok()?;
    let find = |what: &str, array: &str| {
        let name = memory(what, array);
        arrays.iter().find(|array| array.name == name).map(|array| array.values.clone())
    };
    let is_whole = optimiser.recall(note.standing.done as u64, find);
    is_whole.then_some(Unpacked { standing: note.standing, now, best, optimiser })
}
