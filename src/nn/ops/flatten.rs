//! Images to rows and back. Rows are `[batch, channel · y · x]`, PyTorch's order, so that its linear weights fit.

use dfdx::prelude::{Axes3, HasShape, PermuteTo, ReshapeTo, SplitTape, Tape};

use super::storage::{add_gradient, matrix, take_gradient, tracked, values};
use crate::nn::backend::{Backend, Kernels, Made, Matrix};
use crate::nn::image::{Image, transpose};

/// `[batch, y, x, channel]` to `[batch, channel · y · x]` by a loop of our own.
pub(crate) fn kernel(x: Image<Kernels>) -> Made<Matrix<Kernels>, Kernels> {
    let (batch, channels, area) = (x.batch, x.channels(), x.side * x.side);
    let (x, mut tape) = x.pixels.split_tape();
    let output = matrix(transpose(values(&x), area, channels), batch, channels * area)?;
    let made = output.clone();
    tape.add_backward_op(move |grads| {
        let gradient = take_gradient(grads, &made)?;
        add_gradient(grads, &x, &transpose(&gradient, channels, area))
    });
    Ok(tracked(output, tape))
}

/// `[batch, channel · y · x]` to `[batch, y, x, channel]` by a loop of our own.
pub(crate) fn kernel_back(x: Matrix<Kernels>, channels: usize, side: usize) -> Made<Image<Kernels>, Kernels> {
    let (x, mut tape) = x.split_tape();
    let (batch, area) = (x.shape().0, side * side);
    let output = matrix(transpose(values(&x), channels, area), batch * area, channels)?;
    let made = output.clone();
    tape.add_backward_op(move |grads| {
        let gradient = take_gradient(grads, &made)?;
        add_gradient(grads, &x, &transpose(&gradient, area, channels))
    });
    Ok(Image { pixels: tracked(output, tape), batch, side })
}

/// [`kernel`] by dfdx.
pub(crate) fn composed<B: Backend>(x: Image<B>) -> Made<Matrix<B>, B> {
    let (batch, channels, area) = (x.batch, x.channels(), x.side * x.side);
    let rows = x.pixels.try_reshape_like(&(batch, area, channels))?;
    rows.try_permute::<_, Axes3<0, 2, 1>>()?.try_reshape_like(&(batch, channels * area))
}

/// [`kernel_back`] by dfdx.
pub(crate) fn composed_back<B: Backend>(x: Matrix<B>, channels: usize, side: usize) -> Made<Image<B>, B> {
    let (batch, area) = (x.shape().0, side * side);
    let planes = x.try_reshape_like(&(batch, channels, area))?;
    let pixels = planes.try_permute::<_, Axes3<0, 2, 1>>()?.try_reshape_like(&(batch * area, channels))?;
    Ok(Image { pixels, batch, side })
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, check_both};
    use super::*;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        check_both!(Case::new(&[(2 * 9, 4)]), |B, x| {
            let [pixels] = x;
            B::flatten(Image { pixels, batch: 2, side: 3 }).unwrap()
        });
        check_both!(Case::new(&[(2, 36)]), |B, x| {
            let [rows] = x;
            B::unflatten(rows, 4, 3).unwrap().pixels
        });
    }
}
