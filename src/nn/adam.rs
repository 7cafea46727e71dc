//! Adam (Kingma and Ba 2015, algorithm 1) with PyTorch's defaults and order of operations.

use dfdx::tensor::Gradients;
use rayon::prelude::*;

use super::backend::{Backend, Made};
use super::weights::Weights;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Running means of one array's gradient and of its square.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub(crate) mean: Vec<f32>,
    pub(crate) square: Vec<f32>,
}

/// The optimiser with its state, one entry per array of the network (empty for running statistics).
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub rate: f64,
    pub(crate) steps: u64,
    pub(crate) states: Vec<State>,
}

impl Adam {
    /// Before the first step.
    pub fn new<B: Backend>(rate: f64, weights: &Weights<B>) -> Self {
        let state = |length: usize| State { mean: vec![0.0; length], square: vec![0.0; length] };
        let lengths = weights.entries.iter().map(|e| if e.trained { e.shape.iter().product() } else { 0 });
        Self { rate, steps: 0, states: lengths.map(state).collect() }
    }

    /// Moves the weights by one step: `w -= rate / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)`.
    pub(crate) fn step<B: Backend>(
        &mut self,
        weights: &mut Weights<B>,
        gradients: &mut Gradients<f32, B::Device>,
    ) -> Made<(), B> {
        self.steps += 1;
        let power = self.steps as i32;
        let step = (self.rate / (1.0 - BETA_1.powi(power))) as f32;
        let root = (1.0 - BETA_2.powi(power)).sqrt() as f32;
        for (entry, state) in weights.entries.iter_mut().zip(&mut self.states).filter(|(entry, _)| entry.trained) {
            let gradient = entry.gradient(gradients)?;
            let mut values = entry.values();
            state.update(&mut values, &gradient, step, root);
            entry.set(values)?;
        }
        Ok(())
    }
}

impl State {
    fn update(&mut self, values: &mut [f32], gradient: &[f32], step: f32, root: f32) {
        let states = self.mean.par_iter_mut().zip(&mut self.square).with_min_len(1 << 14);
        values.par_iter_mut().zip(gradient).zip(states).for_each(|((value, g), (mean, square))| {
            *mean = BETA_1 as f32 * *mean + (1.0 - BETA_1) as f32 * g;
            *square = BETA_2 as f32 * *square + (1.0 - BETA_2) as f32 * g * g;
            *value -= step * *mean / (square.sqrt() / root + EPSILON as f32);
        });
    }
}
