//! A made-up experiment with artifacts of every type, for tests of tables, figures and page.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::record::{ArmRecord, Record, StepRecord};
use crate::artifacts::alerts::AlertsWriter;
use crate::artifacts::array::ArrayWriter;
use crate::artifacts::assignments::{Assignment, Assignments};
use crate::artifacts::features::{FeatureRow, Features, FeaturesFacts};
use crate::artifacts::map::{Map, MapFacts, MapRow};
use crate::artifacts::predictions::{LabelsTaken, Prediction, Predictions, PredictionsFacts};
use crate::artifacts::scores::{ConfusionCell, Metric, write_confusion, write_metrics};
use crate::artifacts::split;
use crate::artifacts::stamps::{StampRow, StampsFacts, StampsWriter};
use crate::artifacts::table::{Column, Table};
use crate::stage::ArtifactType;
use crate::ztf::alert::{Alert, FIELDS, SIDE, Stamp};

pub(super) const CLASSES: [&str; 5] = ["AGN", "SN", "VS", "asteroid", "bogus"];
/// Arm and mean accuracy of its probe.
const ARMS: [(&str, &str, f64); 4] =
    [("latent=21", "21", 0.86), ("latent=8", "8", 0.80), ("latent=64", "64", 0.885), ("no-augmentation", "21", 0.855)];
const REPLICATES: usize = 5;

/// The experiment, its artifacts below `folder`. The probe of `no-augmentation`, replicate 3, failed.
pub(super) fn record(folder: &Path) -> Record {
    let mut steps = Vec::new();
    for (index, (arm, _, quality)) in ARMS.iter().enumerate() {
        for replicate in 0..REPLICATES {
            let seed = (index * 100 + replicate) as u64;
            let mut step = |stage: &str, artifact, shared: bool, inputs: &[(&str, &str)], fill: &dyn Fn(&Path)| {
                let key = if shared { stage.to_string() } else { format!("{stage}-{index}-{replicate}") };
                let out = folder.join(&key);
                if !out.exists() {
                    std::fs::create_dir_all(&out).unwrap();
                    fill(&out);
                }
                steps.push(step_record(arm, replicate, stage, artifact, key, Some(out), inputs));
            };
            step("simulated", ArtifactType::Alerts, true, &[], &|out| alerts(out, 1, 0.0));
            step("real", ArtifactType::Alerts, true, &[], &|out| alerts(out, 2, 30.0));
            step("stamps", ArtifactType::Stamps, true, &[], &|out| stamps(out, 600));
            step("autoencoder", ArtifactType::Model, false, &[], &|out| model(out, seed, 1.0 - quality));
            step("codes", ArtifactType::Features, false, &[], &|out| features(out, seed, *quality, 600));
            step("codes_map", ArtifactType::Map, false, &[("features", "codes")], &|out| map(out, seed, *quality));
            if *arm == "no-augmentation" && replicate == 3 {
                let failed = |stage, artifact, state: &str| StepRecord {
                    state: state.into(),
                    ..step_record(arm, replicate, stage, artifact, format!("{stage}-x"), None, &[])
                };
                steps.push(failed("probe", ArtifactType::Predictions, "failed"));
                steps.push(failed("scores", ArtifactType::Scores, "skipped"));
                continue;
            }
            step("probe", ArtifactType::Predictions, false, &[("features", "codes")], &|out| {
                let labels = [None, Some(10), Some(40), None][index];
                predictions(seed, *quality, 400, labels).write(out).unwrap();
                by_detections(out, seed, *quality);
            });
            step("scores", ArtifactType::Scores, false, &[], &|out| {
                scores(out, seed, replicate as u64, *quality);
                pictures_of_health(out, seed);
            });
        }
    }
    let arm = |(name, latent, _): &(&str, &str, f64)| {
        let copies = if *name == "no-augmentation" { "0" } else { "4" };
        let labels = match *latent {
            "8" => "10",
            "64" => "40",
            _ => "0",
        };
        let settings =
            [("autoencoder.latent", *latent), ("augmented.copies", copies), ("probe.labels_per_class", labels)];
        ArmRecord { name: (*name).into(), settings: settings.map(|(k, v)| (k.into(), v.into())).into() }
    };
    Record {
        experiment: "latent_size".into(),
        question: "How many latent dimensions does the <first-alert> autoencoder need?".into(),
        baseline: Some("latent=21".into()),
        seed: 42,
        replicates: REPLICATES,
        arms: ARMS.iter().map(arm).collect(),
        steps,
        provenance: serde_json::json!({
            "estampa": "0.1.0", "host": "a&b", "inputs": { "labels.csv": "blake3:00ff" }, "command": ["estampa", "run"]
        }),
    }
}

fn step_record(
    arm: &str,
    replicate: usize,
    stage: &str,
    artifact: ArtifactType,
    key: String,
    folder: Option<PathBuf>,
    inputs: &[(&str, &str)],
) -> StepRecord {
    StepRecord {
        arm: arm.into(),
        replicate,
        stage: stage.into(),
        kind: stage.into(),
        artifact,
        key,
        state: if replicate == 0 { "ran".into() } else { "cached".into() },
        seconds: (replicate == 0).then_some(12.5),
        folder,
        inputs: inputs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect::<BTreeMap<_, _>>(),
        scale: BTreeMap::new(),
    }
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// A star of the given flux over a host or none, and noise.
fn stamp(rng: &mut ChaCha8Rng, side: usize, flux: f64, host: f64, sky: f64) -> Vec<f32> {
    let middle = (side / 2) as f64;
    let pixel = |index: usize, rng: &mut ChaCha8Rng| {
        let (x, y) = ((index % side) as f64 - middle, (index / side) as f64 - middle);
        let star = flux * (-(x * x + y * y) / 6.0).exp();
        let galaxy = host * (-((x - 4.0).powi(2) / 60.0 + (y + 3.0).powi(2) / 25.0)).exp();
        (sky + star + galaxy + 10.0 * normal(rng)) as f32
    };
    (0..side * side).map(|i| pixel(i, rng)).collect()
}

fn alerts(out: &Path, seed: u64, sky: f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut writer = AlertsWriter::create(out, false).unwrap();
    for number in 0..25 {
        let class = number % CLASSES.len();
        let host = [900.0, 500.0, 0.0, 0.0, 100.0][class];
        let rows = if number == 7 { 48 } else { SIDE };
        let mut cut = |flux, host| {
            let pixels = stamp(&mut rng, SIDE, flux, host, sky)[..rows * SIDE].to_vec();
            Stamp { rows, columns: SIDE, pixels }
        };
        let stamps = [cut(800.0, host), cut(if class == 0 { 500.0 } else { 0.0 }, host), cut(400.0, 0.0)];
        let value = |field: usize| ((number * 7 + field) % 10 + seed as usize) as f64 / 8.0;
        let values = (0..FIELDS.len()).map(|field| if field % 4 == 0 { value(field) } else { f64::NAN }).collect();
        let alert = Alert { candid: i64::from(number as u32), object_id: format!("ZTF20{number}"), values, stamps };
        writer.push(&alert, CLASSES[class], "", None).unwrap();
    }
    writer.finish().unwrap();
}

fn model(out: &Path, seed: u64, floor: f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut column = |offset: f64| -> Column {
        let loss = |epoch: u32| floor * (0.02 + offset) + 0.2 * (-f64::from(epoch) / 4.0).exp();
        Column::Number((0..30).map(|e| loss(e) * (1.0 + 0.06 * normal(&mut rng))).collect())
    };
    let (train, validation) = (column(0.0), column(0.02));
    let epochs = Table::new().with("epoch", Column::Int((1..=30).collect()));
    epochs.with("train_loss", train).with("validation_loss", validation).write(out.join("history.csv")).unwrap();
    let (side, mut examples) = (21, ChaCha8Rng::seed_from_u64(5));
    let mut writer = ArrayWriter::create(out.join("reconstructions.npy"), &[2, 3, side, side]).unwrap();
    for _ in 0..6 {
        let (flux, host) = (examples.random_range(100.0..900.0), examples.random_range(0.0..400.0));
        let mut input = stamp(&mut examples, side, flux, host, 0.0);
        input.extend(stamp(&mut examples, side, 0.0, host, 0.0));
        input.extend(stamp(&mut examples, side, flux, 0.0, 0.0));
        let given: Vec<f32> = input.iter().map(|v| 0.9 * v + (floor * 40.0 * normal(&mut rng)) as f32).collect();
        input.extend(given);
        writer.push(&input).unwrap();
    }
    writer.finish().unwrap();
    clusters(out, seed);
}

/// Four stamps with two nearest each, and two values of a code in three steps.
fn pictures_of_health(out: &Path, seed: u64) {
    let (side, mut rng) = (21, ChaCha8Rng::seed_from_u64(seed));
    let mut images = |name: &str, rows: usize, places: usize| {
        let mut writer = ArrayWriter::create(out.join(name), &[places, 3, side, side]).unwrap();
        for row in 0..rows {
            let place = |place: usize| [0.0, 1.0, 0.5].map(|share| share * 400.0 * (row + place) as f64);
            let planes = (0..places).flat_map(place).map(|flux| stamp(&mut rng, side, flux, 100.0, 5.0));
            writer.push(&planes.collect::<Vec<_>>().concat()).unwrap();
        }
        writer.finish().unwrap();
    };
    images("neighbours.npy", 4, 3);
    images("traversals.npy", 2, 3);
    let label = |i: usize| CLASSES[i * i % CLASSES.len()].to_string();
    let labels = Table::new().with("label", Column::Text((0..12).map(label).collect()));
    let cosines = (0..12).map(|i| 1.0 - f64::from(i % 3) / 16.0).collect();
    labels.with("cosine", Column::Number(cosines)).write(out.join("neighbours.csv")).unwrap();
    let values = Table::new().with("value", Column::Int(vec![7, 0]));
    values.with("std", Column::Number(vec![1.25, 0.5])).write(out.join("traversals.csv")).unwrap();
}

/// Four clusters with their decoded centres.
fn clusters(out: &Path, seed: u64) {
    let (side, mut rng) = (21, ChaCha8Rng::seed_from_u64(seed));
    let mut writer = ArrayWriter::create(out.join("centres.npy"), &[3, side, side]).unwrap();
    for cluster in 0..4 {
        let flux = 300.0 * f64::from(cluster);
        writer.push(&[flux, 100.0, flux].map(|flux| stamp(&mut rng, side, flux, 0.0, 0.0)).concat()).unwrap();
    }
    writer.finish().unwrap();
    let row = |row: usize| {
        let mut gamma = vec![0.0; 4];
        let (cluster, label) = (row * row % 7 % 4, CLASSES[row % CLASSES.len()].into());
        gamma[cluster] = 1.0;
        let (candid, object_id, split) = (row as i64, format!("ZTF{row}"), split::TEST.into());
        Assignment { candid, object_id, label, split, cluster, measured: Vec::new(), gamma }
    };
    Assignments { clusters: 4, measured: Vec::new(), rows: (0..100).map(row).collect() }.write(out).unwrap();
}

fn name(number: usize) -> String {
    format!("ZTF20fake{number:05}")
}

/// One arm and replicate with so many rows, two of three of them in the test split.
pub(super) fn large(folder: &Path, rows: usize) -> Record {
    let fill: [(&str, ArtifactType, &dyn Fn(&Path)); 3] = [
        ("stamps", ArtifactType::Stamps, &|out| stamps(out, rows)),
        ("codes", ArtifactType::Features, &|out| features(out, 3, 0.85, rows)),
        ("probe", ArtifactType::Predictions, &|out| predictions(3, 0.85, rows, None).write(out).unwrap()),
    ];
    let mut steps = Vec::new();
    for (stage, artifact, fill) in fill {
        let out = folder.join(stage);
        std::fs::create_dir_all(&out).unwrap();
        fill(&out);
        steps.push(step_record("default", 0, stage, artifact, stage.into(), Some(out), &[]));
    }
    let arms = vec![ArmRecord { name: "default".into(), ..ArmRecord::default() }];
    Record { experiment: "large".into(), replicates: 1, arms, steps, ..Record::default() }
}

fn stamps(out: &Path, rows: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let channels = ["science", "template", "difference"].map(String::from).into();
    let classes = CLASSES.map(String::from).into();
    let facts = StampsFacts {
        channels,
        side: 21,
        normalise: "minmax".into(),
        metadata: Vec::new(),
        classes,
        recipe: std::collections::BTreeMap::new(),
    };
    let mut writer = StampsWriter::create(out, &facts, false).unwrap();
    for number in 0..rows {
        let class = number % CLASSES.len();
        let image = [900.0, 200.0 * class as f64, 700.0].map(|flux| stamp(&mut rng, 21, flux, 100.0, 0.0)).concat();
        let (label, split) = (CLASSES[class].into(), split::TEST.into());
        let row = StampRow { candid: number as i64, object_id: name(number), jd: 0.0, fid: 1, label, split, copy: 0 };
        writer.push(&row, &image, &[], None).unwrap();
    }
    writer.finish().unwrap();
}

fn features(out: &Path, seed: u64, quality: f64, rows: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let size = 8;
    let names = (0..size).map(|i| format!("latent_{i}")).chain(["magpsf".into()]).collect();
    let facts = FeaturesFacts { names, classes: CLASSES.map(String::from).into(), recipe: None };
    let (numbers, mut rows) = (0..rows, Vec::new());
    for number in numbers {
        let class = number % CLASSES.len();
        let split = if number % 3 == 0 { split::TRAIN } else { split::TEST };
        let row = FeatureRow {
            candid: i64::from(number as u32),
            object_id: name(number),
            label: CLASSES[class].into(),
            split: split.into(),
            copy: 0,
        };
        let centre = |axis: usize| if axis == class { 8.0 * quality * quality } else { 0.0 };
        let code: Vec<f32> = (0..=size).map(|axis| (centre(axis) + normal(&mut rng)) as f32).collect();
        rows.push((row, code));
    }
    Features::write(out, &facts, rows.iter().map(|(row, code)| (row, code.as_slice()))).unwrap();
}

fn map(out: &Path, seed: u64, quality: f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let row = |number: usize, rng: &mut ChaCha8Rng| {
        let class = number % CLASSES.len();
        let angle = class as f64 * std::f64::consts::TAU / CLASSES.len() as f64;
        let place = [angle.sin(), angle.cos()].map(|x| 8.0 * quality * x + normal(rng));
        let (candid, split) = (i64::from(number as u32), split::TEST.into());
        MapRow { candid, object_id: name(number), label: CLASSES[class].into(), split, place }
    };
    let parameters = [("metric", "euclidean"), ("min_dist", "0.1"), ("n_neighbors", "15"), ("spread", "1.0")];
    let facts = MapFacts {
        method: "umap".into(),
        parameters: parameters.map(|(name, value)| (name.into(), value.into())).into(),
        norm: "none".into(),
        seed: Some(seed),
        features: vec!["latent_0".into(), "latent_1".into()],
        classes: CLASSES.map(String::from).into(),
        k: 12,
        trustworthiness: Some(quality),
        continuity: None,
    };
    Map { facts, rows: (0..600).map(|number| row(number, &mut rng)).collect() }.write(out).unwrap();
}

/// Of `labels` of each class, or of all 80.
fn predictions(seed: u64, quality: f64, rows: usize, labels: Option<usize>) -> Predictions {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let classes: Vec<String> = CLASSES.map(String::from).into();
    let row = |number: usize| {
        let label = number % CLASSES.len();
        let score = |class: usize, rng: &mut ChaCha8Rng| {
            (if class == label { 5.0 * quality } else { 0.0 } + 1.5 * normal(rng)).exp()
        };
        let scores: Vec<f64> = (0..CLASSES.len()).map(|class| score(class, &mut rng)).collect();
        let total: f64 = scores.iter().sum();
        Prediction {
            candid: i64::from(number as u32),
            object_id: name(number),
            label,
            split: if number.is_multiple_of(4) { split::VALIDATION.into() } else { split::TEST.into() },
            probabilities: scores.iter().map(|s| s / total).collect(),
        }
    };
    let rows = (0..rows).map(row).collect();
    let facts = PredictionsFacts {
        classes,
        classifier: "logistic_regression".into(),
        train_counts: vec![80; 5],
        labels: labels.map(|n| LabelsTaken { per_class: vec![n; 5], validation: vec![n; 5], short: Vec::new() }),
        temperature: None,
    };
    Predictions { facts, rows }
}

/// What grows with the number of detections.
fn by_detections(out: &Path, seed: u64, quality: f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut metrics = Vec::new();
    for detections in 1..=6_u32 {
        for (metric, shift) in [("accuracy_at", 0.0), ("balanced_accuracy_at", -0.04)] {
            let value = quality + shift - 0.3 / f64::from(detections) + 0.01 * normal(&mut rng);
            metrics.push(Metric {
                series: "rcnn".into(),
                split: split::TEST.into(),
                metric: metric.into(),
                class: detections.to_string(),
                value: Some(value),
                n: 300 / detections as usize,
                interval: None,
            });
        }
    }
    write_metrics(out, &metrics).unwrap();
}

fn scores(out: &Path, seed: u64, replicate: u64, quality: f64) {
    // The luck of a replicate is shared by all arms: what pairing takes away.
    let luck = 0.01 * normal(&mut ChaCha8Rng::seed_from_u64(1000 + replicate));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut metrics = Vec::new();
    let mut cells = Vec::new();
    for (series, gain) in [("images", 0.0), ("metadata", 0.02), ("both", 0.06), ("majority class", f64::NAN)] {
        for split in [split::VALIDATION, split::TEST] {
            for (metric, shift) in [("accuracy", 0.0), ("macro_f1", -0.01), ("macro_auc", 0.05), ("log_loss", f64::NAN)]
            {
                let noise = 0.004 * normal(&mut rng);
                let value = match (gain.is_nan(), shift.is_nan()) {
                    (true, true) => None,
                    (true, false) => Some(0.2),
                    (false, true) => Some(1.3 - quality - gain + noise + luck),
                    (false, false) => Some((quality + gain + shift + noise + luck).min(1.0)),
                };
                let interval = value.map(|v| (v - 0.03, v + 0.03));
                let (series, split, metric) = (series.into(), split.into(), metric.into());
                metrics.push(Metric { series, split, metric, class: String::new(), value, n: 300, interval });
            }
            for class in CLASSES {
                let (series, split, class) = (series.into(), split.to_string(), class.to_string());
                let value = (!gain.is_nan()).then_some((quality + gain).min(1.0));
                metrics.push(Metric { series, split, metric: "recall".into(), class, value, n: 60, interval: None });
            }
        }
        for (t, truth) in CLASSES.iter().enumerate() {
            for (p, predicted) in CLASSES.iter().enumerate() {
                let count = match (gain.is_nan(), t == p) {
                    (true, _) => 60 * usize::from(p == 0),
                    (false, true) => (60.0 * quality) as usize,
                    (false, false) => usize::from((t + p) % 3 == 0) * 4,
                };
                let (series, split) = (series.into(), split::TEST.into());
                let (truth, predicted) = ((*truth).into(), (*predicted).into());
                cells.push(ConfusionCell { series, split, truth, predicted, count });
            }
        }
    }
    write_metrics(out, &metrics).unwrap();
    write_confusion(out, &cells).unwrap();
}
