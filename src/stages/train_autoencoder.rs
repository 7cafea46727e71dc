//! `train_autoencoder`: stamps to a network that makes short codes of them. Knows no survey.
//!
//! Weights move by the training split, the validation split chooses the epoch, the test split only measures.

mod clusters;
mod error;
mod health;
mod mixture;
mod variational;

use std::path::Path;

use crate::artifacts::array::{Array, ArrayWriter};
use crate::artifacts::scores::write_metrics;
use crate::artifacts::split::{TEST, TRAIN, VALIDATION};
use crate::artifacts::stamps::Stamps;
use crate::models::{self, Task};
use crate::nn::train::{Checkpoints, Progress, Schedule, Trained, Watch, train};
use crate::nn::{Backend, Column, Kernels, Model, ModelCard, Rows};
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind, Variant, Variants};

use super::training::{
    INIT, Shown, TrainingKeys, Work, anew, on_device, open_wide, prepare, report, wide, write_history,
};
use super::views::View;

/// Rows per batch when nothing is learned.
pub(super) const INFERENCE_BATCH: usize = 64;

crate::keys! {
    /// Keys of `train_autoencoder` beside those of training.
    pub struct AutoencoderKeys {
        /// Test stamps that are kept with their reconstructions, for the figure.
        examples: usize = 8, range(0, 1000);
    }
}

crate::keys! {
    /// Keys of `conv_autoencoder`.
    pub struct ConvKeys {
        /// Length of the code (21 in Astorga et al. 2018).
        latent: usize = 21, range(1, 4096);
        /// Maps of every hidden layer (64 in Astorga et al. 2018); fewer train faster.
        maps: usize = 64, range(1, 1024);
    }
}

/// The kind `train_autoencoder`.
pub struct TrainAutoencoder;

impl StageKind for TrainAutoencoder {
    fn name(&self) -> &'static str {
        "train_autoencoder"
    }
    fn summary(&self) -> &'static str {
        "Trains an autoencoder of stamps and measures its reconstructions beside PCA with as many components."
    }
    fn source(&self) -> &'static str {
        "Astorga et al. 2018 (IJCNN)"
    }
    fn version(&self) -> u32 {
        5
    }
    fn ports(&self) -> &'static [Port] {
        const PORTS: &[Port] = &[
            Port { name: "stamps", accepts: &[ArtifactType::Stamps], required: true, help: "Stamps to learn." },
            wide(&[ArtifactType::Stamps]),
            INIT,
        ];
        PORTS
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Model
    }
    fn keys(&self) -> Vec<Key> {
        [TrainingKeys::keys_with(&[]), AutoencoderKeys::keys()].concat()
    }
    fn variants(&self) -> Option<Variants> {
        let conv = Variant {
            name: "conv_autoencoder",
            summary: "Convolutional autoencoder: four 3 x 3 convolutions down, linear code, nearest-neighbour resizes up.",
            source: "Astorga et al. 2018 (IJCNN), section III, figure 5",
            keys: ConvKeys::keys(),
        };
        Some(Variants { key: "model", list: vec![conv, variational::vae(), variational::vade()] })
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        TrainingKeys::faults(params)
    }
    fn randomness(&self, _: &Params) -> Randomness {
        Randomness::PerReplicate
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let stamps = Stamps::open(job.input("stamps")?)?;
        let wide = open_wide(job, |folder| Ok(Stamps::open(folder)?))?;
        if wide.as_ref().is_some_and(|wide| wide.images.rows() != stamps.images.rows()) {
            let hint = "make both from the same alerts, with the same settings but for the crop";
            return Err(StageError::with_hint("`wide` has other rows than `stamps`", hint));
        }
        on_device(job, &Training { job, stamps: &stamps, wide: wide.as_ref(), keys: job.keys()? })
    }
}

/// One run of the stage.
struct Training<'a> {
    job: &'a Job<'a>,
    stamps: &'a Stamps,
    /// The same with a larger side.
    wide: Option<&'a Stamps>,
    keys: AutoencoderKeys,
}

impl Training<'_> {
    fn conv_card(&self) -> Result<ModelCard, StageError> {
        let ConvKeys { latent, maps } = self.job.keys()?;
        let facts = &self.stamps.facts;
        let settings =
            models::ConvAutoencoderSettings { channels: facts.channels.len(), crop: facts.side, latent, maps };
        Ok(ModelCard { model: "conv_autoencoder".into(), settings: serde_json::json!(settings) })
    }

    fn write_examples<B: Backend>(&self, model: &Model<B>) -> Result<(), StageError> {
        let (side, channels) = (self.stamps.facts.side, self.stamps.facts.channels.len());
        let rows = self.stamps.examples(TEST, self.keys.examples);
        let images = if self.stamps.clean.is_some() { 3 } else { 2 };
        let shape = [images, channels, side, side];
        let mut writer = ArrayWriter::create(self.job.out.join("reconstructions.npy"), &shape)?;
        for row in rows {
            let mut made = Vec::new();
            model.outputs(&self.images(&[row]), 1, |_, values| {
                made = values;
                Ok(())
            })?;
            let clean = self.stamps.clean.as_ref().map_or(&[][..], |clean| clean.row(row));
            writer.push(&[self.stamps.images.row(row), clean, &made].concat())?;
        }
        Ok(writer.finish()?)
    }
}

impl Training<'_> {
    /// Trains as `schedule` says; weights of the best validation are left in `model`.
    fn fit<B: Backend>(
        &self,
        model: &mut Model<B>,
        schedule: &Schedule,
        checkpoints: &Path,
        watch: &mut Watch,
    ) -> Result<Trained, StageError> {
        let (learned, held) = (self.stamps.rows_of(TRAIN), self.stamps.rows_of(VALIDATION));
        let checkpoints = Some(Checkpoints::within(checkpoints));
        let shown = |stamps| shown(stamps, &learned);
        let wide = self.wide.map(shown);
        let learned = anew(self.job, schedule.seed, &model.network.columns(), shown(self.stamps), wide)?;
        Ok(train(model, &*learned, &self.images(&held), schedule, checkpoints, watch)?)
    }

    /// Trains `model` in one stage.
    fn fit_once<B: Backend>(&self, model: &mut Model<B>) -> Result<(), StageError> {
        let (job, keys) = (self.job, self.job.keys::<TrainingKeys>()?);
        prepare(job, &keys, model)?;
        let mut watch = |progress: Progress| report(job, progress);
        let trained = self.fit(model, &keys.schedule(job.seed), job.checkpoint, &mut watch)?;
        write_history(job.out, &trained)
    }

    fn images<'a>(&'a self, rows: &'a [usize]) -> ImageRows<'a> {
        ImageRows::new(&self.stamps.images, rows)
    }
}

impl Work for Training<'_> {
    fn run<B: Backend>(&self) -> Result<(), StageError> {
        let mut more = Vec::new();
        let model = match self.job.word("model") {
            "vade" => variational::train_vade::<B>(self, &mut more)?,
            "vae" => variational::train_vae::<B>(self, &mut more)?,
            _ => {
                let mut model = models::build::<B>(self.conv_card()?, self.job.seed)?;
                self.fit_once(&mut model)?;
                model
            }
        };
        model.save(self.job.out)?;
        let mut metrics = error::measure(self.stamps, &model, self.job.keys::<ConvKeys>()?.latent)?;
        metrics.extend(more);
        write_metrics(self.job.out, &metrics)?;
        self.write_examples(&model)
    }
}

/// Some rows of stamps as they are, with what these are.
fn shown<'a>(stamps: &'a Stamps, rows: &'a [usize]) -> Shown<'a> {
    Shown { rows: Box::new(ImageRows::new(&stamps.images, rows)), facts: &stamps.facts }
}

/// Some rows of an array of images, each seen so, with their metadata where these are given.
pub(super) struct ImageRows<'a> {
    images: &'a Array,
    metadata: Option<&'a Array>,
    rows: &'a [usize],
    view: View,
}

impl<'a> ImageRows<'a> {
    /// The rows at `rows`, as they are.
    pub(super) fn new(images: &'a Array, rows: &'a [usize]) -> Self {
        Self { images, metadata: None, rows, view: View::ALL[0] }
    }
}

impl Rows for ImageRows<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }
    fn columns(&self) -> Vec<Column> {
        let metadata = self.metadata.map(|metadata| Column { name: "metadata", width: metadata.row_len() });
        [Column { name: "stamps", width: self.images.row_len() }].into_iter().chain(metadata).collect()
    }
    fn copy_row(&self, row: usize, column: usize, into: &mut [f32]) {
        if let Some(metadata) = self.metadata.filter(|_| column == 1) {
            into.copy_from_slice(metadata.row(self.rows[row]));
        } else {
            let side = self.images.shape().last().copied().unwrap_or(1);
            self.view.copy(self.images.row(self.rows[row]), side, into);
        }
    }
}

/// Codes of chosen rows of images and their metadata, each seen so, by `model`, handed over batch by batch as `[row, latent]`
/// with their number.
pub(super) fn encode(
    model: &Model<Kernels>,
    (images, metadata): (&Array, Option<&Array>),
    rows: &[usize],
    view: View,
    mut take: impl FnMut(&[f32], usize) -> Result<(), StageError>,
) -> Result<(), StageError> {
    for rows in rows.chunks(INFERENCE_BATCH) {
        take(&model.encode(&ImageRows { images, metadata, rows, view }, INFERENCE_BATCH)?, rows.len())?;
    }
    Ok(())
}

/// The network in `folder`, which must reconstruct single stamps.
pub(super) fn reconstructing(folder: &Path) -> Result<Model<Kernels>, StageError> {
    let card = Model::<Kernels>::card(folder)?;
    let entry = models::entry::<Kernels>(&card.model)?;
    if entry.task != Task::Reconstruct || entry.sequential {
        let what = format!("`{}` does not reconstruct single stamps", card.model);
        return Err(StageError::with_hint(what, "connect a model of `train_autoencoder`"));
    }
    Ok(models::load::<Kernels>(folder)?)
}

#[cfg(test)]
mod tests;
