//! Layers: which weights an operation takes, and how they start. They hold no values, so a network is plain data.

use dfdx::shapes::HasShape;

use super::backend::{Backend, Made, Matrix};
use super::image::Image;
use super::ops::batch_norm::Mode;
use super::ops::conv2d::{self, Activation};
use super::ops::{dropout::dropout, gru::Alive};
use super::pass::Pass;
use super::weights::{Builder, Slot};

/// Convolution with bias and perhaps an activation; weights start as the builder says, bias zero.
#[derive(Debug, Clone)]
pub struct Conv2d {
    weight: Slot,
    bias: Slot,
    shape: conv2d::Shape,
    activation: Activation,
}

impl Conv2d {
    /// Weights `NAME.weight [output, input, ky, kx]` and `NAME.bias`.
    pub fn new<B: Backend>(builder: &mut Builder<B>, name: &str, inputs: usize, shape: conv2d::Shape) -> Made<Self, B> {
        let kernel = [shape.outputs, inputs, shape.kernel, shape.kernel];
        Ok(Self {
            weight: builder.layer(format!("{name}.weight"), &kernel)?,
            bias: builder.constant(format!("{name}.bias"), shape.outputs, 0.0)?,
            shape,
            activation: Activation::Linear,
        })
    }

    /// With an activation, which is computed in the same pass over memory.
    #[must_use]
    pub fn then(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// `[batch, y, x, input]` to `[batch, y', x', output]`.
    pub fn forward<B: Backend>(&self, pass: &Pass<B>, x: Image<B>) -> Made<Image<B>, B> {
        B::conv2d(x, pass.weight(self.weight), pass.weight(self.bias), self.shape, self.activation)
    }
}

/// Batch normalisation, optionally with ReLU; scale 1, shift 0.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    scale: Slot,
    shift: Slot,
    mean: Slot,
    variance: Slot,
    relu: bool,
}

impl BatchNorm {
    /// Weights `NAME.weight`, `NAME.bias`, statistics `NAME.running_mean`, `NAME.running_var`, each `[column]`.
    pub fn new<B: Backend>(builder: &mut Builder<B>, name: &str, columns: usize, relu: bool) -> Made<Self, B> {
        Ok(Self {
            scale: builder.constant(format!("{name}.weight"), columns, 1.0)?,
            shift: builder.constant(format!("{name}.bias"), columns, 0.0)?,
            mean: builder.statistic(format!("{name}.running_mean"), columns, 0.0)?,
            variance: builder.statistic(format!("{name}.running_var"), columns, 1.0)?,
            relu,
        })
    }

    /// Over the rows of a matrix (1-d).
    pub fn forward_rows<B: Backend>(&self, pass: &mut Pass<B>, x: Matrix<B>) -> Made<Matrix<B>, B> {
        let rows = x.shape().0;
        let mode = Mode { running: pass.running(self.mean, self.variance), relu: self.relu };
        let trains = mode.running.is_none();
        let output = B::batch_norm(x, pass.weight(self.scale), pass.weight(self.shift), mode)?;
        if trains {
            pass.observe(self.mean, self.variance, &output.moments, rows);
        }
        Ok(output.rows)
    }

    /// Over the pixels of images (2-d).
    pub fn forward<B: Backend>(&self, pass: &mut Pass<B>, x: Image<B>) -> Made<Image<B>, B> {
        let Image { pixels, batch, side } = x;
        Ok(Image { pixels: self.forward_rows(pass, pixels)?, batch, side })
    }
}

/// Fully connected; weights start as the builder says, bias zero.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Slot,
    bias: Slot,
    outputs: usize,
}

impl Linear {
    /// Weights `NAME.weight [output, input]` and `NAME.bias`.
    pub fn new<B: Backend>(builder: &mut Builder<B>, name: &str, inputs: usize, outputs: usize) -> Made<Self, B> {
        Ok(Self {
            weight: builder.layer(format!("{name}.weight"), &[outputs, inputs])?,
            bias: builder.constant(format!("{name}.bias"), outputs, 0.0)?,
            outputs,
        })
    }

    /// `[row, input]` to `[row, output]`.
    pub fn forward<B: Backend>(&self, pass: &Pass<B>, x: Matrix<B>) -> Made<Matrix<B>, B> {
        B::linear(x, pass.weight(self.weight), pass.weight(self.bias), self.outputs)
    }
}

/// Gated recurrent unit, one layer; all weights uniform in `±1 / √hidden`, PyTorch's default.
#[derive(Debug, Clone)]
pub struct Gru {
    input: [Slot; 2],
    recurrent: [Slot; 2],
    hidden: usize,
}

impl Gru {
    /// Weights `NAME.weight_ih_l0 [3 hidden, input]`, `NAME.weight_hh_l0 [3 hidden, hidden]`, `NAME.bias_ih_l0`,
    /// `NAME.bias_hh_l0`; gate order reset, update, new.
    pub fn new<B: Backend>(builder: &mut Builder<B>, name: &str, inputs: usize, hidden: usize) -> Made<Self, B> {
        let bound = 1.0 / (hidden as f32).sqrt();
        let mut uniform = |kind: &str, shape: &[usize]| builder.uniform(format!("{name}.{kind}_l0"), shape, bound);
        let weights = [uniform("weight_ih", &[3 * hidden, inputs])?, uniform("weight_hh", &[3 * hidden, hidden])?];
        let biases = [uniform("bias_ih", &[3 * hidden])?, uniform("bias_hh", &[3 * hidden])?];
        Ok(Self { input: [weights[0], biases[0]], recurrent: [weights[1], biases[1]], hidden })
    }

    /// The part of the gates that comes from the input: `[row, input]` to `[row, 3 hidden]`.
    pub fn gates<B: Backend>(&self, pass: &Pass<B>, x: Matrix<B>) -> Made<Matrix<B>, B> {
        B::linear(x, pass.weight(self.input[0]), pass.weight(self.input[1]), 3 * self.hidden)
    }

    /// States after each step: `gates [step · sequence, 3 hidden]` to `[step · sequence, hidden]`.
    pub fn forward<B: Backend>(&self, pass: &Pass<B>, gates: Matrix<B>, alive: Alive) -> Made<Matrix<B>, B> {
        B::gru(gates, pass.weight(self.recurrent[0]), pass.weight(self.recurrent[1]), alive)
    }
}

/// Dropout while training, nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    /// Probability that a value is dropped.
    pub rate: f32,
}

impl Dropout {
    /// `[row, column]`, unchanged at inference.
    pub fn forward<B: Backend>(&self, pass: &mut Pass<B>, x: Matrix<B>) -> Made<Matrix<B>, B> {
        match &mut pass.training {
            Some(random) => dropout::<B>(x, self.rate, random),
            None => Ok(x),
        }
    }
}
