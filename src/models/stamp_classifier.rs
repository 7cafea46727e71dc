//! The Stamp Classifier of Carrasco-Davis, Reyes et al. 2021 (AJ 162, 231; arXiv:2008.03309), section 3, in the form of the
//! authors' code; and, with more and random rotations and a crop after them, the Enhanced Stamp Classifier of Neira, Estévez
//! and Förster 2024 (arXiv:2405.15073), section 3.1. With the defaults 441,075 values.
//!
//! | layer | output |
//! | --- | --- |
//! | views: quarter turns | 4n x 21 x 21 x 3 |
//! | stamp trunk | 4n x 2304 |
//! | linear, ReLU, dropout | 4n x 64 |
//! | mean over the views of a stamp (cyclic average pooling) | n x 64 |
//! | joined with metadata after batch norm | n x 87 |
//! | linear, ReLU, dropout, twice | n x 64 |
//! | linear | n x class |
//!
//! The loss is cross-entropy minus `entropy` times the entropy of the probabilities (equation 1).

use serde::{Deserialize, Serialize};

use super::rotations::Rotations;
use super::stamp_trunk::StampTrunk;
use super::{Built, Entry, Task, boxed, classes_of, json, settings, uniform};
use crate::nn::layers::{BatchNorm, Dropout, Linear};
use crate::nn::ops::{cross_entropy::cross_entropy, groups};
use crate::nn::{Backend, Batch, Builder, Column, Made, Matrix, Network, NnError, Pass, Scalar, matrix};

const NAME: &str = "stamp_classifier";
/// Values of every dense layer but the last.
const DENSE: usize = 64;

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Channels of a stamp.
    pub channels: usize,
    /// Side of a stamp, pixels.
    pub crop: usize,
    /// Metadata columns; 0: images only.
    pub metadata: usize,
    /// Classes.
    pub classes: usize,
    /// Side of the inner kernels, odd; 5 in the deployed model.
    pub kernel: usize,
    /// Share of dense values that training drops; 0.5 in the paper.
    pub dropout: f32,
    /// Weight of the entropy in the loss; 0.5 in the paper.
    pub entropy: f32,
    /// Views of each stamp: 4 quarter turns in the paper.
    pub rotations: Rotations,
}

pub(super) fn entry<B: Backend>() -> Entry<B> {
    Entry {
        name: NAME,
        summary: "supervised classifier of single stamps and their metadata, averaged over rotations",
        source: "Carrasco-Davis et al. 2021 (arXiv:2008.03309), section 3; Neira et al. 2024 (arXiv:2405.15073), section 3.1",
        defaults: || json(&Settings::published()),
        build,
        task: Task::Classify,
        sequential: false,
        example: |rows| {
            let class = (0..rows).map(|row| (row % 5) as f32).collect();
            let columns =
                [("stamps", uniform(rows * 3 * 441, 1)), ("metadata", uniform(rows * 23, 2)), ("class", class)];
            Batch::from_columns(rows, columns)
        },
    }
}

fn build<B: Backend>(value: &serde_json::Value, builder: &mut Builder<B>) -> Built<B> {
    let sizes: Settings = settings(NAME, value)?;
    let fault = sizes.rotations.fault(sizes.crop).or_else(|| {
        let are_sizes = sizes.channels > 0 && sizes.crop > 0 && sizes.classes > 1 && sizes.kernel % 2 == 1;
        let are_shares = (0.0..1.0).contains(&sizes.dropout) && sizes.entropy.is_finite();
        (!are_sizes || !are_shares).then(|| "a channel, a pixel, two classes, an odd kernel, dropout below 1".into())
    });
    match fault {
        Some(what) => Err(NnError::Settings { model: NAME.into(), what }),
        None => boxed(StampClassifier::new(builder, sizes)),
    }
}

impl Settings {
    /// The deployed model of the paper.
    fn published() -> Self {
        let rotations = Rotations { count: 4, jitter: 0.0, cut: 0 };
        Self { channels: 3, crop: 21, metadata: 23, classes: 5, kernel: 5, dropout: 0.5, entropy: 0.5, rotations }
    }
}

struct StampClassifier {
    sizes: Settings,
    trunk: StampTrunk,
    dense1: Linear,
    /// Absent without metadata.
    norm: Option<BatchNorm>,
    dense2: Linear,
    dense3: Linear,
    scores: Linear,
    dropout: Dropout,
}

impl StampClassifier {
    fn new<B: Backend>(builder: &mut Builder<B>, sizes: Settings) -> Made<Self, B> {
        let Settings { channels, metadata, classes, kernel, .. } = sizes;
        let features = StampTrunk::features(sizes.rotations.side(sizes.crop));
        Ok(Self {
            trunk: StampTrunk::new(builder, "trunk", channels, kernel, 0.0)?,
            dense1: Linear::new(builder, "dense1", features, DENSE)?,
            norm: (metadata > 0).then(|| BatchNorm::new(builder, "norm", metadata, false)).transpose()?,
            dense2: Linear::new(builder, "dense2", DENSE + metadata, DENSE)?,
            dense3: Linear::new(builder, "dense3", DENSE, DENSE)?,
            scores: Linear::new(builder, "logits", DENSE, classes)?,
            dropout: Dropout { rate: sizes.dropout },
            sizes,
        })
    }

    /// What the images say of each stamp, `[n, 64]`.
    fn seen<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        let Settings { channels, crop, rotations, .. } = self.sizes;
        let views = rotations.views(pass, batch.column("stamps"), channels, crop)?; // [4n, 21, 21, 3]
        let features = self.trunk.forward(pass, views)?; // [4n, 2304]
        let dense = B::relu(self.dense1.forward(pass, features)?)?; // [4n, 64]
        groups::mean::<B>(self.dropout.forward(pass, dense)?, rotations.count) // [n, 64]
    }

    /// The last values before the scores, `[n, 64]`.
    fn judged<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        let mut x = self.seen(pass, batch)?;
        if let Some(norm) = &self.norm {
            let metadata = matrix::<B>(batch.column("metadata").to_vec(), batch.rows, self.sizes.metadata)?;
            x = B::join(x, norm.forward_rows(pass, metadata)?)?; // [n, 87]
        }
        for dense in [&self.dense2, &self.dense3] {
            x = B::relu(dense.forward(pass, x)?)?; // [n, 64]
            x = self.dropout.forward(pass, x)?;
        }
        Ok(x)
    }
}

impl<B: Backend> Network<B> for StampClassifier {
    fn columns(&self) -> Vec<Column> {
        let Settings { channels, crop, metadata, .. } = self.sizes;
        let stamps = Column { name: "stamps", width: channels * crop * crop };
        let metadata = (metadata > 0).then_some(Column { name: "metadata", width: metadata });
        [Some(stamps), metadata, Some(Column { name: "class", width: 1 })].into_iter().flatten().collect()
    }

    fn loss(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Scalar<B>, B> {
        let x = self.judged(pass, batch)?;
        let scores = self.scores.forward(pass, x)?;
        let weights = vec![1.0 / batch.rows as f32; batch.rows];
        cross_entropy::<B>(scores, &classes_of(batch), weights, self.sizes.entropy)
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
