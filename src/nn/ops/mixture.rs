//! A mixture of diagonal Gaussians as the prior of codes (Jiang et al. 2017, VaDE; Astorga et al. 2018, equations 6 and 8):
//! `p(z) = Σ_c π_c N(z; μ_c, σ_c²)`, `π = softmax(logits)`, `σ_c² = floor + exp(spread)`. Composed of single operations of
//! dfdx; log-sum-exp throughout, so that far codes do not underflow.

use dfdx::prelude::{Axis, BroadcastTo, HasShape, ReshapeTo, SumTo, TryAdd, TryMul, TrySub};

use super::cross_entropy::log_softmax;
use crate::nn::backend::{Backend, Made, Matrix, Vector};
use crate::nn::track::fork;

/// The components, with their tapes: one use.
#[derive(Debug)]
pub struct Mixture<B: Backend> {
    /// `[component]`.
    pub logits: Vector<B>,
    /// `μ_c`, `[component · unit]`.
    pub centres: Vector<B>,
    /// `ln (σ_c² − floor)`, `[component · unit]`.
    pub spreads: Vector<B>,
    /// Smallest variance.
    pub floor: f32,
}

/// `ln σ_c²`, `[component, unit]`.
fn log_variance<B: Backend>(spreads: Vector<B>, floor: f32, shape: (usize, usize)) -> Made<Matrix<B>, B> {
    spreads.try_exp()?.try_add(floor)?.try_ln()?.try_reshape_like(&shape)
}

/// `ln π_c N(x; μ_c, σ_c²) + ½ J ln 2π` of each row for each component, `[row, component]`.
pub fn scores<B: Backend>(x: Matrix<B>, mixture: Mixture<B>) -> Made<Matrix<B>, B> {
    let ((rows, units), components) = (*x.shape(), mixture.logits.shape().0);
    let (kinds, each, all) = ((components, units), (rows, components), (rows, components, units));
    let (log_variance, copy) = fork(log_variance::<B>(mixture.spreads, mixture.floor, kinds)?);
    let precision = copy.try_negate()?.try_exp()?.try_broadcast_like::<_, Axis<0>>(&all)?;
    let centres = mixture.centres.try_reshape_like(&kinds)?.try_broadcast_like::<_, Axis<0>>(&all)?;
    let apart = x.try_broadcast_like::<_, Axis<1>>(&all)?.try_sub(centres)?;
    let distances = apart.try_square()?.try_mul(precision)?.try_sum::<_, Axis<2>>()?; // [row, component]
    let widths = log_variance.try_sum::<_, Axis<1>>()?.try_broadcast_like::<_, Axis<0>>(&each)?;
    let log_shares = log_softmax::<B>(mixture.logits.try_reshape_like(&(1, components))?)?;
    let log_shares = log_shares.try_reshape_like(&(components,))?.try_broadcast_like::<_, Axis<0>>(&each)?;
    log_shares.try_sub(distances.try_add(widths)?.try_mul(0.5)?)
}

/// Divergence of `N(μ, σ²)`, of which `draw` is a draw, from the mixture, for each row: what the evidence bound of VaDE has
/// beside `ln p(x|z)`, with the other sign,
///
/// `Σ_c γ_c [ln γ_c − ln π_c + ½ Σ_j (ln σ_cj² + σ_j²/σ_cj² + (μ_j − μ_cj)²/σ_cj²)] − ½ Σ_j (1 + ln σ_j²)`,
///
/// `γ = softmax_c scores(draw)`. Equation 6 of Astorga et al. prints no `ln σ_cj²`; the authors of VaDE have it.
pub fn divergence<B: Backend>(
    draw: Matrix<B>,
    mean: Matrix<B>,
    log_variance_of_codes: Matrix<B>,
    mixture: impl Fn() -> Mixture<B>,
) -> Made<Vector<B>, B> {
    let (rows, units) = *mean.shape();
    let Mixture { logits, spreads, floor, .. } = mixture();
    let components = logits.shape().0;
    let all = (rows, components, units);
    let (own, copy) = fork(log_variance_of_codes);
    let entropy = own.try_add(1.0)?.try_sum::<_, Axis<1>>()?.try_mul(0.5)?; // [row]
    let precision = log_variance::<B>(spreads, floor, (components, units))?.try_negate()?.try_exp()?;
    let precision = precision.try_broadcast_like::<_, Axis<0>>(&all)?;
    let variance = copy.try_exp()?.try_broadcast_like::<_, Axis<1>>(&all)?;
    let ratios = variance.try_mul(precision)?.try_sum::<_, Axis<2>>()?; // [row, component]
    let (log_gamma, copy) = fork(log_softmax::<B>(scores(draw, mixture())?)?);
    let costs = log_gamma.try_sub(scores(mean, mixture())?)?.try_add(ratios.try_mul(0.5)?)?;
    copy.try_exp()?.try_mul(costs)?.try_sum::<_, Axis<1>>()?.try_sub(entropy)
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, check_both};
    use super::super::gaussian;
    use super::*;
    use crate::nn::{Kernels, matrix};

    fn flat(values: &[f32]) -> Vector<Kernels> {
        let row = matrix::<Kernels>(values.to_vec(), 1, values.len()).unwrap();
        row.reshape_like(&(values.len(),))
    }

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        check_both!(Case::new(&[(5, 2), (1, 3), (3, 2), (3, 2)]), |B, x| {
            let [x, logits, centres, spreads] = x;
            let (logits, centres) = (logits.reshape_like(&(3,)), centres.reshape_like(&(6,)));
            let mixture = Mixture { logits, centres, spreads: spreads.reshape_like(&(6,)), floor: 0.01 };
            scores::<B>(x, mixture).unwrap()
        });
        check_both!(Case::new(&[(5, 2), (5, 2), (5, 2), (1, 3), (3, 2), (3, 2)]), |B, x| {
            let [draw, mean, log_variance, logits, centres, spreads] = x;
            let parts = std::cell::RefCell::new([logits, centres, spreads].map(Some));
            let use_of = |part: usize| {
                let mut parts = parts.borrow_mut();
                let (kept, used) = fork(parts[part].take().unwrap());
                parts[part] = Some(kept);
                let (rows, columns) = *used.shape();
                used.reshape_like(&(rows * columns,))
            };
            let mixture = || Mixture { logits: use_of(0), centres: use_of(1), spreads: use_of(2), floor: 0.01 };
            divergence::<B>(draw, mean, log_variance, mixture).unwrap().reshape_like(&(5, 1))
        });
    }

    const DRAW: [f32; 4] = [0.4, -0.3, 1.5, 0.2];
    const MEAN: [f32; 4] = [0.2, -0.1, 1.1, 0.6];
    const LOG_VARIANCE: [f32; 4] = [-0.4, 0.3, -1.0, 0.1];

    fn rows(values: &[f32]) -> Matrix<Kernels> {
        matrix::<Kernels>(values.to_vec(), 2, 2).unwrap()
    }

    fn found(logits: &[f32], centres: &[f32], variances: &[f32]) -> Vec<f32> {
        let spreads: Vec<f32> = variances.iter().map(|v| v.ln()).collect();
        let mixture = || Mixture { logits: flat(logits), centres: flat(centres), spreads: flat(&spreads), floor: 0.0 };
        divergence::<Kernels>(rows(&DRAW), rows(&MEAN), rows(&LOG_VARIANCE), mixture).unwrap().as_vec()
    }

    fn assert_close(left: &[f32], right: &[f32]) {
        assert!(left.iter().zip(right).all(|(l, r)| (l - r).abs() < 1e-5), "{left:?} against {right:?}");
    }

    #[test]
    fn a_component_that_takes_all_codes_is_a_vae_with_its_share() {
        // the other one is so far away that gamma is one-hot to the last bit
        let made = found(&[0.3_f32.ln(), 0.7_f32.ln()], &[0.0, 0.0, 1e3, 1e3], &[1.0; 4]);
        let vae = gaussian::divergence::<Kernels>(rows(&MEAN), rows(&LOG_VARIANCE)).unwrap().as_vec();
        let expected: Vec<f32> = vae.iter().map(|divergence| divergence - 0.3_f32.ln()).collect();
        assert_close(&made, &expected);
    }

    /// ```python
    /// from torch.distributions import Normal, kl_divergence as kl
    /// m = torch.tensor([[.2, -.1], [1.1, .6]]); v = torch.tensor([[-.4, .3], [-1., .1]])
    /// print(kl(Normal(m, (v / 2).exp()), Normal(torch.tensor([.5, -1.]), torch.tensor([.25, 2.]).sqrt())).sum(1).tolist())
    /// # 0.764031171798706, 1.475478172302246
    /// ```
    #[test]
    fn one_component_is_a_vae_with_a_learned_gaussian_prior() {
        assert_close(&found(&[3.0], &[0.5, -1.0], &[0.25, 2.0]), &[0.764_031_2, 1.475_478_2]);
    }

    #[test]
    fn codes_far_from_everything_keep_a_finite_divergence() {
        let far = rows(&[1e4, -1e4, 1e4, 1e4]);
        let mixture = || Mixture {
            logits: flat(&[0.0, 1.0]),
            centres: flat(&[0.0, 0.0, 1.0, 1.0]),
            spreads: flat(&[0.0; 4]),
            floor: 0.0,
        };
        let made = divergence::<Kernels>(far, rows(&MEAN), rows(&LOG_VARIANCE), mixture).unwrap().as_vec();
        assert!(made.iter().all(|v| v.is_finite()), "{made:?}");
    }
}
