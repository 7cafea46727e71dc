//! Batch normalisation over rows, `γ (x − μ) / √(σ² + ε) + β` per column, optionally followed by `max(0, ·)`: for vectors
//! (1-d) and, as images are rows of pixels, for images (2-d). Ioffe and Szegedy 2015; moments as in PyTorch.

use dfdx::prelude::{
    Axis, BroadcastTo, HasShape, MeanTo, Merge, PutTape, SplitTape, Tape, Tensor, TensorFromVec, TryAdd, TryDiv,
    TryMul, TrySub,
};
use rayon::prelude::*;

use super::storage::{PlainMatrix, add_gradient, matrix, take_gradient, tracked, values, vector};
use crate::nn::backend::{Backend, Kernels, Made, Matrix, Vector};
use crate::nn::kernels::collect;
use crate::nn::track::{Track, fork};

/// Added to the variance, PyTorch's default.
pub const EPSILON: f32 = 1e-5;
/// Rows per task: fixed, so that sums do not depend on the number of threads.
const ROWS: usize = 1024;

/// Mean and (biased) variance of each column.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// `[column]`.
    pub mean: Vec<f32>,
    /// `[column]`.
    pub variance: Vec<f32>,
}

/// How to normalise.
#[derive(Debug, Clone)]
pub struct Mode {
    /// Moments to use (inference); `None`: those of the batch (training).
    pub running: Option<Moments>,
    /// Whether `max(0, ·)` follows.
    pub relu: bool,
}

/// The normalised rows, and the moments that were used.
pub struct Output<B: Backend> {
    /// `[row, column]`.
    pub rows: Matrix<B>,
    /// Of the batch, or the given ones.
    pub moments: Moments,
}

/// `x` becomes `factor · x + offset`.
pub(super) struct Affine {
    pub(super) factor: Vec<f32>,
    pub(super) offset: Vec<f32>,
    /// `1 / √(σ² + ε)`.
    inverse: Vec<f32>,
}

impl Affine {
    pub(super) fn new(moments: &Moments, scale: &[f32], shift: &[f32]) -> Self {
        let inverse: Vec<f32> = moments.variance.iter().map(|variance| 1.0 / (variance + EPSILON).sqrt()).collect();
        let factor: Vec<f32> = inverse.iter().zip(scale).map(|(inverse, scale)| inverse * scale).collect();
        let offset = shift.iter().zip(&moments.mean).zip(&factor).map(|((shift, mean), f)| shift - mean * f).collect();
        Self { factor, offset, inverse }
    }
}

/// By loops of our own.
pub(crate) fn kernel(
    x: Matrix<Kernels>,
    scale: Vector<Kernels>,
    shift: Vector<Kernels>,
    mode: Mode,
) -> Made<Output<Kernels>, Kernels> {
    let (x, tape) = x.split_tape();
    let ((scale, scale_tape), (shift, shift_tape)) = (scale.split_tape(), shift.split_tape());
    let mut tape = tape.merge(scale_tape).merge(shift_tape);
    let &(rows, columns) = x.shape();
    let trains = mode.running.is_none();
    let moments = mode.running.unwrap_or_else(|| moments(values(&x), columns));
    let affine = Affine::new(&moments, vector(&scale), vector(&shift));
    let output = matrix(normalise(values(&x), &affine, mode.relu), rows, columns)?;
    let (made, mean) = (output.clone(), moments.mean.clone());
    tape.add_backward_op(move |grads| {
        let mut gradient = take_gradient(grads, &made)?;
        if mode.relu {
            mask(&mut gradient, values(&made));
        }
        let sums = gradient_sums(&gradient, values(&x), &mean);
        let by_scale: Vec<f32> = sums.centred.iter().zip(&affine.inverse).map(|(sum, inverse)| sum * inverse).collect();
        add_gradient(grads, &shift, &sums.plain)?;
        add_gradient(grads, &scale, &by_scale)?;
        let through_moments = trains.then_some((sums.plain, by_scale));
        add_input_gradient(&gradient, values(&x), &mean, &affine, through_moments, grads.get_or_alloc_mut(&x)?);
        Ok(())
    });
    Ok(Output { rows: tracked(output, tape), moments })
}

/// The moments of a matrix by the loop of our own.
pub(crate) fn kernel_moments(x: &PlainMatrix) -> Moments {
    moments(values(x), x.shape().1)
}

/// Moments in one pass, as differences from the first row; sums over tasks in order and in double precision.
pub(crate) fn moments(x: &[f32], columns: usize) -> Moments {
    let pivot = &x[..columns.min(x.len())];
    let partial: Vec<[Vec<f32>; 2]> = x
        .par_chunks(ROWS * columns)
        .map(|block| {
            let mut sums = [vec![0.0; columns], vec![0.0; columns]];
            let [first, second] = &mut sums;
            for row in block.chunks_exact(columns) {
                for (((first, second), x), pivot) in first.iter_mut().zip(second.iter_mut()).zip(row).zip(pivot) {
                    let d = x - pivot;
                    *first += d;
                    *second += d * d;
                }
            }
            sums
        })
        .collect();
    let n = (x.len() / columns) as f64;
    let mean_of =
        |which: usize| in_order(partial.iter().map(move |sums| &sums[which]), columns).map(move |sum| sum / n);
    let (first, second): (Vec<f64>, Vec<f64>) = (mean_of(0).collect(), mean_of(1).collect());
    Moments {
        mean: first.iter().zip(pivot).map(|(d, pivot)| (f64::from(*pivot) + d) as f32).collect(),
        variance: first.iter().zip(second).map(|(d, square)| (square - d * d).max(0.0) as f32).collect(),
    }
}

fn in_order<'a>(partial: impl Iterator<Item = &'a Vec<f32>>, columns: usize) -> impl Iterator<Item = f64> {
    let mut sums = vec![0.0; columns];
    for block in partial {
        sums.iter_mut().zip(block).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.into_iter()
}

fn normalise(x: &[f32], affine: &Affine, relu: bool) -> Vec<f32> {
    let columns = affine.factor.len();
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    collect(x.len(), ROWS * columns, |block, output| {
        let x = &x[block * ROWS * columns..][..output.len()];
        for (output, x) in output.chunks_exact_mut(columns).zip(x.chunks_exact(columns)) {
            let constants = affine.factor.iter().zip(&affine.offset);
            for ((output, x), (factor, offset)) in output.iter_mut().zip(x).zip(constants) {
                let value = x * factor + offset;
                // not `max`: a NaN must reach the loss and be noticed there
                *output = if value < floor { floor } else { value };
            }
        }
    })
}

/// Zeroes the gradient where the rectified output is zero.
fn mask(gradient: &mut [f32], output: &[f32]) {
    gradient.par_chunks_mut(1 << 16).zip(output.par_chunks(1 << 16)).for_each(|(gradient, output)| {
        gradient.iter_mut().zip(output).for_each(|(g, &output)| *g = if output > 0.0 { *g } else { 0.0 });
    });
}

/// Per column `Σ g` and `Σ g (x − μ)`.
struct GradientSums {
    plain: Vec<f32>,
    centred: Vec<f32>,
}

fn gradient_sums(gradient: &[f32], x: &[f32], mean: &[f32]) -> GradientSums {
    let columns = mean.len();
    let partial: Vec<[Vec<f32>; 2]> = gradient
        .par_chunks(ROWS * columns)
        .zip(x.par_chunks(ROWS * columns))
        .map(|(gradient, x)| {
            let mut sums = [vec![0.0; columns], vec![0.0; columns]];
            let [plain, centred] = &mut sums;
            for (gradient, x) in gradient.chunks_exact(columns).zip(x.chunks_exact(columns)) {
                let sums = plain.iter_mut().zip(centred.iter_mut());
                for (((plain, centred), g), (x, mean)) in sums.zip(gradient).zip(x.iter().zip(mean)) {
                    *plain += g;
                    *centred += g * (x - mean);
                }
            }
            sums
        })
        .collect();
    let total =
        |which: usize| in_order(partial.iter().map(move |sums| &sums[which]), columns).map(|sum| sum as f32).collect();
    GradientSums { plain: total(0), centred: total(1) }
}

/// `factor (g − Σg / n − x̂ Σ(g x̂) / n)`, the last two terms only where the moments came from the batch.
fn add_input_gradient(
    gradient: &[f32],
    x: &[f32],
    mean: &[f32],
    affine: &Affine,
    through_moments: Option<(Vec<f32>, Vec<f32>)>,
    sum: &mut [f32],
) {
    let columns = mean.len();
    let n = (x.len() / columns) as f32;
    let zeros = || vec![0.0; columns];
    let (plain, by_scale) = through_moments.unwrap_or_else(|| (zeros(), zeros()));
    let constant: Vec<f32> = (0..columns).map(|c| affine.factor[c] * plain[c] / n).collect();
    let slope: Vec<f32> = (0..columns).map(|c| affine.factor[c] * affine.inverse[c] * by_scale[c] / n).collect();
    let block = ROWS * columns;
    sum.par_chunks_mut(block).zip(gradient.par_chunks(block)).zip(x.par_chunks(block)).for_each(|((sum, g), x)| {
        let rows = sum.chunks_exact_mut(columns).zip(g.chunks_exact(columns)).zip(x.chunks_exact(columns));
        for ((sum, g), x) in rows {
            let (sum, g, x) = (&mut sum[..columns], &g[..columns], &x[..columns]);
            let (factor, constant, slope) = (&affine.factor[..columns], &constant[..columns], &slope[..columns]);
            for c in 0..columns {
                sum[c] += factor[c] * g[c] - constant[c] - slope[c] * (x[c] - mean[c]);
            }
        }
    });
}

/// The same by dfdx's operations.
pub(crate) fn composed<B: Backend>(x: Matrix<B>, scale: Vector<B>, shift: Vector<B>, mode: Mode) -> Made<Output<B>, B> {
    let shape = *x.shape();
    let columns = |v: Vec<f32>| -> Made<Vector<B>, B> {
        let plain: Tensor<(usize,), f32, B::Device> = B::device().try_tensor_from_vec(v, (shape.1,))?;
        Ok(plain.put_tape(Track::default()))
    };
    let (x, copy) = fork(x);
    let mean = match &mode.running {
        Some(moments) => columns(moments.mean.clone())?,
        None => copy.try_mean::<_, Axis<0>>()?,
    };
    let mean_values = mean.as_vec();
    let centred = x.try_sub(mean.try_broadcast_like::<_, Axis<0>>(&shape)?)?;
    let (centred, copy) = fork(centred);
    let variance = match &mode.running {
        Some(moments) => columns(moments.variance.clone())?,
        None => copy.try_square()?.try_mean::<_, Axis<0>>()?,
    };
    let moments = Moments { mean: mean_values, variance: variance.as_vec() };
    let deviation = variance.try_add(EPSILON)?.try_sqrt()?;
    let normalised = centred.try_div(deviation.try_broadcast_like::<_, Axis<0>>(&shape)?)?;
    let scaled = normalised.try_mul(scale.try_broadcast_like::<_, Axis<0>>(&shape)?)?;
    let rows = scaled.try_add(shift.try_broadcast_like::<_, Axis<0>>(&shape)?)?;
    Ok(Output { rows: if mode.relu { rows.try_relu()? } else { rows }, moments })
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::ReshapeTo;

    use super::super::check::{Case, check_both};
    use super::*;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        let running = Moments { mean: vec![0.1, -0.2, 0.3], variance: vec![0.5, 1.0, 2.0] };
        for (running, relu) in [(None, false), (None, true), (Some(running.clone()), false), (Some(running), true)] {
            check_both!(Case::new(&[(40, 3), (1, 3), (1, 3)]), |B, x| {
                let [rows, scale, shift] = x;
                let (scale, shift) = (scale.reshape_like(&(3,)), shift.reshape_like(&(3,)));
                B::batch_norm(rows, scale, shift, Mode { running: running.clone(), relu }).unwrap().rows
            });
        }
    }

    #[test]
    fn moments_survive_a_large_offset() {
        let x: Vec<f32> = (0..4000).map(|i| 1000.0 + (i % 7) as f32).collect();
        let moments = moments(&x, 1);
        let exact = (0..4000).map(|i| (i % 7) as f64).sum::<f64>() / 4000.0;
        assert!((f64::from(moments.mean[0]) - 1000.0 - exact).abs() < 1e-3);
        assert!((moments.variance[0] - 4.0).abs() < 0.01, "{}", moments.variance[0]);
    }
}
