//! `max(0, x)`.

use dfdx::prelude::{HasShape, SplitTape, Tape, Tensor};
use rayon::prelude::*;

use super::storage::{matrix, take_gradient, tracked, values};
use crate::nn::backend::{Backend, Kernels, Made, Matrix};

/// Values per task.
const BLOCK: usize = 1 << 16;

/// By a loop of our own; the gradient passes where the output is positive.
pub(crate) fn kernel(x: Matrix<Kernels>) -> Made<Matrix<Kernels>, Kernels> {
    let (x, mut tape) = x.split_tape();
    let &(rows, columns) = x.shape();
    let mut output = vec![0.0; rows * columns];
    output.par_chunks_mut(BLOCK).zip(values(&x).par_chunks(BLOCK)).for_each(|(output, x)| {
        output.iter_mut().zip(x).for_each(|(output, x)| *output = x.max(0.0));
    });
    let output = matrix(output, rows, columns)?;
    let made = output.clone();
    tape.add_backward_op(move |grads| {
        let gradient = take_gradient(grads, &made)?;
        let sums = grads.get_or_alloc_mut(&x)?;
        let blocks = sums.par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK)).zip(values(&made).par_chunks(BLOCK));
        blocks.for_each(|((sums, gradient), output)| {
            for ((sum, gradient), &output) in sums.iter_mut().zip(gradient).zip(output) {
                *sum += if output > 0.0 { *gradient } else { 0.0 };
            }
        });
        Ok(())
    });
    Ok(tracked(output, tape))
}

/// By dfdx.
pub(crate) fn composed<B: Backend>(x: Matrix<B>) -> Made<Matrix<B>, B> {
    Tensor::try_relu(x)
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, check_both};
    use super::*;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        check_both!(Case::new(&[(7, 5)]), |B, x| {
            let [x] = x;
            B::relu(x).unwrap()
        });
    }
}
