//! Gaussians of variational autoencoders (Kingma and Welling 2014; Astorga et al. 2018, equations 5 to 8): draws of codes,
//! their divergence from a standard normal, and how well a Gaussian around a reconstruction explains a stamp. Composed of
//! single operations of dfdx, which serve every device: there are few codes.

use dfdx::prelude::{Axis, HasShape, ReshapeTo, SplitTape, SumTo, TensorFromVec, TryAdd, TryMul, TrySub};

use crate::nn::backend::{Backend, Made, Matrix, Scalar, Vector};
use crate::nn::image::Image;
use crate::nn::track::fork;

/// `ln σ² = −RANGE · sigmoid`: Astorga et al. 2018 write `s = −0.2 ln σ²(z)` with `s` in (0, 1), so `σ²` is in (e⁻⁵, 1).
const RANGE: f32 = 5.0;

/// `μ + σ ε`, `[row, unit]`: a draw of each code that gradients pass (Kingma and Welling 2014, section 2.4).
pub fn draw<B: Backend>(mean: Matrix<B>, log_variance: Matrix<B>, noise: Vec<f32>) -> Made<Matrix<B>, B> {
    let noise = B::device().try_tensor_from_vec(noise, *mean.shape())?;
    mean.try_add(log_variance.try_mul(0.5)?.try_exp()?.try_mul(noise)?)
}

/// Divergence of `N(μ, σ²)` from `N(0, 1)`, `½ Σ_j (μ_j² + σ_j² − 1 − ln σ_j²)` of each row (Kingma and Welling 2014,
/// appendix B).
pub fn divergence<B: Backend>(mean: Matrix<B>, log_variance: Matrix<B>) -> Made<Vector<B>, B> {
    let (log_variance, copy) = fork(log_variance);
    let terms = mean.try_square()?.try_add(copy.try_exp()?)?.try_sub(log_variance)?.try_sub(1.0)?;
    terms.try_mul(0.5)?.try_sum::<_, Axis<1>>()
}

/// Squared error of each image, `Σ_pixels (x − μ_x)²`. No gradient reaches the target.
pub fn image_errors<B: Backend>(made: Image<B>, target: Image<B>) -> Made<Vector<B>, B> {
    let shape = (made.batch, made.side * made.side * made.channels());
    // a tensor of its own: without a tape dfdx still adds to the gradient of the tensor that was split off
    let target = target.pixels.split_tape().0.try_mul(1.0)?;
    made.pixels.try_sub(target)?.try_square()?.try_reshape_like(&shape)?.try_sum::<_, Axis<1>>()
}

/// `ln σ²` of each image from the last layer `[row, 1]` of a variance head.
pub fn bounded_log_variance<B: Backend>(x: Matrix<B>) -> Made<Vector<B>, B> {
    let rows = x.shape().0;
    x.try_sigmoid()?.try_mul(-RANGE)?.try_reshape_like(&(rows,))
}

/// `−ln p(x|z)` of each image of so many `pixels`: `Σ_pixels [(x − μ_x)² / (2σ²) + ½ ln 2πσ²]`.
pub fn surprise<B: Backend>(errors: Vector<B>, log_variance: Vector<B>, pixels: usize) -> Made<Vector<B>, B> {
    let (log_variance, copy) = fork(log_variance);
    let pixels = pixels as f32;
    let scaled = errors.try_mul(copy.try_negate()?.try_exp()?)?.try_mul(0.5)?;
    let log_width = log_variance.try_add(std::f32::consts::TAU.ln())?.try_mul(0.5 * pixels)?;
    scaled.try_add(log_width)
}

/// The mean over rows of `first + weight · second`.
pub fn mean_sum<B: Backend>(first: Vector<B>, second: Vector<B>, weight: f32) -> Made<Scalar<B>, B> {
    let rows = first.shape().0 as f32;
    first.try_add(second.try_mul(weight)?)?.try_mul(1.0 / rows)?.try_sum()
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, check_both};
    use super::*;
    use crate::nn::{Kernels, matrix};

    const NOISE: [f32; 6] = [0.3, -1.2, 0.7, 2.0, -0.4, 0.1];

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        check_both!(Case::new(&[(3, 2), (3, 2)]), |B, x| {
            let [mean, log_variance] = x;
            draw::<B>(mean, log_variance, NOISE.to_vec()).unwrap()
        });
        check_both!(Case::new(&[(3, 2), (3, 2)]), |B, x| {
            let [mean, log_variance] = x;
            divergence::<B>(mean, log_variance).unwrap().reshape_like(&(3, 1))
        });
        check_both!(Case::new(&[(8, 3), (2, 1)]), |B, x| {
            let [pixels, head] = x;
            let target = matrix::<B>((0..24).map(|i| i as f32 / 24.0).collect(), 8, 3).unwrap();
            let image = |pixels| Image::<B> { pixels, batch: 2, side: 2 };
            let errors = image_errors(image(pixels), image(target)).unwrap();
            let surprise = surprise::<B>(errors, bounded_log_variance::<B>(head).unwrap(), 12).unwrap();
            surprise.reshape_like(&(2, 1))
        });
        check_both!(Case::new(&[(1, 5), (1, 5)]), |B, x| {
            let [first, second] = x.map(|x| x.reshape_like(&(5,)));
            mean_sum::<B>(first, second, 0.3).unwrap().reshape_like(&(1, 1))
        });
    }

    /// ```python
    /// import torch; from torch.distributions import Normal, kl_divergence as kl
    /// m = torch.tensor([0.5, -1.0]); v = torch.tensor([0.2, -0.7])
    /// print(kl(Normal(m, (v / 2).exp()), Normal(0., 1.)).sum().item())  # 0.73399401
    /// x = torch.tensor([0.1, 0.9, 0.4]); y = torch.tensor([0.2, 0.5, 0.4]); s = torch.sigmoid(torch.tensor(0.4))
    /// print(-Normal(y, (-5 * s / 2).exp()).log_prob(x).sum().item())  # -0.03723729
    /// ```
    #[test]
    fn equal_pytorch() {
        let row = |values: &[f32]| matrix::<Kernels>(values.to_vec(), 1, values.len()).unwrap();
        let found = divergence::<Kernels>(row(&[0.5, -1.0]), row(&[0.2, -0.7])).unwrap().as_vec()[0];
        assert!((found - 0.733_994).abs() < 1e-6, "{found}");
        let image = |values: &[f32]| Image::<Kernels> { pixels: row(values), batch: 1, side: 1 };
        let errors = image_errors(image(&[0.2, 0.5, 0.4]), image(&[0.1, 0.9, 0.4])).unwrap();
        let log_variance = bounded_log_variance::<Kernels>(row(&[0.4])).unwrap();
        let found = surprise::<Kernels>(errors, log_variance, 3).unwrap().as_vec()[0];
        assert!((found + 0.037_237_3).abs() < 1e-6, "{found}");
    }

    #[test]
    fn the_variance_stays_in_its_bounds() {
        let ends = matrix::<Kernels>(vec![-1e4, 0.0, 1e4], 3, 1).unwrap();
        let log_variance = bounded_log_variance::<Kernels>(ends).unwrap().as_vec();
        assert_eq!(log_variance, [0.0, -2.5, -5.0]);
    }
}
