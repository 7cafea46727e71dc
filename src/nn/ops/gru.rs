//! Gated recurrent unit over time (Cho et al. 2014, in PyTorch's form), gate order reset, update, new:
//! `r = σ(gᵣ + uᵣ)`, `z = σ(g_z + u_z)`, `n = tanh(gₙ + r uₙ)`, `h' = (1 − z) n + z h`, with `g` from the input (given) and
//! `u = W h + b`. After the last step of a sequence its state stays, so padding changes nothing.

use dfdx::prelude::{HasShape, Merge, SplitTape, Tape, TryAdd, TryMul, TrySub};

use super::alive::Alive;
use super::linear::{column_sums, multiply_rows};
use super::storage::{self, add_gradient, take_gradient, tracked, values, vector};
use super::unroll::{part, unroll};
use crate::nn::backend::{Backend, Kernels, Made, Matrix, Vector};
use crate::nn::kernels::matmul::{View, add_product};
use crate::nn::track::fork;

/// What a step leaves for its gradient, `[sequence, hidden]` each.
struct Step {
    reset: Vec<f32>,
    update: Vec<f32>,
    new: Vec<f32>,
    /// `uₙ`.
    recurrent: Vec<f32>,
}

pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `gates [step · sequence, 3 hidden]` to states `[step · sequence, hidden]`, from a state of zeros.
pub(crate) fn kernel(
    gates: Matrix<Kernels>,
    weight: Vector<Kernels>,
    bias: Vector<Kernels>,
    alive: Alive,
) -> Made<Matrix<Kernels>, Kernels> {
    let (gates, tape) = gates.split_tape();
    let ((weight, weight_tape), (bias, bias_tape)) = (weight.split_tape(), bias.split_tape());
    let mut tape = tape.merge(weight_tape).merge(bias_tape);
    let (hidden, batch) = (gates.shape().1 / 3, alive.batch());
    let size = batch * hidden;
    let mut states = vec![0.0; size]; // a first block of zeros: the state before the first step
    let mut steps = Vec::with_capacity(alive.steps);
    for (step, gates) in values(&gates).chunks_exact(3 * size).enumerate() {
        let before = states[step * size..].to_vec();
        let (after, kept) = forward_step(gates, &before, vector(&weight), vector(&bias), &alive, step);
        states.extend(after);
        steps.push(kept);
    }
    let output = storage::matrix(states[size..].to_vec(), alive.steps * batch, hidden)?;
    let made = output.clone();
    tape.add_backward_op(move |grads| {
        let gradient = take_gradient(grads, &made)?;
        let mut by_gates = vec![0.0; gradient.len() * 3];
        let (mut by_weight, mut by_bias) = (vec![0.0; 3 * hidden * hidden], vec![0.0; 3 * hidden]);
        let mut carry = vec![0.0; size];
        for (step, kept) in steps.iter().enumerate().rev() {
            let before = &states[step * size..][..size];
            carry.iter_mut().zip(&gradient[step * size..]).for_each(|(carry, more)| *carry += more);
            let by_gates = &mut by_gates[step * 3 * size..][..3 * size];
            let by_recurrent = backward_step(kept, before, &mut carry, by_gates, &alive, step);
            let by_recurrent_gates = View::new(&by_recurrent, batch, 3 * hidden);
            add_product(by_recurrent_gates.transposed(), View::new(before, batch, hidden), &mut by_weight);
            by_bias.iter_mut().zip(column_sums(&by_recurrent, 3 * hidden)).for_each(|(sum, more)| *sum += more);
            add_product(by_recurrent_gates, View::new(vector(&weight), 3 * hidden, hidden), &mut carry);
        }
        add_gradient(grads, &weight, &by_weight)?;
        add_gradient(grads, &bias, &by_bias)?;
        add_gradient(grads, &gates, &by_gates)
    });
    Ok(tracked(output, tape))
}

fn forward_step(
    gates: &[f32],
    before: &[f32],
    weight: &[f32],
    bias: &[f32],
    alive: &Alive,
    step: usize,
) -> (Vec<f32>, Step) {
    let (batch, size) = (alive.batch(), before.len());
    let hidden = size / batch;
    let mut recurrent = bias.repeat(batch);
    multiply_rows(before, hidden, View::new(weight, 3 * hidden, hidden).transposed(), &mut recurrent);
    let empty = || Vec::with_capacity(size);
    let mut kept = Step { reset: empty(), update: empty(), new: empty(), recurrent: empty() };
    let mut after = before.to_vec();
    for sequence in 0..batch {
        let row = sequence * 3 * hidden;
        for j in 0..hidden {
            let (g, u) =
                (|gate: usize| gates[row + gate * hidden + j], |gate: usize| recurrent[row + gate * hidden + j]);
            let (r, z) = (sigmoid(g(0) + u(0)), sigmoid(g(1) + u(1)));
            let n = (g(2) + r * u(2)).tanh();
            if step < alive.lengths[sequence] {
                let state = &mut after[sequence * hidden + j];
                *state = (1.0 - z) * n + z * *state;
            }
            kept.reset.push(r);
            kept.update.push(z);
            kept.new.push(n);
            kept.recurrent.push(u(2));
        }
    }
    (after, kept)
}

/// Turns `carry`, the gradient of the state after the step, into the part of the state before it that does not pass `u`;
/// fills `by_gates` and returns the gradient of `u`.
fn backward_step(
    kept: &Step,
    before: &[f32],
    carry: &mut [f32],
    by_gates: &mut [f32],
    alive: &Alive,
    step: usize,
) -> Vec<f32> {
    let hidden = before.len() / alive.batch();
    let mut by_recurrent = vec![0.0; by_gates.len()];
    for sequence in (0..alive.batch()).filter(|&sequence| step < alive.lengths[sequence]) {
        for j in 0..hidden {
            let (i, row) = (sequence * hidden + j, sequence * 3 * hidden + j);
            let (r, z, n) = (kept.reset[i], kept.update[i], kept.new[i]);
            let by_new = carry[i] * (1.0 - z) * (1.0 - n * n);
            let by_update = carry[i] * (before[i] - n) * z * (1.0 - z);
            let by_reset = by_new * kept.recurrent[i] * r * (1.0 - r);
            for (gate, value, factor) in [(0, by_reset, 1.0), (1, by_update, 1.0), (2, by_new, r)] {
                by_gates[row + gate * hidden] = value;
                by_recurrent[row + gate * hidden] = value * factor;
            }
            carry[i] *= z;
        }
    }
    by_recurrent
}

/// The same by dfdx's operations, step by step.
pub(crate) fn composed<B: Backend>(
    gates: Matrix<B>,
    weight: Vector<B>,
    bias: Vector<B>,
    alive: &Alive,
) -> Made<Matrix<B>, B> {
    let hidden = gates.shape().1 / 3;
    unroll::<B>(gates, weight, bias, (alive, hidden, 1), gated::<B>)
}

/// The state after a step from the gates of the input, those of the state, and the state.
fn gated<B: Backend>(given: Matrix<B>, recurrent: Matrix<B>, state: Matrix<B>) -> Made<Matrix<B>, B> {
    let hidden = state.shape().1;
    let gate = |x: Matrix<B>, gate| part::<B>(x, gate, hidden);
    let (given, given_reset) = fork(given);
    let (given_new, given_update) = fork(given);
    let (recurrent, recurrent_reset) = fork(recurrent);
    let (recurrent_new, recurrent_update) = fork(recurrent);
    let reset = gate(given_reset, 0)?.try_add(gate(recurrent_reset, 0)?)?.try_sigmoid()?;
    let update = gate(given_update, 1)?.try_add(gate(recurrent_update, 1)?)?.try_sigmoid()?;
    let new = gate(given_new, 2)?.try_add(reset.try_mul(gate(recurrent_new, 2)?)?)?.try_tanh()?;
    let (new, subtracted) = fork(new);
    new.try_add(update.try_mul(state.try_sub(subtracted)?)?) // (1 - z) n + z h
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::ReshapeTo;

    use super::super::check::{Case, check_both};
    use super::*;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        let alive = Alive { steps: 3, lengths: vec![3, 1, 2, 3] };
        check_both!(Case::new(&[(12, 15), (1, 75), (1, 15)]), |B, x| {
            let [gates, weight, bias] = x;
            let (weight, bias) = (weight.reshape_like(&(75,)), bias.reshape_like(&(15,)));
            B::gru(gates, weight, bias, alive.clone()).unwrap()
        });
    }
}
