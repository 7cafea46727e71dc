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
use crate::nn::{Backend, Batch, Builder, Column, Image, Made, Matrix, NnError, Pass};

/// Smallest stamp side that leaves something to convolve at a quarter of the size.
const SMALLEST_CROP: usize = 9;

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

/// Encoder, linear code and decoder.
pub(super) struct ConvCoder {
    pub(super) sizes: Sizes,
    encoder: [Block; 4],
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
    pub(super) fn features<B: Backend>(&self, pass: &mut Pass<B>, mut x: Image<B>) -> Made<Matrix<B>, B> {
        for block in &self.encoder {
            x = block.forward(pass, x)?; // [n, 21, 21, 64], [n, 11, 11, 64], [n, 11, 11, 64], [n, 6, 6, 64]
        }
        B::flatten(x)
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
