//! Deep-HiTS of Cabrera-Vives, Reyes, Förster, Estévez and Maureira 2017 (ApJ 836, 97; arXiv:1701.00458), section 3.4 and
//! figure 2: real or bogus from the stamps alone, the features of four quarter turns side by side. With four channels and
//! two classes 697,858 values.
//!
//! | layer | output |
//! | --- | --- |
//! | views: quarter turns | 4n x 21 x 21 x channel |
//! | stamp trunk with 3 x 3 kernels | 4n x 2304 |
//! | the views of a stamp joined | n x 9216 |
//! | linear, activation, dropout, twice | n x 64 |
//! | linear | n x class |
//!
//! The text says ReLU, the authors' configuration leaky ReLU of 0.01 everywhere: `leak`. As the order of the views matters
//! to the first dense layer, the network is not exactly invariant under turns.

use serde::{Deserialize, Serialize};

use super::rotations::Rotations;
use super::stamp_trunk::{StampTrunk, activated};
use super::{Built, Entry, Task, boxed, classes_of, json, settings, uniform};
use crate::nn::layers::{Dropout, Linear};
use crate::nn::ops::{cross_entropy::cross_entropy, groups};
use crate::nn::{Backend, Batch, Builder, Column, Made, Matrix, Network, NnError, Pass, Scalar, Start};

const NAME: &str = "deep_hits";
/// Values of the two dense layers.
const DENSE: usize = 64;
/// Side of the inner kernels.
const KERNEL: usize = 3;

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Channels of a stamp: template, science, difference and difference over noise in the paper.
    pub channels: usize,
    /// Side of a stamp, pixels.
    pub crop: usize,
    /// Classes: 2 in the paper.
    pub classes: usize,
    /// Share of dense values that training drops; 0.5 in the paper.
    pub dropout: f32,
    /// Slope of the activations below zero.
    pub leak: f32,
}

pub(super) fn entry<B: Backend>() -> Entry<B> {
    Entry {
        name: NAME,
        summary: "supervised classifier of single stamps, the features of four quarter turns side by side",
        source: "Cabrera-Vives et al. 2017 (arXiv:1701.00458), section 3.4, figure 2",
        defaults: || json(&Settings { channels: 4, crop: 21, classes: 2, dropout: 0.5, leak: 0.01 }),
        build,
        task: Task::Classify,
        sequential: false,
        example: |rows| {
            let class = (0..rows).map(|row| (row % 2) as f32).collect();
            Batch::from_columns(rows, [("stamps", uniform(rows * 4 * 441, 1)), ("class", class)])
        },
    }
}

fn build<B: Backend>(value: &serde_json::Value, builder: &mut Builder<B>) -> Built<B> {
    let sizes: Settings = settings(NAME, value)?;
    let are_sizes = sizes.channels > 0 && sizes.crop > 0 && sizes.classes > 1;
    if !are_sizes || !(0.0..1.0).contains(&sizes.dropout) || !(0.0..1.0).contains(&sizes.leak) {
        let what = "a channel, a pixel and two classes, dropout and leak from 0 to below 1".into();
        return Err(NnError::Settings { model: NAME.into(), what });
    }
    boxed(DeepHits::new(builder, sizes))
}

struct DeepHits {
    sizes: Settings,
    trunk: StampTrunk,
    dense1: Linear,
    dense2: Linear,
    scores: Linear,
    dropout: Dropout,
}

impl DeepHits {
    const VIEWS: Rotations = Rotations { count: 4, jitter: 0.0, cut: 0 };

    fn new<B: Backend>(builder: &mut Builder<B>, sizes: Settings) -> Made<Self, B> {
        let features = Self::VIEWS.count * StampTrunk::features(sizes.crop);
        builder.start(Start::He);
        Ok(Self {
            trunk: StampTrunk::new(builder, "trunk", sizes.channels, KERNEL, sizes.leak)?,
            dense1: Linear::new(builder, "dense1", features, DENSE)?,
            dense2: Linear::new(builder, "dense2", DENSE, DENSE)?,
            scores: Linear::new(builder, "logits", DENSE, sizes.classes)?,
            dropout: Dropout { rate: sizes.dropout },
            sizes,
        })
    }

    /// The last values before the scores, `[n, 64]`.
    fn judged<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        let Settings { channels, crop, leak, .. } = self.sizes;
        let views = Self::VIEWS.views(pass, batch.column("stamps"), channels, crop)?; // [4n, 21, 21, 4]
        let features = self.trunk.forward(pass, views)?; // [4n, 2304]
        let mut x = groups::joined::<B>(features, Self::VIEWS.count)?; // [n, 9216]
        for dense in [&self.dense1, &self.dense2] {
            x = activated::<B>(dense.forward(pass, x)?, leak)?; // [n, 64]
            x = self.dropout.forward(pass, x)?;
        }
        Ok(x)
    }
}

impl<B: Backend> Network<B> for DeepHits {
    fn columns(&self) -> Vec<Column> {
        let Settings { channels, crop, .. } = self.sizes;
        vec![Column { name: "stamps", width: channels * crop * crop }, Column { name: "class", width: 1 }]
    }

    fn loss(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Scalar<B>, B> {
        let x = self.judged(pass, batch)?;
        let scores = self.scores.forward(pass, x)?;
        cross_entropy::<B>(scores, &classes_of(batch), vec![1.0 / batch.rows as f32; batch.rows], 0.0)
    }

    fn encode(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        self.judged(pass, batch)
    }

    fn output(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        let x = self.judged(pass, batch)?;
        Ok(self.scores.forward(pass, x)?.as_vec()) // [n, class]
    }

    fn targets(&self, _: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        Ok(batch.column("class").to_vec())
    }
}
