//! Training on a small made-up set: it learns, resumes to the same bytes, does not feel threads, and stops when it should.

use super::*;
use crate::models;
use crate::nn::{Column, Kernels, ModelCard};

/// Blobs of different places and widths, 9 x 9 pixels.
struct Blobs(usize);

impl Rows for Blobs {
    fn len(&self) -> usize {
        self.0
    }
    fn columns(&self) -> Vec<Column> {
        vec![Column { name: "stamps", width: 81 }]
    }
    fn copy_row(&self, row: usize, _: usize, into: &mut [f32]) {
        let (x, y, width) = ((row % 5) as f32 + 2.0, (row % 7) as f32 + 1.0, 1.0 + (row % 3) as f32);
        for (i, value) in into.iter_mut().enumerate() {
            let squared = ((i % 9) as f32 - x).powi(2) + ((i / 9) as f32 - y).powi(2);
            *value = (-squared / width).exp();
        }
    }
}

fn model() -> Model<Kernels> {
    let settings = serde_json::json!({ "channels": 1, "crop": 9, "latent": 4, "maps": 64 });
    models::build(ModelCard { model: "conv_autoencoder".into(), settings }, 5).unwrap()
}

fn schedule(epochs: usize) -> Schedule {
    Schedule { epochs, batch: 8, rate: 1e-3, patience: None, seed: 3 }
}

fn run(schedule: &Schedule, folder: Option<&Path>, watch: &mut Watch) -> (Result<Trained, NnError>, Vec<Vec<f32>>) {
    let mut model = model();
    let trained = train(&mut model, &Blobs(30), &Blobs(11), schedule, folder, watch);
    (trained, model.weights.entries.iter().map(super::super::weights::Entry::values).collect())
}

#[test]
fn the_loss_falls_and_the_best_epoch_is_kept() {
    let (trained, _) = run(&schedule(6), None, &mut |_| Ok(()));
    let trained = trained.unwrap();
    let losses: Vec<f64> = trained.history.iter().map(|epoch| epoch.train_loss).collect();
    assert!(losses[5] < 0.5 * losses[0], "{losses:?}");
    let best = trained.history[trained.best_epoch - 1].validation_loss;
    assert!(trained.history.iter().all(|epoch| epoch.validation_loss >= best));
}

#[test]
fn an_interrupted_run_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, weights) = run(&schedule(4), None, &mut |_| Ok(()));
    let mut stop = |progress: Progress| match (progress.epoch, progress.step) {
        (3, 2) => Err(NnError::Interrupted),
        _ => Ok(()),
    };
    let (stopped, _) = run(&schedule(4), Some(folder.path()), &mut stop);
    assert!(matches!(stopped, Err(NnError::Interrupted)));
    let mut first = None;
    let (resumed, resumed_weights) = run(&schedule(4), Some(folder.path()), &mut |progress| {
        first.get_or_insert(progress.epoch);
        Ok(())
    });
    assert_eq!(first, Some(3));
    assert_eq!(resumed.unwrap(), whole.unwrap());
    assert!(resumed_weights == weights);
}

#[test]
fn threads_change_no_bit() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&schedule(2), None, &mut |_| Ok(())).1)
    };
    assert!(with(1) == with(3));
}

#[test]
fn a_rate_that_is_too_high_is_named() {
    let (trained, _) = run(&Schedule { rate: 1e30, ..schedule(5) }, None, &mut |_| Ok(()));
    let message = trained.unwrap_err().to_string();
    assert!(message.contains("epoch") && message.contains("lower the rate"), "{message}");
}

#[test]
fn patience_ends_training() {
    let (trained, _) = run(&Schedule { rate: 0.0, patience: Some(2), ..schedule(50) }, None, &mut |_| Ok(()));
    let trained = trained.unwrap();
    assert!(trained.history.len() < 50);
    assert_eq!(trained.history.len(), trained.best_epoch + 2);
}

#[test]
fn a_saved_model_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let model = model();
    model.save(folder.path()).unwrap();
    let loaded = models::load::<Kernels>(folder.path()).unwrap();
    assert_eq!(loaded.encode(&Blobs(9), 4).unwrap(), model.encode(&Blobs(9), 9).unwrap());
    std::fs::write(folder.path().join("weights.safetensors"), b"cut").unwrap();
    assert!(models::load::<Kernels>(folder.path()).is_err());
}

#[test]
fn data_of_another_size_are_refused() {
    let settings = serde_json::json!({ "channels": 2, "crop": 9, "latent": 4, "maps": 64 });
    let model = models::build::<Kernels>(ModelCard { model: "conv_autoencoder".into(), settings }, 5).unwrap();
    let message = model.encode(&Blobs(3), 4).unwrap_err().to_string();
    assert!(message.contains("162") && message.contains("81"), "{message}");
}
