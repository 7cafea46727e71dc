//! Long short-term memory over time (Hochreiter and Schmidhuber 1997 with forget gates, in PyTorch's form), gate order
//! input, forget, cell, output: `i, f, o = σ(g + u)`, `n = tanh(gₙ + uₙ)`, `c' = f c + i n`, `h' = o tanh(c')`, with `g` from
//! the input (given) and `u = W h + b`. After the last step of a sequence its state stays, so padding changes nothing.

use dfdx::prelude::{Axis, HasShape, Merge, SplitTape, Tape, TryAdd, TryConcatAlong, TryMul};

use super::alive::Alive;
use super::gru::sigmoid;
use super::linear::{column_sums, multiply_rows};
use super::storage::{self, add_gradient, take_gradient, tracked, values, vector};
use super::unroll::{part, unroll};
use crate::nn::backend::{Backend, Kernels, Made, Matrix, Vector};
use crate::nn::kernels::matmul::{View, add_product};
use crate::nn::track::fork;

/// What a step leaves for its gradient.
struct Step {
    /// Activated gates `[sequence, 4 hidden]`.
    gates: Vec<f32>,
    /// Cells before and after, `[sequence, hidden]`.
    cells: [Vec<f32>; 2],
}

/// Gradients on their way back, `[sequence, hidden]` each.
struct Carry {
    state: Vec<f32>,
    cell: Vec<f32>,
}

/// `gates [step · sequence, 4 hidden]` to states `[step · sequence, hidden]`, from a state of zeros.
pub(crate) fn kernel(
    gates: Matrix<Kernels>,
    weight: Vector<Kernels>,
    bias: Vector<Kernels>,
    alive: Alive,
) -> Made<Matrix<Kernels>, Kernels> {
    let (gates, tape) = gates.split_tape();
    let ((weight, weight_tape), (bias, bias_tape)) = (weight.split_tape(), bias.split_tape());
    let mut tape = tape.merge(weight_tape).merge(bias_tape);
    let (hidden, batch) = (gates.shape().1 / 4, alive.batch());
    let size = batch * hidden;
    let mut states = vec![0.0; size]; // a first block of zeros: the state before the first step
    let mut cells = vec![0.0; size];
    let mut steps = Vec::with_capacity(alive.steps);
    for (step, gates) in values(&gates).chunks_exact(4 * size).enumerate() {
        let mut state = states[step * size..].to_vec();
        let mut sums = vector(&bias).repeat(batch);
        multiply_rows(&state, hidden, View::new(vector(&weight), 4 * hidden, hidden).transposed(), &mut sums);
        sums.iter_mut().zip(gates).for_each(|(sum, gate)| *sum += gate);
        let kept = forward_step(sums, &mut state, &cells, &alive, step);
        cells.clone_from(&kept.cells[1]);
        states.extend(state);
        steps.push(kept);
    }
    let output = storage::matrix(states[size..].to_vec(), alive.steps * batch, hidden)?;
    let made = output.clone();
    tape.add_backward_op(move |grads| {
        let gradient = take_gradient(grads, &made)?;
        let mut by_gates = vec![0.0; gradient.len() * 4];
        let (mut by_weight, mut by_bias) = (vec![0.0; 4 * hidden * hidden], vec![0.0; 4 * hidden]);
        let mut carry = Carry { state: vec![0.0; size], cell: vec![0.0; size] };
        for (step, kept) in steps.iter().enumerate().rev() {
            carry.state.iter_mut().zip(&gradient[step * size..]).for_each(|(carry, more)| *carry += more);
            let by_gates = &mut by_gates[step * 4 * size..][..4 * size];
            backward_step(kept, &mut carry, by_gates, &alive, step);
            let (by_gates, before) = (View::new(by_gates, batch, 4 * hidden), &states[step * size..][..size]);
            add_product(by_gates.transposed(), View::new(before, batch, hidden), &mut by_weight);
            by_bias.iter_mut().zip(column_sums(by_gates.values, 4 * hidden)).for_each(|(sum, more)| *sum += more);
            add_product(by_gates, View::new(vector(&weight), 4 * hidden, hidden), &mut carry.state);
        }
        add_gradient(grads, &weight, &by_weight)?;
        add_gradient(grads, &bias, &by_bias)?;
        add_gradient(grads, &gates, &by_gates)
    });
    Ok(tracked(output, tape))
}

/// Moves `state` by one step where sequences are alive; `sums [sequence, 4 hidden]` is what enters the gates.
fn forward_step(mut sums: Vec<f32>, state: &mut [f32], cells: &[f32], alive: &Alive, step: usize) -> Step {
    let hidden = state.len() / alive.batch();
    let mut after = cells.to_vec();
    for (sequence, sums) in sums.chunks_exact_mut(4 * hidden).enumerate() {
        for (gate, sums) in sums.chunks_exact_mut(hidden).enumerate() {
            let activate = if gate == 2 { f32::tanh } else { sigmoid };
            for sum in sums {
                *sum = activate(*sum);
            }
        }
        if step < alive.lengths[sequence] {
            for j in 0..hidden {
                let at = sequence * hidden + j;
                after[at] = sums[hidden + j] * after[at] + sums[j] * sums[2 * hidden + j];
                state[at] = sums[3 * hidden + j] * after[at].tanh();
            }
        }
    }
    Step { gates: sums, cells: [cells.to_vec(), after] }
}

/// Fills `by_gates`; leaves in `carry` the gradient of the cell before the step, and of the state before it for sequences
/// that had ended (that of the others passes the weights alone).
fn backward_step(kept: &Step, carry: &mut Carry, by_gates: &mut [f32], alive: &Alive, step: usize) {
    let hidden = carry.state.len() / alive.batch();
    for sequence in (0..alive.batch()).filter(|&sequence| step < alive.lengths[sequence]) {
        let gates = &kept.gates[sequence * 4 * hidden..][..4 * hidden];
        let by_gates = &mut by_gates[sequence * 4 * hidden..][..4 * hidden];
        for j in 0..hidden {
            let at = sequence * hidden + j;
            let [i, f, n, o] = [0, 1, 2, 3].map(|gate| gates[gate * hidden + j]);
            let bent = kept.cells[1][at].tanh();
            let by_state = std::mem::take(&mut carry.state[at]);
            let by_cell = carry.cell[at] + by_state * o * (1.0 - bent * bent);
            by_gates[j] = by_cell * n * i * (1.0 - i);
            by_gates[hidden + j] = by_cell * kept.cells[0][at] * f * (1.0 - f);
            by_gates[2 * hidden + j] = by_cell * i * (1.0 - n * n);
            by_gates[3 * hidden + j] = by_state * bent * o * (1.0 - o);
            carry.cell[at] = by_cell * f;
        }
    }
}

/// The same by dfdx's operations, step by step.
pub(crate) fn composed<B: Backend>(
    gates: Matrix<B>,
    weight: Vector<B>,
    bias: Vector<B>,
    alive: &Alive,
) -> Made<Matrix<B>, B> {
    let hidden = gates.shape().1 / 4;
    unroll::<B>(gates, weight, bias, (alive, hidden, 2), gated::<B>)
}

/// State and cell `[sequence, 2 hidden]` after a step.
fn gated<B: Backend>(given: Matrix<B>, recurrent: Matrix<B>, state: Matrix<B>) -> Made<Matrix<B>, B> {
    let hidden = state.shape().1 / 2;
    let (sums, one) = fork(given.try_add(recurrent)?);
    let (sums, two) = fork(sums);
    let (sums, three) = fork(sums);
    let input = part::<B>(one, 0, hidden)?.try_sigmoid()?;
    let forget = part::<B>(two, 1, hidden)?.try_sigmoid()?;
    let new = part::<B>(three, 2, hidden)?.try_tanh()?;
    let output = part::<B>(sums, 3, hidden)?.try_sigmoid()?;
    let cell = forget.try_mul(part::<B>(state, 1, hidden)?)?.try_add(input.try_mul(new)?)?;
    let (cell, copy) = fork(cell);
    (output.try_mul(copy.try_tanh()?)?, cell).try_concat_along(Axis::<1>)
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::ReshapeTo;

    use super::super::check::{Case, check_both};
    use super::*;
    use crate::nn::matrix;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        let alive = Alive { steps: 3, lengths: vec![3, 1, 2, 3] };
        check_both!(Case::new(&[(12, 20), (1, 100), (1, 20)]), |B, x| {
            let [gates, weight, bias] = x;
            let (weight, bias) = (weight.reshape_like(&(100,)), bias.reshape_like(&(20,)));
            B::lstm(gates, weight, bias, alive.clone()).unwrap()
        });
    }

    /// ```python
    /// import torch
    /// net = torch.nn.LSTM(1, 1); x = torch.tensor([[[0.5]], [[-1.0]]])
    /// for p, v in zip(net.parameters(), ([0.1, 0.2, 0.3, 0.4], [0.5, -0.5, 0.25, 1.0], [0.0] * 4, [0.1, 0.0, -0.1, 0.2])):
    ///     p.data = torch.tensor(v).view(p.shape)
    /// print(net(x)[0].flatten().tolist())  # [0.016070377, -0.07954444]
    /// ```
    #[test]
    fn equals_pytorch() {
        let gates: Vec<f32> = [0.5, -1.0].iter().flat_map(|x| [0.1, 0.2, 0.3, 0.4].map(|w| w * x)).collect();
        let vector = |values: Vec<f32>| matrix::<Kernels>(values, 1, 4).unwrap().reshape_like(&(4,));
        let (weight, bias) = (vector(vec![0.5, -0.5, 0.25, 1.0]), vector(vec![0.1, 0.0, -0.1, 0.2]));
        let alive = Alive { steps: 2, lengths: vec![2] };
        let made = Kernels::lstm(matrix::<Kernels>(gates, 2, 4).unwrap(), weight, bias, alive).unwrap().as_vec();
        for (own, expected) in made.iter().zip([0.016_070_377, -0.079_544_44]) {
            assert!((own - expected).abs() < 1e-6, "{made:?}");
        }
    }
}
