//! The two ways to compute: [`Kernels`], loops of our own on the processor, and [`Composed`], dfdx's operations on any of
//! its devices. Networks are generic over this choice and never see it.

use std::fmt::Debug;
use std::marker::PhantomData;

use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{Cpu, Gradients, HasErr, Tensor, TensorFromVec};
use dfdx::tensor_ops::{GatherTo, TryConcatAlong};

use super::image::Image;
use super::ops::alive::Alive;
use super::ops::{batch_norm, conv2d, flatten, gru, linear, loss, lstm, max_pool, relu, storage, upsample};
use super::track::{self, Track};

/// Everything that dfdx can do on a device, for f32.
pub trait Device: dfdx::tensor_ops::Device<f32> {
    /// The device, for this thread.
    fn here() -> Self;
}

impl Device for Cpu {
    fn here() -> Self {
        Self::default()
    }
}

/// Fault of a device, such as being out of memory.
pub type Fault<B> = <<B as Backend>::Device as HasErr>::Err;
/// A scalar with its tape.
pub type Scalar<B> = Tensor<(), f32, <B as Backend>::Device, Track<<B as Backend>::Device>>;
/// Values in one row, `[value]`: weights are kept so.
pub type Vector<B> = Tensor<(usize,), f32, <B as Backend>::Device, Track<<B as Backend>::Device>>;
/// `[row, column]`: one row per sample, or per pixel.
pub type Matrix<B> = Tensor<(usize, usize), f32, <B as Backend>::Device, Track<<B as Backend>::Device>>;

/// The operations that networks are made of. Defaults: composed of dfdx's operations.
pub trait Backend: 'static + Clone + Debug + Default {
    /// Where tensors live.
    type Device: Device;

    /// The device, for this thread.
    fn device() -> Self::Device {
        Self::Device::here()
    }

    /// Which loops compute, in words: where these differ, so may the last bits of a result.
    fn arithmetic() -> String {
        let device = std::any::type_name::<Self::Device>();
        format!("dfdx {}", device.rsplit("::").next().unwrap_or(device))
    }

    /// Told of each weight by name before an operation takes it, for who watches.
    fn about_to_use(_weight: &str) {}

    /// Does a part of a step that is no operation of the tape; by name, for who watches.
    fn part<T>(_name: &str, act: impl FnOnce() -> T) -> T {
        act()
    }

    /// Convolution with what follows it, see [`conv2d`].
    fn conv2d(
        x: Image<Self>,
        weight: Vector<Self>,
        bias: Vector<Self>,
        shape: conv2d::Shape,
        activation: conv2d::Activation,
    ) -> Made<Image<Self>, Self> {
        conv2d::composed::<Self>(x, weight, bias, shape, activation)
    }

    /// Convolution (weight and bias), then batch normalisation (scale and shift) over its pixels.
    fn conv2d_normed(
        x: Image<Self>,
        (weight, bias): (Vector<Self>, Vector<Self>),
        shape: conv2d::Shape,
        (scale, shift): (Vector<Self>, Vector<Self>),
        mode: batch_norm::Mode,
    ) -> Made<Image<Self>, Self> {
        let Image { pixels, batch, side } = Self::conv2d(x, weight, bias, shape, conv2d::Activation::Linear)?;
        Ok(Image { pixels: Self::batch_norm(pixels, scale, shift, mode)?.rows, batch, side })
    }

    /// Nearest-neighbour resize to `side x side`, see [`upsample`].
    fn upsample(x: Image<Self>, side: usize) -> Made<Image<Self>, Self> {
        upsample::composed::<Self>(x, side)
    }

    /// Largest value of each `window x window`, see [`max_pool`].
    fn max_pool(x: Image<Self>, window: usize) -> Made<Image<Self>, Self> {
        max_pool::composed::<Self>(x, window)
    }

    /// Batch normalisation over rows, see [`batch_norm`].
    fn batch_norm(
        x: Matrix<Self>,
        scale: Vector<Self>,
        shift: Vector<Self>,
        mode: batch_norm::Mode,
    ) -> Made<batch_norm::Output<Self>, Self> {
        batch_norm::composed::<Self>(x, scale, shift, mode)
    }

    /// Mean and variance of each column.
    fn moments(x: &Tensor<(usize, usize), f32, Self::Device>) -> batch_norm::Moments {
        batch_norm::moments(&x.as_vec(), x.shape().1)
    }

    /// `x · weightᵀ + bias`, see [`linear`].
    fn linear(x: Matrix<Self>, weight: Vector<Self>, bias: Vector<Self>, outputs: usize) -> Made<Matrix<Self>, Self> {
        linear::composed::<Self>(x, weight, bias, outputs)
    }

    /// `max(0, x)`.
    fn relu(x: Matrix<Self>) -> Made<Matrix<Self>, Self> {
        relu::composed::<Self>(x)
    }

    /// Rows `[batch, channel · y · x]` of images, see [`flatten`].
    fn flatten(x: Image<Self>) -> Made<Matrix<Self>, Self> {
        flatten::composed::<Self>(x)
    }

    /// Images of rows `[batch, channel · y · x]`.
    fn unflatten(x: Matrix<Self>, channels: usize, side: usize) -> Made<Image<Self>, Self> {
        flatten::composed_back::<Self>(x, channels, side)
    }

    /// Gated recurrent unit over time, see [`gru`].
    fn gru(gates: Matrix<Self>, weight: Vector<Self>, bias: Vector<Self>, alive: Alive) -> Made<Matrix<Self>, Self> {
        gru::composed::<Self>(gates, weight, bias, &alive)
    }

    /// Long short-term memory over time, see [`lstm`].
    fn lstm(gates: Matrix<Self>, weight: Vector<Self>, bias: Vector<Self>, alive: Alive) -> Made<Matrix<Self>, Self> {
        lstm::composed::<Self>(gates, weight, bias, &alive)
    }

    /// The rows of `x` at `index`, in that order.
    fn rows(x: Matrix<Self>, index: Vec<usize>) -> Made<Matrix<Self>, Self> {
        let length = index.len();
        x.try_gather(Self::device().try_tensor_from_vec(index, (length,))?)
    }

    /// Columns of `left`, then those of `right`.
    fn join(left: Matrix<Self>, right: Matrix<Self>) -> Made<Matrix<Self>, Self> {
        (left, right).try_concat_along(Axis::<1>)
    }

    /// The same value twice, for two uses.
    fn fork(x: Matrix<Self>) -> (Matrix<Self>, Matrix<Self>) {
        track::fork(x)
    }

    /// The values of a weight.
    fn values(x: &Tensor<(usize,), f32, Self::Device>) -> Vec<f32> {
        x.as_vec()
    }

    /// Takes the gradient of a weight, zeros if nothing was added to it.
    fn take_gradient(
        gradients: &mut Gradients<f32, Self::Device>,
        x: &Tensor<(usize,), f32, Self::Device>,
    ) -> Made<Vec<f32>, Self> {
        gradients.get_or_alloc_mut(x)?;
        Ok(Self::values(&gradients.get(x)))
    }

    /// `Σ weight · (x − target)²`, see [`loss`].
    fn weighted_sse(x: Matrix<Self>, target: Matrix<Self>, weight: loss::RowWeights) -> Made<Scalar<Self>, Self> {
        loss::composed::<Self>(x, target, weight)
    }
}

/// What an operation gives back.
pub type Made<T, B> = Result<T, Fault<B>>;

/// Loops of our own on the processor.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kernels;

impl Backend for Kernels {
    type Device = Cpu;

    fn arithmetic() -> String {
        super::kernels::arithmetic()
    }

    fn conv2d(
        x: Image<Self>,
        weight: Vector<Self>,
        bias: Vector<Self>,
        shape: conv2d::Shape,
        activation: conv2d::Activation,
    ) -> Made<Image<Self>, Self> {
        conv2d::kernel(x, weight, bias, shape, activation)
    }
    fn conv2d_normed(
        x: Image<Self>,
        convolution: (Vector<Self>, Vector<Self>),
        shape: conv2d::Shape,
        norm: (Vector<Self>, Vector<Self>),
        mode: batch_norm::Mode,
    ) -> Made<Image<Self>, Self> {
        conv2d::kernel_normed(x, convolution, shape, norm, mode)
    }
    fn upsample(x: Image<Self>, side: usize) -> Made<Image<Self>, Self> {
        upsample::kernel(x, side)
    }
    fn max_pool(x: Image<Self>, window: usize) -> Made<Image<Self>, Self> {
        max_pool::kernel(x, window)
    }
    fn batch_norm(
        x: Matrix<Self>,
        scale: Vector<Self>,
        shift: Vector<Self>,
        mode: batch_norm::Mode,
    ) -> Made<batch_norm::Output<Self>, Self> {
        batch_norm::kernel(x, scale, shift, mode)
    }
    fn moments(x: &Tensor<(usize, usize), f32, Cpu>) -> batch_norm::Moments {
        batch_norm::kernel_moments(x)
    }
    fn linear(x: Matrix<Self>, weight: Vector<Self>, bias: Vector<Self>, outputs: usize) -> Made<Matrix<Self>, Self> {
        linear::kernel(x, weight, bias, outputs)
    }
    fn relu(x: Matrix<Self>) -> Made<Matrix<Self>, Self> {
        relu::kernel(x)
    }
    fn flatten(x: Image<Self>) -> Made<Matrix<Self>, Self> {
        flatten::kernel(x)
    }
    fn unflatten(x: Matrix<Self>, channels: usize, side: usize) -> Made<Image<Self>, Self> {
        flatten::kernel_back(x, channels, side)
    }
    fn gru(gates: Matrix<Self>, weight: Vector<Self>, bias: Vector<Self>, alive: Alive) -> Made<Matrix<Self>, Self> {
        gru::kernel(gates, weight, bias, alive)
    }
    fn lstm(gates: Matrix<Self>, weight: Vector<Self>, bias: Vector<Self>, alive: Alive) -> Made<Matrix<Self>, Self> {
        lstm::kernel(gates, weight, bias, alive)
    }
    fn weighted_sse(x: Matrix<Self>, target: Matrix<Self>, weight: loss::RowWeights) -> Made<Scalar<Self>, Self> {
        loss::kernel(x, target, weight)
    }
    fn values(x: &Tensor<(usize,), f32, Cpu>) -> Vec<f32> {
        let mut values = vec![0.0; x.shape().0];
        x.copy_into(&mut values);
        values
    }
    fn take_gradient(gradients: &mut Gradients<f32, Cpu>, x: &Tensor<(usize,), f32, Cpu>) -> Made<Vec<f32>, Self> {
        storage::take_gradient(gradients, x)
    }
}

/// dfdx's own operations on its device `D`.
#[derive(Debug, Clone, Default)]
pub struct Composed<D>(PhantomData<D>);

impl<D: Device> Backend for Composed<D> {
    type Device = D;
}
