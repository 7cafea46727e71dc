//! Every network of the list on a CUDA device against the loops of our own, with its default settings and random values of
//! examples: what it says, its loss, gradients, running statistics and three steps. Compiled with the feature `cuda` alone.
//! With arbitrary values some unit stands within rounding of a kink, and its side decides a hundredth of a gradient (on an H100
//! one unit of `conv_autoencoder` before its decoder, so that all gradients below it were 1.7 % off, those above 1e-5). What
//! changes of that size do to the gradients, changes of the examples by a millionth tell. The strict comparison is that of the
//! small networks in `parity.rs`, whose values keep away from kinks; it runs on a device too.
#![expect(clippy::print_stderr, reason = "says what was found, and when nothing was tested")]

use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{apart, distance, first_pass, norm};
use crate::models::{build, entries, entry};
use crate::nn::optimisers::{Method, Optimiser, Settings};
use crate::nn::{Backend, Batch, Cuda, Kernels, Model, ModelCard, Pass, check_cuda};

/// Rows of a batch: enough for a batch norm over rows.
const ROWS: usize = 6;
const STEPS: usize = 3;
/// Changes of the examples by a millionth: a unit within rounding of its kink stays on its side in all of them about once in 2^16.
const CHANGES: usize = 16;

fn built<B: Backend>(name: &str) -> Model<B> {
    let settings = (entry::<B>(name).unwrap().defaults)();
    build(ModelCard { model: name.into(), settings }, 1).unwrap()
}

/// What one path makes of a network.
struct Made {
    output: Vec<f32>,
    loss: f64,
    gradients: Vec<(String, Vec<f32>)>,
    /// After the first step.
    statistics: Vec<(String, Vec<f32>)>,
    losses: Vec<f64>,
}

fn made<B: Backend>(name: &str, batch: &Batch) -> Made {
    let mut model = built::<B>(name);
    let output = model.network.output(&mut Pass::inference(&model.weights), batch).unwrap();
    eprintln!("{name}: {} made {} outputs", B::arithmetic(), output.len());
    let (loss, gradients) = first_pass(&model, batch);
    eprintln!("{name}: {} made loss {loss} and gradients", B::arithmetic());
    let mut adam = Optimiser::new(&Settings::new(Method::Adam, 1e-4), &model.weights).unwrap();
    let (mut losses, mut statistics) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    for step in 0..STEPS {
        losses.push(model.train_step(&mut adam, batch, ChaCha8Rng::seed_from_u64(step as u64)).unwrap());
        if step == 0 {
            let untrained = model.weights.entries.iter().filter(|entry| !entry.trained);
            statistics = untrained.map(|entry| (entry.name.clone(), entry.values())).collect();
        }
    }
    let ms = begun.elapsed().as_secs_f64() * 1e3 / STEPS as f64;
    eprintln!("{name}: {} took {ms:.1} ms a step, losses {losses:?}", B::arithmetic());
    Made { output, loss, gradients, statistics, losses }
}

/// The largest change of each gradient when the examples change by a millionth.
fn sensitivity(name: &str, batch: &Batch, own: &[(String, Vec<f32>)]) -> Vec<f64> {
    let model = built::<Kernels>(name);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut most = vec![0.0; own.len()];
    for _ in 0..CHANGES {
        let changed = batch.clone().changed(|value| value * (1.0 + 1e-6 * random.random_range(-1.0..1.0_f32)));
        let (_, gradients) = first_pass(&model, &changed);
        for ((most, (_, own)), (_, other)) in most.iter_mut().zip(own).zip(&gradients) {
            *most = f64::max(*most, distance(own, other));
        }
    }
    most
}

/// Loss and output to `1e-4`, each gradient and statistic to `1e-3` of its norm and what changes of a millionth make of it
/// (times 1.5), the losses of three steps to `1e-3`.
fn compare(name: &str) {
    let batch = (entry::<Kernels>(name).unwrap().example)(ROWS);
    let (own, other) = (made::<Kernels>(name, &batch), made::<Cuda>(name, &batch));
    let control = sensitivity(name, &batch, &own.gradients);
    let mut faults = Vec::new();
    let (off, length) = (distance(&own.output, &other.output), norm(own.output.iter().copied().map(f64::from)));
    eprintln!("{name}: outputs are {off:e} apart of {length:e}; losses {} and {}", own.loss, other.loss);
    for ((name, own), ((_, other), control)) in own.gradients.iter().zip(other.gradients.iter().zip(&control)) {
        let (off, length) = (distance(own, other), norm(own.iter().copied().map(f64::from)));
        eprintln!("  {name}: {off:.2e} apart, control {control:.2e}, of {length:.2e}");
    }
    let mut check = |what: String, off: f64, most: f64| {
        // what is no number is not close
        let is_close = off <= most;
        if !is_close {
            faults.push(format!("{what}: {off} apart, at most {most}"));
        }
    };
    check("outputs".into(), off, 1e-4 * length);
    check("loss".into(), (own.loss - other.loss).abs(), 1e-4 * own.loss.abs());
    for (step, (own, other)) in own.losses.iter().zip(&other.losses).enumerate() {
        check(format!("loss of step {step}"), (own - other).abs(), 1e-3 * own.abs());
    }
    faults.extend(apart(&own.gradients, &other.gradients, &control));
    faults.extend(apart(&own.statistics, &other.statistics, &vec![0.0; own.statistics.len()]));
    assert!(faults.is_empty(), "{name}: {faults:#?}");
}

/// One test for each network: after a fault in a kernel a process gets no further use of its device.
macro_rules! networks {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            match check_cuda() {
                Ok(()) => compare(stringify!($name)),
                Err(fault) => eprintln!("SKIPPED: {fault}"),
            }
        })*

        #[test]
        fn every_network_is_compared() {
            assert_eq!(entries::<Kernels>().map(|entry| entry.name).to_vec(), [$(stringify!($name)),*]);
        }
    };
}

networks!(
    conv_autoencoder,
    vae,
    vade,
    sequence_autoencoder,
    stamp_classifier,
    deep_hits,
    temporal_stamp_classifier,
    rcnn
);
