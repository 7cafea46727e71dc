//! `max(0, x)`, and its leaky form `max(0, x) + slope · min(0, x)`.

use dfdx::prelude::{HasShape, SplitTape, Tape, Tensor, TryMul, TrySub};
use rayon::prelude::*;

use super::storage::{matrix, take_gradient, tracked, values};
use crate::nn::backend::{Backend, Kernels, Made, Matrix};
use crate::nn::track::fork;

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

/// The leaky form by dfdx, for every device; only Deep-HiTS uses it.
pub fn leaky<B: Backend>(x: Matrix<B>, slope: f32) -> Made<Matrix<B>, B> {
    let (x, copy) = fork(x);
    x.try_relu()?.try_sub(copy.try_negate()?.try_relu()?.try_mul(slope)?)
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
        check_both!(Case::new(&[(7, 5)]), |B, x| {
            let [x] = x;
            leaky::<B>(x, 0.01).unwrap()
        });
    }

    #[test]
    fn the_leaky_form_keeps_a_share_of_what_is_negative() {
        let x = crate::nn::matrix::<Kernels>(vec![-2.0, 0.0, 3.0], 1, 3).unwrap();
        assert_eq!(leaky::<Kernels>(x, 0.25).unwrap().as_vec(), [-0.5, 0.0, 3.0]);
    }
}
