//! What a network does for training and use, whatever its layers; and a network with its weights, in memory and on disk.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::backend::{Backend, Made, Matrix, Scalar};
use super::batch::{Batch, Column, Rows};
use super::error::NnError;
use super::optimisers::Optimiser;
use super::pass::Pass;
use super::weights::Weights;
use super::{checkpoint, import, track};

/// A network: it makes codes of rows, and says something of each row that training compares with a target.
pub trait Network<B: Backend> {
    /// The columns that a batch must hold.
    fn columns(&self) -> Vec<Column>;

    /// What training makes small.
    fn loss(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Scalar<B>, B>;

    /// Codes `[row, latent]`.
    fn encode(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B>;

    /// What the network says: an autoencoder reconstructs its input, `[row, ..]` in the order of the input's column; a
    /// classifier gives scores, `[row, class]` or `[row, step, class]`, whose softmax are probabilities.
    fn output(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B>;

    /// What outputs are compared with: in the order of a reconstruction, or the class of each row.
    fn targets(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B>;

    /// What codes a row may have, from networks that code distributions.
    fn posterior(&self, _: &mut Pass<B>, _: &Batch) -> Made<Option<Posterior>, B> {
        Ok(None)
    }

    /// What `codes [row, latent]` stand for, from networks whose codes are all that their decoder gets.
    fn decode(&self, _: &mut Pass<B>, _codes: &[f32]) -> Made<Option<Decoded>, B> {
        Ok(None)
    }
}

/// The Gaussian of each row's code.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Posterior {
    /// `[row, latent]`.
    pub mean: Vec<f32>,
    /// `ln σ²`, `[row, latent]`.
    pub log_variance: Vec<f32>,
}

/// What codes stand for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// As in the input's column, `[row, ..]`.
    pub images: Vec<f32>,
    /// `ln σ²` of a pixel, `[row]`; `None`: the network does not say.
    pub log_variance: Option<Vec<f32>>,
}

/// Which network, as in `model.json`: enough to build it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Name in the list of models.
    pub model: String,
    /// Its settings.
    pub settings: serde_json::Value,
}

/// What `model.json` says: the card, and what trained the weights.
#[derive(Serialize)]
struct Said<'a> {
    #[serde(flatten)]
    card: &'a ModelCard,
    /// For people who compare weights of two machines; see [`Backend::arithmetic`].
    arithmetic: String,
}

/// A network with its weights.
pub struct Model<B: Backend> {
    /// Which network it is.
    pub card: ModelCard,
    /// The layers.
    pub network: Box<dyn Network<B>>,
    /// Their values.
    pub weights: Weights<B>,
}

/// File of the weights in a model's folder.
pub const WEIGHTS: &str = "weights.safetensors";
/// Column with the class of each row, a number.
const CLASS: &str = "class";
/// File of the model card in a model's folder.
pub const CARD: &str = "model.json";

impl<B: Backend> Model<B> {
    /// Writes `weights.safetensors` and `model.json` into `folder`.
    pub fn save(&self, folder: &Path) -> Result<(), NnError> {
        let path = folder.join(CARD);
        let said = Said { card: &self.card, arithmetic: B::arithmetic() };
        let text = serde_json::to_string_pretty(&said).map_err(|fault| NnError::file(&path, fault))?;
        fs::write(&path, text + "\n").map_err(|fault| NnError::file(&path, fault))?;
        checkpoint::save_weights(&self.weights, &folder.join(WEIGHTS))
    }

    /// Reads the model card of `folder`.
    pub fn card(folder: &Path) -> Result<ModelCard, NnError> {
        let path = folder.join(CARD);
        let text = fs::read_to_string(&path).map_err(|fault| NnError::file(&path, fault))?;
        serde_json::from_str(&text).map_err(|fault| NnError::file(&path, fault))
    }

    /// Replaces the weights by those of `folder`; names and shapes must be the same.
    pub fn load_weights(&mut self, folder: &Path) -> Result<(), NnError> {
        checkpoint::load_weights(&mut self.weights, &folder.join(WEIGHTS))
    }

    /// Starts from the weights in the file at `path`, but for the parts in `fresh`, which keep their own.
    pub fn start_from(&mut self, path: &Path, fresh: &[String]) -> Result<(), NnError> {
        self.weights.take(import::read(path)?, fresh, path)
    }

    /// That `data` hold the columns which the network reads.
    pub fn check(&self, data: &dyn Rows) -> Result<(), NnError> {
        Self::check_for(data, self.network.columns())
    }

    fn check_for(data: &dyn Rows, columns: Vec<Column>) -> Result<(), NnError> {
        let held = data.columns();
        for needed in columns {
            let width = held.iter().find(|column| column.name == needed.name).map(|column| column.width);
            if width != Some(needed.width) {
                let has = width.map_or_else(|| "none".into(), |width| format!("{width}"));
                return Err(NnError::Data(format!(
                    "the network reads {} values of `{}` per row, the data hold {has}",
                    needed.width, needed.name
                )));
            }
        }
        Ok(())
    }

    /// Codes of all rows, `[row, latent]`, `batch` rows at a time. No code depends on the class of its row.
    pub fn encode(&self, data: &dyn Rows, batch: usize) -> Result<Vec<f32>, NnError> {
        let mut codes = Vec::new();
        Self::check_for(data, self.network.columns().into_iter().filter(|column| column.name != CLASS).collect())?;
        self.each(data, batch, |pass, batch| {
            codes.extend(self.network.encode(pass, batch)?.as_vec());
            Ok(())
        })?;
        Ok(codes)
    }

    /// What codes the rows may have; `None`: the network codes no distributions.
    pub fn posterior(&self, data: &dyn Rows, batch: usize) -> Result<Option<Posterior>, NnError> {
        let mut all = None;
        self.each_batch(data, batch, |pass, batch| {
            if let Some(Posterior { mean, log_variance }) = self.network.posterior(pass, batch)? {
                let all = all.get_or_insert_with(Posterior::default);
                all.mean.extend(mean);
                all.log_variance.extend(log_variance);
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// What `codes [row, latent]` stand for; `None`: the decoder needs more than a code.
    pub fn decode(&self, codes: &[f32]) -> Result<Option<Decoded>, NnError> {
        self.network.decode(&mut Pass::inference(&self.weights), codes).map_err(NnError::device)
    }

    /// Outputs of all rows in order, handed over `batch` rows at a time.
    pub fn outputs(
        &self,
        data: &dyn Rows,
        batch: usize,
        mut take: impl FnMut(&Batch, Vec<f32>) -> Result<(), NnError>,
    ) -> Result<(), NnError> {
        self.check(data)?;
        let rows: Vec<usize> = (0..data.len()).collect();
        for rows in rows.chunks(batch.max(1)) {
            let batch = Batch::gather(data, rows);
            let mut pass = Pass::inference(&self.weights);
            let made = self.network.output(&mut pass, &batch).map_err(NnError::device)?;
            take(&batch, made)?;
        }
        Ok(())
    }

    /// Outputs and what they are compared with, handed over `batch` rows at a time.
    pub fn compare(
        &self,
        data: &dyn Rows,
        batch: usize,
        mut take: impl FnMut(&Batch, &[f32], &[f32]),
    ) -> Result<(), NnError> {
        self.each_batch(data, batch, |pass, batch| {
            take(batch, &self.network.output(pass, batch)?, &self.network.targets(pass, batch)?);
            Ok(())
        })
    }

    /// Mean loss per row at inference.
    pub fn mean_loss(&self, data: &dyn Rows, batch: usize) -> Result<f64, NnError> {
        let mut sum = 0.0;
        self.each_batch(data, batch, |pass, batch| {
            let loss = self.network.loss(pass, batch)?.as_vec();
            sum += f64::from(loss[0]) * batch.rows as f64;
            Ok(())
        })?;
        Ok(sum / data.len() as f64)
    }

    fn each_batch(
        &self,
        data: &dyn Rows,
        batch: usize,
        visit: impl FnMut(&mut Pass<B>, &Batch) -> Made<(), B>,
    ) -> Result<(), NnError> {
        self.check(data)?;
        self.each(data, batch, visit)
    }

    fn each(
        &self,
        data: &dyn Rows,
        batch: usize,
        mut visit: impl FnMut(&mut Pass<B>, &Batch) -> Made<(), B>,
    ) -> Result<(), NnError> {
        let rows: Vec<usize> = (0..data.len()).collect();
        for rows in rows.chunks(batch.max(1)) {
            visit(&mut Pass::inference(&self.weights), &Batch::gather(data, rows)).map_err(NnError::device)?;
        }
        Ok(())
    }

    /// One training step: forward, loss, backward, optimiser, running statistics. Gives the loss before the step.
    pub(crate) fn train_step(
        &mut self,
        optimiser: &mut Optimiser,
        batch: &Batch,
        random: rand_chacha::ChaCha8Rng,
    ) -> Result<f64, NnError> {
        let mut pass = Pass::training(&self.weights, random);
        let loss = self.network.loss(&mut pass, batch).map_err(NnError::device)?;
        let statistics = pass.finish();
        let value = f64::from(loss.as_vec()[0]);
        if value.is_finite() {
            let mut gradients = track::backward(loss).map_err(NnError::device)?;
            let weights = &mut self.weights;
            B::part("optimiser", || optimiser.step(weights, &mut gradients)).map_err(NnError::device)?;
            statistics.store(&mut self.weights).map_err(NnError::device)?;
        }
        Ok(value)
    }
}
