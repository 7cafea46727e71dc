//! AdamW (Loshchilov and Hutter 2019, algorithm 2): Adam, with weight decay taken off the weights and not put into the
//! gradient: `w -= rate · λ · w` first, as in PyTorch.

use super::{Rule, Step, adam};

pub(super) struct AdamW;

impl Rule for AdamW {
    fn memory(&self) -> &'static [&'static str] {
        adam::Adam.memory()
    }

    fn decays(&self) -> bool {
        true
    }

    fn update(&self, step: &Step, values: &mut [f32], gradient: &[f32], memory: &mut [&mut [f32]]) {
        let kept = (1.0 - step.rate * step.settings.weight_decay) as f32;
        for value in values.iter_mut() {
            *value *= kept;
        }
        adam::Adam.update(step, values, gradient, memory);
    }
}
