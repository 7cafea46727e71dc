//! Training on a small made-up set: it learns, resumes to the same bytes, does not feel threads, and stops when it should.

use super::*;
use crate::models;
use crate::nn::optimisers::{Method, Settings};
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
    fn class(&self, row: usize) -> Option<usize> {
        Some(usize::from(row.is_multiple_of(7)))
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
    Schedule {
        length: Length::Epochs(epochs),
        patience: None,
        batch: 8,
        optimiser: Settings::new(Method::Adam, 1e-3),
        decay: Decay::Cosine,
        warm_up: 0,
        balance: Balance::None,
        seed: 3,
    }
}

fn with_rate(rate: f64, epochs: usize) -> Schedule {
    Schedule { optimiser: Settings::new(Method::Adam, rate), ..schedule(epochs) }
}

/// Every length, rule, decay and balance at least once, beside [`schedule`].
fn others() -> Vec<(&'static str, Schedule)> {
    let steps = |validate_every, extend| Length::Steps { steps: 7, validate_every, extend };
    let by = |method| Settings { momentum: 0.9, weight_decay: 1e-3, clip: Some(5.0), ..Settings::new(method, 1e-3) };
    let group = |method| Settings { group: vec!["encoder".into()], group_rate: 0.5, ..by(method) };
    let constant = Schedule { decay: Decay::Constant, ..schedule(2) };
    let falling = Schedule { decay: Decay::Step { every: 1, factor: 0.5 }, warm_up: 3, ..schedule(2) };
    vec![
        ("steps", Schedule { length: steps(3, 0), ..schedule(0) }),
        ("steps that are extended", Schedule { length: steps(2, 4), optimiser: by(Method::AdamW), ..constant.clone() }),
        ("patience", Schedule { length: steps(1, 0), patience: Some(2), ..with_rate(0.0, 0) }),
        ("momentum", Schedule { optimiser: by(Method::Sgd), ..falling.clone() }),
        ("balance", Schedule { balance: Balance::Oversample, optimiser: group(Method::AmsGrad), ..falling }),
        ("balanced steps", Schedule { length: steps(5, 0), balance: Balance::Oversample, ..constant }),
    ]
}

type Outcome = (Result<Trained, NnError>, Vec<Vec<f32>>);

fn run(schedule: &Schedule, checkpoints: Option<Checkpoints>, watch: &mut Watch) -> Outcome {
    run_on(30, schedule, checkpoints, watch)
}

fn run_on(rows: usize, schedule: &Schedule, checkpoints: Option<Checkpoints>, watch: &mut Watch) -> Outcome {
    let mut model = model();
    let trained = train(&mut model, &Blobs(rows), &Blobs(11), schedule, checkpoints, watch);
    (trained, model.weights.entries.iter().map(super::super::weights::Entry::values).collect())
}

/// Ends with `fault` at step `at`, counted from 1 over all epochs of four steps.
fn end(at: usize, fault: fn() -> NnError) -> impl FnMut(Progress) -> Result<(), NnError> {
    move |progress| if progress.done == at { Err(fault()) } else { Ok(()) }
}

/// What a kill is to the training loop: it ends without another word.
fn killed() -> NnError {
    NnError::Data("killed".into())
}

/// Steps that were done before the first one of a run that ends undisturbed; and how it ends.
fn resumed(schedule: &Schedule, checkpoints: Checkpoints) -> (usize, Outcome) {
    let mut first = None;
    let outcome = run(schedule, Some(checkpoints), &mut |progress| {
        first.get_or_insert((progress.done, progress.loss.is_none()));
        Ok(())
    });
    let (done, is_resumed) = first.unwrap();
    (if is_resumed { done } else { done - 1 }, outcome)
}

fn assert_same(found: Outcome, expected: &Outcome) {
    assert_eq!(&found.0.unwrap(), expected.0.as_ref().unwrap());
    assert!(found.1 == expected.1, "other weights");
}

#[test]
fn the_loss_falls_and_the_best_weights_are_kept() {
    let (trained, _) = run(&schedule(6), None, &mut |_| Ok(()));
    let trained = trained.unwrap();
    let losses: Vec<f64> = trained.history.iter().map(|epoch| epoch.train_loss).collect();
    assert!(losses[5] < 0.5 * losses[0], "{losses:?}");
    let best = trained.history[trained.best - 1].validation_loss;
    assert!(trained.history.iter().all(|epoch| epoch.validation_loss >= best));
}

#[test]
fn an_interrupted_run_goes_on_at_the_same_step_and_ends_with_the_same_bytes() {
    let whole = run(&schedule(3), None, &mut |_| Ok(()));
    for at in 1..=12 {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::within(folder.path());
        let (stopped, _) = run(&schedule(3), Some(checkpoints), &mut end(at, || NnError::Interrupted));
        assert!(matches!(stopped, Err(NnError::Interrupted)));
        let (first, outcome) = resumed(&schedule(3), checkpoints);
        assert_eq!(first, at);
        assert_same(outcome, &whole);
    }
}

#[test]
fn every_schedule_goes_on_at_any_step_and_ends_with_the_same_bytes() {
    for (name, schedule) in others() {
        let mut steps = 0;
        let whole = run(&schedule, None, &mut |progress| {
            steps = progress.done;
            Ok(())
        });
        assert!(steps > 1, "{name}");
        for at in 1..=steps {
            let folder = tempfile::tempdir().unwrap();
            let checkpoints = Checkpoints::within(folder.path());
            let (stopped, _) = run(&schedule, Some(checkpoints), &mut end(at, || NnError::Interrupted));
            assert!(matches!(stopped, Err(NnError::Interrupted)), "{name}, step {at}");
            let (first, outcome) = resumed(&schedule, checkpoints);
            assert_eq!(first, at, "{name}");
            assert_same(outcome, &whole);
        }
    }
}

#[test]
fn threads_change_no_bit_of_any_schedule() {
    for (name, schedule) in others() {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&schedule, None, &mut |_| Ok(())).1)
        };
        assert!(with(1) == with(3), "{name}");
    }
}

#[test]
fn frozen_parts_do_not_move_and_their_batch_norms_are_constants() {
    let part = model().weights.names().find_map(|(name, _)| Some(name.strip_suffix(".running_mean")?.to_owned()));
    let whole = part.unwrap();
    let part = whole.split('.').next().unwrap().to_owned();
    let trained = |frozen: &[String], rate: f64| {
        let mut model = model();
        model.weights.freeze(frozen).unwrap();
        train(&mut model, &Blobs(30), &Blobs(11), &with_rate(rate, 1), None, &mut |_| Ok(())).unwrap();
        model
    };
    let (start, after) = (model(), trained(std::slice::from_ref(&part), 1e-2));
    let (mut still, mut moved) = (0, 0);
    for (old, new) in start.weights.entries.iter().zip(&after.weights.entries) {
        let is_same = old.values() == new.values();
        assert_eq!(is_same, old.name.starts_with(&format!("{part}.")), "{}", old.name);
        *(if is_same { &mut still } else { &mut moved }) += 1;
    }
    assert!(still > 0 && moved > 0);
    let everything: Vec<String> = start.weights.names().map(|(name, _)| name.to_owned()).collect();
    let mut model = model();
    model.weights.freeze(&everything).unwrap();
    let fault = train(&mut model, &Blobs(30), &Blobs(11), &schedule(1), None, &mut |_| Ok(())).unwrap_err();
    assert!(fault.to_string().contains("nothing to train"), "{fault}");
}

#[test]
fn better_validations_extend_the_horizon() {
    let length = Length::Steps { steps: 3, validate_every: 2, extend: 5 };
    let most = 2000;
    for rate in [0.0, 1e-3, 3e-2] {
        let schedule = Schedule { length, decay: Decay::Constant, ..with_rate(rate, 0) };
        let mut totals = Vec::new();
        let (trained, _) = run(&schedule, None, &mut |progress| {
            totals.push((progress.done, progress.total));
            if progress.done == most { Err(NnError::Interrupted) } else { Ok(()) }
        });
        let best_before = |done: usize, history: &[Round]| {
            let past = history.iter().filter(|round| round.at < done);
            past.fold(
                (0, f64::INFINITY),
                |best, round| {
                    if round.score() < best.1 { (round.at, round.score()) } else { best }
                },
            )
        };
        let Ok(trained) = trained else { panic!("it did not end within {most} steps") };
        for (done, total) in totals.iter().copied() {
            let (best, _) = best_before(done, &trained.history);
            assert_eq!(total, if best == 0 { 3 } else { 3.max(best + 5) }, "step {done} at rate {rate}");
        }
        assert_eq!(totals.last().map(|(done, _)| *done), Some(trained.best + 5), "rate {rate}");
        assert_eq!(trained.history.last().map(|round| round.at), Some(trained.best + 5), "the last step is validated");
    }
}

#[test]
fn balanced_epochs_have_more_steps() {
    let mut per_epoch = 0;
    let schedule = Schedule { balance: Balance::Oversample, ..schedule(1) };
    run(&schedule, None, &mut |progress| {
        per_epoch = progress.per_epoch;
        Ok(())
    })
    .0
    .unwrap();
    assert_eq!(per_epoch, 7, "5 rows of 30 have class 1, 25 class 0: 50 rows in batches of 8");
}

#[test]
fn schedules_that_cannot_be_are_refused() {
    let steps = |steps, validate_every, extend| Length::Steps { steps, validate_every, extend };
    let cases = [
        (Schedule { length: Length::Epochs(0), ..schedule(1) }, "one validation"),
        (Schedule { length: steps(0, 1, 0), ..schedule(1) }, "one validation"),
        (Schedule { length: steps(1, 0, 0), ..schedule(1) }, "one validation"),
        (Schedule { batch: 0, ..schedule(1) }, "one row per batch"),
        (Schedule { length: steps(5, 1, 5), ..schedule(1) }, "cosine"),
        (Schedule { decay: Decay::Step { every: 0, factor: 0.5 }, ..schedule(1) }, "every 0"),
    ];
    for (schedule, word) in cases {
        let message = run(&schedule, None, &mut |_| Ok(())).0.unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn a_killed_run_goes_on_from_the_last_checkpoint() {
    let whole = run(&schedule(3), None, &mut |_| Ok(()));
    let minute = Checkpoints::within("".as_ref()).every;
    // No time between them: every step makes a checkpoint. Else only the ends of epochs of four steps do.
    for (every, last) in [(Duration::ZERO, 7), (minute, 4)] {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints { folder: folder.path(), every };
        run(&schedule(3), Some(checkpoints), &mut end(7, killed)).0.unwrap_err();
        let (first, outcome) = resumed(&schedule(3), checkpoints);
        assert_eq!(first, last);
        assert_same(outcome, &whole);
    }
}

#[test]
fn damaged_checkpoints_are_passed_over() {
    let whole = run(&schedule(3), None, &mut |_| Ok(()));
    for (damaged, last) in [(&["latest"][..], 4), (&["latest", "earlier"], 0)] {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::within(folder.path());
        run(&schedule(3), Some(checkpoints), &mut end(10, killed)).0.unwrap_err();
        for name in damaged {
            let path = folder.path().join(name);
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }
        let (first, outcome) = resumed(&schedule(3), checkpoints);
        assert_eq!(first, last);
        assert_same(outcome, &whole);
    }
}

#[test]
fn checkpoints_of_another_run_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::within(folder.path());
    run(&schedule(3), Some(checkpoints), &mut end(10, killed)).0.unwrap_err();
    let first = |rows: usize, schedule: &Schedule| {
        let mut first = None;
        run_on(rows, schedule, Some(checkpoints), &mut |progress| {
            first.get_or_insert(progress.done);
            Err(killed())
        })
        .0
        .unwrap_err();
        first
    };
    assert_eq!(first(30, &with_rate(2e-3, 3)), Some(1));
    assert_eq!(first(30, &Schedule { seed: 4, ..schedule(3) }), Some(1));
    assert_eq!(first(30, &schedule(4)), Some(1));
    assert_eq!(first(29, &schedule(3)), Some(1));
    assert_eq!(first(30, &schedule(3)), Some(8));
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
    let (trained, _) = run(&with_rate(1e30, 5), None, &mut |_| Ok(()));
    let message = trained.unwrap_err().to_string();
    assert!(message.contains("epoch") && message.contains("lower the rate"), "{message}");
}

#[test]
fn patience_ends_training() {
    let (trained, _) = run(&Schedule { patience: Some(2), ..with_rate(0.0, 50) }, None, &mut |_| Ok(()));
    let trained = trained.unwrap();
    assert!(trained.history.len() < 50);
    assert_eq!(trained.history.len(), trained.best + 2);
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
