//! The Temporal Stamp Classifier of Neira, Estévez and Förster 2024 (arXiv:2405.15073), section 3.2, table 4 and figure 5: a
//! class for an object from the stamps and metadata of its first detections.
//!
//! | layer | output |
//! | --- | --- |
//! | views of each real detection: rotations, cut | kd x 33 x 33 x channel |
//! | stamp trunk | kd x 5184 |
//! | linear, ReLU | kd x 64 |
//! | mean over the views of a detection (cyclic average pooling) | d x 64 |
//! | joined with time gap and dynamic metadata after batch norm | d x (64 + dynamic) |
//! | convolutions over time, or recurrent units | n x `width` |
//! | joined with static metadata after batch norm | n x (`width` + static) |
//! | linear, ReLU, dropout | n x 64 |
//! | linear, ReLU | n x 64 |
//! | linear | n x class |
//!
//! Where the paper disagrees with itself, sizes follow from the data: its table prints the sides of 21-pixel stamps for 33
//! pixels, three channels for two, and a width of 72 for cells of up to 128. What convolutions give to the dense layers it
//! does not say; here it is their mean over the detections. The loss is cross-entropy, minus `entropy` times the entropy of
//! the probabilities as in the Stamp Classifier, which the paper does not mention.

use serde::{Deserialize, Serialize};

use super::rotations::Rotations;
use super::stamp_trunk::StampTrunk;
use super::{Built, Entry, Task, boxed, classes_of, json, settings, uniform};
use crate::nn::layers::{BatchNorm, Dropout, Linear};
use crate::nn::ops::{cross_entropy::cross_entropy, groups};
use crate::nn::recurrent::{Cell, Reader, Reading};
use crate::nn::{Alive, Backend, Batch, Builder, Column, Image, Made, Matrix, Network, NnError, Pass, Scalar, matrix};

const NAME: &str = "temporal_stamp_classifier";
/// Values of every dense layer but the last.
const DENSE: usize = 64;

/// What of an object is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sees {
    /// Images, time gaps and metadata.
    Both,
    /// Images and time gaps.
    Images,
    /// Time gaps and metadata.
    Metadata,
}

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Channels of a stamp.
    pub channels: usize,
    /// Side of a stamp, pixels.
    pub crop: usize,
    /// Dynamic columns per detection, the time gap first.
    pub dynamic: usize,
    /// Static columns per object.
    pub fixed: usize,
    /// Classes.
    pub classes: usize,
    /// Detections in the longest sequence.
    pub steps: usize,
    /// What is judged.
    pub sees: Sees,
    /// Side of the inner kernels, odd.
    pub kernel: usize,
    /// Views of each stamp.
    pub rotations: Rotations,
    /// What reads the sequence.
    pub reading: Reading,
    /// Share of dense values that training drops.
    pub dropout: f32,
    /// Weight of the entropy in the loss.
    pub entropy: f32,
}

pub(super) fn entry<B: Backend>() -> Entry<B> {
    Entry {
        name: NAME,
        summary: "supervised classifier of an object from the stamps and metadata of its first detections",
        source: "Neira et al. 2024 (arXiv:2405.15073), section 3.2, table 4, figure 5",
        defaults: || json(&Settings::small()),
        build,
        task: Task::Classify,
        sequential: true,
        example: |rows| {
            let class = (0..rows).map(|row| (row % 3) as f32).collect();
            let columns = [
                ("stamps", uniform(rows * 3 * 2 * 441, 1)),
                ("dynamic", uniform(rows * 3 * 10, 2)),
                ("static", uniform(rows * 14, 3)),
                ("length", (0..rows).map(|row| (3 - row % 2) as f32).collect()),
                ("class", class),
            ];
            Batch::from_columns(rows, columns)
        },
    }
}

fn build<B: Backend>(value: &serde_json::Value, builder: &mut Builder<B>) -> Built<B> {
    let sizes: Settings = settings(NAME, value)?;
    match sizes.fault() {
        Some(what) => Err(NnError::Settings { model: NAME.into(), what }),
        None => boxed(TemporalStampClassifier::new(builder, sizes)),
    }
}

impl Settings {
    /// The columns of Neira et al. 2024 with stamps, rotations and a sequence that are quick to compute.
    fn small() -> Self {
        Self {
            channels: 2,
            crop: 21,
            dynamic: 10,
            fixed: 14,
            classes: 3,
            steps: 3,
            sees: Sees::Both,
            kernel: 5,
            rotations: Rotations { count: 4, jitter: 0.0, cut: 0 },
            reading: Reading { cell: Cell::Lstm, width: 128, layers: 1, kernel: 2 },
            dropout: 0.5,
            entropy: 0.0,
        }
    }

    fn fault(&self) -> Option<String> {
        let Reading { width, layers, kernel, .. } = self.reading;
        if self.images() {
            let fault = self.rotations.fault(self.crop);
            if fault.is_some() {
                return fault;
            }
        }
        let is_image = !self.images() || (self.channels > 0 && self.crop > 0 && self.kernel % 2 == 1);
        let are_sizes = self.classes > 1 && self.steps > 0 && width > 0 && layers > 0 && kernel > 0;
        let are_shares = (0.0..1.0).contains(&self.dropout) && self.entropy.is_finite();
        if !is_image || !are_sizes || !are_shares {
            return Some(
                "a channel, a pixel, two classes, a detection, a width, a layer, odd kernel, dropout below 1".into(),
            );
        }
        (self.read() == 0).then(|| "without images and without dynamic columns there is nothing to judge".into())
    }

    fn images(&self) -> bool {
        self.sees != Sees::Metadata
    }

    /// Dynamic columns that are read: of images alone, the time gap.
    fn dynamic(&self) -> usize {
        if self.sees == Sees::Images { self.dynamic.min(1) } else { self.dynamic }
    }

    /// Static columns that are read.
    fn fixed(&self) -> usize {
        if self.sees == Sees::Images { 0 } else { self.fixed }
    }

    /// Values of a detection that enter the sequence.
    fn read(&self) -> usize {
        self.dynamic() + if self.images() { DENSE } else { 0 }
    }
}

struct TemporalStampClassifier {
    sizes: Settings,
    /// Absent without images.
    eye: Option<(StampTrunk, Linear)>,
    /// Absent without columns.
    dynamic: Option<BatchNorm>,
    reader: Reader,
    /// Absent without columns.
    fixed: Option<BatchNorm>,
    dense2: Linear,
    dense3: Linear,
    scores: Linear,
    dropout: Dropout,
}

impl TemporalStampClassifier {
    fn new<B: Backend>(builder: &mut Builder<B>, sizes: Settings) -> Made<Self, B> {
        let (dynamic, fixed, width) = (sizes.dynamic(), sizes.fixed(), sizes.reading.width);
        let eye = if sizes.images() {
            let features = StampTrunk::features(sizes.rotations.side(sizes.crop));
            let trunk = StampTrunk::new(builder, "trunk", sizes.channels, sizes.kernel, 0.0)?;
            Some((trunk, Linear::new(builder, "dense1", features, DENSE)?))
        } else {
            None
        };
        let mut norm = |name: &str, columns: usize| {
            (columns > 0).then(|| BatchNorm::new(builder, name, columns, false)).transpose()
        };
        let [dynamic, fixed_norm] = [norm("dynamic", dynamic)?, norm("static", fixed)?];
        Ok(Self {
            eye,
            dynamic,
            reader: Reader::new(builder, "reader", sizes.read(), sizes.reading)?,
            fixed: fixed_norm,
            dense2: Linear::new(builder, "dense2", width + fixed, DENSE)?,
            dense3: Linear::new(builder, "dense3", DENSE, DENSE)?,
            scores: Linear::new(builder, "logits", DENSE, sizes.classes)?,
            dropout: Dropout { rate: sizes.dropout },
            sizes,
        })
    }

    /// What the images say of each real detection, `[d, 64]`; `None`: they are not looked at.
    fn seen<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch, alive: &Alive) -> Made<Option<Matrix<B>>, B> {
        let Some((trunk, dense1)) = &self.eye else { return Ok(None) };
        let Settings { channels, crop, rotations, .. } = self.sizes;
        let stamps = alive.pack(batch.column("stamps"), channels * crop * crop);
        let views: Image<B> = rotations.views(pass, &stamps, channels, crop)?; // [kd, 33, 33, channel]
        let features = trunk.forward(pass, views)?; // [kd, 5184]
        let dense = B::relu(dense1.forward(pass, features)?)?; // [kd, 64]
        Ok(Some(groups::mean::<B>(dense, rotations.count)?)) // [d, 64]
    }

    /// Time gap and dynamic metadata of each real detection after batch norm, `[d, dynamic]`; `None`: there are none.
    fn told<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch, alive: &Alive) -> Made<Option<Matrix<B>>, B> {
        let Some(norm) = &self.dynamic else { return Ok(None) };
        let (given, width) = (self.sizes.dynamic, self.sizes.dynamic());
        let rows = alive.pack(batch.column("dynamic"), given);
        let rows = rows.chunks_exact(given).flat_map(|row| row[..width].iter().copied()).collect();
        Ok(Some(norm.forward_rows(pass, matrix::<B>(rows, alive.detections(), width)?)?))
    }

    /// The last values before the scores, `[n, 64]`.
    fn judged<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        let alive = Alive::new(self.sizes.steps, batch.column("length"));
        let detections = match (self.seen(pass, batch, &alive)?, self.told(pass, batch, &alive)?) {
            (Some(seen), Some(told)) => B::join(seen, told)?, // [d, 64 + dynamic]
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => matrix::<B>(Vec::new(), alive.detections(), 0)?, // settings without either are refused
        };
        let padded = B::rows(detections, alive.unpacking())?; // [step · n, 64 + dynamic]
        let mut x = self.reader.forward(pass, padded, &alive)?; // [n, width]
        if let Some(norm) = &self.fixed {
            let fixed = matrix::<B>(batch.column("static").to_vec(), batch.rows, self.sizes.fixed)?;
            x = B::join(x, norm.forward_rows(pass, fixed)?)?; // [n, width + static]
        }
        x = B::relu(self.dense2.forward(pass, x)?)?; // [n, 64]
        x = self.dropout.forward(pass, x)?;
        B::relu(self.dense3.forward(pass, x)?) // [n, 64]
    }
}

impl<B: Backend> Network<B> for TemporalStampClassifier {
    fn columns(&self) -> Vec<Column> {
        let Settings { channels, crop, dynamic, fixed, steps, .. } = self.sizes;
        let mut columns = vec![Column { name: "length", width: 1 }, Column { name: "class", width: 1 }];
        let optional = [
            (self.eye.is_some(), "stamps", steps * channels * crop * crop),
            (self.dynamic.is_some(), "dynamic", steps * dynamic),
            (self.fixed.is_some(), "static", fixed),
        ];
        columns.extend(optional.into_iter().filter(|it| it.0).map(|(_, name, width)| Column { name, width }));
        columns
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
