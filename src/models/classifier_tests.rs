//! What holds for every classifier of the list, and what the papers claim of two of them.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::{Task, build, entries};
use crate::geometry::Geometry;
use crate::nn::optimisers::{Method, Optimiser, Settings};
use crate::nn::{Batch, Kernels, Model, ModelCard, Pass, softmax};

fn defaults(model: &str) -> Value {
    (super::entry::<Kernels>(model).unwrap().defaults)()
}

fn built(model: &str, settings: Value) -> Model<Kernels> {
    build(ModelCard { model: model.into(), settings }, 3).unwrap()
}

fn scores(model: &Model<Kernels>, batch: &Batch) -> Vec<f32> {
    model.network.output(&mut Pass::inference(&model.weights), batch).unwrap()
}

/// A batch with every stamp turned by a quarter.
fn turned(batch: &Batch, channels: usize, side: usize) -> Batch {
    let mut stamps = Vec::new();
    for plane in batch.column("stamps").chunks_exact(side * side) {
        Geometry { turns: 1, ..Geometry::default() }.apply(plane, side, side, &mut stamps);
    }
    assert_eq!(stamps.len(), batch.rows * channels * side * side);
    let metadata = batch.column("metadata").to_vec();
    Batch::from_columns(batch.rows, [("stamps", stamps), ("metadata", metadata), ("class", vec![0.0; batch.rows])])
}

#[test]
fn the_number_of_values_is_the_published_one() {
    for (model, values) in [("stamp_classifier", 441_075), ("deep_hits", 697_858)] {
        assert_eq!(built(model, defaults(model)).weights.parameters(), values, "{model}");
    }
}

#[test]
fn cyclic_pooling_does_not_feel_a_quarter_turn_and_joining_does() {
    for (model, channels, feels) in [("stamp_classifier", 3, false), ("deep_hits", 4, true)] {
        let batch = (super::entry::<Kernels>(model).unwrap().example)(5);
        let network = built(model, defaults(model));
        let (straight, turned) = (scores(&network, &batch), scores(&network, &turned(&batch, channels, 21)));
        let apart = straight.iter().zip(&turned).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let size = straight.iter().map(|a| a.abs()).fold(0.0, f32::max);
        assert_eq!(apart > 1e-4 * size, feels, "{model}: {apart} of {size}");
    }
}

#[test]
fn every_classifier_learns_sixteen_rows_by_heart() {
    for entry in entries::<Kernels>().iter().filter(|entry| entry.task == Task::Classify) {
        let mut model = built(entry.name, (entry.defaults)());
        let batch = (entry.example)(16);
        let mut adam = Optimiser::new(&Settings::new(Method::Adam, 1e-3), &model.weights).unwrap();
        let mut right = 0;
        for step in 0..400 {
            model.train_step(&mut adam, &batch, ChaCha8Rng::seed_from_u64(step)).unwrap();
            right = if step % 20 == 19 { correct(&model, &batch) } else { 0 };
            if right == 16 {
                break;
            }
        }
        assert_eq!(right, 16, "{}", entry.name);
    }
}

/// Rows whose class has the largest score (at the last step of a sequence).
fn correct(model: &Model<Kernels>, batch: &Batch) -> usize {
    let scores = scores(model, batch);
    let classes = model.card.settings["classes"].as_u64().unwrap() as usize;
    let rows = scores.chunks_exact(scores.len() / batch.rows).zip(batch.column("class"));
    rows.filter(|(scores, class)| {
        let last = softmax(&scores[scores.len() - classes..], classes);
        let best = (0..classes).max_by(|a, b| last[*a].total_cmp(&last[*b])).unwrap();
        best == **class as usize
    })
    .count()
}

#[test]
fn dropout_is_for_training_only() {
    let model = built("stamp_classifier", defaults("stamp_classifier"));
    let batch = (super::entry::<Kernels>("stamp_classifier").unwrap().example)(4);
    assert_eq!(scores(&model, &batch), scores(&model, &batch));
    let trained = |seed| {
        let mut pass = Pass::training(&model.weights, ChaCha8Rng::seed_from_u64(seed));
        model.network.output(&mut pass, &batch).unwrap()
    };
    assert_eq!(trained(1), trained(1));
    assert_ne!(trained(1), trained(2));
}

#[test]
fn settings_that_cannot_be_are_named() {
    let refused = |model: &str, key: &str, value: Value| {
        let mut settings = defaults(model);
        settings[key] = value;
        build::<Kernels>(ModelCard { model: model.into(), settings }, 0).err().expect(key).to_string()
    };
    assert!(refused("stamp_classifier", "kernel", 4.into()).contains("odd kernel"));
    let cut = serde_json::json!({ "count": 6, "jitter": 28.8, "cut": 33 });
    assert!(refused("stamp_classifier", "rotations", cut).contains("a cut of 33 pixels from stamps of 21 x 21"));
    assert!(refused("deep_hits", "classes", 1.into()).contains("two classes"));
}
