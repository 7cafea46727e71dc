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
    assert!(refused("rcnn", "r_max", serde_json::json!(0.5)).contains("r_max from 1"));
    let none = serde_json::json!({ "cell": "gru", "width": 8, "layers": 0, "kernel": 1 });
    assert!(refused("temporal_stamp_classifier", "reading", none).contains("a layer"));
    assert!(refused("temporal_stamp_classifier", "reading", "gru".into()).contains("temporal_stamp_classifier"));
    assert!(refused("deep_hits", "classes", 1.into()).contains("two classes"));
}

/// A batch of the default settings with other lengths, and with `noise` in all padding.
fn padded(model: &str, lengths: &[f32], noise: f32) -> Batch {
    let example = (super::entry::<Kernels>(model).unwrap().example)(lengths.len());
    let columns = ["stamps", "dynamic", "times", "static", "class"].map(|name| {
        let mut values = example.column(name).to_vec();
        if ["stamps", "dynamic", "times"].contains(&name) && !values.is_empty() {
            let step = values.len() / lengths.len() / 3;
            for (row, length) in values.chunks_exact_mut(3 * step).zip(lengths) {
                row[*length as usize * step..].fill(noise);
            }
        }
        (name, values)
    });
    let [stamps, dynamic, times, fixed, class] = columns;
    Batch::from_columns(lengths.len(), [stamps, dynamic, times, fixed, class, ("length", lengths.to_vec())])
}

fn first_step(model: &Model<Kernels>, batch: &Batch) -> (f32, Vec<Vec<f32>>, Vec<f32>) {
    let mut pass = Pass::training(&model.weights, ChaCha8Rng::seed_from_u64(4));
    let loss = model.network.loss(&mut pass, batch).unwrap();
    let statistics = pass.finish();
    let value = loss.as_vec()[0];
    let mut gradients = crate::nn::backward(loss).unwrap();
    let mut weights = model.weights.clone();
    let made = weights.entries.iter().map(|entry| entry.gradient(&mut gradients).unwrap()).collect();
    statistics.store(&mut weights).unwrap();
    let mut kept = Vec::new();
    for entry in weights.entries.iter().filter(|entry| !entry.trained) {
        kept.extend(entry.values());
    }
    (value, made, kept)
}

/// The temporal classifier with every cell, and the other network of sequences.
fn sequence_classifiers() -> Vec<Model<Kernels>> {
    let cells = ["conv1d", "rnn", "gru", "lstm"].map(|cell| {
        let mut settings = defaults("temporal_stamp_classifier");
        settings["reading"] = serde_json::json!({ "cell": cell, "width": 16, "layers": 2, "kernel": 2 });
        built("temporal_stamp_classifier", settings)
    });
    let mut rcnn = defaults("rcnn");
    for (key, size) in [("maps", 4), ("dense", 8), ("hidden", 8), ("renorm_steps", 0)] {
        rcnn[key] = size.into();
    }
    cells.into_iter().chain([built("rcnn", rcnn)]).collect()
}

#[test]
fn padding_changes_neither_scores_nor_loss_nor_gradients_nor_statistics() {
    let lengths = [2.0, 3.0, 1.0, 2.0];
    for model in sequence_classifiers() {
        let [zeros, noise] = [0.0, 1e3].map(|noise| padded(&model.card.model, &lengths, noise));
        assert_eq!(scores(&model, &zeros), scores(&model, &noise), "{:?}", model.card);
        assert!(first_step(&model, &zeros) == first_step(&model, &noise), "{:?}", model.card);
        let (_, _, statistics) = first_step(&model, &padded(&model.card.model, &[3.0; 4], 0.0));
        assert_ne!(statistics, first_step(&model, &zeros).2, "other detections have other moments");
    }
}

#[test]
fn later_detections_change_nothing_of_what_was_said_before() {
    let model = sequence_classifiers().pop().unwrap();
    let classes = 7;
    let all = scores(&model, &padded("rcnn", &[3.0; 4], 0.0));
    for length in 1..=3 {
        let first = scores(&model, &padded("rcnn", &[length as f32; 4], 0.0));
        for (all, first) in all.chunks_exact(3 * classes).zip(first.chunks_exact(3 * classes)) {
            let known = length * classes;
            assert!(all[..known].iter().zip(&first[..known]).all(|(a, b)| (a - b).abs() < 1e-5));
            assert_eq!(first[known - classes..known], first[2 * classes..], "what is said last stays");
        }
    }
}

#[test]
fn images_and_metadata_are_seen_as_asked() {
    let blind = |column: &'static str| {
        let batch = padded("temporal_stamp_classifier", &[3.0, 2.0], 0.0);
        let columns = ["stamps", "dynamic", "static", "length", "class"].map(|name| {
            let values = batch.column(name).to_vec();
            (name, if name == column { values.iter().map(|v| v * v).collect() } else { values })
        });
        Batch::from_columns(2, columns)
    };
    for (sees, seen) in [("both", [true, true]), ("images", [true, false]), ("metadata", [false, true])] {
        let mut settings = defaults("temporal_stamp_classifier");
        settings["sees"] = sees.into();
        let model = built("temporal_stamp_classifier", settings);
        let plain = scores(&model, &blind("length of nothing"));
        for (column, seen) in ["stamps", "static"].into_iter().zip(seen) {
            assert_eq!(scores(&model, &blind(column)) != plain, seen, "{sees} and {column}");
        }
    }
}
