//! The kind on a small made-up artifact.

use std::path::Path;

use super::*;
use crate::artifacts::predictions::Prediction;
use crate::artifacts::scores::read_metrics;
use crate::artifacts::sequences::{Detection, SequenceObject, SequencesFacts, SequencesWriter};
use crate::artifacts::stamps::{MetadataColumn, StampRow, Stamps, StampsFacts, StampsWriter};
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
        recipe: std::collections::BTreeMap::new(),
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
    let files = [
        "history.csv",
        "judged.json",
        "metrics.csv",
        "model.json",
        "predictions.csv",
        "predictions.json",
        "weights.safetensors",
    ];
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

/// Few labels: these alone train and choose, all are judged.
#[test]
fn labels_that_are_not_taken_neither_train_nor_choose() {
    let all = Predictions::open(&run(1, &[]).unwrap().out()).unwrap();
    let few = |n| run(1, &[("labels_per_class", Value::Int(n)), ("calibrate", text("temperature"))]).unwrap();
    let bench = few(2);
    let found = Predictions::open(&bench.out()).unwrap();
    let taken = found.facts.labels.unwrap();
    assert_eq!((taken.per_class, taken.validation), (vec![2, 0, 0, 2], vec![2, 0, 0, 2]));
    assert_eq!(taken.short, ["SN", "VS"], "classes without labels");
    assert_eq!((all.facts.labels, found.facts.train_counts), (None, all.facts.train_counts));
    let judged = |rows: &[Prediction]| rows.iter().map(|row| (row.candid, row.label)).collect::<Vec<_>>();
    assert_eq!(judged(&found.rows), judged(&all.rows));
    let metrics = read_metrics(&bench.out()).unwrap();
    let n = |split: &str, word: &str| metrics.iter().find(|m| m.split == split && m.metric == word).unwrap().n;
    assert_eq!([n(TRAIN, "training_loss"), n(VALIDATION, "training_loss"), n(VALIDATION, "temperature")], [4, 4, 4]);
    assert!(n(TEST, "training_loss") > 4);
    let weights = |bench: &Bench| bench.bytes().remove("weights.safetensors");
    assert!(weights(&few(99)) == weights(&run(1, &[]).unwrap()), "as many as there are");
    let both = [("labels_per_class", Value::Int(2)), ("label_fraction", Value::Float(0.5))];
    assert_eq!(TrainClassifier.check(&both.into_iter().collect()).len(), 1, "both at once");
}

#[test]
fn calibration_changes_probabilities_but_neither_weights_nor_classes() {
    let warm = ("calibrate", text("temperature"));
    let (plain, warm) = (run(1, &[]).unwrap(), run(1, &[warm]).unwrap());
    assert_eq!(plain.bytes()["weights.safetensors"], warm.bytes()["weights.safetensors"]);
    let [cold, hot] = [&plain, &warm].map(|bench| Predictions::open(&bench.out()).unwrap());
    let temperature = Temperature(hot.facts.temperature.unwrap());
    assert_eq!(cold.facts.temperature, None);
    for (cold, hot) in cold.rows.iter().zip(&hot.rows) {
        assert_eq!(cold.predicted(), hot.predicted());
        let learnt = |row: &[f64]| vec![row[0], row[3]];
        let expected = temperature.apply(&learnt(&cold.probabilities));
        let close = expected.iter().zip(learnt(&hot.probabilities)).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close && hot.probabilities[1..3] == [0.0, 0.0], "{expected:?}, {hot:?}");
    }
    let metrics = read_metrics(&warm.out()).unwrap();
    assert_eq!(metrics.iter().find(|m| m.metric == "temperature").unwrap().value, hot.facts.temperature);
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
fn images_alone_are_enough() {
    let bench = run(1, &[("epochs", Value::Int(1)), ("metadata", Value::Bool(false))]).unwrap();
    let card = std::fs::read_to_string(bench.out().join("model.json")).unwrap();
    assert!(card.contains("\"metadata\": 0"), "{card}");
    assert!(!Predictions::open(&bench.out()).unwrap().rows.is_empty());
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
        super::stamps::StampRows::new(&stamps, &[], &[7]).seen(view).copy_row(0, 0, &mut pixels);
        pixels
    };
    assert_ne!(seen(View::ALL[0]), seen(View::ALL[5]));
}

/// Objects of 1 to 3 detections in pairs of two classes, which are equal but for what the second detection shows.
fn write_sequences(folder: &Path) {
    let stamps = StampsFacts {
        channels: vec!["science".into()],
        side: 9,
        normalise: "none".into(),
        metadata: Vec::new(),
        classes: ["SN", "VS"].map(String::from).into(),
        recipe: std::collections::BTreeMap::new(),
    };
    let [dynamic, fixed] = [["gap", "magpsf"], ["ra", "dec"]].map(|names| names.map(String::from).to_vec());
    let facts = SequencesFacts { stamps, dynamic, fixed, longest: 3 };
    let mut writer = SequencesWriter::create(folder, &facts).unwrap();
    for i in 0..60_usize {
        let split = ["train", "train", "train", "validation", "test"][i / 2 % 5];
        let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
        let object =
            SequenceObject { object_id: format!("o{i}"), label: ["SN", "VS"][i % 2].into(), split: split.into() };
        let shown = |t: usize| if t == 0 { 0.0 } else { sign };
        let pixel = |t: usize, p: usize| {
            shown(t) * (-((p % 9) as f32 - 4.0).powi(2) / 3.0).exp() + ((p + i / 2) % 7) as f32 / 20.0
        };
        let images: Vec<Vec<f32>> = (0..3).map(|t| (0..81).map(|p| pixel(t, p)).collect()).collect();
        let noise = [(i / 2 * 7 % 5) as f32 / 5.0 - 0.4; 2];
        let detection = |t: usize| Detection {
            candid: (10 * i + t) as i64,
            jd: t as f64,
            fid: 1,
            days: if t == 0 { 0.0 } else { 2.0 },
            image: &images[t],
            dynamic: &noise,
        };
        let detections: Vec<Detection> = (0..=i / 10 % 3).map(detection).collect();
        writer.push(&object, &noise, &detections).unwrap();
    }
    writer.finish().unwrap();
}

fn run_sequences(model: &str, inputs: &[&str], set: &[(&'static str, Value)]) -> Result<Bench, StageError> {
    let mut params = crate::stages::testing::params(&TrainClassifier, &[]);
    params.insert("model", text(model));
    for key in offer(model)?.variant().keys {
        params.insert(key.name, key.default.unwrap());
    }
    let small = [("epochs", Value::Int(12)), ("batch", Value::Int(8)), ("dropout", Value::Float(0.0))];
    let sizes = match model {
        "rcnn" => vec![("maps", Value::Int(8)), ("dense", Value::Int(16)), ("hidden", Value::Int(8))],
        "temporal_stamp_classifier" => vec![("rotations", Value::Int(1)), ("jitter", Value::Float(0.0))],
        _ => Vec::new(),
    };
    for (name, value) in small.into_iter().chain(sizes).chain(set.iter().cloned()) {
        params.insert(name, value);
    }
    let fill =
        |name: &str, folder: &Path| if name == "sequences" { write_sequences(folder) } else { write(name, folder) };
    Bench::new(inputs, fill).run_with(&TrainClassifier, inputs, 3, &params)
}

#[test]
fn sequences_are_judged_after_each_detection() {
    for model in ["temporal_stamp_classifier", "rcnn"] {
        let bench = run_sequences(model, &["sequences"], &[]).unwrap();
        let predictions = Predictions::open(&bench.out()).unwrap();
        let steps = crate::artifacts::table::Table::read(bench.out().join("steps.csv")).unwrap();
        let lengths: usize = predictions.rows.iter().map(|row| row.candid as usize % 10 + 1).sum();
        assert_eq!(steps.rows(), lengths, "{model}: a row for each detection of the judged objects");
        let metrics = read_metrics(&bench.out()).unwrap();
        let at = |name: &str, n: &str| {
            metrics.iter().find(|m| m.split == "test" && m.metric == name && m.class == n).unwrap()
        };
        for name in ["accuracy_at", "balanced_accuracy_at"] {
            assert_eq!(at(name, "1").value, Some(0.5), "{model}: the first detection shows nothing");
            assert!(at(name, "3").value.unwrap() > 0.9, "{model}: {:?}", at(name, "3"));
        }
        assert_eq!((at("accuracy_at", "1").n, at("accuracy_at", "3").n), (12, 4));
        let last = steps.numbers("p_SN").unwrap();
        let ends = predictions.rows.iter().filter(|row| row.candid % 10 == 2).map(|row| row.probabilities[0]);
        assert!(last[last.len() - ends.clone().count()..].iter().zip(ends).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}

#[test]
fn a_length_cuts_objects_and_their_identity() {
    let one = [("length", Value::Int(1)), ("epochs", Value::Int(1))];
    let bench = run_sequences("temporal_stamp_classifier", &["sequences"], &one).unwrap();
    let predictions = Predictions::open(&bench.out()).unwrap();
    assert!(predictions.rows.iter().all(|row| row.candid % 10 == 0), "the last judged detection is the first");
}

#[test]
fn models_say_what_they_judge() {
    let refused = |model, inputs: &[&str]| run_sequences(model, inputs, &[]).err().unwrap().to_string();
    assert!(refused("rcnn", &["stamps"]).contains("`rcnn` judges sequences"));
    assert!(refused("stamp_classifier", &["sequences"]).contains("`stamp_classifier` judges single stamps"));
    assert!(refused("rcnn", &["stamps", "sequences"]).contains("both"));
    assert!(refused("rcnn", &[]).contains("neither"));
}

#[test]
fn sequences_give_the_same_bytes_with_any_threads() {
    for model in ["temporal_stamp_classifier", "rcnn"] {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let set = [("epochs", Value::Int(1)), ("views", text("dihedral"))];
            pool.install(|| run_sequences(model, &["sequences"], &set).unwrap().bytes())
        };
        assert!(with(1) == with(2), "{model}");
    }
}
