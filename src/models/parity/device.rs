//! Every network of the list on a CUDA device against the loops of our own, with its default settings and random values of
//! examples: what it says, its loss, gradients, running statistics and ten steps. Compiled with the feature `cuda` alone;
//! where there is no device only the control runs, the same comparison by dfdx's operations on the processor.

use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{apart, first_pass, norm};
use crate::models::{build, entries, entry};
use crate::nn::optimisers::{Method, Optimiser, Settings};
use crate::nn::{Backend, Batch, Composed, Cpu, Cuda, Kernels, Model, ModelCard, Pass, check_cuda};

/// Rows of a batch: enough for a batch norm over rows.
const ROWS: usize = 6;
const STEPS: usize = 10;

/// What one path makes of a network.
struct Made {
    output: Vec<f32>,
    loss: f64,
    gradients: Vec<(String, Vec<f32>)>,
    /// After the first step.
    statistics: Vec<(String, Vec<f32>)>,
    losses: Vec<f64>,
}

fn statistics<B: Backend>(model: &Model<B>) -> Vec<(String, Vec<f32>)> {
    let untrained = model.weights.entries.iter().filter(|entry| !entry.trained);
    untrained.map(|entry| (entry.name.clone(), entry.values())).collect()
}

fn made<B: Backend>(name: &str, batch: &Batch) -> Made {
    let settings = (entry::<B>(name).unwrap().defaults)();
    let mut model = build::<B>(ModelCard { model: name.into(), settings }, 1).unwrap();
    let output = model.network.output(&mut Pass::inference(&model.weights), batch).unwrap();
    eprintln!("{name}: {} made {} outputs", B::arithmetic(), output.len());
    let (loss, gradients) = first_pass(&model, batch);
    eprintln!("{name}: {} made loss {loss} and gradients", B::arithmetic());
    let mut adam = Optimiser::new(&Settings::new(Method::Adam, 1e-4), &model.weights).unwrap();
    let (mut losses, mut after) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    for step in 0..STEPS {
        losses.push(model.train_step(&mut adam, batch, ChaCha8Rng::seed_from_u64(step as u64)).unwrap());
        if step == 0 {
            after = statistics(&model);
        }
    }
    let ms = begun.elapsed().as_secs_f64() * 1e3 / STEPS as f64;
    eprintln!("{name}: {} took {ms:.1} ms a step, losses {losses:?}", B::arithmetic());
    Made { output, loss, gradients, statistics: after, losses }
}

/// Loss and output to `1e-4`, each gradient and statistic to `1e-3` of its norm, the losses of ten steps to `1e-3`.
fn compare<B: Backend>(name: &str) {
    let batch = (entry::<Kernels>(name).unwrap().example)(ROWS);
    let (own, other) = (made::<Kernels>(name, &batch), made::<B>(name, &batch));
    let mut faults = Vec::new();
    let distance = norm(own.output.iter().zip(&other.output).map(|(a, b)| f64::from(a - b)));
    let length = norm(own.output.iter().copied().map(f64::from));
    eprintln!("{name}: outputs are {distance:e} apart of {length:e}; losses {} and {}", own.loss, other.loss);
    if own.output.len() != other.output.len() || !(distance <= 1e-4 * length) {
        faults.push(format!("outputs: {distance} apart of {length}"));
    }
    if !((own.loss - other.loss).abs() <= 1e-4 * own.loss.abs()) {
        faults.push(format!("loss: {} against {}", own.loss, other.loss));
    }
    faults.extend(apart(&own.gradients, &other.gradients).into_iter().map(|fault| format!("gradient {fault}")));
    faults.extend(apart(&own.statistics, &other.statistics).into_iter().map(|fault| format!("statistic {fault}")));
    for (step, (own, other)) in own.losses.iter().zip(&other.losses).enumerate() {
        if !((own - other).abs() <= 1e-3 * own.abs()) {
            faults.push(format!("step {step}: loss {own} against {other}"));
        }
    }
    assert!(faults.is_empty(), "{name} by {}: {faults:#?}", B::arithmetic());
}

/// One test for each network: after a fault in a kernel a process gets no further use of its device.
macro_rules! networks {
    ($($name:ident),*) => {
        mod cuda {
            $(#[test]
            fn $name() {
                match super::check_cuda() {
                    Ok(()) => super::compare::<super::Cuda>(stringify!($name)),
                    Err(fault) => eprintln!("SKIPPED: {fault}"),
                }
            })*
        }

        mod control {
            $(#[test]
            fn $name() {
                super::compare::<super::Composed<super::Cpu>>(stringify!($name));
            })*
        }

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

/// Whether a device repeats itself to the bit, and what memory that the driver keeps saves: to be read, nothing is promised.
#[test]
#[ignore = "prints timings of a device"]
fn figures() {
    for name in ["conv_autoencoder", "stamp_classifier", "sequence_autoencoder"] {
        let batch = (entry::<Kernels>(name).unwrap().example)(64);
        let settings = (entry::<Cuda>(name).unwrap().defaults)();
        let mut model = build::<Cuda>(ModelCard { model: name.into(), settings }, 1).unwrap();
        let same = first_pass(&model, &batch) == first_pass(&model, &batch);
        eprintln!("{name}: two passes {} to the bit", if same { "agree" } else { "do not agree" });
        for bytes in [0, u64::MAX] {
            crate::nn::keep_cuda(bytes).unwrap();
            let timing = crate::nn::bench::bench(&mut model, &batch, 10).unwrap();
            eprintln!(
                "{name}: {:.2} ms a step, {:.2} ms forward, {bytes} bytes kept",
                timing.train_ms, timing.infer_ms
            );
        }
    }
}
