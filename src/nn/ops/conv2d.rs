//! 2-d convolution (cross-correlation, as in every framework) with bias, square kernel, stride and zero padding.
//! Weight `[output, input, ky, kx]`, kept as one row of values.

use dfdx::prelude::{
    Axes3, Axis, BroadcastTo, GatherTo, Merge, PermuteTo, ReshapeTo, SplitTape, Tape, TensorFromVec, TryAdd, TryMatMul,
    TryMul,
};

use super::storage::{add_gradient, matrix, take_gradient, tracked, values, vector};
use crate::nn::backend::{Backend, Kernels, Made, Vector};
use crate::nn::image::Image;
use crate::nn::kernels::{Convolution, Geometry};

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
) -> Made<Image<Kernels>, Kernels> {
    let geometry = shape.geometry(x.side);
    let convolution = Convolution { geometry, inputs: x.channels(), outputs: shape.outputs };
    let (batch, side) = (x.batch, geometry.output().0);
    let (x, x_tape) = x.pixels.split_tape();
    let ((weight, weight_tape), (bias, bias_tape)) = (weight.split_tape(), bias.split_tape());
    let wants_input_gradient = x_tape.is_on();
    let mut tape = x_tape.merge(weight_tape).merge(bias_tape);
    let output = convolution.forward(values(&x), vector(&weight), vector(&bias));
    let output = matrix(output, batch * side * side, shape.outputs)?;
    let made = output.clone();
    tape.add_backward_op(move |grads| {
        let gradient = take_gradient(grads, &made)?;
        add_gradient(grads, &weight, &convolution.weight_gradient(values(&x), &gradient))?;
        add_gradient(grads, &bias, &super::linear::column_sums(&gradient, convolution.outputs))?;
        if wants_input_gradient {
            convolution.add_input_gradient(&gradient, vector(&weight), grads.get_or_alloc_mut(&x)?);
        }
        Ok(())
    });
    Ok(Image { pixels: tracked(output, tape), batch, side })
}

/// The same by dfdx's operations: every tap's pixels are gathered side by side, then one matrix product.
pub(crate) fn composed<B: Backend>(x: Image<B>, weight: Vector<B>, bias: Vector<B>, shape: Shape) -> Made<Image<B>, B> {
    let geometry = shape.geometry(x.side);
    let (batch, inputs, taps, side) = (x.batch, x.channels(), shape.kernel * shape.kernel, geometry.output().0);
    let rows = batch * side * side;
    let (index, inside) = unfolding(&geometry, batch);
    let device = B::Device::default();
    let index = device.try_tensor_from_vec(index, (rows * taps,))?;
    let inside = device.try_tensor_from_vec(inside, (rows * taps,))?;
    let inside = inside.try_broadcast_like::<_, Axis<1>>(&(rows * taps, inputs))?;
    let unfolded = x.pixels.try_gather(index)?.try_mul(inside)?; // [pixel · tap, input]
    let unfolded = unfolded.try_reshape_like(&(rows, taps * inputs))?;
    let weight = weight.try_reshape_like(&(shape.outputs, inputs, taps))?;
    let weight = weight.try_permute::<_, Axes3<2, 1, 0>>()?.try_reshape_like(&(taps * inputs, shape.outputs))?;
    let bias = bias.try_broadcast_like::<_, Axis<0>>(&(rows, shape.outputs))?;
    let pixels = unfolded.try_matmul(weight)?.try_add(bias)?; // [pixel, output]
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
    use super::super::check::{Case, check_both};
    use super::*;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        for (inputs, outputs, side, kernel, stride, padding) in
            [(3, 16, 5, 3, 1, 1), (16, 5, 6, 3, 2, 1), (2, 32, 4, 4, 1, 3), (3, 4, 7, 5, 2, 0), (32, 16, 3, 1, 1, 0)]
        {
            let shape = Shape { outputs, kernel, stride, padding };
            let parts = [2 * side * side * inputs, outputs * inputs * kernel * kernel, outputs];
            let case = Case::new(&[(2 * side * side, inputs), (1, parts[1]), (1, parts[2])]);
            check_both!(case, |B, x| {
                let [pixels, weight, bias] = x;
                let image = Image { pixels, batch: 2, side };
                let (weight, bias) = (weight.reshape_like(&(parts[1],)), bias.reshape_like(&(parts[2],)));
                B::conv2d(image, weight, bias, shape).unwrap().pixels
            });
        }
    }
}
