//! A recurrent autoencoder of an object's detections: an embedding per detection joined with dynamic metadata and the time
//! gap, recurrent units whose last state is the code, units that decode the code step by step. Its stamp trunk and the choice of
//! dynamic metadata are those of the Temporal Stamp Classifier (Neira, Estévez and Förster 2024, table 4 and figure 5).
//!
//! | layer | output |
//! | --- | --- |
//! | stamp trunk, linear, ReLU (or the codes of a trained stamp autoencoder, as they are or by an encoder that trains on) | detection x 64 |
//! | joined with dynamic metadata | detection x (64 + dynamic) |
//! | GRU or LSTM, state after the last detection (or causal convolutions over time, their mean) | `hidden`: the code |
//! | the same units, fed with the code at every step (or centred convolutions, with the number of the step) | detection x `hidden` |
//! | linear | detection x (64 + dynamic) |
//!
//! The loss compares the output with the joined embedding. Where the embedding is learned, that target moves with the
//! network and can shrink towards a constant; with given codes it is fixed, and only then do errors of two networks compare.
//! An encoder of [`super::conv_coder`] that trains with the rest has given codes as its target, too: its own ones move with
//! it, and nothing would keep them from shrinking to one point, which is told without error.

use serde::{Deserialize, Serialize};

use super::conv_coder::{ConvEncoder, Sizes};
use super::stamp_trunk::StampTrunk;
use super::{Built, Entry, Task, boxed, json, settings, swap_outer, uniform};
use crate::nn::layers::Linear;
use crate::nn::recurrent::{Cell, Reader, Reading, Teller};
use crate::nn::{Alive, Backend, Batch, Builder, Column, Image, Made, Matrix, Network, NnError, Pass, Scalar, matrix};

const NAME: &str = "sequence_autoencoder";
/// Side of the inner kernels of the stamp trunk.
const KERNEL: usize = 5;
/// Name of the stamp encoder that trains with the rest, before the names that it has in the autoencoder it comes from.
pub const ENCODER: &str = "autoencoder";
/// Values of a learned embedding.
const EMBEDDING: usize = 64;

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Channels of a stamp.
    pub channels: usize,
    /// Side of a stamp, pixels.
    pub crop: usize,
    /// Dynamic columns per detection, the time gap among them.
    pub dynamic: usize,
    /// Length of the code.
    pub hidden: usize,
    /// Detections in the longest sequence.
    pub steps: usize,
    /// Codes per detection given in place of stamps; 0: the network embeds stamps itself.
    pub codes: usize,
    /// Maps of the convolutions that make such codes of stamps, so that those given are the target alone; 0: there are none.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub maps: usize,
    /// What encodes and decodes.
    #[serde(default = "gru", skip_serializing_if = "is_gru")]
    pub cell: Cell,
    /// Detections that a convolution over time sees at once; of no account for recurrent units.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub taps: usize,
}

fn gru() -> Cell {
    Cell::Gru
}

/// Models from before there was a choice do not say it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_gru(cell: &Cell) -> bool {
    *cell == Cell::Gru
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_nothing(size: &usize) -> bool {
    *size == 0
}

pub(super) fn entry<B: Backend>() -> Entry<B> {
    Entry {
        name: NAME,
        summary: "recurrent autoencoder of the stamps and metadata of an object's detections",
        source: "stamp trunk and dynamic metadata of Neira et al. 2024 (arXiv:2405.15073), table 4",
        defaults: || {
            let (cell, taps) = (Cell::Gru, 0);
            let (codes, maps) = (0, 0);
            json(&Settings { channels: 2, crop: 21, dynamic: 10, hidden: 64, steps: 5, codes, maps, cell, taps })
        },
        build,
        task: Task::Reconstruct,
        sequential: true,
        example: |rows| {
            let stamps = uniform(rows * 5 * 2 * 21 * 21, 1);
            let columns = [("stamps", stamps), ("dynamic", uniform(rows * 50, 2)), ("length", vec![5.0; rows])];
            Batch::from_columns(rows, columns)
        },
    }
}

fn build<B: Backend>(value: &serde_json::Value, builder: &mut Builder<B>) -> Built<B> {
    let sizes: Settings = settings(NAME, value)?;
    let embeds = sizes.codes > 0 || (sizes.channels > 0 && StampTrunk::features(sizes.crop) > 0);
    let sees = sizes.cell != Cell::Conv1d || sizes.taps > 0;
    if !embeds || !sees || sizes.hidden == 0 || sizes.steps == 0 {
        let what = "hidden, steps and taps must be at least 1, and stamps have a channel and at least 1 pixel".into();
        return Err(NnError::Settings { model: NAME.into(), what });
    }
    if sizes.maps > 0 {
        sizes.encoder().check(NAME)?;
    }
    boxed(SequenceAutoencoder::new(builder, sizes))
}

/// What stands for a stamp.
enum Embedding {
    /// Values of the network's own.
    Trunk(StampTrunk, Linear),
    /// Given codes.
    Codes,
    /// What an encoder makes of it; given codes are what it is compared with.
    Encoder(ConvEncoder),
}

struct SequenceAutoencoder {
    sizes: Settings,
    embedding: Embedding,
    encode: Reader,
    decode: Teller,
    out: Linear,
}

impl SequenceAutoencoder {
    fn new<B: Backend>(builder: &mut Builder<B>, sizes: Settings) -> Made<Self, B> {
        let Settings { hidden, .. } = sizes;
        let embedding = match (sizes.codes, sizes.maps) {
            (0, _) => {
                let trunk = StampTrunk::new(builder, "trunk", sizes.channels, KERNEL, 0.0)?;
                Embedding::Trunk(trunk, Linear::new(builder, "embed", StampTrunk::features(sizes.crop), EMBEDDING)?)
            }
            (_, 0) => Embedding::Codes,
            _ => Embedding::Encoder(ConvEncoder::new(builder, ENCODER, sizes.encoder())?),
        };
        let reading = Reading { cell: sizes.cell, width: hidden, layers: 1, kernel: sizes.taps };
        let encode = Reader::new(builder, "encode", sizes.width(), reading)?;
        let decode = Teller::new(builder, "decode", (hidden, sizes.steps), reading)?;
        let out = Linear::new(builder, "out", hidden, sizes.width())?;
        Ok(Self { sizes, embedding, encode, decode, out })
    }

    /// What is encoded, `[step · n, embedding + dynamic]`.
    fn detections<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        let Settings { channels, crop, .. } = self.sizes;
        let pixels = channels * crop * crop;
        let embedded = match &self.embedding {
            Embedding::Trunk(trunk, embed) => {
                let stamps = self.by_step(batch, "stamps", pixels);
                let images = Image::from_channels_first(&stamps, channels, crop)?;
                B::relu(embed.forward(pass, trunk.forward(pass, images)?)?)? // [step · n, 64]
            }
            Embedding::Codes => self.given::<B>(batch)?,
            Embedding::Encoder(encoder) => {
                let alive = self.alive(batch);
                let codes = encoder.forward(pass, &alive.pack(batch.column("stamps"), pixels))?; // [detection, code]
                B::rows(codes, alive.unpacking())? // [step · n, code]
            }
        };
        self.with_dynamic::<B>(batch, embedded)
    }

    /// The given codes, `[step · n, code]`.
    fn given<B: Backend>(&self, batch: &Batch) -> Made<Matrix<B>, B> {
        let Settings { codes, steps, .. } = self.sizes;
        matrix::<B>(self.by_step(batch, "codes", codes), steps * batch.rows, codes)
    }

    /// `embedded [step · n, embedding]` joined with the dynamic columns.
    fn with_dynamic<B: Backend>(&self, batch: &Batch, embedded: Matrix<B>) -> Made<Matrix<B>, B> {
        let Settings { dynamic, steps, .. } = self.sizes;
        if dynamic == 0 {
            return Ok(embedded);
        }
        B::join(embedded, matrix::<B>(self.by_step(batch, "dynamic", dynamic), steps * batch.rows, dynamic)?)
    }

    /// What is encoded and what is reconstructed, each `[step · n, embedding + dynamic]`.
    fn detections_and_target<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<[Matrix<B>; 2], B> {
        let detections = self.detections(pass, batch)?;
        if let Embedding::Encoder(_) = self.embedding {
            return Ok([detections, self.with_dynamic::<B>(batch, self.given::<B>(batch)?)?]);
        }
        let (detections, target) = B::fork(detections);
        Ok([detections, target])
    }

    /// A column `[n, step, width]` as `[step, n, width]`.
    fn by_step(&self, batch: &Batch, name: &str, width: usize) -> Vec<f32> {
        swap_outer(batch.column(name), batch.rows, self.sizes.steps, width)
    }

    fn alive(&self, batch: &Batch) -> Alive {
        Alive::new(self.sizes.steps, batch.column("length"))
    }

    /// Codes `[n, hidden]` of `detections [step · n, width]`.
    fn code<B: Backend>(&self, pass: &Pass<B>, detections: Matrix<B>, alive: &Alive) -> Made<Matrix<B>, B> {
        self.encode.forward(pass, detections, alive)
    }

    /// What `codes [n, hidden]` say of the detections, `[step · n, width]`.
    fn decoded<B: Backend>(&self, pass: &Pass<B>, codes: Matrix<B>, alive: &Alive) -> Made<Matrix<B>, B> {
        let states = self.decode.forward(pass, codes, alive)?; // [step · n, hidden]
        self.out.forward(pass, states) // [step · n, width]
    }
}

impl Settings {
    /// Sizes of the encoder of stamps.
    fn encoder(&self) -> Sizes {
        Sizes { channels: self.channels, crop: self.crop, latent: self.codes, maps: self.maps }
    }

    /// Values per detection that are encoded and reconstructed.
    fn width(&self) -> usize {
        self.dynamic + if self.codes > 0 { self.codes } else { EMBEDDING }
    }
}

impl<B: Backend> Network<B> for SequenceAutoencoder {
    fn columns(&self) -> Vec<Column> {
        let Settings { channels, crop, dynamic, steps, codes, .. } = self.sizes;
        let stamps = Column { name: "stamps", width: steps * channels * crop * crop };
        let codes = Column { name: "codes", width: steps * codes };
        let shown = match self.embedding {
            Embedding::Trunk(..) => vec![stamps],
            Embedding::Codes => vec![codes],
            Embedding::Encoder(_) => vec![stamps, codes],
        };
        [shown, vec![Column { name: "dynamic", width: steps * dynamic }, Column { name: "length", width: 1 }]].concat()
    }

    /// Mean squared error over the values of real detections.
    fn loss(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Scalar<B>, B> {
        let alive = self.alive(batch);
        let [detections, target] = self.detections_and_target(pass, batch)?;
        let codes = self.code(pass, detections, &alive)?;
        let made = self.decoded(pass, codes, &alive)?;
        let mask = alive.mask();
        let count = mask.iter().sum::<f32>() * self.sizes.width() as f32;
        B::weighted_sse(made, target, mask.iter().map(|alive| alive / count).collect())
    }

    fn encode(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        let alive = self.alive(batch);
        let detections = self.detections(pass, batch)?;
        self.code(pass, detections, &alive)
    }

    /// `[n, step, embedding + dynamic]`.
    fn output(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        let alive = self.alive(batch);
        let detections = self.detections(pass, batch)?;
        let codes = self.code(pass, detections, &alive)?;
        let made = self.decoded(pass, codes, &alive)?.as_vec();
        Ok(swap_outer(&made, self.sizes.steps, batch.rows, self.sizes.width()))
    }
    /// The joined embeddings, `[n, step, embedding + dynamic]`.
    fn targets(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        let [_, target] = self.detections_and_target(pass, batch)?;
        Ok(swap_outer(&target.as_vec(), self.sizes.steps, batch.rows, self.sizes.width()))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::nn::{Kernels, Model, ModelCard};

    fn batch(noise: f32) -> Batch {
        let lengths = vec![3.0, 1.0, 2.0];
        let columns = [("stamps", 81), ("dynamic", 2), ("codes", 4)].map(|(name, width)| {
            let mut values = uniform(3 * 3 * width, 7);
            for (row, length) in values.chunks_exact_mut(3 * width).zip(&lengths) {
                row[*length as usize * width..].fill(noise);
            }
            (name, values)
        });
        let [stamps, dynamic, codes] = columns;
        Batch::from_columns(3, [stamps, dynamic, codes, ("length", lengths)])
    }

    #[test]
    fn padding_changes_neither_codes_nor_loss_nor_gradients() {
        for (cell, codes, maps) in [("gru", 0, 0), ("lstm", 0, 0), ("conv1d", 0, 0), ("gru", 4, 0), ("conv1d", 4, 3)] {
            let settings = serde_json::json!({
                "channels": 1, "crop": 9, "dynamic": 2, "hidden": 5, "steps": 3, "codes": codes, "maps": maps,
                "cell": cell, "taps": 2
            });
            let model: Model<Kernels> = super::super::build(ModelCard { model: NAME.into(), settings }, 3).unwrap();
            let said = |noise: f32| {
                let batch = batch(noise);
                let codes = model.network.encode(&mut Pass::inference(&model.weights), &batch).unwrap().as_vec();
                let mut pass = Pass::training(&model.weights, ChaCha8Rng::seed_from_u64(0));
                let loss = model.network.loss(&mut pass, &batch).unwrap();
                let value = loss.as_vec()[0];
                let mut gradients = crate::nn::backward(loss).unwrap();
                let entries = model.weights.entries.iter();
                let gradients: Vec<Vec<f32>> = entries.map(|entry| entry.gradient(&mut gradients).unwrap()).collect();
                (codes, value, gradients)
            };
            assert!(said(0.0) == said(9.0), "{cell}, {codes} codes, {maps} maps");
        }
    }

    /// The target of an encoder that trains is what is given, whatever the encoder makes of the stamps.
    #[test]
    fn an_encoder_that_trains_does_not_move_its_target() {
        let settings = serde_json::json!({
            "channels": 1, "crop": 9, "dynamic": 2, "hidden": 5, "steps": 3, "codes": 4, "maps": 3
        });
        let mut model: Model<Kernels> = super::super::build(ModelCard { model: NAME.into(), settings }, 3).unwrap();
        let batch = batch(0.0);
        let targets =
            |model: &Model<Kernels>| model.network.targets(&mut Pass::inference(&model.weights), &batch).unwrap();
        let loss = |model: &Model<Kernels>| {
            model.network.loss(&mut Pass::inference(&model.weights), &batch).unwrap().as_vec()[0]
        };
        let (before, given) = (targets(&model), loss(&model));
        let joined =
            |row: usize| [&batch.column("codes")[4 * row..][..4], &batch.column("dynamic")[2 * row..][..2]].concat();
        assert_eq!(before, (0..9).flat_map(joined).collect::<Vec<f32>>());
        let mu = model.weights.named("autoencoder.mu.weight").unwrap();
        model.weights.set_named("autoencoder.mu.weight", vec![0.0; mu.len()]).unwrap();
        assert_eq!(targets(&model), before);
        // one code for every stamp does not make the error vanish, as it does where the embedding is the target
        assert!(loss(&model) > 0.5 * given, "{} after {given}", loss(&model));
    }

    #[test]
    fn an_encoder_for_stamps_that_are_too_small_is_refused() {
        let settings = serde_json::json!({
            "channels": 1, "crop": 8, "dynamic": 2, "hidden": 5, "steps": 3, "codes": 4, "maps": 3
        });
        let card = ModelCard { model: NAME.into(), settings };
        assert!(super::super::build::<Kernels>(card, 3).err().unwrap().to_string().contains("at least 9"));
    }

    #[test]
    fn a_card_without_a_cell_is_a_gru_and_is_written_without_one() {
        let old = serde_json::json!({ "channels": 1, "crop": 9, "dynamic": 2, "hidden": 5, "steps": 3, "codes": 0 });
        let sizes: Settings = settings(NAME, &old).unwrap();
        assert_eq!((sizes.cell, json(&sizes)), (Cell::Gru, old));
    }
}
