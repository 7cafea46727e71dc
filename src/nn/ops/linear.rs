//! `x · weightᵀ + bias` over rows. Weight `[output, input]`, kept as one row of values.

use dfdx::prelude::{
    Axes2, Axis, BroadcastTo, HasShape, Merge, PermuteTo, ReshapeTo, SplitTape, Tape, TryAdd, TryMatMul,
};
use rayon::prelude::*;

use super::storage::{add_gradient, matrix, take_gradient, tracked, values, vector};
use crate::nn::backend::{Backend, Kernels, Made, Matrix, Vector};
use crate::nn::kernels::matmul::{View, add_product};

/// Rows per task: fixed, so that the work does not depend on the number of threads.
const ROWS: usize = 64;
/// Outputs per task of the weight gradient: fixed likewise.
const OUTPUTS: usize = 32;

/// `[row, input]` to `[row, outputs]` by `gemm`.
pub(crate) fn kernel(
    x: Matrix<Kernels>,
    weight: Vector<Kernels>,
    bias: Vector<Kernels>,
    outputs: usize,
) -> Made<Matrix<Kernels>, Kernels> {
    let (x, x_tape) = x.split_tape();
    let ((weight, weight_tape), (bias, bias_tape)) = (weight.split_tape(), bias.split_tape());
    let wants_input_gradient = x_tape.is_on();
    let mut tape = x_tape.merge(weight_tape).merge(bias_tape);
    let &(rows, inputs) = x.shape();
    let mut output = vector(&bias).repeat(rows);
    let weights = View::new(vector(&weight), outputs, inputs);
    multiply_rows(values(&x), inputs, weights.transposed(), &mut output);
    let output = matrix(output, rows, outputs)?;
    let made = output.clone();
    tape.add_backward_op(move |grads| {
        let gradient = take_gradient(grads, &made)?;
        add_gradient(grads, &weight, &weight_gradient(&gradient, outputs, values(&x), inputs))?;
        add_gradient(grads, &bias, &column_sums(&gradient, outputs))?;
        if wants_input_gradient {
            let weights = View::new(vector(&weight), outputs, inputs);
            multiply_rows(&gradient, outputs, weights, grads.get_or_alloc_mut(&x)?);
        }
        Ok(())
    });
    Ok(tracked(output, tape))
}

/// The same by dfdx's operations.
pub(crate) fn composed<B: Backend>(
    x: Matrix<B>,
    weight: Vector<B>,
    bias: Vector<B>,
    outputs: usize,
) -> Made<Matrix<B>, B> {
    let &(rows, inputs) = x.shape();
    let weight = weight.try_reshape_like(&(outputs, inputs))?.try_permute::<_, Axes2<1, 0>>()?; // [input, output]
    x.try_matmul(weight)?.try_add(bias.try_broadcast_like::<_, Axis<0>>(&(rows, outputs))?)
}

/// Adds `left [row, depth] · right` to `sum`, in tasks of a fixed number of rows.
pub(super) fn multiply_rows(left: &[f32], depth: usize, right: View, sum: &mut [f32]) {
    left.par_chunks(ROWS * depth).zip(sum.par_chunks_mut(ROWS * right.columns)).for_each(|(left, sum)| {
        add_product(View::new(left, left.len() / depth, depth), right, sum);
    });
}

/// `gradientᵀ · x` of `gradient [row, outputs]` and `x [row, inputs]`, in tasks of a fixed number of outputs.
fn weight_gradient(gradient: &[f32], outputs: usize, x: &[f32], inputs: usize) -> Vec<f32> {
    let rows = gradient.len() / outputs;
    let by_output: Vec<f32> = (0..outputs).flat_map(|o| gradient[o..].iter().step_by(outputs).copied()).collect();
    let mut sums = vec![0.0; outputs * inputs];
    by_output.par_chunks(OUTPUTS * rows).zip(sums.par_chunks_mut(OUTPUTS * inputs)).for_each(|(gradient, sums)| {
        add_product(View::new(gradient, gradient.len() / rows, rows), View::new(x, rows, inputs), sums);
    });
    sums
}

/// Sum over rows of `values [row, columns]`: in blocks of fixed length, then over the blocks in order.
pub(super) fn column_sums(values: &[f32], columns: usize) -> Vec<f32> {
    let blocks: Vec<Vec<f32>> = values.par_chunks(1024 * columns).map(|block| sum_rows(block, columns)).collect();
    sum_rows(&blocks.concat(), columns)
}

fn sum_rows(values: &[f32], columns: usize) -> Vec<f32> {
    let mut sums = vec![0.0; columns];
    for row in values.chunks_exact(columns) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, check_both};
    use super::*;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        let case = Case::new(&[(70, 5), (1, 15), (1, 3)]);
        check_both!(case, |B, x| {
            let [rows, weight, bias] = x;
            B::linear(rows, weight.reshape_like(&(15,)), bias.reshape_like(&(3,)), 3).unwrap()
        });
    }
}
