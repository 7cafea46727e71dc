//! Layers: which weights an operation takes, and how they start. They hold no values, so a network is plain data.

use dfdx::shapes::HasShape;
use dfdx::tensor::{PutTape, SplitTape};

use super::backend::{Backend, Made, Matrix};
use super::image::Image;
use super::ops::batch_norm::{Mode, Moments};
use super::ops::batch_renorm::{Corrections, Limits, batch_renorm};
use super::ops::conv2d::{self, Activation};
use super::ops::dropout::dropout;
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

    /// The same with a batch norm in place of the activation; inference computes it in the same pass over memory.
    pub fn forward_normed<B: Backend>(&self, pass: &mut Pass<B>, x: Image<B>, norm: &BatchNorm) -> Made<Image<B>, B> {
        if pass.training.is_some() {
            let x = self.forward(pass, x)?;
            return norm.forward(pass, x);
        }
        let mode = Mode { running: pass.running(norm.mean, norm.variance), relu: norm.relu };
        let of_norm = (pass.weight(norm.scale), pass.weight(norm.shift));
        B::conv2d_normed(x, (pass.weight(self.weight), pass.weight(self.bias)), self.shape, of_norm, mode)
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

/// Batch renormalisation; scale 1, shift 0. Its limits open in step with training: from those of batch norm (ratio 1,
/// distance 0) to the given ones, linearly over `warm_up` steps.
#[derive(Debug, Clone)]
pub struct BatchRenorm {
    scale: Slot,
    shift: Slot,
    mean: Slot,
    variance: Slot,
    steps: Slot,
    limits: Limits,
    warm_up: usize,
}

impl BatchRenorm {
    /// Weights and statistics as those of [`BatchNorm`], and `NAME.steps`, the training steps that it has seen.
    pub fn new<B: Backend>(
        builder: &mut Builder<B>,
        name: &str,
        columns: usize,
        (limits, warm_up): (Limits, usize),
    ) -> Made<Self, B> {
        Ok(Self {
            scale: builder.constant(format!("{name}.weight"), columns, 1.0)?,
            shift: builder.constant(format!("{name}.bias"), columns, 0.0)?,
            mean: builder.statistic(format!("{name}.running_mean"), columns, 0.0)?,
            variance: builder.statistic(format!("{name}.running_var"), columns, 1.0)?,
            steps: builder.statistic(format!("{name}.steps"), 1, 0.0)?,
            limits,
            warm_up,
        })
    }

    /// Over the pixels of images.
    pub fn forward<B: Backend>(&self, pass: &mut Pass<B>, x: Image<B>) -> Made<Image<B>, B> {
        let Image { pixels, batch, side } = x;
        let (scale, shift) = (pass.weight(self.scale), pass.weight(self.shift));
        let running = pass.running(self.mean, self.variance);
        if running.is_some() {
            let pixels = B::batch_norm(pixels, scale, shift, Mode { running, relu: false })?.rows;
            return Ok(Image { pixels, batch, side });
        }
        let (rows, steps) = (pixels.shape().0, pass.statistic(self.steps)[0]);
        let running = Moments { mean: pass.statistic(self.mean), variance: pass.statistic(self.variance) };
        let (pixels, tape) = pixels.split_tape();
        let corrections = Corrections::new(&B::moments(&pixels), &running, self.limits_after(steps));
        let output = batch_renorm::<B>(pixels.put_tape(tape), scale, shift, corrections)?;
        pass.observe(self.mean, self.variance, &output.moments, rows);
        pass.note(self.steps, vec![steps + 1.0]);
        Ok(Image { pixels: output.rows, batch, side })
    }

    fn limits_after(&self, steps: f32) -> Limits {
        let open = if self.warm_up == 0 { 1.0 } else { (steps / self.warm_up as f32).min(1.0) };
        Limits { r: 1.0 + open * (self.limits.r - 1.0), d: open * self.limits.d }
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
