//! Simple recurrent network over time (Elman 1990, in PyTorch's form): `h' = tanh(g + W h + b)`, with `g` from the input
//! (given). After the last step of a sequence its state stays. One product a step: dfdx's operations serve every device.

use dfdx::prelude::{HasShape, TryAdd};

use super::alive::Alive;
use super::unroll::unroll;
use crate::nn::backend::{Backend, Made, Matrix, Vector};

/// `gates [step · sequence, hidden]` to states `[step · sequence, hidden]`, from a state of zeros.
pub fn rnn<B: Backend>(gates: Matrix<B>, weight: Vector<B>, bias: Vector<B>, alive: &Alive) -> Made<Matrix<B>, B> {
    let hidden = gates.shape().1;
    unroll::<B>(gates, weight, bias, (alive, hidden, 1), |given, recurrent, _| given.try_add(recurrent)?.try_tanh())
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::ReshapeTo;

    use super::super::check::{Case, check_both};
    use super::*;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        let alive = Alive { steps: 3, lengths: vec![3, 1, 2, 3] };
        check_both!(Case::new(&[(12, 5), (1, 25), (1, 5)]), |B, x| {
            let [gates, weight, bias] = x;
            let (weight, bias) = (weight.reshape_like(&(25,)), bias.reshape_like(&(5,)));
            rnn::<B>(gates, weight, bias, &alive).unwrap()
        });
    }
}
