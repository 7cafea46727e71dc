//! 1-d convolution over time (cross-correlation) with bias, and the mean over time, of padded rows `[step, sequence]`.
//! Steps before the first detection of a sequence and after its last are zero, whatever its padding holds. Rows are gathered
//! tap by tap, then one product: one path serves every device.

use dfdx::prelude::{Axes3, Axis, BroadcastTo, HasShape, PermuteTo, ReshapeTo, SumTo, TensorFromVec, TryMul};

use super::alive::Alive;
use crate::nn::backend::{Backend, Made, Matrix, Vector};

/// What a convolution layer fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Columns that come out.
    pub outputs: usize,
    /// Steps that it sees at once.
    pub kernel: usize,
    /// Whether it sees the present and the past alone; else the kernel is centred.
    pub causal: bool,
}

/// `[step · sequence, input]` to `[step · sequence, output]`; weight `[output, input, tap]`.
pub fn conv1d<B: Backend>(
    x: Matrix<B>,
    weight: Vector<B>,
    bias: Vector<B>,
    shape: Shape,
    alive: &Alive,
) -> Made<Matrix<B>, B> {
    let (&(rows, inputs), Shape { outputs, kernel, .. }) = (x.shape(), shape);
    let (index, inside) = taps(shape, alive);
    let inside = B::device().try_tensor_from_vec(inside, (rows * kernel,))?;
    let inside = inside.try_broadcast_like::<_, Axis<1>>(&(rows * kernel, inputs))?;
    let unfolded = B::rows(x, index)?.try_mul(inside)?; // [row · tap, input]
    let unfolded = unfolded.try_reshape_like(&(rows, kernel * inputs))?;
    let weight = weight.try_reshape_like(&(outputs, inputs, kernel))?.try_permute::<_, Axes3<0, 2, 1>>()?;
    B::linear(unfolded, weight.try_reshape_like(&(outputs * kernel * inputs,))?, bias, outputs)
}

/// For each row and tap the row that it sees, and 1 within the sequence or 0 outside.
fn taps(shape: Shape, alive: &Alive) -> (Vec<usize>, Vec<f32>) {
    let before = if shape.causal { shape.kernel - 1 } else { (shape.kernel - 1) / 2 };
    let mut taps = (Vec::new(), Vec::new());
    for step in 0..alive.steps {
        for (sequence, length) in alive.lengths.iter().enumerate() {
            for tap in 0..shape.kernel {
                let seen = (step + tap).checked_sub(before).filter(|seen| seen < length);
                taps.0.push(seen.unwrap_or(0) * alive.batch() + sequence);
                taps.1.push(f32::from(u8::from(seen.is_some())));
            }
        }
    }
    taps
}

/// Mean over the real steps of each sequence: `[step · sequence, column]` to `[sequence, column]`.
pub fn mean_over_time<B: Backend>(x: Matrix<B>, alive: &Alive) -> Made<Matrix<B>, B> {
    let shape = *x.shape();
    let lengths = alive.lengths.iter().cycle();
    let weights = alive.mask().iter().zip(lengths).map(|(alive, length)| alive / *length as f32).collect();
    let weights = B::device().try_tensor_from_vec(weights, (shape.0,))?;
    let weighted = x.try_mul(weights.try_broadcast_like::<_, Axis<1>>(&shape)?)?;
    weighted.try_reshape_like(&(alive.steps, alive.batch(), shape.1))?.try_sum::<_, Axis<0>>()
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, check_both};
    use super::*;
    use crate::nn::{Kernels, matrix};

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        let alive = Alive { steps: 4, lengths: vec![4, 1, 3] };
        for (kernel, causal) in [(1, true), (2, true), (3, true), (2, false), (3, false)] {
            let shape = Shape { outputs: 2, kernel, causal };
            check_both!(Case::new(&[(12, 5), (1, 10 * kernel), (1, 2)]), |B, x| {
                let [rows, weight, bias] = x;
                let (weight, bias) = (weight.reshape_like(&(10 * kernel,)), bias.reshape_like(&(2,)));
                conv1d::<B>(rows, weight, bias, shape, &alive).unwrap()
            });
        }
        check_both!(Case::new(&[(12, 5)]), |B, x| {
            let [rows] = x;
            mean_over_time::<B>(rows, &alive).unwrap()
        });
    }

    /// One column; weights 1, 10, 100 say which steps were seen.
    fn seen(causal: bool) -> Vec<f32> {
        let alive = Alive { steps: 3, lengths: vec![3, 2] };
        let vector = |values: Vec<f32>| {
            let length = values.len();
            matrix::<Kernels>(values, 1, length).unwrap().reshape_like(&(length,))
        };
        let rows = matrix::<Kernels>(vec![1.0, 4.0, 2.0, 5.0, 3.0, f32::MAX], 6, 1).unwrap();
        let shape = Shape { outputs: 1, kernel: 3, causal };
        let made = conv1d::<Kernels>(rows, vector(vec![1.0, 10.0, 100.0]), vector(vec![0.0]), shape, &alive).unwrap();
        made.as_vec()[..5].to_vec()
    }

    #[test]
    fn it_sees_the_past_or_both_sides_and_never_the_padding() {
        assert_eq!(seen(true), [100.0, 400.0, 210.0, 540.0, 321.0]);
        assert_eq!(seen(false), [210.0, 540.0, 321.0, 54.0, 32.0]);
    }

    #[test]
    fn the_mean_is_that_of_real_steps() {
        let alive = Alive { steps: 2, lengths: vec![2, 1] };
        let rows = matrix::<Kernels>(vec![1.0, 5.0, 3.0, f32::MAX], 4, 1).unwrap();
        assert_eq!(mean_over_time::<Kernels>(rows, &alive).unwrap().as_vec(), [2.0, 5.0]);
    }
}
