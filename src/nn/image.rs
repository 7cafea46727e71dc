//! A batch of images as a matrix of pixels. Knows nothing of what the channels mean.

use dfdx::tensor::{PutTape, Tensor, TensorFromVec};

use super::backend::{Backend, Made, Matrix};
use super::kernels::collect;
use super::track::Track;

/// Images `[batch, y, x, channel]`, kept as rows of pixels `[batch · y · x, channel]`: one operation on rows then serves
/// images and vectors, and loops over channels are contiguous.
#[derive(Debug)]
pub struct Image<B: Backend> {
    /// `[batch · y · x, channel]`.
    pub pixels: Matrix<B>,
    /// Number of images.
    pub batch: usize,
    /// Rows and columns of each, square.
    pub side: usize,
}

impl<B: Backend> Image<B> {
    /// Channels of each pixel.
    pub fn channels(&self) -> usize {
        use dfdx::shapes::HasShape;
        self.pixels.shape().1
    }

    /// Images from `values [batch, channel, y, x]`, the order in arrays on disk.
    pub fn from_channels_first(values: &[f32], channels: usize, side: usize) -> Made<Self, B> {
        let area = side * side;
        let batch = values.len() / (channels * area).max(1);
        let pixels = B::part("stamps to pixels", || transpose(values, channels, area));
        Ok(Self { pixels: matrix::<B>(pixels, batch * area, channels)?, batch, side })
    }

    /// The values as `[batch, channel, y, x]`.
    pub fn to_channels_first(&self) -> Vec<f32> {
        let (channels, area) = (self.channels(), self.side * self.side);
        B::part("pixels to stamps", || transpose(&self.pixels.as_vec(), area, channels))
    }
}

/// Each block `[rows, columns]` of `values` as `[columns, rows]`.
pub(crate) fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    collect(values.len(), rows * columns, |block, output| {
        let block = &values[block * rows * columns..][..rows * columns];
        for (column, line) in output.chunks_exact_mut(rows).enumerate() {
            line.iter_mut().zip(block[column..].iter().step_by(columns)).for_each(|(to, from)| *to = *from);
        }
    })
}

/// A matrix `[rows, columns]` on the backend's device, not recorded.
pub fn matrix<B: Backend>(values: Vec<f32>, rows: usize, columns: usize) -> Made<Matrix<B>, B> {
    let plain: Tensor<(usize, usize), f32, B::Device> = B::device().try_tensor_from_vec(values, (rows, columns))?;
    Ok(plain.put_tape(Track::default()))
}
