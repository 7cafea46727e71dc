//! The convolutional autoencoder of Astorga, Huijse, Estévez and Förster 2018 (IJCNN), section III and figure 5, without
//! its variational heads: 3 x 3 convolutions of 64 maps, batch norm and ReLU on every layer, nearest-neighbour resizes.
//!
//! | encoder | side | decoder | side |
//! | --- | --- | --- | --- |
//! | stamp | 21 | linear `latent` to 2304, ReLU | 6 |
//! | convolution | 21 | convolution x 2 | 6 |
//! | convolution, stride 2 | 11 | resize, convolution x 2 | 11 |
//! | convolution | 11 | resize, convolution | 21 |
//! | convolution, stride 2 | 6 | convolution to the stamp's channels, linear output | 21 |
//! | linear 2304 to `latent` | | | |
//!
//! The paper does not state the output's activation ("all layers use ReLU and BN"); a linear one can show signed
//! difference stamps. Other stamp sides follow the same strides.

use serde::{Deserialize, Serialize};

use super::{Built, Entry, Task, boxed, json, settings, uniform};
use crate::nn::layers::{BatchNorm, Conv2d, Linear};
use crate::nn::ops::conv2d::Shape;
use crate::nn::{Backend, Batch, Builder, Column, Image, Made, Matrix, Network, NnError, Pass, Scalar};

const NAME: &str = "conv_autoencoder";
/// Smallest stamp side that leaves something to convolve at a quarter of the size.
const SMALLEST_CROP: usize = 9;

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Channels of a stamp.
    pub channels: usize,
    /// Side of a stamp, pixels, at least 9.
    pub crop: usize,
    /// Length of the code.
    pub latent: usize,
    /// Maps of every hidden layer; 64 in the paper.
    pub maps: usize,
}

pub(super) fn entry<B: Backend>() -> Entry<B> {
    Entry {
        name: NAME,
        summary: "convolutional autoencoder of single stamps with a short code",
        source: "Astorga et al. 2018 (IJCNN), section III, figure 5",
        defaults: || json(&Settings { channels: 3, crop: 21, latent: 21, maps: 64 }),
        build,
        task: Task::Reconstruct,
        sequential: false,
        example: |rows| Batch::from_columns(rows, [("stamps", uniform(rows * 3 * 21 * 21, 1))]),
    }
}

fn build<B: Backend>(value: &serde_json::Value, builder: &mut Builder<B>) -> Built<B> {
    let sizes: Settings = settings(NAME, value)?;
    if sizes.crop < SMALLEST_CROP || sizes.latent == 0 || sizes.channels == 0 || sizes.maps == 0 {
        let what = format!("crop {} (at least {SMALLEST_CROP}), channels, latent and maps at least 1", sizes.crop);
        return Err(NnError::Settings { model: NAME.into(), what });
    }
    boxed(ConvAutoencoder::new(builder, sizes))
}

/// Convolution, batch norm, ReLU.
struct Block {
    convolution: Conv2d,
    norm: BatchNorm,
}

impl Block {
    fn new<B: Backend>(builder: &mut Builder<B>, name: &str, maps: (usize, usize), stride: usize) -> Made<Self, B> {
        let (inputs, outputs) = maps;
        let shape = Shape { outputs, kernel: 3, stride, padding: 1 };
        Ok(Self {
            convolution: Conv2d::new(builder, &format!("{name}.0"), inputs, shape)?,
            norm: BatchNorm::new(builder, &format!("{name}.1"), outputs, true)?,
        })
    }

    fn forward<B: Backend>(&self, pass: &mut Pass<B>, x: Image<B>) -> Made<Image<B>, B> {
        let x = self.convolution.forward(pass, x)?;
        self.norm.forward(pass, x)
    }
}

struct ConvAutoencoder {
    sizes: Settings,
    encoder: [Block; 4],
    mu: Linear,
    expand: Linear,
    d12: [Block; 2],
    d34: [Block; 2],
    d5: Block,
    d6: Conv2d,
}

impl ConvAutoencoder {
    fn new<B: Backend>(builder: &mut Builder<B>, sizes: Settings) -> Made<Self, B> {
        let Settings { channels, latent, maps, .. } = sizes;
        let features = maps * sizes.quarter() * sizes.quarter();
        let mut block = |name: &str, inputs, stride| Block::new(builder, name, (inputs, maps), stride);
        let encoder = [
            block("encoder.0", channels, 1)?,
            block("encoder.1", maps, 2)?,
            block("encoder.2", maps, 1)?,
            block("encoder.3", maps, 2)?,
        ];
        let d12 = [block("d12.0", maps, 1)?, block("d12.1", maps, 1)?];
        let d34 = [block("d34.0", maps, 1)?, block("d34.1", maps, 1)?];
        let d5 = block("d5", maps, 1)?;
        let d6 = Conv2d::new(builder, "d6", maps, Shape { outputs: channels, kernel: 3, stride: 1, padding: 1 })?;
        let mu = Linear::new(builder, "mu", features, latent)?;
        let expand = Linear::new(builder, "expand", latent, features)?;
        Ok(Self { sizes, encoder, mu, expand, d12, d34, d5, d6 })
    }

    fn encode_images<B: Backend>(&self, pass: &mut Pass<B>, mut x: Image<B>) -> Made<Matrix<B>, B> {
        for block in &self.encoder {
            x = block.forward(pass, x)?; // [n, 21, 21, 64], [n, 11, 11, 64], [n, 11, 11, 64], [n, 6, 6, 64]
        }
        self.mu.forward(pass, B::flatten(x)?) // [n, latent]
    }

    fn decode<B: Backend>(&self, pass: &mut Pass<B>, codes: Matrix<B>) -> Made<Image<B>, B> {
        let features = B::relu(self.expand.forward(pass, codes)?)?; // [n, 2304]
        let mut x = B::unflatten(features, self.sizes.maps, self.sizes.quarter())?; // [n, 6, 6, 64]
        for block in &self.d12 {
            x = block.forward(pass, x)?;
        }
        x = B::upsample(x, self.sizes.half())?; // [n, 11, 11, 64]
        for block in &self.d34 {
            x = block.forward(pass, x)?;
        }
        x = B::upsample(x, self.sizes.crop)?; // [n, 21, 21, 64]
        x = self.d5.forward(pass, x)?;
        self.d6.forward(pass, x) // [n, 21, 21, channel]
    }

    fn images<B: Backend>(&self, batch: &Batch) -> Made<Image<B>, B> {
        Image::from_channels_first(batch.column("stamps"), self.sizes.channels, self.sizes.crop)
    }
}

impl Settings {
    /// Side after the first stride.
    fn half(&self) -> usize {
        self.crop.div_ceil(2)
    }

    /// Side after the second stride.
    fn quarter(&self) -> usize {
        self.half().div_ceil(2)
    }
}

impl<B: Backend> Network<B> for ConvAutoencoder {
    fn columns(&self) -> Vec<Column> {
        vec![Column { name: "stamps", width: self.sizes.channels * self.sizes.crop * self.sizes.crop }]
    }

    /// Squared error per image, averaged over the batch.
    fn loss(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Scalar<B>, B> {
        let target = self.images::<B>(batch)?;
        let codes = self.encode_images(pass, self.images(batch)?)?;
        let made = self.decode(pass, codes)?;
        let weights = vec![1.0 / batch.rows as f32; batch.rows * self.sizes.crop * self.sizes.crop];
        B::weighted_sse(made.pixels, target.pixels, weights)
    }

    fn encode(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        self.encode_images(pass, self.images(batch)?)
    }

    fn output(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        let codes = self.encode_images(pass, self.images(batch)?)?;
        Ok(self.decode(pass, codes)?.to_channels_first())
    }
    fn targets(&self, _: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        Ok(batch.column("stamps").to_vec())
    }
}
