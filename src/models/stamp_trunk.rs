//! The convolutional trunk of Deep-HiTS, the Stamp Classifier and the Temporal Stamp Classifier (Carrasco-Davis et al. 2021,
//! table 3; Cabrera-Vives et al. 2017, figure 2): a 4 x 4 and four inner convolutions, two max-poolings; 21-pixel stamps
//! become 2304 features.

use crate::nn::layers::Conv2d;
use crate::nn::ops::conv2d::{Activation, Shape};
use crate::nn::ops::relu::leaky;
use crate::nn::{Backend, Builder, Image, Made, Matrix, Pass};

pub(super) struct StampTrunk {
    convolutions: [Conv2d; 5],
}

impl StampTrunk {
    /// Inner kernels of side `kernel`, odd; activations are ReLU if `leak` is 0.
    pub(super) fn new<B: Backend>(
        builder: &mut Builder<B>,
        name: &str,
        channels: usize,
        kernel: usize,
        leak: f32,
    ) -> Made<Self, B> {
        let activation = if leak == 0.0 { Activation::Relu } else { Activation::LeakyRelu(leak) };
        let mut layer = |number: usize, inputs, outputs, kernel, padding| {
            let shape = Shape { outputs, kernel, stride: 1, padding };
            Ok(Conv2d::new(builder, &format!("{name}.conv{number}"), inputs, shape)?.then(activation))
        };
        let same = kernel / 2;
        let convolutions = [
            layer(1, channels, 32, 4, 3)?,
            layer(2, 32, 32, kernel, same)?,
            layer(3, 32, 64, kernel, same)?,
            layer(4, 64, 64, kernel, same)?,
            layer(5, 64, 64, kernel, same)?,
        ];
        Ok(Self { convolutions })
    }

    /// Features of a stamp of side `crop`: `64 q²` with `q = ⌊(crop + 3) / 4⌋` after two poolings.
    pub(super) fn features(crop: usize) -> usize {
        let quarter = crop.div_ceil(4);
        64 * quarter * quarter
    }

    /// `[n, crop, crop, channel]` to `[n, features]`.
    pub(super) fn forward<B: Backend>(&self, pass: &Pass<B>, mut x: Image<B>) -> Made<Matrix<B>, B> {
        for (i, convolution) in self.convolutions.iter().enumerate() {
            x = convolution.forward(pass, x)?; // [n, 24, 24, 32] twice, then [n, 12, 12, 64]
            if i == 1 || i == 4 {
                x = B::max_pool(x, 2)?; // [n, 12, 12, 32], [n, 6, 6, 64]
            }
        }
        B::flatten(x)
    }
}

/// ReLU, leaky if `leak` is not 0.
pub(super) fn activated<B: Backend>(x: Matrix<B>, leak: f32) -> Made<Matrix<B>, B> {
    if leak == 0.0 { B::relu(x) } else { leaky::<B>(x, leak) }
}
