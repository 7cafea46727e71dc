//! `train_sequence_autoencoder`: sequences to a network that makes one code of an object's detections. Knows no survey.
//!
//! With an `autoencoder`, each detection's stamp becomes the code of that network, standardised on the training split, joined
//! with the dynamic columns: a fixed target, in which the error of the network and that of repeating the last detection
//! compare fairly, whether its encoder stays frozen or trains on (see `scheme`). Without one the network learns its own embedding, whose error says nothing of another's.

mod error;
mod rows;
mod scheme;

use std::fs;
use std::path::Path;

use crate::artifacts::facts;
use crate::artifacts::scores::write_metrics;
use crate::artifacts::sequences::Sequences;
use crate::artifacts::split::{TRAIN, VALIDATION};
use crate::models::{self, ENCODER};
use crate::nn::recurrent::Cell;
use crate::nn::train::{Checkpoints, Progress, Schedule, Trained, Watch, train};
use crate::nn::{Backend, CARD, Column, Kernels, Model, ModelCard, NnError, WEIGHTS};
use crate::spec::keys::{Key, Keys};
use crate::spec::value::{Params, Value};
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind, Variant, Variants};

use super::training::{
    INIT, Shown, Stages, TrainingKeys, Work, anew, on_device, open_wide, prepare, report, wide, write_history,
};
use super::views::View;
use rows::{Codes, SequenceRows};
use scheme::{SchemeKeys, SchemeWord};

/// Objects per batch when nothing is learned.
const INFERENCE_BATCH: usize = 64;
/// Name of the input with a stamp autoencoder, and of its folder inside the model's.
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
        5
    }
    fn ports(&self) -> &'static [Port] {
        const PORTS: &[Port] = &[
            Port { name: "sequences", accepts: &[ArtifactType::Sequences], required: true, help: "What to learn." },
            Port {
                name: "autoencoder",
                accepts: &[ArtifactType::Model],
                required: false,
                help: "A trained stamp autoencoder whose codes, kept as they are, stand for the stamps; see `scheme`.",
            },
            wide(&[ArtifactType::Sequences]),
            INIT,
        ];
        PORTS
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Model
    }
    fn keys(&self) -> Vec<Key> {
        [TrainingKeys::keys_with(&[("epochs", Value::Int(60))]), SchemeKeys::keys()].concat()
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
        [TrainingKeys::faults(params), SchemeKeys::faults(params)].concat()
    }
    fn randomness(&self, _: &Params) -> Randomness {
        Randomness::PerReplicate
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let sequences = Sequences::open(job.input("sequences")?)?;
        let wide = open_wide(job, |folder| Ok(Sequences::open(folder)?))?;
        if wide.as_ref().is_some_and(|wide| wide.spans() != sequences.spans()) {
            let hint = "make both from the same alerts, with the same settings but for the crop";
            return Err(StageError::with_hint("`wide` has other detections than `sequences`", hint));
        }
        let scheme: SchemeKeys = job.keys()?;
        let maps = scheme.encoder_maps(job.optional_input(AUTOENCODER))?;
        on_device(job, &Training { job, sequences: &sequences, wide: wide.as_ref(), scheme, maps })
    }
}

/// One run of the stage.
struct Training<'a> {
    job: &'a Job<'a>,
    sequences: &'a Sequences,
    /// The same with a larger side.
    wide: Option<&'a Sequences>,
    scheme: SchemeKeys,
    /// Maps of the stamp encoder that trains with the rest; 0: none does.
    maps: usize,
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
            maps: self.maps,
            cell,
            taps,
        };
        Ok(ModelCard { model: "sequence_autoencoder".into(), settings: serde_json::json!(settings) })
    }

    /// The codes of every detection, and what it takes to make them again beside the model.
    fn codes(&self) -> Result<Option<Codes>, StageError> {
        let Some(source) = self.job.optional_input(AUTOENCODER) else { return Ok(None) };
        let codes = Codes::new(source, self.sequences, View::ALL[0], None)?;
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

/// What a network is trained on and chosen by.
struct Data<'a> {
    training: &'a Training<'a>,
    codes: Option<&'a Codes>,
    reads: Vec<Column>,
}

impl Data<'_> {
    /// The objects of a split, as in `sequences` or as in those of a larger side.
    fn rows<'a>(&'a self, sequences: &'a Sequences, split: &str) -> SequenceRows<'a> {
        SequenceRows::new(sequences, self.codes, &self.reads, self.training.sequences.objects_of(split))
    }

    /// Trains as `schedule` says.
    fn fit<B: Backend>(
        &self,
        model: &mut Model<B>,
        schedule: &Schedule,
        checkpoints: &Path,
        watch: &mut Watch,
    ) -> Result<Trained, StageError> {
        let Training { job, sequences, wide, .. } = self.training;
        let shown = |sequences| Shown { rows: Box::new(self.rows(sequences, TRAIN)), facts: &sequences.facts.stamps };
        let learned = anew(job, schedule.seed, &self.reads, shown(sequences), wide.map(shown))?;
        let checkpoints = Some(Checkpoints::within(checkpoints));
        Ok(train(model, &*learned, &self.rows(sequences, VALIDATION), schedule, checkpoints, watch)?)
    }
}

impl Training<'_> {
    /// The network before training, with the encoder of the autoencoder where that shall train, too.
    fn start<B: Backend>(&self, codes: Option<&Codes>) -> Result<Model<B>, StageError> {
        let mut model = models::build::<B>(self.card(codes)?, self.job.seed)?;
        if let (Some(codes), true) = (codes, self.maps > 0) {
            scheme::begin(&mut model, self.job.input(AUTOENCODER)?, &codes.scale)?;
        }
        Ok(model)
    }

    /// Trains `model` in one stage.
    fn fit_once<B: Backend>(&self, data: &Data, model: &mut Model<B>) -> Result<(), StageError> {
        let (job, keys) = (self.job, self.job.keys::<TrainingKeys>()?);
        prepare(job, &keys, model)?;
        let mut watch = |progress: Progress| report(job, progress);
        let trained = data.fit(model, &keys.schedule(job.seed), job.checkpoint, &mut watch)?;
        write_history(job.out, &trained)
    }

    /// Trains `model` without the encoder and then with it; the best weights of both are left.
    fn fit_staged<B: Backend>(&self, data: &Data, model: &mut Model<B>) -> Result<(), StageError> {
        let (job, keys, epochs) = (self.job, self.job.keys::<TrainingKeys>()?, self.scheme.frozen_epochs);
        let first = TrainingKeys { steps: None, extend: 0, epochs, ..keys.clone() }.schedule(job.seed);
        let rest = keys.epochs.saturating_sub(epochs);
        let last = TrainingKeys { epochs: rest, ..keys.clone() }.schedule(job.seed.wrapping_add(1)); // other draws
        let mut stages = Stages::new(job, vec![("frozen", first.length), ("joint", last.length)]);
        let mut whole = models::build::<B>(model.card.clone(), job.seed)?;

        prepare(job, &keys, model)?;
        model.weights.freeze(&[ENCODER.into()])?;
        stages.fit(|checkpoints, watch| data.fit(model, &first, checkpoints, watch))?;
        let before = stages.last().map(Trained::score);

        whole.weights.adopt(&model.weights).map_err(NnError::device)?;
        whole.weights.freeze(&keys.frozen)?;
        stages.fit(|checkpoints, watch| data.fit(&mut whole, &last, checkpoints, watch))?;
        if stages.last().map(Trained::score) < before {
            *model = whole;
        }
        stages.write_history()
    }
}

impl Work for Training<'_> {
    fn run<B: Backend>(&self) -> Result<(), StageError> {
        let codes = self.codes()?;
        let mut model = self.start::<B>(codes.as_ref())?;
        let data = Data { training: self, codes: codes.as_ref(), reads: model.network.columns() };
        match self.scheme.scheme {
            SchemeWord::Staged => self.fit_staged(&data, &mut model)?,
            SchemeWord::Frozen | SchemeWord::Joint => self.fit_once(&data, &mut model)?,
        }
        model.save(self.job.out)?;
        let metrics = error::measure(&model, |split| data.rows(self.sequences, split))?;
        Ok(write_metrics(self.job.out, &metrics)?)
    }
}

/// Codes `[object, hidden]` of all objects, in their order, all their stamps seen so, by the model in `folder`.
pub(super) fn encode(folder: &Path, sequences: &Sequences, view: View) -> Result<Vec<f32>, StageError> {
    let model = models::load::<Kernels>(folder)?;
    let autoencoder = folder.join(AUTOENCODER);
    let codes = if autoencoder.exists() {
        Some(Codes::new(&autoencoder, sequences, view, Some(facts::read(folder.join(SCALE))?))?)
    } else {
        None
    };
    let objects = (0..sequences.objects.rows()).collect();
    let rows = SequenceRows::new(sequences, codes.as_ref(), &model.network.columns(), objects);
    Ok(model.encode(&rows.seen(view), INFERENCE_BATCH)?)
}

#[cfg(test)]
mod tests;
