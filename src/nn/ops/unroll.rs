//! A recurrent cell over time by dfdx's operations, step by step: the gates of the input (given), a product with the state,
//! the cell. After the last step of a sequence its state stays, so padding changes nothing. Knows no cell.

use dfdx::prelude::{
    Axes2, Axis, BroadcastTo, HasShape, Merge, PermuteTo, PutTape, ReshapeTo, SplitTape, TensorFromVec, TryAdd,
    TryConcatAlong, TryMatMul, TryMul,
};

use super::alive::Alive;
use crate::nn::backend::{Backend, Made, Matrix, Vector};
use crate::nn::image::matrix;
use crate::nn::track::fork;

/// `gates [step · sequence, gate · hidden]` to what the cell shows after each step, `[step · sequence, hidden]`, from a state
/// of zeros. `weight [gate · hidden, hidden]`; the state is `parts` times `hidden` wide and its first part is shown. `cell`
/// makes the next state from the gates of the input, those of the state, and the state.
pub(super) fn unroll<B: Backend>(
    mut gates: Matrix<B>,
    weight: Vector<B>,
    mut bias: Vector<B>,
    (alive, hidden, parts): (&Alive, usize, usize),
    cell: impl Fn(Matrix<B>, Matrix<B>, Matrix<B>) -> Made<Matrix<B>, B>,
) -> Made<Matrix<B>, B> {
    let (width, batch) = (gates.shape().1, alive.batch());
    let weight = weight.try_reshape_like(&(width, hidden))?;
    let mut weight = weight.try_permute::<_, Axes2<1, 0>>()?; // [hidden, gate · hidden]
    let mut state = matrix::<B>(vec![0.0; batch * parts * hidden], batch, parts * hidden)?;
    let mut shown: Option<Matrix<B>> = None;
    for (step, mask) in alive.mask().chunks_exact(batch).enumerate() {
        let (whole, copy) = fork(gates);
        gates = whole;
        let given = copy.try_slice((step * batch..(step + 1) * batch, 0..width))?;
        let (weights, biases) = (fork(weight), fork(bias));
        (weight, bias) = (weights.0, biases.0);
        let (old, previous) = fork(state);
        let (old, kept) = fork(old);
        let recurrent = part::<B>(previous, 0, hidden)?.try_matmul(weights.1)?;
        let recurrent = recurrent.try_add(biases.1.try_broadcast_like::<_, Axis<0>>(&(batch, width))?)?;
        let (here, next) = fork(mixed::<B>(cell(given, recurrent, old)?, kept, mask)?);
        state = next;
        let here = part::<B>(here, 0, hidden)?;
        shown = Some(match shown {
            Some(before) => (before, here).try_concat_along(Axis::<0>)?,
            None => here,
        });
    }
    let (shown, tape) = shown.map_or_else(|| matrix::<B>(Vec::new(), 0, hidden), Ok)?.split_tape();
    // what was recorded before the first fork is still with these three
    let tape = tape.merge(gates.split_tape().1).merge(weight.split_tape().1).merge(bias.split_tape().1);
    Ok(shown.put_tape(tape))
}

/// The columns of one gate, or of one part of a state: `width` of them. Sliced is a tensor of its own: dfdx sets the gradient
/// of what it sliced, where others may have added to it.
pub(super) fn part<B: Backend>(x: Matrix<B>, number: usize, width: usize) -> Made<Matrix<B>, B> {
    let &(rows, columns) = x.shape();
    if columns == width { Ok(x) } else { x.try_mul(1.0)?.try_slice((0..rows, number * width..(number + 1) * width)) }
}

/// `after` where `mask [sequence]` is 1, `before` where it is 0.
fn mixed<B: Backend>(after: Matrix<B>, before: Matrix<B>, mask: &[f32]) -> Made<Matrix<B>, B> {
    let shape = *after.shape();
    let device = B::device();
    let rows = |values: Vec<f32>| device.try_tensor_from_vec(values, (shape.0,));
    let alive = rows(mask.to_vec())?.try_broadcast_like::<_, Axis<1>>(&shape)?;
    let over = rows(mask.iter().map(|alive| 1.0 - alive).collect())?.try_broadcast_like::<_, Axis<1>>(&shape)?;
    after.try_mul(alive)?.try_add(before.try_mul(over)?)
}
