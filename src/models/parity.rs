//! Networks against PyTorch 2.15: output, loss, gradients, running statistics and ten steps of the optimiser, of weights that
//! were exported as a stage does it. One file for each network holds its numbers and the script that made them (trained models
//! are loaded and held against PyTorch by `tests/it/pytorch.rs`, where there is one). It begins with
//!
//! ```python
//! # from the folder that holds reference_models.py
//! import torch, torch.nn as nn, torch.nn.functional as F, reference_models as m
//! def wave(n, phase): return torch.sin(0.7 * torch.arange(n, dtype=torch.float64) + phase)
//! def fill(net):
//!     for name, p in net.named_parameters():
//!         base = 1.0 if p.dim() == 1 and name.endswith("weight") else 0.0
//!         p.data = (base + 0.1 * wave(p.numel(), sum(name.encode()))).view(p.shape).float()
//! def show(label, t): print(label, "%.9e %.9e" % (t.double().sum(), t.double().norm()))
//! def run(net, inputs, loss_of, output_of, names, rate, buffers=()):
//!     fill(net)
//!     adam = torch.optim.Adam(net.parameters(), lr=rate)
//!     losses = []
//!     for step in range(10):
//!         adam.zero_grad()
//!         out = net(*inputs)
//!         loss = loss_of(out); loss.backward(); losses.append(loss.item())
//!         if step == 0:
//!             show("output", output_of(out).detach())
//!             for n in names: show("gradient " + n, net.get_parameter(n).grad)
//!             for n in buffers: show(n, net.get_buffer(n))
//!         adam.step()
//!     print("losses", losses)
//!     for n in names: show("after 10 steps " + n, net.get_parameter(n).detach())
//! ```

mod conv_autoencoder;
mod deep_hits;
#[cfg(feature = "cuda")]
mod device;
mod rcnn;
mod sequence_autoencoder;
mod sequence_cells;
mod sequence_encoder;
mod sequence_lengths;
mod stamp_classifier;
mod temporal_stamp_classifier;
mod vade;
mod vae;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::{ModelCard, build, load};
use crate::nn::optimisers::{Method, Optimiser, Settings};
use crate::nn::{Backend, Batch, Composed, Cpu, Kernels, Model, Pass, WEIGHTS};

/// Sum and Euclidean norm of an array, as the script prints them.
type Printed = (&'static str, f64, f64);

struct Expected {
    model: &'static str,
    rate: f64,
    output: (f64, f64),
    gradients: &'static [Printed],
    statistics: &'static [Printed],
    losses: [f64; 10],
    trained: &'static [Printed],
}

fn wave(count: usize, phase: f64) -> impl Iterator<Item = f64> {
    (0..count).map(move |i| (0.7 * i as f64 + phase).sin())
}

/// Pixels between 0 and 1.
fn stamps(count: usize, phase: f64) -> Vec<f32> {
    wave(count, phase).map(|w| (0.5 + 0.5 * w) as f32).collect()
}

/// The network with the values of `fill`.
fn filled<B: Backend>(model: &str, settings: &Value) -> Model<B> {
    let mut model = build::<B>(ModelCard { model: model.into(), settings: settings.clone() }, 0).unwrap();
    for entry in model.weights.entries.iter_mut().filter(|entry| entry.trained) {
        let base = f64::from(u8::from(entry.shape.len() == 1 && entry.name.ends_with("weight")));
        let phase = entry.name.bytes().map(f64::from).sum();
        entry.set(wave(entry.shape.iter().product(), phase).map(|w| (base + 0.1 * w) as f32).collect()).unwrap();
    }
    model
}

/// The network in the file that `model` is exported to, which holds the values of `fill` in PyTorch's order.
fn exported(model: &Model<Kernels>) -> Model<Kernels> {
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path()).unwrap();
    let bytes = std::fs::read(folder.path().join(WEIGHTS)).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), model.weights.entries.len());
    for entry in &model.weights.entries {
        let view = file.tensor(&entry.name).unwrap();
        let held: Vec<u8> = entry.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        assert!(view.shape() == entry.shape && view.data() == held, "{}", entry.name);
    }
    load(folder.path()).unwrap()
}

/// Norm to `1e-4`; sum to `1e-4` of the larger of itself and the norm, since values may cancel, or to `slack`.
fn assert_agrees(what: &str, values: &[f32], (sum, norm): (f64, f64), slack: f64) {
    let total = |of: fn(f64) -> f64| values.iter().map(|value| of(f64::from(*value))).sum::<f64>();
    let (own_sum, squares) = (total(|v| v), total(|v| v * v));
    assert!((squares.sqrt() - norm).abs() < 1e-4 * norm, "{what}: norm {} against {norm}", squares.sqrt());
    assert!((own_sum - sum).abs() < slack.max(1e-4 * sum.abs().max(norm)), "{what}: sum {own_sum} against {sum}");
}

/// Output, and gradients of every trained array by name.
fn first_pass<B: Backend>(model: &Model<B>, batch: &Batch) -> (f64, Vec<(String, Vec<f32>)>) {
    let mut pass = Pass::training(&model.weights, ChaCha8Rng::seed_from_u64(0));
    let loss = model.network.loss(&mut pass, batch).unwrap();
    let value = f64::from(loss.as_vec()[0]);
    let mut gradients = crate::nn::backward(loss).unwrap();
    let trained = model.weights.entries.iter().filter(|entry| entry.trained);
    (value, trained.map(|entry| (entry.name.clone(), entry.gradient(&mut gradients).unwrap())).collect())
}

/// That the network equals PyTorch's, and its paths each other.
fn check(expected: &Expected, settings: &Value, batch: &Batch) {
    check_shown(expected, settings, batch, |output| output);
}

/// The same, where the numbers are of what `shown` leaves of the output.
#[cfg_attr(feature = "cuda", expect(clippy::print_stderr, reason = "says when nothing was tested"))]
fn check_shown(expected: &Expected, settings: &Value, batch: &Batch, shown: impl Fn(Vec<f32>) -> Vec<f32>) {
    check_numbers(expected, settings, batch, shown);
    check_paths::<Composed<Cpu>>(expected, settings, batch);
    #[cfg(feature = "cuda")]
    if crate::nn::check_cuda().is_ok() {
        check_paths::<crate::nn::Cuda>(expected, settings, batch);
    } else {
        eprintln!("SKIPPED on a CUDA device: there is none");
    }
}

fn check_numbers(expected: &Expected, settings: &Value, batch: &Batch, shown: impl Fn(Vec<f32>) -> Vec<f32>) {
    let mut model = exported(&filled::<Kernels>(expected.model, settings));
    let mut pass = Pass::training(&model.weights, ChaCha8Rng::seed_from_u64(0));
    assert_agrees("output", &shown(model.network.output(&mut pass, batch).unwrap()), expected.output, 0.0);
    let (_, gradients) = first_pass(&model, batch);
    for (name, sum, norm) in expected.gradients {
        let gradient = &gradients.iter().find(|(own, _)| own == name).unwrap().1;
        assert_agrees(name, gradient, (*sum, *norm), 0.0);
    }
    let mut adam = Optimiser::new(&Settings::new(Method::Adam, expected.rate), &model.weights).unwrap();
    for (step, loss) in expected.losses.into_iter().enumerate() {
        let own = model.train_step(&mut adam, batch, ChaCha8Rng::seed_from_u64(0)).unwrap();
        assert!((own - loss).abs() < 1e-4 * loss.abs(), "step {step}: loss {own} against {loss}");
        if step == 0 {
            assert_arrays(&model, expected.statistics);
        }
    }
    assert_arrays(&model, expected.trained);
}

/// Loss and every gradient by the loops of our own and by dfdx's operations.
fn check_paths<B: Backend>(expected: &Expected, settings: &Value, batch: &Batch) {
    let (loss, gradients) = first_pass(&filled::<Kernels>(expected.model, settings), batch);
    let (composed_loss, composed) = first_pass(&filled::<B>(expected.model, settings), batch);
    assert!((loss - composed_loss).abs() < 1e-4 * loss.abs(), "{loss} against {composed_loss}");
    let faults = apart(&gradients, &composed, &vec![0.0; gradients.len()]);
    assert!(faults.is_empty(), "{faults:#?}, {}", B::arithmetic());
}

/// Named arrays of a network.
type Arrays = [(String, Vec<f32>)];

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

fn distance(left: &[f32], right: &[f32]) -> f64 {
    if left.len() == right.len() { norm(left.iter().zip(right).map(|(a, b)| f64::from(a - b))) } else { f64::INFINITY }
}

/// The arrays that differ by more than `1e-3` of their norm and 1.5 times what `control` says of each. Before a batch norm the
/// true gradient of a bias is zero: what is there is rounding of the others, which may be `1e-5` of the longest.
fn apart(own: &Arrays, other: &Arrays, control: &[f64]) -> Vec<String> {
    let length = |values: &[f32]| norm(values.iter().copied().map(f64::from));
    let rounding = 1e-5 * own.iter().map(|(_, own)| length(own)).fold(0.0, f64::max);
    let mut faults = Vec::new();
    for (((name, own), (_, other)), control) in own.iter().zip(other).zip(control) {
        let (apart, length) = (distance(own, other), length(own));
        // what is no number is not close
        let is_close = apart <= 1e-3 * length + rounding + 1.5 * control;
        if !is_close {
            faults.push(format!("{name}: {apart} apart of {length}, control {control}, rounding {rounding}"));
        }
    }
    faults
}

/// Adam moves each of many weights by its rate, and where a gradient is all rounding, either way: sums of weights may differ
/// by `2e-5` of the sum of their absolute values.
fn assert_arrays(model: &Model<Kernels>, expected: &[Printed]) {
    for (name, sum, norm) in expected {
        let entry = model.weights.entries.iter().find(|entry| entry.name == *name).unwrap();
        let values = entry.values();
        let slack = 2e-5 * values.iter().map(|value| f64::from(value.abs())).sum::<f64>();
        assert_agrees(name, &values, (*sum, *norm), slack);
    }
}
