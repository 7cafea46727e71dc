//! The convolutional encoder and decoder of Astorga, Huijse, Estévez and Förster 2018 (IJCNN), section III and figure 5:
//! 3 x 3 convolutions of 64 maps, batch norm and ReLU on every layer, nearest-neighbour resizes. Knows no loss.
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

use crate::nn::layers::{BatchNorm, Conv2d, Linear};
use crate::nn::ops::conv2d::Shape;
use crate::nn::{Backend, Batch, Builder, Column, Image, Made, Matrix, ModelCard, NnError, Pass};

/// Smallest stamp side that leaves something to convolve at a quarter of the size.
const SMALLEST_CROP: usize = 9;

/// The networks whose encoder is the one here.
const NETWORKS: [&str; 3] = ["conv_autoencoder", "vae", "vade"];

/// Maps of the encoder of the network that `card` names; `None`: it has another encoder.
pub fn encoder_maps(card: &ModelCard) -> Option<usize> {
    let maps = card.settings.get("maps").and_then(serde_json::Value::as_u64);
    NETWORKS.contains(&card.model.as_str()).then_some(maps? as usize)
}

/// Sizes of both halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Channels of a stamp.
    pub(super) channels: usize,
    /// Side of a stamp, pixels, at least 9.
    pub(super) crop: usize,
    /// Length of the code.
    pub(super) latent: usize,
    /// Maps of every hidden layer.
    pub(super) maps: usize,
}

impl Sizes {
    /// That the network `model` can have these sizes.
    pub(super) fn check(self, model: &str) -> Result<Self, NnError> {
        if self.crop < SMALLEST_CROP || self.latent == 0 || self.channels == 0 || self.maps == 0 {
            let what = format!("crop {} (at least {SMALLEST_CROP}), channels, latent and maps at least 1", self.crop);
            return Err(NnError::Settings { model: model.into(), what });
        }
        Ok(self)
    }

    /// Side after the first stride.
    fn half(self) -> usize {
        self.crop.div_ceil(2)
    }

    /// Side after the second stride.
    fn quarter(self) -> usize {
        self.half().div_ceil(2)
    }

    /// Values between the convolutions and the code.
    pub(super) fn features(self) -> usize {
        self.maps * self.quarter() * self.quarter()
    }
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
        self.convolution.forward_normed(pass, x, &self.norm)
    }
}

/// The convolutions of the encoder.
struct Convolutions([Block; 4]);

impl Convolutions {
    /// Weights below `name`.
    fn new<B: Backend>(builder: &mut Builder<B>, name: &str, sizes: Sizes) -> Made<Self, B> {
        let Sizes { channels, maps, .. } = sizes;
        let mut block =
            |number: usize, inputs, stride| Block::new(builder, &format!("{name}.{number}"), (inputs, maps), stride);
        Ok(Self([block(0, channels, 1)?, block(1, maps, 2)?, block(2, maps, 1)?, block(3, maps, 2)?]))
    }

    /// What they make of stamps, `[n, 2304]`.
    fn forward<B: Backend>(&self, pass: &mut Pass<B>, mut x: Image<B>) -> Made<Matrix<B>, B> {
        for block in &self.0 {
            x = block.forward(pass, x)?; // [n, 21, 21, 64], [n, 11, 11, 64], [n, 11, 11, 64], [n, 6, 6, 64]
        }
        B::flatten(x)
    }
}

/// Encoder and linear code alone, as a part of another network.
pub(super) struct ConvEncoder {
    sizes: Sizes,
    encoder: Convolutions,
    mu: Linear,
}

impl ConvEncoder {
    /// Weights below `name`, called there as in the autoencoders.
    pub(super) fn new<B: Backend>(builder: &mut Builder<B>, name: &str, sizes: Sizes) -> Made<Self, B> {
        let encoder = Convolutions::new(builder, &format!("{name}.encoder"), sizes)?;
        let mu = Linear::new(builder, &format!("{name}.mu"), sizes.features(), sizes.latent)?;
        Ok(Self { sizes, encoder, mu })
    }

    /// Codes `[n, latent]` of `stamps [n, channel, y, x]`.
    pub(super) fn forward<B: Backend>(&self, pass: &mut Pass<B>, stamps: &[f32]) -> Made<Matrix<B>, B> {
        let images = Image::from_channels_first(stamps, self.sizes.channels, self.sizes.crop)?;
        let features = self.encoder.forward(pass, images)?;
        self.mu.forward(pass, features)
    }
}

/// Encoder, linear code and decoder.
pub(super) struct ConvCoder {
    pub(super) sizes: Sizes,
    encoder: Convolutions,
    mu: Linear,
    expand: Linear,
    d12: [Block; 2],
    d34: [Block; 2],
    d5: Block,
    d6: Conv2d,
}

impl ConvCoder {
    pub(super) fn new<B: Backend>(builder: &mut Builder<B>, sizes: Sizes) -> Made<Self, B> {
        let Sizes { channels, latent, maps, .. } = sizes;
        let encoder = Convolutions::new(builder, "encoder", sizes)?;
        let mut block = |name: &str, inputs, stride| Block::new(builder, name, (inputs, maps), stride);
        let d12 = [block("d12.0", maps, 1)?, block("d12.1", maps, 1)?];
        let d34 = [block("d34.0", maps, 1)?, block("d34.1", maps, 1)?];
        let d5 = block("d5", maps, 1)?;
        let d6 = Conv2d::new(builder, "d6", maps, Shape { outputs: channels, kernel: 3, stride: 1, padding: 1 })?;
        let mu = Linear::new(builder, "mu", sizes.features(), latent)?;
        let expand = Linear::new(builder, "expand", latent, sizes.features())?;
        Ok(Self { sizes, encoder, mu, expand, d12, d34, d5, d6 })
    }

    pub(super) fn columns(&self) -> Vec<Column> {
        vec![Column { name: "stamps", width: self.sizes.channels * self.sizes.crop * self.sizes.crop }]
    }

    /// The stamps of a batch.
    pub(super) fn images<B: Backend>(&self, batch: &Batch) -> Made<Image<B>, B> {
        Image::from_channels_first(batch.column("stamps"), self.sizes.channels, self.sizes.crop)
    }

    /// What the convolutions make of stamps, `[n, 2304]`.
    pub(super) fn features<B: Backend>(&self, pass: &mut Pass<B>, x: Image<B>) -> Made<Matrix<B>, B> {
        self.encoder.forward(pass, x)
    }

    /// The linear code of features, `[n, latent]`.
    pub(super) fn mu<B: Backend>(&self, pass: &Pass<B>, features: Matrix<B>) -> Made<Matrix<B>, B> {
        self.mu.forward(pass, features)
    }

    /// The stamps that `codes [n, latent]` stand for.
    pub(super) fn decode<B: Backend>(&self, pass: &mut Pass<B>, codes: Matrix<B>) -> Made<Image<B>, B> {
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
}
