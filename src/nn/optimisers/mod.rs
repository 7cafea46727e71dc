//! Optimisers: how weights move against their gradients. One file for each rule, one line for it in [`Method`]; the rest is
//! common to all: clipping, weight decay, groups of arrays with a rate of their own. Rules and settings are PyTorch's.

mod adam;
mod adamw;
mod amsgrad;
mod sgd;

use dfdx::tensor::Gradients;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::backend::{Backend, Made};
use super::error::NnError;
use super::weights::Weights;

/// Values per task; no result depends on it, since every value moves by itself.
const PIECE: usize = 1 << 14;

/// The rules there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// Stochastic gradient descent, with momentum if that is not 0.
    Sgd,
    /// Kingma and Ba 2015, algorithm 1.
    Adam,
    /// Loshchilov and Hutter 2019: weight decay apart from the gradient.
    AdamW,
    /// Reddi, Kale and Kumar 2018: the largest second moment so far.
    AmsGrad,
}

impl Method {
    fn rule(self) -> &'static dyn Rule {
        match self {
            Self::Sgd => &sgd::Sgd,
            Self::Adam => &adam::Adam,
            Self::AdamW => &adamw::AdamW,
            Self::AmsGrad => &amsgrad::AmsGrad,
        }
    }
}

/// An optimiser's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The rule.
    pub method: Method,
    /// Learning rate.
    pub rate: f64,
    /// Share of the last change in the next one; SGD only.
    pub momentum: f64,
    /// How much of the running means of the gradient and of its square stays at each step; all but SGD.
    pub betas: [f64; 2],
    /// Added to the root of the square; all but SGD.
    pub epsilon: f64,
    /// `λ`: `λ w` is added to the gradient; with AdamW `rate · λ · w` is taken off the weights instead.
    pub weight_decay: f64,
    /// Largest norm of the gradient of all arrays together; a longer one is shortened to it.
    pub clip: Option<f64>,
    /// Parts of the network (beginnings of names) that have a rate of their own: `group_rate` times the rate.
    pub group: Vec<String>,
    /// See `group`.
    pub group_rate: f64,
}

impl Settings {
    /// PyTorch's defaults.
    pub fn new(method: Method, rate: f64) -> Self {
        Self {
            method,
            rate,
            momentum: 0.0,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip: None,
            group: Vec::new(),
            group_rate: 1.0,
        }
    }
}

/// What is the same for all values of an array at one step.
#[derive(Clone, Copy)]
struct Step<'a> {
    settings: &'a Settings,
    /// Learning rate of this array.
    rate: f64,
    /// From 1.
    count: i32,
}

/// How one value moves.
trait Rule: Sync {
    /// What is remembered of each value from step to step, zero at first.
    fn memory(&self) -> &'static [&'static str];

    /// Whether weight decay is its own business and not part of the gradient.
    fn decays(&self) -> bool {
        false
    }

    /// Moves `values`; `memory` in the order of [`Rule::memory`], all of the same length.
    fn update(&self, step: &Step, values: &mut [f32], gradient: &[f32], memory: &mut [&mut [f32]]);
}

/// An optimiser between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimiser {
    /// Learning rate of the next step.
    pub rate: f64,
    pub(crate) steps: u64,
    settings: Settings,
    arrays: Vec<Memory>,
}

/// What is remembered of one trained array.
#[derive(Debug, Clone, PartialEq)]
struct Memory {
    /// Position among the arrays of the network.
    at: usize,
    name: String,
    /// Times the rate.
    factor: f64,
    /// In the order of [`Rule::memory`].
    values: Vec<Vec<f32>>,
}

impl Optimiser {
    /// Before the first step.
    pub fn new<B: Backend>(settings: &Settings, weights: &Weights<B>) -> Result<Self, NnError> {
        weights.check_parts(&settings.group)?;
        let memory = settings.method.rule().memory();
        let trained = weights.entries.iter().enumerate().filter(|(_, entry)| entry.moves());
        let array = |(at, entry): (usize, &super::weights::Entry<B>)| Memory {
            at,
            name: entry.name.clone(),
            factor: if entry.is_under(&settings.group) { settings.group_rate } else { 1.0 },
            values: vec![vec![0.0; entry.shape.iter().product()]; memory.len()],
        };
        let arrays: Vec<Memory> = trained.map(array).collect();
        if arrays.is_empty() {
            return Err(NnError::Data("all parts of the network are frozen, so there is nothing to train".into()));
        }
        Ok(Self { rate: settings.rate, steps: 0, settings: settings.clone(), arrays })
    }

    /// Moves the weights by one step.
    pub(crate) fn step<B: Backend>(
        &mut self,
        weights: &mut Weights<B>,
        gradients: &mut Gradients<f32, B::Device>,
    ) -> Made<(), B> {
        let entries = || self.arrays.iter().map(|array| &weights.entries[array.at]);
        let mut gradients = entries().map(|entry| entry.gradient(gradients)).collect::<Made<Vec<_>, B>>()?;
        let mut values: Vec<Vec<f32>> = entries().map(super::weights::Entry::values).collect();
        self.change(&mut values, &mut gradients);
        self.arrays.iter().zip(values).try_for_each(|(array, values)| weights.entries[array.at].set(values))
    }

    /// Moves the values of all trained arrays by one step.
    fn change(&mut self, values: &mut [Vec<f32>], gradients: &mut [Vec<f32>]) {
        self.steps += 1;
        let (settings, rule) = (&self.settings, self.settings.method.rule());
        if let Some(most) = settings.clip {
            clip(gradients, most);
        }
        if settings.weight_decay != 0.0 && !rule.decays() {
            let decay = settings.weight_decay as f32;
            for (gradient, values) in gradients.iter_mut().flatten().zip(values.iter().flatten()) {
                *gradient += decay * values;
            }
        }
        let mut pieces = Vec::new();
        for ((array, values), gradient) in self.arrays.iter_mut().zip(values).zip(gradients) {
            let step = Step { settings, rate: self.rate * array.factor, count: self.steps as i32 };
            let mut memory: Vec<_> = array.values.iter_mut().map(|values| values.chunks_mut(PIECE)).collect();
            for (values, gradient) in values.chunks_mut(PIECE).zip(gradient.chunks(PIECE)) {
                let memory: Vec<&mut [f32]> = memory.iter_mut().filter_map(Iterator::next).collect();
                pieces.push((step, values, gradient, memory));
            }
        }
        pieces.into_par_iter().for_each(|(step, values, gradient, mut memory)| {
            rule.update(&step, values, gradient, &mut memory);
        });
    }

    /// All that is remembered, as (what, array, values).
    pub(crate) fn memory(&self) -> impl Iterator<Item = (&'static str, &str, &Vec<f32>)> {
        let names = self.settings.method.rule().memory();
        self.arrays.iter().flat_map(|array| {
            names.iter().zip(&array.values).map(|(what, values)| (*what, array.name.as_str(), values))
        })
    }

    /// Takes up what another remembered after `steps` steps: `find(what, array)`. Whether all of it was there.
    pub(crate) fn recall(&mut self, steps: u64, find: impl Fn(&str, &str) -> Option<Vec<f32>>) -> bool {
        self.steps = steps;
        let names = self.settings.method.rule().memory();
        self.arrays.iter_mut().all(|array| {
            names.iter().zip(&mut array.values).all(|(what, values)| match find(what, &array.name) {
                Some(found) if found.len() == values.len() => {
                    *values = found;
                    true
                }
                _ => false,
            })
        })
    }
}

/// Shortens the gradient of all arrays together to the length `most`, as PyTorch's `clip_grad_norm_` does.
fn clip(gradients: &mut [Vec<f32>], most: f64) {
    let square = |piece: &[f32]| piece.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
    let squares: Vec<f64> =
        gradients.iter().flat_map(|gradient| gradient.par_chunks(PIECE).map(square).collect::<Vec<_>>()).collect();
    let factor = most / (squares.iter().sum::<f64>().sqrt() + 1e-6);
    if factor < 1.0 {
        gradients.par_iter_mut().flatten().for_each(|value| *value *= factor as f32);
    }
}

#[cfg(test)]
mod tests;
