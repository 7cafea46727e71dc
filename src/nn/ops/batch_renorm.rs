//! Batch renormalisation (Ioffe 2017, algorithm 1): `γ ((x − μ) / σ · r + d) + β` with the moments of the batch, where
//! `r = σ / σ_run` within `1 / r_max` and `r_max`, `d = (μ − μ_run) / σ_run` within `± d_max`, both without gradient: a row of a
//! training batch is then normalised nearly as it is at inference. It is a batch norm of scale `γ r` and shift `β + γ d`.

use dfdx::prelude::{TensorFromVec, TryAdd, TryMul};

use super::batch_norm::{EPSILON, Mode, Moments, Output};
use crate::nn::backend::{Backend, Made, Matrix, Vector};
use crate::nn::track::fork;

/// How far a batch may stand from the running moments before it is taken as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Largest ratio of deviations, at least 1.
    pub r: f32,
    /// Largest distance of means, in running deviations.
    pub d: f32,
}

/// `r` and `d` of each column.
#[derive(Debug, Clone, PartialEq)]
pub struct Corrections {
    /// `[column]`.
    pub r: Vec<f32>,
    /// `[column]`.
    pub d: Vec<f32>,
}

impl Corrections {
    /// Those of a batch, within `limits`.
    pub fn new(batch: &Moments, running: &Moments, limits: Limits) -> Self {
        let deviation = |variance: &f32| (variance + EPSILON).sqrt();
        let pairs = batch.variance.iter().zip(&running.variance);
        let ratio = |(own, run)| (deviation(own) / deviation(run)).clamp(1.0 / limits.r, limits.r);
        let means = batch.mean.iter().zip(&running.mean).zip(&running.variance);
        let distance = |((own, run), variance): ((&f32, &f32), &f32)| {
            ((own - run) / deviation(variance)).clamp(-limits.d, limits.d)
        };
        Self { r: pairs.map(ratio).collect(), d: means.map(distance).collect() }
    }
}

/// Rows normalised by the moments of the batch, then corrected.
pub fn batch_renorm<B: Backend>(
    x: Matrix<B>,
    scale: Vector<B>,
    shift: Vector<B>,
    corrections: Corrections,
) -> Made<Output<B>, B> {
    let columns = corrections.r.len();
    let constant = |values| B::device().try_tensor_from_vec(values, (columns,));
    let (scale, copy) = fork(scale);
    let shift = shift.try_add(copy.try_mul(constant(corrections.d)?)?)?;
    B::batch_norm(x, scale.try_mul(constant(corrections.r)?)?, shift, Mode { running: None, relu: false })
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::ReshapeTo;

    use super::super::check::{Case, check_both};
    use super::*;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        let corrections = Corrections { r: vec![0.5, 1.0, 2.5], d: vec![0.0, -0.75, 2.0] };
        check_both!(Case::new(&[(40, 3), (1, 3), (1, 3)]), |B, x| {
            let [rows, scale, shift] = x;
            let (scale, shift) = (scale.reshape_like(&(3,)), shift.reshape_like(&(3,)));
            batch_renorm::<B>(rows, scale, shift, corrections.clone()).unwrap().rows
        });
    }

    #[test]
    fn corrections_are_cut_at_their_limits() {
        let moments = |mean: &[f32], variance: &[f32]| Moments { mean: mean.into(), variance: variance.into() };
        let batch = moments(&[1.0, 9.0, -9.0], &[4.0, 100.0, 0.0]);
        let running = moments(&[0.0; 3], &[1.0; 3]);
        let wide = Corrections::new(&batch, &running, Limits { r: 3.0, d: 5.0 });
        assert!((wide.r[0] - 2.0).abs() < 1e-4 && (wide.d[0] - 1.0).abs() < 1e-4, "{wide:?}");
        assert_eq!((&wide.r[1..], &wide.d[1..]), (&[3.0, 1.0 / 3.0][..], &[5.0, -5.0][..]));
        let none = Corrections::new(&batch, &running, Limits { r: 1.0, d: 0.0 });
        assert_eq!(none, Corrections { r: vec![1.0; 3], d: vec![0.0; 3] }, "batch norm");
    }
}
