//! What holds for the variational networks: learning by heart, draws in training only, warm-up, sizes that cannot be.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::{Task, build, entries};
use crate::nn::optimisers::{Method, Optimiser, Settings};
use crate::nn::{Batch, Kernels, Model, ModelCard, Pass};

fn built(model: &str, changes: &[(&str, Value)]) -> Model<Kernels> {
    try_built(model, changes).unwrap_or_else(|fault| panic!("{fault}"))
}

fn try_built(model: &str, changes: &[(&str, Value)]) -> Result<Model<Kernels>, crate::nn::NnError> {
    let mut settings = (super::entry::<Kernels>(model).unwrap().defaults)();
    for (key, value) in changes {
        settings[*key] = value.clone();
    }
    build(ModelCard { model: model.into(), settings }, 3)
}

/// Blobs of 21 x 21 pixels at different places.
fn blobs(rows: usize) -> Batch {
    let pixel = |row: usize, p: usize| {
        let (x, y) = ((row % 4 * 4 + 4) as f32, (row / 4 * 4 + 4) as f32);
        (-(((p % 21) as f32 - x).powi(2) + ((p / 21) as f32 - y).powi(2)) / 8.0).exp()
    };
    let stamps = (0..rows).flat_map(|row| (0..441).map(move |p| pixel(row, p))).collect();
    Batch::from_columns(rows, [("stamps", stamps)])
}

fn error_of(model: &Model<Kernels>, batch: &Batch) -> f64 {
    let made = model.network.output(&mut Pass::inference(&model.weights), batch).unwrap();
    let squares = made.iter().zip(batch.column("stamps")).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>() / batch.rows as f64
}

#[test]
fn every_autoencoder_of_stamps_learns_sixteen_by_heart() {
    let batch = blobs(16);
    let mean = batch.column("stamps").iter().map(|v| f64::from(*v)).sum::<f64>() / (16.0 * 441.0);
    let spread = batch.column("stamps").iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / 16.0;
    for entry in entries::<Kernels>().iter().filter(|entry| entry.task == Task::Reconstruct && !entry.sequential) {
        let mut model = built(entry.name, &[("channels", 1.into()), ("maps", 12.into()), ("latent", 8.into())]);
        let mut adam = Optimiser::new(&Settings::new(Method::Adam, 4e-3), &model.weights).unwrap();
        for step in 0..300 {
            model.train_step(&mut adam, &batch, ChaCha8Rng::seed_from_u64(step)).unwrap();
        }
        let left = error_of(&model, &batch) / spread;
        assert!(left < 0.1, "{}: {left} of the squared error is left", entry.name);
    }
}

#[test]
fn codes_are_drawn_in_training_only() {
    for model in ["vae", "vade"] {
        let model = built(model, &[("channels", 1.into()), ("maps", 4.into())]);
        let batch = blobs(4);
        let used = || model.network.output(&mut Pass::inference(&model.weights), &batch).unwrap();
        assert_eq!(used(), used());
        let trained = |seed| {
            let mut pass = Pass::training(&model.weights, ChaCha8Rng::seed_from_u64(seed));
            model.network.output(&mut pass, &batch).unwrap()
        };
        assert_eq!(trained(1), trained(1));
        assert_ne!(trained(1), trained(2));
        let mut pass = Pass::inference(&model.weights);
        let mean = model.network.posterior(&mut pass, &batch).unwrap().unwrap().mean;
        assert_eq!(model.network.encode(&mut pass, &batch).unwrap().as_vec(), mean);
        assert_eq!(model.decode(&mean).unwrap().unwrap().images, used());
    }
}

/// Batch norm uses the moments of the batch in training and the running ones in use, and moves these in training only.
#[test]
fn batch_norm_learns_its_moments_in_training() {
    let mut model = built("vae", &[("channels", 1.into()), ("maps", 4.into())]);
    let moments = |model: &Model<Kernels>| model.weights.named("encoder.0.1.running_mean").unwrap();
    let before = moments(&model);
    model.network.loss(&mut Pass::inference(&model.weights), &blobs(4)).unwrap();
    assert_eq!(moments(&model), before);
    let mut adam = Optimiser::new(&Settings::new(Method::Adam, 0.0), &model.weights).unwrap();
    model.train_step(&mut adam, &blobs(4), ChaCha8Rng::seed_from_u64(0)).unwrap();
    assert_ne!(moments(&model), before);
}

#[test]
fn the_divergence_warms_up_over_the_first_steps_of_training() {
    let losses = |warm_up: usize| -> Vec<f64> {
        let mut model = built("vae", &[("channels", 1.into()), ("maps", 4.into()), ("warm_up", warm_up.into())]);
        let mut adam = Optimiser::new(&Settings::new(Method::Adam, 0.0), &model.weights).unwrap();
        let batch = blobs(4);
        let mut step = || model.train_step(&mut adam, &batch, ChaCha8Rng::seed_from_u64(1)).unwrap();
        let mut losses: Vec<f64> = (0..6).map(|_| step()).collect();
        losses.push(f64::from(model.network.loss(&mut Pass::inference(&model.weights), &batch).unwrap().as_vec()[0]));
        losses
    };
    let (plain, warm) = (losses(0), losses(4));
    assert!(plain[..6].iter().all(|loss| (loss - plain[0]).abs() < 1e-3), "a rate of 0 moves nothing: {plain:?}");
    let missing = plain[0] - warm[0];
    assert!(missing > 0.0);
    for (step, loss) in warm[..6].iter().enumerate() {
        let share = (3.0 - step as f64).max(0.0) / 3.0;
        assert!((plain[0] - loss - missing * share).abs() < 1e-3 * plain[0].abs(), "{plain:?} {warm:?}");
    }
    assert!((plain[6] - warm[6]).abs() < 1e-9, "in use it weighs all");
}

#[test]
fn weights_are_taken_over_by_name_and_shape() {
    let vae = built("vae", &[]);
    let mut vade = built("vade", &[("latent", 20.into())]);
    let mu = vade.weights.named("mu.weight");
    vade.weights.adopt(&vae.weights).unwrap();
    assert_eq!(vade.weights.named("encoder.1.0.weight"), vae.weights.named("encoder.1.0.weight"));
    assert_eq!(vade.weights.named("mu.weight"), mu, "of another shape");
    assert!(!vade.weights.set_named("mixture.logits", vec![0.0; 9]).unwrap());
    assert!(vade.weights.set_named("mixture.logits", vec![1.0; 10]).unwrap());
}

#[test]
fn sizes_that_cannot_be_are_named() {
    let refused =
        |model: &str, key: &str, value: Value| try_built(model, &[(key, value)]).err().expect(key).to_string();
    for model in ["conv_autoencoder", "vae", "vade"] {
        for (key, value) in [("latent", 0), ("crop", 8), ("channels", 0), ("maps", 0)] {
            assert!(refused(model, key, value.into()).contains("crop"), "{model} {key}");
        }
        assert!(refused(model, "clusterz", json!(1)).contains("clusterz"));
    }
    assert!(refused("vade", "clusters", 0.into()).contains("0 clusters"));
    assert!(refused("vade", "floor", json!(-1.0)).contains("-1"));
}
