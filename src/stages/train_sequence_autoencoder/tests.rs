//! The kind on a small made-up artifact.

use std::path::Path;

use super::*;
use crate::artifacts::scores::read_metrics;
use crate::artifacts::sequences::{Detection, SequenceObject, SequencesFacts, SequencesWriter};
use crate::artifacts::stamps::StampsFacts;
use crate::nn::Model;
use crate::spec::value::Value;
use crate::stages::testing::{Bench, params, text};

const SIDE: usize = 9;

fn write_sequences(folder: &Path) {
    let stamps = StampsFacts {
        channels: vec!["science".into()],
        side: SIDE,
        normalise: "none".into(),
        metadata: Vec::new(),
        classes: vec!["SN".into()],
    };
    let facts = SequencesFacts { stamps, dynamic: vec!["gap".into(), "magpsf".into()], fixed: Vec::new(), longest: 4 };
    let mut writer = SequencesWriter::create(folder, &facts).unwrap();
    for i in 0..30_usize {
        let split = ["train", "train", "train", "validation", "test"][i % 5];
        let object = SequenceObject { object_id: format!("o{i}"), label: "SN".into(), split: split.into() };
        let length = 2 + i % 3;
        let images: Vec<Vec<f32>> =
            (0..length).map(|t| (0..SIDE * SIDE).map(|p| ((p + i + 3 * t) as f32 * 0.4).sin()).collect()).collect();
        let dynamic: Vec<[f32; 2]> = (0..length).map(|t| [t as f32 - 1.0, (i as f32 + t as f32).sin()]).collect();
        let detections: Vec<Detection> = (0..length)
            .map(|t| Detection {
                candid: (10 * i + t) as i64,
                jd: t as f64,
                fid: 1,
                days: 1.0,
                image: &images[t],
                dynamic: &dynamic[t],
            })
            .collect();
        writer.push(&object, &[], &detections).unwrap();
    }
    writer.finish().unwrap();
}

fn write(name: &str, folder: &Path) {
    if name == "sequences" {
        return write_sequences(folder);
    }
    let settings = serde_json::json!({ "channels": 1, "crop": SIDE, "latent": 3, "maps": 64 });
    let card = ModelCard { model: "conv_autoencoder".into(), settings };
    let model: Model<Kernels> = models::build(card, 4).unwrap();
    model.save(folder).unwrap();
}

fn run(inputs: &[&str]) -> Bench {
    run_with(inputs, "gru")
}

fn run_with(inputs: &[&str], cell: &str) -> Bench {
    let mut all = params(&TrainSequenceAutoencoder, &[("epochs", Value::Int(2)), ("batch", Value::Int(8))]);
    all.insert("model", Value::Text("sequence_autoencoder".into()));
    all.insert("hidden", Value::Int(6));
    all.insert("cell", text(cell));
    all.insert("taps", Value::Int(3));
    Bench::new(inputs, write).run_with(&TrainSequenceAutoencoder, inputs, 1, &all).unwrap()
}

#[test]
fn it_measures_the_network_beside_its_baselines() {
    for inputs in [&["sequences", "autoencoder"][..], &["sequences"][..]] {
        let bench = run(inputs);
        let metrics = read_metrics(&bench.out()).unwrap();
        let value = |series: &str, metric: &str| {
            metrics
                .iter()
                .find(|m| m.series == series && m.split == "test" && m.metric == metric)
                .unwrap()
                .value
                .unwrap()
        };
        assert!(value("sequence_autoencoder", "masked_mse") > 0.0);
        assert!(value("repeat last detection", "masked_mse") < value("repeat last detection", "masked_mse_earlier"));
        let sequences = Sequences::open(&bench.path("sequences")).unwrap();
        let codes = encode(&bench.out(), &sequences).unwrap();
        assert_eq!(codes.len(), 30 * 6);
        assert!(codes.iter().all(|code| code.is_finite()));
    }
}

#[test]
fn equal_seeds_give_equal_bytes() {
    assert_eq!(run(&["sequences", "autoencoder"]).digest(), run(&["sequences", "autoencoder"]).digest());
}

#[test]
fn every_cell_trains_and_encodes() {
    let mut digests = Vec::new();
    for cell in ["gru", "lstm", "conv1d"] {
        let bench = run_with(&["sequences"], cell);
        let sequences = Sequences::open(&bench.path("sequences")).unwrap();
        let codes = encode(&bench.out(), &sequences).unwrap();
        assert!(codes.len() == 30 * 6 && codes.iter().all(|code| code.is_finite()), "{cell}");
        digests.push(bench.digest());
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 3);
}
