//! `train_sequence_autoencoder`: sequences to a network that makes one code of an object's detections. Knows no survey.
//!
//! With an `autoencoder`, each detection's stamp becomes the code of that frozen network, standardised on the training
//! split, joined with the dynamic columns: a fixed target, in which the error of the network and that of repeating the last
//! detection compare fairly. Without one the network learns its own embedding, whose error says nothing of another's.

mod error;
mod rows;

use std::fs;

use crate::artifacts::facts;
use crate::artifacts::scores::write_metrics;
use crate::artifacts::sequences::Sequences;
use crate::artifacts::split::{TRAIN, VALIDATION};
use crate::models;
use crate::nn::recurrent::Cell;
use crate::nn::train::{Checkpoints, Progress, train};
use crate::nn::{Backend, CARD, Kernels, ModelCard, WEIGHTS};
use crate::spec::keys::{Key, Keys};
use crate::spec::value::{Params, Value};
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind, Variant, Variants};

use super::training::{INIT, TrainingKeys, Work, on_device, prepare, report, write_history};
use rows::{Codes, SequenceRows};

/// Objects per batch when nothing is learned.
const INFERENCE_BATCH: usize = 64;
/// Folder of the frozen autoencoder inside the model's.
const AUTOENCODER: &str = "autoencoder";
/// File with the scale of its codes.
const SCALE: &str = "codes.json";

crate::choice! {
    /// What encodes and decodes.
    pub enum CellWord {
        /// Gated recurrent units.
        Gru = "gru",
        /// Long short-term memory.
        Lstm = "lstm",
        /// Convolutions over time.
        Conv1d = "conv1d",
    }
}

crate::keys! {
    /// Keys of `sequence_autoencoder`.
    pub struct CellKeys {
        /// Length of the code: the state of the recurrent units.
        hidden: usize = 64, range(1, 4096);
        /// What encodes and decodes: GRU, LSTM, or convolutions over time, whose code is their mean over the detections (the cells that Neira et al. 2024 compare).
        cell: CellWord = CellWord::Gru, added_later();
        /// Detections that a convolution over time sees at once; only with `cell = "conv1d"`.
        taps: usize = 3, range(1, 100), added_later();
    }
}

/// The kind `train_sequence_autoencoder`.
pub struct TrainSequenceAutoencoder;

impl StageKind for TrainSequenceAutoencoder {
    fn name(&self) -> &'static str {
        "train_sequence_autoencoder"
    }
    fn summary(&self) -> &'static str {
        "Trains a recurrent autoencoder of an object's detections and measures it beside repeating the last detection."
    }
    fn source(&self) -> &'static str {
        "after Neira et al. 2024 (arXiv:2405.15073), table 4"
    }
    fn version(&self) -> u32 {
        3
    }
    fn ports(&self) -> &'static [Port] {
        const PORTS: &[Port] = &[
            Port { name: "sequences", accepts: &[ArtifactType::Sequences], required: true, help: "What to learn." },
            Port {
                name: "autoencoder",
                accepts: &[ArtifactType::Model],
                required: false,
                help: "A trained stamp autoencoder whose codes, kept as they are, stand for the stamps.",
            },
            INIT,
        ];
        PORTS
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Model
    }
    fn keys(&self) -> Vec<Key> {
        TrainingKeys::keys_with(&[("epochs", Value::Int(60))])
    }
    fn variants(&self) -> Option<Variants> {
        let gru = Variant {
            name: "sequence_autoencoder",
            summary: "Embedding per detection, recurrent units (or convolutions) to a code and back, one output per detection.",
            source: "stamp trunk and dynamic metadata of Neira et al. 2024 (arXiv:2405.15073), table 4",
            keys: CellKeys::keys(),
        };
        Some(Variants { key: "model", list: vec![gru] })
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        TrainingKeys::faults(params)
    }
    fn randomness(&self, _: &Params) -> Randomness {
        Randomness::PerReplicate
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let sequences = Sequences::open(job.input("sequences")?)?;
        on_device(job, &Training { job, sequences: &sequences })
    }
}

/// One run of the stage.
struct Training<'a> {
    job: &'a Job<'a>,
    sequences: &'a Sequences,
}

impl Training<'_> {
    fn card(&self, codes: Option<&Codes>) -> Result<ModelCard, StageError> {
        let CellKeys { hidden, cell, taps } = self.job.keys()?;
        let (cell, taps) = match cell {
            CellWord::Gru => (Cell::Gru, 0),
            CellWord::Lstm => (Cell::Lstm, 0),
            CellWord::Conv1d => (Cell::Conv1d, taps),
        };
        let facts = &self.sequences.facts;
        let settings = models::SequenceAutoencoderSettings {
            channels: facts.stamps.channels.len(),
            crop: facts.stamps.side,
            dynamic: facts.dynamic.len(),
            hidden,
            steps: facts.longest,
            codes: codes.map_or(0, Codes::width),
            cell,
            taps,
        };
        Ok(ModelCard { model: "sequence_autoencoder".into(), settings: serde_json::json!(settings) })
    }

    /// The codes of every detection, and what it takes to make them again beside the model.
    fn codes(&self) -> Result<Option<Codes>, StageError> {
        let Some(source) = self.job.optional_input(AUTOENCODER) else { return Ok(None) };
        let codes = Codes::new(source, self.sequences, None)?;
        let folder = self.job.out.join(AUTOENCODER);
        let failed = |fault: std::io::Error| StageError::failed(format!("{}: {fault}", folder.display()));
        fs::create_dir_all(&folder).map_err(failed)?;
        for file in [CARD, WEIGHTS] {
            fs::copy(source.join(file), folder.join(file)).map_err(failed)?;
        }
        facts::write(self.job.out.join(SCALE), &codes.scale)?;
        Ok(Some(codes))
    }
}

impl Work for Training<'_> {
    fn run<B: Backend>(&self) -> Result<(), StageError> {
        let job = self.job;
        let codes = self.codes()?;
        let split = |name| SequenceRows::new(self.sequences, codes.as_ref(), self.sequences.objects_of(name));
        let mut model = models::build::<B>(self.card(codes.as_ref())?, job.seed)?;
        prepare(job, &job.keys()?, &mut model)?;
        let schedule = job.keys::<TrainingKeys>()?.schedule(job.seed);
        let mut watch = |progress: Progress| report(job, progress);
        let checkpoints = Some(Checkpoints::within(job.checkpoint));
        let trained = train(&mut model, &split(TRAIN), &split(VALIDATION), &schedule, checkpoints, &mut watch)?;
        model.save(job.out)?;
        write_history(job.out, &trained)?;
        Ok(write_metrics(job.out, &error::measure(&model, split)?)?)
    }
}

/// Codes `[object, hidden]` of all objects, in their order, by the model in `folder`.
pub fn encode(folder: &std::path::Path, sequences: &Sequences) -> Result<Vec<f32>, StageError> {
    let model = models::load::<Kernels>(folder)?;
    let autoencoder = folder.join(AUTOENCODER);
    let codes = if autoencoder.exists() {
        Some(Codes::new(&autoencoder, sequences, Some(facts::read(folder.join(SCALE))?))?)
    } else {
        None
    };
    let objects = (0..sequences.objects.rows()).collect();
    Ok(model.encode(&SequenceRows::new(sequences, codes.as_ref(), objects), INFERENCE_BATCH)?)
}

#[cfg(test)]
mod tests;
