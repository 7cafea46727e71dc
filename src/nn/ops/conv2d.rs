//! 2-d convolution (cross-correlation, as in every framework) with bias, square kernel, stride and zero padding.
//! Weight `[output, input, ky, kx]`, kept as one row of values.

use dfdx::prelude::{
    Axes3, Axis, BroadcastTo, GatherTo, HasShape, Merge, PermuteTo, PutTape, ReshapeTo, SplitTape, Tape, TensorFromVec,
    TryAdd, TryMatMul, TryMul,
};

use super::batch_norm::{self, Affine, Mode};
use super::relu;
use super::storage::{add_gradient, matrix, take_gradient, tracked, values, vector};
use crate::nn::backend::{Backend, Kernels, Made, Vector};
use crate::nn::image::Image;
use crate::nn::kernels::{Convolution, Geometry};
use crate::nn::track::Track;

pub use crate::nn::kernels::Activation;

/// What a convolution layer fixes; the image side comes with the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels that come out.
    pub outputs: usize,
    /// Side of the kernel in pixels.
    pub kernel: usize,
    /// Pixels between neighbouring outputs.
    pub stride: usize,
    /// Rows and columns of zeros around the image.
    pub padding: usize,
}

impl Shape {
    fn geometry(self, side: usize) -> Geometry {
        Geometry { height: side, width: side, kernel: self.kernel, stride: self.stride, padding: self.padding }
    }

    /// Side of the output for an input of `side` pixels.
    pub fn output_side(self, side: usize) -> usize {
        self.geometry(side).output().0
    }
}

/// `[batch, y, x, input]` to `[batch, y', x', output]` by the loops of our own.
pub(crate) fn kernel(
    x: Image<Kernels>,
    weight: Vector<Kernels>,
    bias: Vector<Kernels>,
    shape: Shape,
    activation: Activation,
) -> Made<Image<Kernels>, Kernels> {
    let geometry = shape.geometry(x.side);
    let convolution = Convolution::new(geometry, x.channels(), shape.outputs);
    let (batch, side) = (x.batch, geometry.output().0);
    let (x, x_tape) = x.pixels.split_tape();
    let ((weight, weight_tape), (bias, bias_tape)) = (weight.split_tape(), bias.split_tape());
    let wants_input_gradient = x_tape.is_on();
    let mut tape = x_tape.merge(weight_tape).merge(bias_tape);
    let output = convolution.forward(values(&x), vector(&weight), (vector(&bias), None), activation);
    let output = matrix(output, batch * side * side, shape.outputs)?;
    let made = output.clone();
    tape.add_backward_op(move |grads| {
        let mut gradient = take_gradient(grads, &made)?;
        add_gradient(grads, &bias, &activation.backward(&mut gradient, values(&made), shape.outputs))?;
        add_gradient(grads, &weight, &convolution.weight_gradient(values(&x), &gradient))?;
        if wants_input_gradient {
            convolution.add_input_gradient(&gradient, vector(&weight), grads.get_or_alloc_mut(&x)?);
        }
        Ok(())
    });
    Ok(Image { pixels: tracked(output, tape), batch, side })
}

/// The same with a batch norm after it: by running moments and without gradients, thus at inference, in one pass over memory
/// and with the bits of two.
pub(crate) fn kernel_normed(
    x: Image<Kernels>,
    (weight, bias): (Vector<Kernels>, Vector<Kernels>),
    shape: Shape,
    (scale, shift): (Vector<Kernels>, Vector<Kernels>),
    mode: Mode,
) -> Made<Image<Kernels>, Kernels> {
    let ((pixels, x_tape), (weight, weight_tape), (scale, scale_tape)) =
        (x.pixels.split_tape(), weight.split_tape(), scale.split_tape());
    let is_recorded = x_tape.is_on() || weight_tape.is_on() || scale_tape.is_on();
    let Some(moments) = mode.running.as_ref().filter(|_| !is_recorded) else {
        let x = Image { pixels: tracked(pixels, x_tape), batch: x.batch, side: x.side };
        let made = kernel(x, weight.put_tape(weight_tape), bias, shape, Activation::Linear)?;
        let rows = batch_norm::kernel(made.pixels, scale.put_tape(scale_tape), shift, mode)?.rows;
        return Ok(Image { pixels: rows, batch: made.batch, side: made.side });
    };
    let (geometry, (bias, _), (shift, _)) = (shape.geometry(x.side), bias.split_tape(), shift.split_tape());
    let convolution = Convolution::new(geometry, pixels.shape().1, shape.outputs);
    let affine = Affine::new(moments, vector(&scale), vector(&shift));
    let after = (vector(&bias), Some([affine.factor.as_slice(), affine.offset.as_slice()]));
    let activation = if mode.relu { Activation::Relu } else { Activation::Linear };
    let output = convolution.forward(values(&pixels), vector(&weight), after, activation);
    let (batch, side) = (x.batch, geometry.output().0);
    let output = matrix(output, batch * side * side, shape.outputs)?;
    Ok(Image { pixels: tracked(output, Track::default()), batch, side })
}

/// [`kernel`] by dfdx's operations: every tap's pixels are gathered side by side, then one matrix product.
pub(crate) fn composed<B: Backend>(
    x: Image<B>,
    weight: Vector<B>,
    bias: Vector<B>,
    shape: Shape,
    activation: Activation,
) -> Made<Image<B>, B> {
    let geometry = shape.geometry(x.side);
    let (batch, inputs, taps, side) = (x.batch, x.channels(), shape.kernel * shape.kernel, geometry.output().0);
    let rows = batch * side * side;
    let (index, inside) = unfolding(&geometry, batch);
    let device = B::device();
    let index = device.try_tensor_from_vec(index, (rows * taps,))?;
    let inside = device.try_tensor_from_vec(inside, (rows * taps,))?;
    let inside = inside.try_broadcast_like::<_, Axis<1>>(&(rows * taps, inputs))?;
    let unfolded = x.pixels.try_gather(index)?.try_mul(inside)?; // [pixel · tap, input]
    let unfolded = unfolded.try_reshape_like(&(rows, taps * inputs))?;
    let weight = weight.try_reshape_like(&(shape.outputs, inputs, taps))?;
    let weight = weight.try_permute::<_, Axes3<2, 1, 0>>()?.try_reshape_like(&(taps * inputs, shape.outputs))?;
    let bias = bias.try_broadcast_like::<_, Axis<0>>(&(rows, shape.outputs))?;
    let sums = unfolded.try_matmul(weight)?.try_add(bias)?; // [pixel, output]
    let pixels = match activation {
        Activation::Linear => sums,
        Activation::Relu => relu::composed::<B>(sums)?,
        Activation::LeakyRelu(slope) => relu::leaky::<B>(sums, slope)?,
    };
    Ok(Image { pixels, batch, side })
}

/// For each output pixel and tap the input pixel, and 1 inside the image or 0 on the padding.
fn unfolding(geometry: &Geometry, batch: usize) -> (Vec<usize>, Vec<f32>) {
    let pixels = geometry.height * geometry.width;
    let pairs = geometry.sources();
    let index = (0..batch).flat_map(|image| pairs.iter().map(move |at| image * pixels + at.unwrap_or(0)));
    let inside = (0..batch).flat_map(|_| pairs.iter().map(|at| f32::from(u8::from(at.is_some()))));
    (index.collect(), inside.collect())
}

#[cfg(test)]
mod tests {
    use super::super::batch_norm::Moments;
    use super::super::check::{Case, check_both};
    use super::*;
    use crate::nn::backend::Matrix;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        for (inputs, outputs, side, kernel, stride, padding) in
            [(3, 16, 5, 3, 1, 1), (16, 5, 6, 3, 2, 1), (2, 32, 4, 4, 1, 3), (3, 4, 7, 5, 2, 0), (32, 16, 3, 1, 1, 0)]
        {
            check(inputs, side, Shape { outputs, kernel, stride, padding });
        }
    }

    /// Sizes for which the algorithm of `kernels/winograd` is chosen, each with an edge that cuts tiles.
    #[test]
    fn gradients_match_with_fewer_multiplications() {
        for (inputs, outputs, side, kernel, padding) in
            [(16, 16, 7, 3, 1), (16, 16, 6, 4, 3), (16, 32, 6, 5, 2), (16, 3, 8, 3, 0), (3, 16, 6, 5, 4)]
        {
            check(inputs, side, Shape { outputs, kernel, stride: 1, padding });
        }
    }

    /// An activation in the convolution is the same as one after it; by itself it is checked in `relu`.
    #[test]
    fn activations_equal_those_that_follow() {
        for (inputs, outputs, kernel) in [(3, 16, 3), (16, 20, 5)] {
            let shape = Shape { outputs, kernel, stride: 1, padding: 1 };
            let case = Case::new(&[(50, inputs), (1, outputs * inputs * kernel * kernel), (1, outputs)]);
            let fused = case.results::<Kernels, 3>(|x| convolve::<Kernels>(x, shape, Activation::Relu));
            let after = case
                .results::<Kernels, 3>(|x| relu::kernel(convolve::<Kernels>(x, shape, Activation::Linear)).unwrap());
            assert_eq!(fused, after);
        }
    }

    /// By both algorithms, and for channels that fill no register.
    #[test]
    fn a_norm_in_the_convolution_has_the_bits_of_one_after_it() {
        for (inputs, outputs, stride, relu) in
            [(3, 16, 1, true), (16, 32, 2, false), (16, 20, 1, true), (16, 3, 1, true)]
        {
            let shape = Shape { outputs, kernel: 3, stride, padding: 1 };
            let values = |count: usize, step: f32| (0..count).map(|i| (i as f32 * step).sin()).collect::<Vec<_>>();
            let vector = |values: Vec<f32>| {
                let length = values.len();
                crate::nn::matrix::<Kernels>(values, 1, length).unwrap().reshape_like(&(length,))
            };
            let image = || {
                let pixels = crate::nn::matrix::<Kernels>(values(2 * 169 * inputs, 0.7), 2 * 169, inputs).unwrap();
                Image { pixels, batch: 2, side: 13 }
            };
            let of_layer = || (vector(values(outputs * inputs * 9, 0.3)), vector(values(outputs, 0.9)));
            let of_norm = || (vector(values(outputs, 1.1)), vector(values(outputs, 1.3)));
            let moments = Moments { mean: values(outputs, 1.7), variance: vec![0.37; outputs] };
            let mode = || Mode { running: Some(moments.clone()), relu };
            let once = kernel_normed(image(), of_layer(), shape, of_norm(), mode()).unwrap().pixels;
            let ((weight, bias), (scale, shift)) = (of_layer(), of_norm());
            let made = kernel(image(), weight, bias, shape, Activation::Linear).unwrap().pixels;
            let twice = batch_norm::kernel(made, scale, shift, mode()).unwrap().rows;
            let bits = |x: Matrix<Kernels>| x.as_vec().into_iter().map(f32::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(once), bits(twice), "{inputs} to {outputs}");
        }
    }

    #[test]
    fn a_leaky_activation_has_its_slope() {
        let shape = Shape { outputs: 2, kernel: 1, stride: 1, padding: 0 };
        check_both!(Case::new(&[(18, 1), (1, 2), (1, 2)]), |B, x| convolve::<B>(x, shape, Activation::LeakyRelu(0.1)));
    }

    fn convolve<B: Backend>([pixels, weight, bias]: [Matrix<B>; 3], shape: Shape, activation: Activation) -> Matrix<B> {
        let side = (pixels.shape().0 / 2).isqrt();
        let (weights, biases) = (weight.shape().1, bias.shape().1);
        let (weight, bias) = (weight.reshape_like(&(weights,)), bias.reshape_like(&(biases,)));
        B::conv2d(Image { pixels, batch: 2, side }, weight, bias, shape, activation).unwrap().pixels
    }

    fn check(inputs: usize, side: usize, shape: Shape) {
        let Shape { outputs, kernel, .. } = shape;
        let parts = [2 * side * side * inputs, outputs * inputs * kernel * kernel, outputs];
        let case = Case::new(&[(2 * side * side, inputs), (1, parts[1]), (1, parts[2])]);
        check_both!(case, |B, x| convolve::<B>(x, shape, Activation::Linear));
    }
}
