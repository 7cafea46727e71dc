//! The recurrent convolutional network of Carrasco-Davis et al. 2019 (PASP 131, 108006; arXiv:1807.03869), table 3: a class
//! for an object after each of its detections, from image sequences and the times between them.
//!
//! | layer | output |
//! | --- | --- |
//! | the last `window` images side by side, batch renormalised | d x 21 x 21 x `window · channel` |
//! | convolution 3 x 3, ReLU, batch renormalisation; three times | d x 21 x 21 x 64 |
//! | max-pooling 2 x 2 of the padded image | d x 11 x 11 x 64 |
//! | convolution 3 x 3, ReLU, batch renormalisation; three times | d x 11 x 11 x 64 |
//! | max-pooling 2 x 2 of the padded image | d x 6 x 6 x 64 |
//! | linear, ReLU, dropout | d x 1024 |
//! | joined with the times of the window's images | d x (1024 + `window`) |
//! | LSTM | d x 512 |
//! | linear | d x class |
//!
//! `d` are the real detections of all objects. The loss is the sum over an object's detections of the cross-entropy there,
//! averaged over objects. The paper judges from the third image on, its window; here a window that reaches back beyond the
//! first detection repeats it, so that every detection is judged by what was known then. Times are days since the first
//! detection, as log10(1 + days): those of a survey of years would saturate the gates.
//! The rate of the dropout and the limits of the renormalisation are not in the paper; 3 and 5 are those of Ioffe 2017.

use serde::{Deserialize, Serialize};

use super::{Built, Entry, Task, boxed, classes_of, json, settings, swap_outer, uniform};
use crate::nn::layers::{BatchRenorm, Conv2d, Dropout, Linear};
use crate::nn::ops::batch_renorm::Limits;
use crate::nn::ops::conv2d::{Activation, Shape};
use crate::nn::ops::cross_entropy::cross_entropy;
use crate::nn::ops::max_pool::even;
use crate::nn::recurrent::{Recurrent, Unit};
use crate::nn::{Alive, Backend, Batch, Builder, Column, Image, Made, Matrix, Network, NnError, Pass, Scalar, matrix};

const NAME: &str = "rcnn";

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Channels of a stamp.
    pub channels: usize,
    /// Side of a stamp, pixels.
    pub crop: usize,
    /// Images that are seen at once; 3 in the paper.
    pub window: usize,
    /// Classes.
    pub classes: usize,
    /// Detections in the longest sequence.
    pub steps: usize,
    /// Maps of each convolution; 64 in the paper.
    pub maps: usize,
    /// Values of the dense layer; 1024 in the paper.
    pub dense: usize,
    /// Values of the state; 512 in the paper.
    pub hidden: usize,
    /// Share of dense values that training drops.
    pub dropout: f32,
    /// Largest ratio of a batch's deviation to the running one that is undone.
    pub r_max: f32,
    /// Largest distance of a batch's mean from the running one that is undone, in deviations.
    pub d_max: f32,
    /// Training steps over which both limits open.
    pub renorm_steps: usize,
}

pub(super) fn entry<B: Backend>() -> Entry<B> {
    Entry {
        name: NAME,
        summary: "supervised classifier of an object after each of its detections, from image sequences",
        source: "Carrasco-Davis et al. 2019 (arXiv:1807.03869), table 3",
        defaults: || json(&Settings::published()),
        build,
        task: Task::Classify,
        sequential: true,
        example: |rows| {
            let times = (0..rows * 3).map(|at| ((at % 3) as f32 * 4.0 + 1.0).log10()).collect();
            let columns = [
                ("stamps", uniform(rows * 3 * 441, 1)),
                ("times", times),
                ("length", (0..rows).map(|row| (3 - row % 2) as f32).collect()),
                ("class", (0..rows).map(|row| (row % 7) as f32).collect()),
            ];
            Batch::from_columns(rows, columns)
        },
    }
}

fn build<B: Backend>(value: &serde_json::Value, builder: &mut Builder<B>) -> Built<B> {
    let sizes: Settings = settings(NAME, value)?;
    let Settings { channels, crop, window, classes, steps, maps, dense, hidden, .. } = sizes;
    let are_sizes = [channels, crop, window, steps, maps, dense, hidden].iter().all(|size| *size > 0) && classes > 1;
    let are_limits = sizes.r_max >= 1.0 && sizes.d_max >= 0.0 && (0.0..1.0).contains(&sizes.dropout);
    if !are_sizes || !are_limits {
        let what = "sizes of at least 1, two classes, dropout below 1, r_max from 1 and d_max from 0 up".into();
        return Err(NnError::Settings { model: NAME.into(), what });
    }
    boxed(Rcnn::new(builder, sizes))
}

impl Settings {
    /// Those of the paper, but for the number of detections.
    fn published() -> Self {
        Self {
            channels: 1,
            crop: 21,
            window: 3,
            classes: 7,
            steps: 3,
            maps: 64,
            dense: 1024,
            hidden: 512,
            dropout: 0.5,
            r_max: 3.0,
            d_max: 5.0,
            renorm_steps: 5000,
        }
    }

    /// Side after both poolings.
    fn quarter(&self) -> usize {
        self.crop.div_ceil(2).div_ceil(2)
    }
}

struct Rcnn {
    sizes: Settings,
    input: BatchRenorm,
    convolutions: Vec<(Conv2d, BatchRenorm)>,
    dense: Linear,
    dropout: Dropout,
    lstm: Recurrent,
    scores: Linear,
}

impl Rcnn {
    fn new<B: Backend>(builder: &mut Builder<B>, sizes: Settings) -> Made<Self, B> {
        let Settings { channels, window, classes, maps, dense, hidden, renorm_steps, .. } = sizes;
        let limits = (Limits { r: sizes.r_max, d: sizes.d_max }, renorm_steps);
        let images = window * channels;
        let input = BatchRenorm::new(builder, "input", images, limits)?;
        let mut convolution = |number: usize| {
            let inputs = if number == 1 { images } else { maps };
            let shape = Shape { outputs: maps, kernel: 3, stride: 1, padding: 1 };
            let convolution = Conv2d::new(builder, &format!("conv{number}"), inputs, shape)?.then(Activation::Relu);
            Ok((convolution, BatchRenorm::new(builder, &format!("norm{number}"), maps, limits)?))
        };
        let convolutions = (1..=6).map(&mut convolution).collect::<Made<_, B>>()?;
        let features = maps * sizes.quarter() * sizes.quarter();
        Ok(Self {
            input,
            convolutions,
            dense: Linear::new(builder, "dense", features, dense)?,
            dropout: Dropout { rate: sizes.dropout },
            lstm: Recurrent::new(builder, "lstm", Unit::Lstm, (dense + window, hidden, 1))?,
            scores: Linear::new(builder, "logits", hidden, classes)?,
            sizes,
        })
    }

    fn alive(&self, batch: &Batch) -> Alive {
        Alive::new(self.sizes.steps, batch.column("length"))
    }

    /// What the images say of each real detection, `[d, dense]`.
    fn seen<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch, alive: &Alive) -> Made<Matrix<B>, B> {
        let Settings { channels, crop, window, .. } = self.sizes;
        let stamp = channels * crop * crop;
        let images = stacked(&alive.pack(batch.column("stamps"), stamp), stamp, window, alive);
        let mut x = Image::from_channels_first(&images, window * channels, crop)?; // [d, 21, 21, 3]
        x = self.input.forward(pass, x)?;
        for (i, (convolution, norm)) in self.convolutions.iter().enumerate() {
            x = convolution.forward(pass, x)?; // [d, 21, 21, 64], [d, 11, 11, 64]
            x = norm.forward(pass, x)?;
            if i == 2 || i == 5 {
                x = B::max_pool(even::<B>(x)?, 2)?; // [d, 11, 11, 64], [d, 6, 6, 64]
            }
        }
        let dense = B::relu(self.dense.forward(pass, B::flatten(x)?)?)?; // [d, 1024]
        self.dropout.forward(pass, dense)
    }

    /// States after each step, `[step · n, hidden]`.
    fn states<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch, alive: &Alive) -> Made<Matrix<B>, B> {
        let window = self.sizes.window;
        let times = stacked(&alive.pack(batch.column("times"), 1), 1, window, alive);
        let times = matrix::<B>(times, alive.detections(), window)?;
        let detections = B::join(self.seen(pass, batch, alive)?, times)?; // [d, 1024 + 3]
        let padded = B::rows(detections, alive.unpacking())?; // [step · n, 1024 + 3]
        self.lstm.forward(pass, padded, alive)
    }
}

/// For each packed row of `width` values those of the last `window` detections of its sequence, the oldest first; before the
/// first detection, its own.
fn stacked(packed: &[f32], width: usize, window: usize, alive: &Alive) -> Vec<f32> {
    let mut stacked = Vec::with_capacity(packed.len() * window);
    let mut first = 0;
    for length in &alive.lengths {
        for step in 0..*length {
            for back in (0..window).rev() {
                let row = first + step.saturating_sub(back);
                stacked.extend_from_slice(&packed[row * width..][..width]);
            }
        }
        first += length;
    }
    stacked
}

impl<B: Backend> Network<B> for Rcnn {
    fn columns(&self) -> Vec<Column> {
        let Settings { channels, crop, steps, .. } = self.sizes;
        vec![
            Column { name: "stamps", width: steps * channels * crop * crop },
            Column { name: "times", width: steps },
            Column { name: "length", width: 1 },
            Column { name: "class", width: 1 },
        ]
    }

    fn loss(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Scalar<B>, B> {
        let alive = self.alive(batch);
        let states = self.states(pass, batch, &alive)?;
        let scores = self.scores.forward(pass, states)?; // [step · n, class]
        let classes = classes_of(batch).repeat(alive.steps);
        let weights = alive.mask().iter().map(|alive| alive / batch.rows as f32).collect();
        cross_entropy::<B>(scores, &classes, weights, 0.0)
    }

    /// The state after the last detection, `[n, hidden]`.
    fn encode(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        let alive = self.alive(batch);
        B::rows(self.states(pass, batch, &alive)?, alive.last())
    }

    /// `[n, step, class]`; after an object's last detection its scores stay.
    fn output(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        let states = self.states(pass, batch, &self.alive(batch))?;
        let scores = self.scores.forward(pass, states)?.as_vec();
        Ok(swap_outer(&scores, self.sizes.steps, batch.rows, self.sizes.classes))
    }

    fn targets(&self, _: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        Ok(batch.column("class").to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_look_back_within_their_sequence() {
        let alive = Alive { steps: 3, lengths: vec![3, 1] };
        let stacked = stacked(&[1.0, 2.0, 3.0, 9.0], 1, 2, &alive);
        assert_eq!(stacked, [1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 9.0, 9.0]);
    }
}
