//! What a profile says of every network of the list.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{MIXTURE, build, entries, entry};
use crate::nn::optimisers::{Method, Optimiser, Settings};
use crate::nn::profile::{Clock, Line, Profile, Watched, profile_by};
use crate::nn::{Backend, Kernels, Model, ModelCard, Pass};

/// Steps of a profile.
const STEPS: usize = 2;

fn built<B: Backend>(name: &str) -> Model<B> {
    build(ModelCard { model: name.into(), settings: (entry::<B>(name).unwrap().defaults)() }, 1).unwrap()
}

/// A profile by a clock that jumps, and the times between the first and the last look at it, of training and inference.
fn profiled(name: &str, rows: usize) -> (Profile, Vec<f64>) {
    let spans: Rc<Cell<Vec<f64>>> = Rc::default();
    let clock = || -> Clock {
        let (spans, mut looks, mut now) = (spans.clone(), 0, 0.0);
        let mut all = spans.take();
        all.push(0.0);
        spans.set(all);
        Box::new(move || {
            now += if looks == 0 { 3.0 } else { f64::from(looks * looks % 17) };
            looks += 1;
            let mut all = spans.take();
            *all.last_mut().unwrap() = now - 3.0;
            spans.set(all);
            now
        })
    };
    let mut model = built::<Watched<Kernels>>(name);
    let batch = (entry::<Kernels>(name).unwrap().example)(rows);
    let profile = profile_by(clock, || 10.0, &mut model, &batch, STEPS).unwrap();
    (profile, spans.take())
}

#[test]
fn the_lines_add_up_to_the_step() {
    for entry in entries::<Kernels>() {
        let (profile, spans) = profiled(entry.name, 3);
        for (spent, span) in [&profile.training, &profile.inference].into_iter().zip(spans) {
            let sum: f64 = spent.lines.iter().map(|line| line.forward_ms + line.backward_ms).sum();
            let shares: f64 = spent.lines.iter().map(|line| line.share).sum();
            assert!(span > 0.0 && (spent.ms - span * 1e3 / STEPS as f64).abs() < 1e-9 * spent.ms, "{}", entry.name);
            assert!((sum - spent.ms).abs() < 1e-9 * spent.ms && (shares - 1.0).abs() < 1e-9, "{}", entry.name);
        }
    }
}

#[test]
fn every_layer_appears_with_both_passes() {
    for entry in entries::<Kernels>() {
        let (model, (profile, _)) = (built::<Kernels>(entry.name), profiled(entry.name, 3));
        let trained =
            model.weights.entries.iter().filter(|entry| entry.trained && !MIXTURE.contains(&entry.name.as_str()));
        let layers: BTreeSet<&str> = trained.map(|entry| entry.name.rsplit_once('.').unwrap().0).collect();
        for layer in layers {
            let lines = || profile.training.lines.iter().filter(|line| line.layer == layer);
            let times = |of: fn(&Line) -> f64| lines().map(of).sum::<f64>();
            let (forward, backward) = (times(|line| line.forward_ms), times(|line| line.backward_ms));
            assert!(forward > 0.0 && backward > 0.0, "{}: {layer}: {forward} {backward}", entry.name);
        }
    }
}

#[test]
fn products_are_those_of_direct_sums() {
    let (profile, _) = profiled("conv_autoencoder", 2);
    let of = |lines: &[Line], layer: &str| {
        let line = lines.iter().find(|line| line.layer == layer && line.gflops.is_some()).unwrap();
        let seconds = (line.forward_ms + line.backward_ms) * 1e-3;
        assert!((line.of_peak.unwrap() - line.gflops.unwrap() / 10.0).abs() < 1e-12);
        (line.gflops.unwrap() * seconds * 1e9).round()
    };
    let (training, inference) = (&profile.training.lines, &profile.inference.lines);
    // two images: output pixels, taps, inputs, outputs; backward the same again for the weights, and for the input if it
    // has a gradient
    let (first, strided, code) = (4 * 441 * 9 * 3 * 64, 4 * 121 * 9 * 64 * 64, 4 * 2304 * 21);
    assert_eq!(of(inference, "encoder.0.0"), f64::from(first));
    assert_eq!(of(training, "encoder.0.0"), f64::from(2 * first));
    assert_eq!(of(training, "encoder.1.0"), f64::from(3 * strided));
    assert_eq!(of(training, "mu"), f64::from(3 * code));
    assert!(training.last().unwrap().operation == "rest" && training.iter().any(|line| line.operation == "optimiser"));
}

#[test]
fn watching_changes_no_bit() {
    for entry in entries::<Kernels>() {
        assert!(trained::<Kernels>(entry.name) == trained::<Watched<Kernels>>(entry.name), "{}", entry.name);
    }
}

/// Outputs and weights after a step of training.
fn trained<B: Backend>(name: &str) -> Vec<(String, Vec<f32>)> {
    let (mut model, batch) = (built::<B>(name), (entry::<B>(name).unwrap().example)(3));
    let mut adam = Optimiser::new(&Settings::new(Method::Adam, 1e-3), &model.weights).unwrap();
    model.train_step(&mut adam, &batch, ChaCha8Rng::seed_from_u64(2)).unwrap();
    let outputs = model.network.output(&mut Pass::inference(&model.weights), &batch).unwrap();
    let weights = model.weights.entries.iter().map(|entry| (entry.name.clone(), entry.values()));
    weights.chain([("outputs".into(), outputs)]).collect()
}
