//! Stochastic gradient descent with momentum (Polyak 1964, as in PyTorch): `b = m b + g`, `w -= rate · b`. [3] uses it
//! without momentum.

use super::{Rule, Step};

pub(super) struct Sgd;

impl Rule for Sgd {
    fn memory(&self) -> &'static [&'static str] {
        &["velocity"]
    }

    fn update(&self, step: &Step, values: &mut [f32], gradient: &[f32], memory: &mut [&mut [f32]]) {
        let [velocity] = memory else { unreachable!("as many as `memory` names") };
        let (rate, momentum) = (step.rate as f32, step.settings.momentum as f32);
        for ((value, g), velocity) in values.iter_mut().zip(gradient).zip(velocity.iter_mut()) {
            *velocity = momentum * *velocity + g;
            *value -= rate * *velocity;
        }
    }
}
