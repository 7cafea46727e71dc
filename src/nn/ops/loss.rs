//! Weighted sum of squared errors, the one reconstruction loss: `Σ_row w_row Σ_column (x − target)²`. With `w = 1 / batch`
//! on every pixel it is the squared error per image averaged over the batch; with `w = 1 / (rows · columns)` the mean
//! squared error; with zeros on padding the masked one. No gradient reaches the target.

use dfdx::prelude::{
    Axis, BroadcastTo, HasShape, PutTape, SplitTape, SumTo, Tape, Tensor, TensorFromVec, TryMul, TrySub,
};

use super::storage::{add_gradient, take_gradient, values};
use crate::nn::backend::{Backend, Kernels, Made, Matrix, Scalar};

/// Weight of each row.
pub type RowWeights = Vec<f32>;

/// By a loop of our own.
pub(crate) fn kernel(
    x: Matrix<Kernels>,
    target: Matrix<Kernels>,
    weights: RowWeights,
) -> Made<Scalar<Kernels>, Kernels> {
    let (x, mut tape) = x.split_tape();
    let (target, _) = target.split_tape();
    let columns = x.shape().1;
    let error = |row: usize| {
        let pairs = values(&x)[row * columns..][..columns].iter().zip(&values(&target)[row * columns..]);
        pairs.map(|(x, target)| f64::from(x - target).powi(2)).sum::<f64>()
    };
    let loss: f64 = weights.iter().enumerate().map(|(row, weight)| f64::from(*weight) * error(row)).sum();
    let output: Tensor<(), f32, _> = x.device().try_tensor_from_vec(vec![loss as f32], ())?;
    let made = output.clone();
    tape.add_backward_op(move |grads| {
        let outer = take_gradient(grads, &made)?[0];
        let factors = weights.iter().flat_map(|weight| std::iter::repeat_n(2.0 * outer * weight, columns));
        let pairs = values(&x).iter().zip(values(&target));
        let gradient: Vec<f32> = pairs.zip(factors).map(|((x, target), factor)| factor * (x - target)).collect();
        add_gradient(grads, &x, &gradient)
    });
    Ok(output.put_tape(tape))
}

/// By dfdx's operations.
pub(crate) fn composed<B: Backend>(x: Matrix<B>, target: Matrix<B>, weights: RowWeights) -> Made<Scalar<B>, B> {
    let shape = *x.shape();
    // a tensor of its own: without a tape dfdx still adds to the gradient of the tensor that was split off
    let target = target.split_tape().0.try_mul(1.0)?;
    let weights = B::device().try_tensor_from_vec(weights, (shape.0,))?;
    let weights = weights.try_broadcast_like::<_, Axis<1>>(&shape)?;
    x.try_sub(target)?.try_square()?.try_mul(weights)?.try_sum()
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::ReshapeTo;

    use super::super::check::{Case, check_both};
    use super::*;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        check_both!(Case::new(&[(6, 4)]), |B, x| {
            let [x] = x;
            let target = crate::nn::image::matrix::<B>((0..24).map(|i| i as f32 / 24.0).collect(), 6, 4).unwrap();
            let weights = vec![0.5, 0.0, 0.25, 1.0, 0.0, 0.5];
            B::weighted_sse(x, target, weights).unwrap().reshape_like(&(1, 1))
        });
    }
}
