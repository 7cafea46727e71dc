//! Where training starts: random weights, those of a file or of another stage, with parts that start anew or do not move.

use std::path::{Path, PathBuf};

use super::TrainingKeys;
use crate::nn::{ArrayFault, Backend, Model, WEIGHTS};
use crate::stage::{ArtifactType, ExternalFile, Job, Port, StageError};

/// Name of the key and of the input.
const NAME: &str = "init";

/// The input of a kind that trains.
pub(in crate::stages) const INIT: Port = Port {
    name: NAME,
    accepts: &[ArtifactType::Model],
    required: false,
    help: "A trained model whose weights training starts from; see `fresh` and `frozen`.",
};

/// Gives `model` the weights that it starts from, and freezes what must not move.
pub(in crate::stages) fn prepare<B: Backend>(
    job: &Job,
    keys: &TrainingKeys,
    model: &mut Model<B>,
) -> Result<(), StageError> {
    match (job.files.get(NAME).map(Vec::as_slice), job.optional_input(NAME)) {
        (Some([_, ..]), Some(_)) => {
            return Err(StageError::with_hint("there are two `init`, a key and an input", "leave one of them out"));
        }
        (Some(files @ [_, ..]), None) => model.start_from(weights_of(files)?, &keys.fresh)?,
        (_, Some(folder)) => model.start_from(&folder.join(WEIGHTS), &keys.fresh)?,
        _ if !keys.fresh.is_empty() => {
            let hint = "give `init`, or leave `fresh` out: all parts start anew";
            return Err(StageError::with_hint("`fresh` says what is not taken from `init`, and there is none", hint));
        }
        _ => {}
    }
    Ok(model.weights.freeze(&keys.frozen)?)
}

/// The file itself, or the weights in a model's folder.
fn weights_of(files: &[ExternalFile]) -> Result<&Path, StageError> {
    let is_weights = |file: &&ExternalFile| file.label.is_empty() || file.label == WEIGHTS;
    let found = files.iter().find(is_weights).or(if files.len() == 1 { files.first() } else { None });
    found.map(|file| file.path.as_path()).ok_or_else(|| {
        let held: Vec<PathBuf> = files.iter().take(5).map(|file| PathBuf::from(&file.label)).collect();
        StageError::with_hint(
            format!("`init` is a folder without `{WEIGHTS}`; it holds {held:?}"),
            "give the file of weights itself, or the folder of a model",
        )
    })
}

/// What to write to start the parts anew that do not fit.
pub(super) fn fresh_hint(faults: &[ArrayFault]) -> String {
    let wanted = faults.iter().filter(|fault| fault.wants.is_some());
    let layer = |name: &str| name.rsplit_once('.').map_or(name, |(layer, _)| layer).to_owned();
    let mut layers: Vec<String> = wanted.map(|fault| layer(&fault.name)).collect();
    layers.dedup();
    format!("if these layers shall start anew: fresh = {layers:?}; else give the weights of the same network")
}

#[cfg(test)]
mod tests;
