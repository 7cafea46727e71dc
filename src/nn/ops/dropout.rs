//! Dropout: each value is zero with probability `rate`, else divided by `1 − rate`, so that the mean stays.

use dfdx::prelude::{HasShape, TensorFromVec, TryMul};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::nn::backend::{Backend, Made, Matrix};

/// Drops values of `x` by draws from `rng`; one path serves every device, as the draws come from the seed.
pub fn dropout<B: Backend>(x: Matrix<B>, rate: f32, rng: &mut ChaCha8Rng) -> Made<Matrix<B>, B> {
    let shape = *x.shape();
    let draw = |_| if rng.random::<f32>() < rate { 0.0 } else { 1.0 / (1.0 - rate) };
    let mask = (0..shape.0 * shape.1).map(draw).collect();
    x.try_mul(B::device().try_tensor_from_vec(mask, shape)?)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::check::{Case, check_both};
    use super::*;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        check_both!(Case::new(&[(6, 5)]), |B, x| {
            let [x] = x;
            dropout::<B>(x, 0.4, &mut ChaCha8Rng::seed_from_u64(3)).unwrap()
        });
    }

    #[test]
    fn the_mean_stays() {
        let ones = crate::nn::image::matrix::<crate::nn::Kernels>(vec![1.0; 20_000], 200, 100).unwrap();
        let kept = dropout::<crate::nn::Kernels>(ones, 0.5, &mut ChaCha8Rng::seed_from_u64(1)).unwrap().as_vec();
        let mean = kept.iter().sum::<f32>() / 20_000.0;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!(kept.iter().all(|value| *value == 0.0 || *value == 2.0));
    }
}
