//! The kind on a small made-up artifact.

use std::path::Path;

use super::*;
use crate::artifacts::scores::read_metrics;
use crate::artifacts::stamps::{StampRow, StampsFacts, StampsWriter};
use crate::spec::value::Value;
use crate::stages::testing::Bench;

/// Blobs with a little noise in two channels of 9 x 9 pixels; two thirds train.
fn write(_: &str, folder: &Path) {
    let facts = StampsFacts {
        channels: vec!["science".into(), "template".into()],
        side: 9,
        normalise: "none".into(),
        metadata: Vec::new(),
        classes: vec!["SN".into()],
    };
    let mut writer = StampsWriter::create(folder, &facts, true).unwrap();
    for i in 0..60_usize {
        let (x, y) = ((i % 5) as f32 + 2.0, (i % 7) as f32 + 1.0);
        let pixel = |p: usize| (-((p % 9) as f32 - x).powi(2) - ((p / 9 % 9) as f32 - y).powi(2)).exp();
        let clean: Vec<f32> = (0..162).map(pixel).collect();
        let noisy: Vec<f32> =
            clean.iter().enumerate().map(|(p, v)| v + ((p * 31 + i * 17) % 13) as f32 / 400.0).collect();
        let split = ["train", "train", "train", "train", "validation", "test"][i % 6].into();
        let (object_id, label) = (format!("o{i}"), "SN".into());
        let row = StampRow { candid: i as i64, object_id, jd: 0.0, fid: 1, label, split, copy: 0 };
        writer.push(&row, &noisy, &[], Some(&clean)).unwrap();
    }
    writer.finish().unwrap();
}

fn params() -> Vec<(&'static str, Value)> {
    vec![("epochs", Value::Int(3)), ("batch", Value::Int(8)), ("examples", Value::Int(2))]
}

fn run(seed: u64) -> Bench {
    let mut with_variant = crate::stages::testing::params(&TrainAutoencoder, &params());
    with_variant.insert("model", Value::Text("conv_autoencoder".into()));
    with_variant.insert("latent", Value::Int(3));
    with_variant.insert("maps", Value::Int(64));
    Bench::new(&["stamps"], write).run_with(&TrainAutoencoder, &["stamps"], seed, &with_variant).unwrap()
}

#[test]
fn it_writes_a_model_with_history_metrics_and_examples() {
    let bench = run(1);
    let names: Vec<String> = bench.bytes().into_keys().collect();
    assert_eq!(names, ["history.csv", "metrics.csv", "model.json", "reconstructions.npy", "weights.safetensors"]);
    let metrics = read_metrics(&bench.out()).unwrap();
    for series in ["conv_autoencoder", "pca"] {
        let found =
            metrics.iter().find(|m| m.series == series && m.split == "test" && m.metric == "mse_clean").unwrap();
        assert!(found.value.unwrap() > 0.0 && found.n == 10, "{found:?}");
    }
    let stamps = Stamps::open(&bench.path("stamps")).unwrap();
    let mut codes = Vec::new();
    encode(&bench.out(), &stamps.images, vec![0, 5], |batch, _| {
        codes.extend_from_slice(batch);
        Ok(())
    })
    .unwrap();
    assert_eq!(codes.len(), 6);
}

#[test]
fn equal_seeds_give_equal_bytes() {
    assert_eq!(run(1).digest(), run(1).digest());
    assert_ne!(run(1).digest(), run(2).digest());
}
