//! A way to compute that tells the timeline of each operation. It leaves the computing to another and changes no bit of it.

use std::marker::PhantomData;

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Gradients, PutTape, SplitTape, Tape, Tensor};

use super::timeline::{self, Direction};
use crate::nn::backend::{Backend, Device, Made, Matrix, Scalar, Vector};
use crate::nn::image::Image;
use crate::nn::ops::alive::Alive;
use crate::nn::ops::{batch_norm, conv2d, loss};
use crate::nn::track::Track;

/// A tensor with its tape.
type Tracked<S, D> = Tensor<S, f32, D, Track<D>>;

/// `B`, watched.
#[derive(Debug, Clone, Default)]
pub struct Watched<B>(PhantomData<B>);

/// One call of an operation.
struct Call {
    row: usize,
    /// Products of its forward pass.
    products: f64,
}

impl Call {
    /// Of a layer: the one whose weights were taken last.
    fn of_layer(operation: String, products: usize) -> Self {
        Self::begin(true, operation, products as f64)
    }

    /// Of an operation that has no weights.
    fn plain(operation: String) -> Self {
        Self::begin(false, operation, 0.0)
    }

    fn begin(has_weights: bool, operation: String, products: f64) -> Self {
        let row = timeline::row(has_weights, operation);
        timeline::hand_to(Some((row, Direction::Forward)));
        timeline::count(row, Direction::Forward, products);
        Self { row, products }
    }

    /// What the operation reads: once the gradients come back to here, its backward pass is over. Each operand that wants a
    /// gradient costs as many products as the forward pass.
    fn reads<S: Shape, D: Device>(&self, x: Tracked<S, D>) -> Tracked<S, D> {
        let (x, mut tape) = x.split_tape();
        if tape.is_on() {
            timeline::count(self.row, Direction::Backward, self.products);
        }
        tape.add_backward_op(|_| {
            timeline::hand_to(None);
            Ok(())
        });
        x.put_tape(tape)
    }

    /// What the operation made: its forward pass is over, and its backward pass begins when gradients come to here.
    fn made<S: Shape, D: Device>(&self, x: Tracked<S, D>) -> Tracked<S, D> {
        let (row, (x, mut tape)) = (self.row, x.split_tape());
        tape.add_backward_op(move |_| {
            timeline::hand_to(Some((row, Direction::Backward)));
            Ok(())
        });
        timeline::hand_to(None);
        x.put_tape(tape)
    }
}

/// `128 x 64`.
fn size<B: Backend>(x: &Matrix<B>) -> String {
    let &(rows, columns) = x.shape();
    format!("{rows} x {columns}")
}

/// `64 x 21 x 21 x 3`.
fn image_size<B: Backend>(x: &Image<B>) -> String {
    format!("{} x {} x {} x {}", x.batch, x.side, x.side, x.channels())
}

impl<B: Backend> Backend for Watched<B> {
    type Device = B::Device;

    fn arithmetic() -> String {
        B::arithmetic()
    }

    fn about_to_use(weight: &str) {
        timeline::note(weight);
    }

    fn part<T>(name: &str, act: impl FnOnce() -> T) -> T {
        let row = timeline::row(false, name.into());
        timeline::hand_to(Some((row, Direction::Forward)));
        let made = act();
        timeline::hand_to(None);
        made
    }

    fn conv2d(
        x: Image<Self>,
        weight: Vector<Self>,
        bias: Vector<Self>,
        shape: conv2d::Shape,
        activation: conv2d::Activation,
    ) -> Made<Image<Self>, Self> {
        let call = convolution(&x, shape, "");
        let x = Image { pixels: call.reads(x.pixels), batch: x.batch, side: x.side };
        let Image { pixels, batch, side } = B::conv2d(x, call.reads(weight), bias, shape, activation)?;
        Ok(Image { pixels: call.made(pixels), batch, side })
    }

    fn conv2d_normed(
        x: Image<Self>,
        (weight, bias): (Vector<Self>, Vector<Self>),
        shape: conv2d::Shape,
        norm: (Vector<Self>, Vector<Self>),
        mode: batch_norm::Mode,
    ) -> Made<Image<Self>, Self> {
        let call = convolution(&x, shape, ", batch norm");
        let x = Image { pixels: call.reads(x.pixels), batch: x.batch, side: x.side };
        let Image { pixels, batch, side } = B::conv2d_normed(x, (call.reads(weight), bias), shape, norm, mode)?;
        Ok(Image { pixels: call.made(pixels), batch, side })
    }

    fn upsample(x: Image<Self>, side: usize) -> Made<Image<Self>, Self> {
        let call = Call::plain(format!("resize of {} to {side} x {side}", image_size(&x)));
        let x = Image { pixels: call.reads(x.pixels), batch: x.batch, side: x.side };
        let Image { pixels, batch, side } = B::upsample(x, side)?;
        Ok(Image { pixels: call.made(pixels), batch, side })
    }

    fn max_pool(x: Image<Self>, window: usize) -> Made<Image<Self>, Self> {
        let call = Call::plain(format!("max pool of {}", image_size(&x)));
        let x = Image { pixels: call.reads(x.pixels), batch: x.batch, side: x.side };
        let Image { pixels, batch, side } = B::max_pool(x, window)?;
        Ok(Image { pixels: call.made(pixels), batch, side })
    }

    fn batch_norm(
        x: Matrix<Self>,
        scale: Vector<Self>,
        shift: Vector<Self>,
        mode: batch_norm::Mode,
    ) -> Made<batch_norm::Output<Self>, Self> {
        let call = Call::of_layer(format!("batch norm of {}", size::<B>(&x)), 0);
        let made = B::batch_norm(call.reads(x), call.reads(scale), shift, mode)?;
        Ok(batch_norm::Output { rows: call.made(made.rows), moments: made.moments })
    }

    fn moments(x: &Tensor<(usize, usize), f32, Self::Device>) -> batch_norm::Moments {
        B::moments(x)
    }

    fn linear(x: Matrix<Self>, weight: Vector<Self>, bias: Vector<Self>, outputs: usize) -> Made<Matrix<Self>, Self> {
        let &(rows, inputs) = x.shape();
        let call = Call::of_layer(format!("linear {inputs} to {outputs}, {rows} rows"), rows * inputs * outputs);
        Ok(call.made(B::linear(call.reads(x), call.reads(weight), bias, outputs)?))
    }

    fn relu(x: Matrix<Self>) -> Made<Matrix<Self>, Self> {
        let call = Call::plain(format!("ReLU of {}", size::<B>(&x)));
        Ok(call.made(B::relu(call.reads(x))?))
    }

    fn flatten(x: Image<Self>) -> Made<Matrix<Self>, Self> {
        let call = Call::plain(format!("flatten {}", image_size(&x)));
        let x = Image { pixels: call.reads(x.pixels), batch: x.batch, side: x.side };
        Ok(call.made(B::flatten(x)?))
    }

    fn unflatten(x: Matrix<Self>, channels: usize, side: usize) -> Made<Image<Self>, Self> {
        let call = Call::plain(format!("unflatten {}", size::<B>(&x)));
        let Image { pixels, batch, side } = B::unflatten(call.reads(x), channels, side)?;
        Ok(Image { pixels: call.made(pixels), batch, side })
    }

    fn gru(gates: Matrix<Self>, weight: Vector<Self>, bias: Vector<Self>, alive: Alive) -> Made<Matrix<Self>, Self> {
        let call = recurrent::<B>("GRU", &gates, &weight);
        Ok(call.made(B::gru(call.reads(gates), call.reads(weight), bias, alive)?))
    }

    fn lstm(gates: Matrix<Self>, weight: Vector<Self>, bias: Vector<Self>, alive: Alive) -> Made<Matrix<Self>, Self> {
        let call = recurrent::<B>("LSTM", &gates, &weight);
        Ok(call.made(B::lstm(call.reads(gates), call.reads(weight), bias, alive)?))
    }

    fn rows(x: Matrix<Self>, index: Vec<usize>) -> Made<Matrix<Self>, Self> {
        let call = Call::plain(format!("rows of {}", size::<B>(&x)));
        Ok(call.made(B::rows(call.reads(x), index)?))
    }

    fn join(left: Matrix<Self>, right: Matrix<Self>) -> Made<Matrix<Self>, Self> {
        let call = Call::plain(format!("join of {} and {}", size::<B>(&left), size::<B>(&right)));
        Ok(call.made(B::join(call.reads(left), call.reads(right))?))
    }

    fn fork(x: Matrix<Self>) -> (Matrix<Self>, Matrix<Self>) {
        B::fork(x)
    }

    fn values(x: &Tensor<(usize,), f32, Self::Device>) -> Vec<f32> {
        B::values(x)
    }

    fn take_gradient(
        gradients: &mut Gradients<f32, Self::Device>,
        x: &Tensor<(usize,), f32, Self::Device>,
    ) -> Made<Vec<f32>, Self> {
        B::take_gradient(gradients, x)
    }

    fn weighted_sse(x: Matrix<Self>, target: Matrix<Self>, weight: loss::RowWeights) -> Made<Scalar<Self>, Self> {
        let call = Call::plain(format!("squared error of {}", size::<B>(&x)));
        Ok(call.made(B::weighted_sse(call.reads(x), target, weight)?))
    }
}

/// The products of all outputs, those with padding among them.
fn convolution<B: Backend>(x: &Image<B>, shape: conv2d::Shape, then: &str) -> Call {
    let (inputs, to, conv2d::Shape { outputs, kernel, stride, .. }) = (x.channels(), shape.output_side(x.side), shape);
    let stride = if stride > 1 { format!(", stride {stride}") } else { String::new() };
    let name = format!("convolution {kernel} x {kernel}{stride}, {inputs} to {outputs}, {to} x {to}{then}");
    Call::of_layer(name, x.batch * to * to * kernel * kernel * inputs * outputs)
}

/// The products with the state are as many as weights, once for each row.
fn recurrent<B: Backend>(unit: &str, gates: &Matrix<B>, weight: &Vector<B>) -> Call {
    Call::of_layer(format!("{unit} of {}", size::<B>(gates)), gates.shape().0 * weight.shape().0)
}
