//! Cross-entropy of classes with a bonus for entropy: `Σ_row w_row (−ln p_class − β H(p))`, `p = softmax(scores)`,
//! `H(p) = −Σ p ln p`. With `w = 1 / rows` and `β = 0` it is the usual loss; `β = 0.5` in the Stamp Classifier
//! (Carrasco-Davis et al. 2021, equation 1), whose probabilities are so kept from saturating; zeros in `w` mask padding.

use dfdx::prelude::{Axis, BroadcastTo, HasShape, MaxTo, PutTape, SplitTape, SumTo, TensorFromVec, TryMul, TrySub};

use super::loss::RowWeights;
use crate::nn::backend::{Backend, Made, Matrix, Scalar};
use crate::nn::track::fork;

/// The loss of `scores [row, class]` for the class of each row; one path serves every device, as there are few scores.
pub fn cross_entropy<B: Backend>(
    scores: Matrix<B>,
    classes: &[usize],
    weights: RowWeights,
    bonus: f32,
) -> Made<Scalar<B>, B> {
    let shape = *scores.shape();
    let device = B::device();
    let is_class = |row: usize| move |class: usize| f32::from(u8::from(classes[row] == class));
    let truth = (0..shape.0).flat_map(|row| (0..shape.1).map(is_class(row))).collect();
    let truth = device.try_tensor_from_vec(truth, shape)?;
    let weights = device.try_tensor_from_vec(weights, (shape.0,))?;
    let weights = weights.try_broadcast_like::<_, Axis<1>>(&shape)?;
    let (log_p, copy) = fork(log_softmax::<B>(scores)?);
    let factor = copy.try_exp()?.try_mul(bonus)?.try_sub(truth)?; // β p − 1 of the class
    log_p.try_mul(factor)?.try_mul(weights)?.try_sum()
}

/// `ln softmax` of each row. From single operations, because dfdx's own starts an empty tape inside, which here forgets.
pub(crate) fn log_softmax<B: Backend>(x: Matrix<B>) -> Made<Matrix<B>, B> {
    let shape = *x.shape();
    let (x, tape) = x.split_tape();
    let largest = x.clone().try_max::<_, Axis<1>>()?.try_broadcast_like::<_, Axis<1>>(&shape)?;
    let (x, copy) = fork(x.put_tape(tape).try_sub(largest)?);
    let sums = copy.try_exp()?.try_sum::<_, Axis<1>>()?.try_ln()?;
    x.try_sub(sums.try_broadcast_like::<_, Axis<1>>(&shape)?)
}

/// Probabilities `[row, class]` of scores, in double precision.
pub fn softmax(scores: &[f32], classes: usize) -> Vec<f64> {
    let mut all = Vec::with_capacity(scores.len());
    for row in scores.chunks_exact(classes) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = row.iter().map(|score| f64::from(score - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        all.extend(powers.iter().map(|power| power / sum));
    }
    all
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::ReshapeTo;

    use super::super::check::{Case, check_both};
    use super::*;
    use crate::nn::{Kernels, matrix};

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        check_both!(Case::new(&[(4, 3)]), |B, x| {
            let [scores] = x;
            let weights = vec![0.25, 0.0, 0.5, 0.25];
            cross_entropy::<B>(scores, &[2, 0, 1, 1], weights, 0.5).unwrap().reshape_like(&(1, 1))
        });
    }

    /// ```python
    /// import torch, torch.nn.functional as F
    /// s = torch.tensor([[1., 2., -1.], [0.5, 0., 3.]]); y = torch.tensor([0, 2]); l = F.log_softmax(s, 1)
    /// print(F.nll_loss(l, y) - 0.5 * -(l.exp() * l).sum(1).mean())  # 0.44869214
    /// ```
    #[test]
    fn equals_pytorch() {
        let scores = matrix::<Kernels>(vec![1.0, 2.0, -1.0, 0.5, 0.0, 3.0], 2, 3).unwrap();
        let loss = cross_entropy::<Kernels>(scores, &[0, 2], vec![0.5; 2], 0.5).unwrap().as_vec()[0];
        assert!((loss - 0.448_692_14).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn softmax_survives_large_scores() {
        let p = softmax(&[1000.0, 1000.0, -1000.0], 3);
        assert_eq!(p, [0.5, 0.5, 0.0]);
    }
}
