//! Adam (Kingma and Ba 2015, algorithm 1) in PyTorch's order of operations:
//! `w -= rate / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)`.

use super::{Rule, Step};

pub(super) struct Adam;

impl Rule for Adam {
    fn memory(&self) -> &'static [&'static str] {
        &["mean", "square"]
    }

    fn update(&self, step: &Step, values: &mut [f32], gradient: &[f32], memory: &mut [&mut [f32]]) {
        let [mean, square] = memory else { unreachable!("as many as `memory` names") };
        let factors = Factors::new(step);
        let moments = mean.iter_mut().zip(square.iter_mut());
        for ((value, g), (mean, square)) in values.iter_mut().zip(gradient).zip(moments) {
            factors.observe(mean, square, *g);
            *value -= factors.change(*mean, *square);
        }
    }
}

/// The numbers of one step.
pub(super) struct Factors {
    betas: [f32; 2],
    fresh: [f32; 2],
    step: f32,
    root: f32,
    epsilon: f32,
}

impl Factors {
    pub(super) fn new(step: &Step) -> Self {
        let betas = step.settings.betas;
        Self {
            betas: betas.map(|beta| beta as f32),
            fresh: betas.map(|beta| (1.0 - beta) as f32),
            step: (step.rate / (1.0 - betas[0].powi(step.count))) as f32,
            root: (1.0 - betas[1].powi(step.count)).sqrt() as f32,
            epsilon: step.settings.epsilon as f32,
        }
    }

    /// Moves the running means of the gradient and of its square.
    pub(super) fn observe(&self, mean: &mut f32, square: &mut f32, g: f32) {
        *mean = self.betas[0] * *mean + self.fresh[0] * g;
        *square = self.betas[1] * *square + self.fresh[1] * g * g;
    }

    /// What is taken off a value.
    pub(super) fn change(&self, mean: f32, square: f32) -> f32 {
        self.step * mean / (square.sqrt() / self.root + self.epsilon)
    }
}
