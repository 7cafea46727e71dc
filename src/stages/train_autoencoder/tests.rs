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
        recipe: std::collections::BTreeMap::new(),
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
    let model = models::load::<Kernels>(&bench.out()).unwrap();
    encode(&model, (&stamps.images, None), &[0, 5], View::ALL[0], |batch, _| {
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

fn vade_params(set: &[(&'static str, Value)]) -> crate::spec::value::Params {
    let chosen = |keys: Vec<crate::spec::keys::Key>| keys.into_iter().map(|key| (key.name, key.default.unwrap()));
    let mut all = crate::stages::testing::params(&TrainAutoencoder, &params());
    let variants = TrainAutoencoder.variants().unwrap().list;
    all.extend(variants.into_iter().filter(|variant| variant.name == "vade").flat_map(|variant| chosen(variant.keys)));
    all.insert("model", Value::Text("vade".into()));
    for (key, value) in [("latent", 3), ("maps", 4), ("clusters", 4), ("pretrain", 2), ("draws", 3)] {
        all.insert(key, Value::Int(value));
    }
    all.extend(set.iter().cloned());
    all
}

fn run_vade(set: &[(&'static str, Value)]) -> Result<Bench, StageError> {
    Bench::new(&["stamps"], write).run_with(&TrainAutoencoder, &["stamps"], 1, &vade_params(set))
}

#[test]
fn vade_writes_clusters_centres_and_both_stages_of_its_history() {
    let bench = run_vade(&[]).unwrap();
    let names: Vec<String> = bench.bytes().into_keys().collect();
    let expected = "assignments.csv centres.npy history.csv metrics.csv model.json reconstructions.npy units.csv weights.safetensors";
    assert_eq!(names.join(" "), expected);
    let table = |name: &str| crate::artifacts::table::Table::read(bench.out().join(name)).unwrap();
    assert_eq!(table("history.csv").texts("stage"), ["vae", "vae", "vade", "vade", "vade"]);
    assert_eq!(table("history.csv").ints("epoch").unwrap(), [1, 2, 3, 4, 5]);
    let assignments = table("assignments.csv");
    assert_eq!(assignments.rows(), 60);
    for row in 0..60 {
        let gamma: Vec<f64> = (0..4).map(|c| assignments.numbers(&format!("gamma_{c}")).unwrap()[row]).collect();
        assert!((gamma.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{gamma:?}");
        let cluster = assignments.ints("cluster").unwrap()[row] as usize;
        assert!(gamma.iter().all(|other| *other <= gamma[cluster]));
    }
    let variances = assignments.numbers("pixel_variance").unwrap();
    assert!(variances.iter().all(|variance| (0.0067..=1.0).contains(variance)), "{variances:?}");
    assert_eq!(Array::open(bench.out().join("centres.npy")).unwrap().shape(), [4, 2, 9, 9]);
    let metrics = read_metrics(&bench.out()).unwrap();
    let value = |series: &str, split: &str, name: &str| {
        let found = metrics.iter().find(|m| (&*m.series, &*m.split, &*m.metric) == (series, split, name));
        found.unwrap_or_else(|| panic!("no {series} {split} {name}")).value
    };
    for series in ["vade", "vae_mixture", "pca_mixture"] {
        // there is one class: every cluster is pure, and naming clusters can take one alone
        assert_eq!((value(series, "test", "clusters"), value(series, "test", "purity")), (Some(4.0), Some(1.0)));
        assert!(value(series, "test", "clustering_accuracy").unwrap() <= 1.0, "{series}");
    }
    assert!((1.0..=4.0).contains(&value("vade", "train", "effective_clusters").unwrap()));
    assert!(value("vade", "test", "pixel_variance").is_some() && value("vade", "test", "active_units").is_some());
}

#[test]
fn more_clusters_than_training_stamps_are_named() {
    let fault = |set: &[(&'static str, Value)]| match run_vade(set) {
        Err(StageError::Failed { what, .. }) => what,
        _ => panic!("it did not fail"),
    };
    assert!(fault(&[("clusters", Value::Int(41))]).contains("41 clusters need at least as many stamps"));
}

#[test]
fn without_a_variance_head_no_variance_is_told() {
    let bench = run_vade(&[("variance_head", Value::Bool(false))]).unwrap();
    let metrics = read_metrics(&bench.out()).unwrap();
    let told = metrics.iter().filter(|m| m.metric == "pixel_variance").filter(|m| m.value.is_some()).count();
    assert_eq!((told, metrics.iter().any(|m| m.metric == "purity_by_variance")), (0, false));
}
