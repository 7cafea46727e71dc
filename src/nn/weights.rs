//! The named values of a network: trained ones and running statistics, in the order in which layers asked for them.
//! Knows no layer; names are those of the PyTorch references.

use std::collections::BTreeMap;
use std::path::Path;

use dfdx::tensor::{Gradients, PutTape, Tensor, TensorFromVec};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::backend::{Backend, Made, Vector};
use super::error::{ArrayFault, NnError};
use super::import::Found;
use super::track::Track;

/// Where a value lies in [`Weights`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(usize);

/// One named array.
#[derive(Debug, Clone)]
pub(crate) struct Entry<B: Backend> {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    /// Whether the optimiser changes it (running statistics: no).
    pub(crate) trained: bool,
    /// Whether it stays as it is, with what the network was told: see [`Weights::freeze`].
    pub(crate) frozen: bool,
    value: Tensor<(usize,), f32, B::Device>,
}

impl<B: Backend> Entry<B> {
    /// The values in one row.
    pub(crate) fn values(&self) -> Vec<f32> {
        B::values(&self.value)
    }

    /// Replaces the values.
    pub(crate) fn set(&mut self, values: Vec<f32>) -> Made<(), B> {
        let length = values.len();
        self.value = B::device().try_tensor_from_vec(values, (length,))?;
        Ok(())
    }

    /// Whether the optimiser moves it.
    pub(crate) fn moves(&self) -> bool {
        self.trained && !self.frozen
    }

    /// Whether it is one of these parts of a network: `trunk` is all that begins with `trunk.`.
    pub(crate) fn is_under(&self, parts: &[String]) -> bool {
        parts
            .iter()
            .any(|part| self.name.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }

    /// Takes what a backward pass left for these values.
    pub(crate) fn gradient(&self, gradients: &mut Gradients<f32, B::Device>) -> Made<Vec<f32>, B> {
        B::take_gradient(gradients, &self.value)
    }
}

/// All values of a network.
#[derive(Debug, Clone)]
pub struct Weights<B: Backend> {
    pub(crate) entries: Vec<Entry<B>>,
}

impl<B: Backend> Weights<B> {
    /// The tensor in `slot`, recording if asked.
    pub(crate) fn tensor(&self, slot: Slot, record: bool) -> Vector<B> {
        let track = if record && self.entries[slot.0].moves() { Track::on() } else { Track::default() };
        self.entries[slot.0].value.clone().put_tape(track)
    }

    /// The name of what is in `slot`.
    pub(crate) fn name(&self, slot: Slot) -> &str {
        &self.entries[slot.0].name
    }

    /// The values in `slot`.
    pub fn values(&self, slot: Slot) -> Vec<f32> {
        self.entries[slot.0].values()
    }

    /// Replaces the values in `slot`.
    pub(crate) fn set(&mut self, slot: Slot, values: Vec<f32>) -> Made<(), B> {
        self.entries[slot.0].set(values)
    }

    /// The values called `name`.
    pub fn named(&self, name: &str) -> Option<Vec<f32>> {
        self.entries.iter().find(|entry| entry.name == name).map(Entry::values)
    }

    /// Replaces the values called `name`, which must be as many as there are; whether there are such.
    pub fn set_named(&mut self, name: &str, values: Vec<f32>) -> Made<bool, B> {
        let held = |entry: &&mut Entry<B>| entry.name == name && entry.shape.iter().product::<usize>() == values.len();
        match self.entries.iter_mut().find(held) {
            Some(entry) => entry.set(values).map(|()| true),
            None => Ok(false),
        }
    }

    /// Takes over all that `other` holds by the same name and in the same shape.
    pub fn adopt(&mut self, other: &Self) -> Made<(), B> {
        for entry in &mut self.entries {
            let is_same = |theirs: &&Entry<B>| theirs.name == entry.name && theirs.shape == entry.shape;
            if let Some(theirs) = other.entries.iter().find(is_same) {
                entry.set(theirs.values())?;
            }
        }
        Ok(())
    }

    /// Names with shapes, in order.
    pub fn names(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.entries.iter().map(|entry| (entry.name.as_str(), entry.shape.as_slice()))
    }

    /// That each of these parts has an array at least; see [`Entry::is_under`].
    pub(crate) fn check_parts(&self, parts: &[String]) -> Result<(), NnError> {
        let is_absent = |part: &&String| !self.entries.iter().any(|entry| entry.is_under(std::slice::from_ref(*part)));
        parts.iter().find(is_absent).map_or(Ok(()), |part| {
            Err(NnError::UnknownPart { part: part.clone(), names: self.names().map(|(name, _)| name.into()).collect() })
        })
    }

    /// Keeps these parts as they are: no step moves them, and a batch norm among them uses its running moments and leaves
    /// them alone, as PyTorch's do in evaluation.
    pub fn freeze(&mut self, parts: &[String]) -> Result<(), NnError> {
        self.check_parts(parts)?;
        self.entries.iter_mut().filter(|entry| entry.is_under(parts)).for_each(|entry| entry.frozen = true);
        Ok(())
    }

    /// Whether the values in `slot` stay as they are.
    pub(crate) fn is_frozen(&self, slot: Slot) -> bool {
        self.entries[slot.0].frozen
    }

    /// Takes the values of `found`, which are from `path`, but for the parts in `fresh`. Arrays that the network does not have
    /// (another head, PyTorch's counters) are passed over. Nothing is taken unless all fits.
    pub(crate) fn take(&mut self, found: Vec<Found>, fresh: &[String], path: &Path) -> Result<(), NnError> {
        self.check_parts(fresh)?;
        let mut found: BTreeMap<String, Found> = found.into_iter().map(|found| (found.name.clone(), found)).collect();
        let (mut faults, mut taken) = (Vec::new(), Vec::new());
        for (at, entry) in self.entries.iter().enumerate() {
            let own = found.remove(&entry.name);
            if entry.is_under(fresh) {
                continue;
            }
            match own {
                Some(Found { shape, values: Some(values), .. }) if shape == entry.shape => taken.push((at, values)),
                other => {
                    let has = other.map(|found| format!("{} {:?}", found.number, found.shape));
                    faults.push(ArrayFault { name: entry.name.clone(), has, wants: Some(entry.shape.clone()) });
                }
            }
        }
        if !faults.is_empty() {
            let (fitting, arrays) = (taken.len(), taken.len() + faults.len());
            let more = found.into_values().filter(|found| found.values.is_some()).map(|found| ArrayFault {
                has: Some(format!("{} {:?}", found.number, found.shape)),
                name: found.name,
                wants: None,
            });
            faults.extend(more);
            return Err(NnError::Misfit { path: path.into(), fitting, arrays, faults });
        }
        taken.into_iter().try_for_each(|(at, values)| self.entries[at].set(values)).map_err(NnError::device)
    }

    /// Number of trained values.
    pub fn parameters(&self) -> usize {
        self.entries.iter().filter(|entry| entry.trained).map(|entry| entry.shape.iter().product::<usize>()).sum()
    }
}

/// How the weights of convolutions and linear layers start: uniform in `±bound`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// `bound = √(6 / (fan in + fan out))` (Glorot and Bengio 2010, called Xavier by Astorga et al. 2018; the default of Keras).
    Glorot,
    /// `bound = √(6 / fan in)` (He et al. 2015), as in Deep-HiTS.
    He,
}

/// Makes the starting values of a network from a seed, layer by layer.
#[derive(Debug)]
pub struct Builder<B: Backend> {
    weights: Weights<B>,
    random: ChaCha8Rng,
    start: Start,
}

impl<B: Backend> Builder<B> {
    /// Nothing yet.
    pub fn new(seed: u64) -> Self {
        Self { weights: Weights { entries: Vec::new() }, random: ChaCha8Rng::seed_from_u64(seed), start: Start::Glorot }
    }

    /// Layers from here on start so.
    pub fn start(&mut self, start: Start) {
        self.start = start;
    }

    /// The finished values.
    pub fn finish(self) -> Weights<B> {
        self.weights
    }

    /// The weight of a layer, shape `[output, input, ..]`; the fans count the taps of a kernel.
    pub(crate) fn layer(&mut self, name: String, shape: &[usize]) -> Made<Slot, B> {
        let taps: usize = shape[2..].iter().product();
        let fans = match self.start {
            Start::Glorot => shape[0] + shape[1],
            Start::He => shape[1],
        };
        self.uniform(name, shape, (6.0 / (fans * taps) as f32).sqrt())
    }

    /// Uniform in `±bound`.
    pub(crate) fn uniform(&mut self, name: String, shape: &[usize], bound: f32) -> Made<Slot, B> {
        let length: usize = shape.iter().product();
        let values = (0..length).map(|_| bound * (2.0 * self.random.random::<f32>() - 1.0)).collect();
        self.add(name, shape, true, values)
    }

    /// One value everywhere, trained.
    pub(crate) fn constant(&mut self, name: String, length: usize, value: f32) -> Made<Slot, B> {
        self.filled(name, &[length], value)
    }

    /// One value everywhere in an array of `shape`, trained.
    pub(crate) fn filled(&mut self, name: String, shape: &[usize], value: f32) -> Made<Slot, B> {
        self.add(name, shape, true, vec![value; shape.iter().product()])
    }

    /// A running statistic.
    pub(crate) fn statistic(&mut self, name: String, length: usize, value: f32) -> Made<Slot, B> {
        self.add(name, &[length], false, vec![value; length])
    }

    fn add(&mut self, name: String, shape: &[usize], trained: bool, values: Vec<f32>) -> Made<Slot, B> {
        let value = B::device().try_tensor_from_vec(values, (shape.iter().product(),))?;
        self.weights.entries.push(Entry { name, shape: shape.to_vec(), trained, frozen: false, value });
        Ok(Slot(self.weights.entries.len() - 1))
    }
}
