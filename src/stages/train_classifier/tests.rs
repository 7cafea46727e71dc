//! The kind on a small made-up artifact.

use std::path::Path;

use super::*;
use crate::artifacts::scores::read_metrics;
use crate::artifacts::stamps::{MetadataColumn, StampRow, StampsFacts, StampsWriter};
use crate::spec::value::Value;
use crate::stages::testing::{Bench, text};

/// Bright or dark blobs of 9 x 9 pixels, a class each, an unlabelled one and one whose class is only in the test split.
fn write(_: &str, folder: &Path) {
    let facts = StampsFacts {
        channels: vec!["science".into()],
        side: 9,
        normalise: "none".into(),
        metadata: vec![MetadataColumn { name: "magpsf".into(), low: None, high: None, mean: 0.0, std: 1.0 }],
        classes: ["AGN", "SN", "VS", "bogus"].map(String::from).into(),
    };
    let mut writer = StampsWriter::create(folder, &facts, false).unwrap();
    for i in 0..66_usize {
        let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
        let pixel = |p: usize| {
            let noise = ((p * 31 + i * 17) % 13) as f32 / 40.0;
            sign * (-((p % 9) as f32 - 4.0).powi(2) / 2.0 - ((p / 9) as f32 - 4.0).powi(2) / 2.0).exp() + noise
        };
        let image: Vec<f32> = (0..81).map(pixel).collect();
        let split = ["train", "train", "train", "train", "validation", "test"][i / 2 % 6];
        let label = match i {
            60 => "",
            65 if split == "test" => "VS",
            _ => ["AGN", "bogus"][i % 2],
        };
        let row = StampRow {
            candid: i as i64,
            object_id: format!("o{i}"),
            jd: 0.0,
            fid: 1,
            label: label.into(),
            split: split.into(),
            copy: 0,
        };
        writer.push(&row, &image, &[sign * 0.1], None).unwrap();
    }
    writer.finish().unwrap();
}

fn run(seed: u64, set: &[(&'static str, Value)]) -> Result<Bench, StageError> {
    let mut params = crate::stages::testing::params(&TrainClassifier, &[]);
    params.insert("model", text("stamp_classifier"));
    for key in offer("stamp_classifier")?.variant().keys {
        params.insert(key.name, key.default.unwrap());
    }
    for (name, value) in [("epochs", Value::Int(8)), ("batch", Value::Int(8)), ("entropy", Value::Float(0.1))] {
        params.insert(name, value);
    }
    for (name, value) in set {
        params.insert(name, value.clone());
    }
    Bench::new(&["stamps"], write).run_with(&TrainClassifier, &["stamps"], seed, &params)
}

#[test]
fn it_learns_and_judges_the_labelled_rows() {
    let bench = run(1, &[]).unwrap();
    let names: Vec<String> = bench.bytes().into_keys().collect();
    let files =
        ["history.csv", "metrics.csv", "model.json", "predictions.csv", "predictions.json", "weights.safetensors"];
    assert_eq!(names, files);
    let predictions = Predictions::open(&bench.out()).unwrap();
    assert_eq!(predictions.facts.classes, ["AGN", "SN", "VS", "bogus"]);
    assert_eq!(predictions.facts.train_counts, [22, 0, 0, 23]);
    assert!(predictions.rows.iter().all(|row| row.candid != 60 && row.split != "train"));
    let right = predictions.rows.iter().filter(|row| row.predicted() == row.label).count();
    assert!(right * 10 > predictions.rows.len() * 9, "{right} of {}", predictions.rows.len());
    for row in &predictions.rows {
        assert!((row.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(row.probabilities[1..3], [0.0, 0.0], "classes without training rows");
    }
    let losses = read_metrics(&bench.out()).unwrap();
    assert_eq!(losses.len(), 3);
    assert!(losses.iter().all(|loss| loss.value.unwrap().is_finite()));
}

#[test]
fn the_same_seed_gives_the_same_bytes_with_any_threads() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(1, &[("epochs", Value::Int(2))]).unwrap().bytes())
    };
    assert!(with(1) == with(2));
    assert!(with(1) != run(2, &[("epochs", Value::Int(2))]).unwrap().bytes());
}

#[test]
fn eight_views_give_a_mirrored_stamp_the_same_probabilities() {
    let one = Predictions::open(&run(1, &[("epochs", Value::Int(1))]).unwrap().out()).unwrap();
    let all = run(1, &[("epochs", Value::Int(1)), ("views", text("dihedral"))]).unwrap();
    let all = Predictions::open(&all.out()).unwrap();
    assert_ne!(one, all);
    for (one, all) in one.rows.iter().zip(&all.rows) {
        assert!((one.probabilities[0] - all.probabilities[0]).abs() < 0.1);
    }
    let stamps = tempfile::tempdir().unwrap();
    write("stamps", stamps.path());
    let stamps = Stamps::open(stamps.path()).unwrap();
    let seen = |view| {
        let mut pixels = vec![0.0; 81];
        StampRows::new(&stamps, &[], &[7]).seen(view).copy_row(0, 0, &mut pixels);
        pixels
    };
    for (i, view) in View::ALL.into_iter().enumerate() {
        assert!(View::ALL[..i].iter().all(|earlier| seen(*earlier) != seen(view)), "view {i} is not new");
    }
}
