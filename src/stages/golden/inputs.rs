//! The artifacts that golden tests begin with. All their numbers are whole or come from divisions by powers of two, so that
//! no library function that differs between machines is in them. Changing one of them renews the lines that read it.

use std::path::Path;

use crate::artifacts::alerts::AlertsWriter;
use crate::artifacts::array::ArrayWriter;
use crate::artifacts::features::{FeatureRow, Features, FeaturesFacts, FeaturesRecipe};
use crate::artifacts::fitted::FittedFacts;
use crate::artifacts::judged::Judged;
use crate::artifacts::light_curves::LightCurvesWriter;
use crate::artifacts::predictions::{Prediction, Predictions, PredictionsFacts};
use crate::artifacts::sequences::{Detection, SequenceObject, SequencesFacts, SequencesWriter};
use crate::artifacts::stamps::{MetadataColumn, StampRow, StampsFacts, StampsWriter};
use crate::models;
use crate::nn::{Kernels, Model, ModelCard};
use crate::stages::encoder;
use crate::ztf::alert::{Alert, FIELDS, SIDE, Stamp};
use crate::ztf::history::{Point, PointKind};
use crate::ztf::writer::PacketSink;
use crate::ztf::writer::tests::alert as packet;

const CROP: usize = 9;
const CLASSES: [&str; 3] = ["AGN", "SN", "VS"];
const SPLITS: [&str; 5] = ["train", "train", "train", "validation", "test"];

/// A number below 1 that looks random, with nine bits.
fn noise(i: usize, j: usize) -> f32 {
    ((i * 7919 + j * 104_729 + i * j * 31) % 509) as f32 / 512.0
}

/// Writes the artifact called `name` into `folder`.
pub(super) fn write(name: &str, folder: &Path) {
    match name {
        "alerts" => drop(alerts(folder)),
        "alerts with light curves" => light_curves(folder),
        "stamps" => stamps(folder),
        "sequences" => sequences(folder),
        "model" => model(folder),
        "classifier" => classifier(folder),
        "fitted" => fitted(folder),
        "features" => features(folder),
        "predictions" => predictions(folder, 4),
        "other predictions" => predictions(folder, 7),
        name => panic!("no artifact called {name}"),
    }
}

/// Position of `ra` in the fields; `dec` follows.
const RA: usize = 2;

/// Packets, one of them twice, with label tables, and an array with its own, as files of the user.
pub(super) fn packets(folder: &Path) {
    let mut sink = PacketSink::create(&folder.join("night.tar.gz")).unwrap();
    for candid in [1, 2, 3, 2] {
        let mut alert = packet(candid);
        (alert.values[RA], alert.values[RA + 1]) = (candid as f64, -1.5);
        sink.push(&alert).unwrap();
    }
    sink.finish().unwrap();
    std::fs::write(folder.join("labels.csv"), "candid,label\n1,SN\n2,AGN\n9,VS\n").unwrap();
    std::fs::write(folder.join("places.csv"), "ra,dec,class\n2,-1.5,VS\n3,-1.5001,SN\n5,5,SN\n").unwrap();
    let mut array = ArrayWriter::create(folder.join("stamps.npy"), &[21, 21, 3]).unwrap();
    for row in 0..2 {
        array.push(&(0..21 * 21 * 3).map(|i| (i * 7919 % 1009 + row) as f32).collect::<Vec<_>>()).unwrap();
    }
    array.finish().unwrap();
    std::fs::write(folder.join("rows.csv"), "candid,objectId,jd,label\n1,ZTFa,2459000.5,SN\n,ZTFb,,\n").unwrap();
}

fn alerts(folder: &Path) -> Vec<Alert> {
    let (mut writer, mut alerts) = (AlertsWriter::create(folder, false).unwrap(), Vec::new());
    for i in 0..40 {
        let pixels = |c: usize| (0..SIDE * SIDE).map(|p| ((p * 7919 + i * 104_729 + c * 31) % 1009) as f32).collect();
        let stamps = [0, 1, 2].map(|c| Stamp { rows: SIDE, columns: SIDE, pixels: pixels(c) });
        let mut values: Vec<f64> = (0..FIELDS.len()).map(|f| ((f * 7 + i * 13) % 23) as f64).collect();
        values[0] = 2_459_000.5 + i as f64;
        values[1] = 1.0 + (i % 2) as f64;
        let alert = Alert { candid: i as i64, object_id: format!("ZTF{:03}", i / 2), values, stamps };
        writer.push(&alert, CLASSES[i / 2 % 3], "", None).unwrap();
        alerts.push(alert);
    }
    writer.finish().unwrap();
    alerts
}

fn light_curves(folder: &Path) {
    let mut writer = LightCurvesWriter::create(folder);
    for alert in alerts(folder) {
        let (jd, point) = (alert.value("jd"), Point::of_alert(&alert).unwrap());
        let points = [0.25, 0.75, 3.5].map(|days| Point { jd: jd - days, fid: 3 - point.fid, ..point.clone() });
        let limit = Point { jd: jd - 7.0, ..Point::new(PointKind::Limit) };
        writer.push(&alert.object_id, jd, points.into_iter().chain([point, limit])).unwrap();
    }
    writer.finish().unwrap();
}

fn stamps_facts() -> StampsFacts {
    let column = |name: &str| MetadataColumn { name: name.into(), low: None, high: None, mean: 0.0, std: 1.0 };
    StampsFacts {
        channels: vec!["science".into(), "difference".into()],
        side: CROP,
        normalise: "none".into(),
        metadata: ["magpsf", "ra"].map(column).to_vec(),
        classes: CLASSES.map(String::from).into(),
        recipe: std::collections::BTreeMap::new(),
    }
}

fn image(i: usize) -> Vec<f32> {
    (0..2 * CROP * CROP).map(|p| noise(i, p) + if p % 81 == 40 { 4.0 } else { 0.0 }).collect()
}

/// Three detections of each of 15 objects.
fn stamps(folder: &Path) {
    let mut writer = StampsWriter::create(folder, &stamps_facts(), true).unwrap();
    for i in 0..45 {
        let object = i / 3;
        let row = StampRow {
            candid: 100 + i as i64,
            object_id: format!("ZTF{object:03}"),
            jd: 2_459_000.5 + object as f64 + (i % 3) as f64 / 2.0,
            fid: 1 + (i % 2) as i64,
            label: CLASSES[object % 3].into(),
            split: SPLITS[object % 5].into(),
            copy: 0,
        };
        let clean: Vec<f32> = image(i).iter().map(|value| value.floor()).collect();
        writer.push(&row, &image(i), &[noise(i, 1), noise(i, 2)], Some(&clean)).unwrap();
    }
    writer.finish().unwrap();
}

fn sequences(folder: &Path) {
    let [dynamic, fixed] = [["gap", "magpsf"], ["ra", "dec"]].map(|names| names.map(String::from).to_vec());
    let facts = SequencesFacts { stamps: stamps_facts(), dynamic, fixed, longest: 4 };
    let mut writer = SequencesWriter::create(folder, &facts).unwrap();
    for object in 0..15 {
        let identity = SequenceObject {
            object_id: format!("ZTF{object:03}"),
            label: CLASSES[object % 3].into(),
            split: SPLITS[object % 5].into(),
        };
        let rows: Vec<usize> = (0..2 + object % 3).map(|t| 10 * object + t).collect();
        let images: Vec<Vec<f32>> = rows.iter().map(|row| image(*row)).collect();
        let dynamic: Vec<[f32; 2]> = rows.iter().map(|row| [noise(*row, 3), noise(*row, 4)]).collect();
        let detection = |(t, row): (usize, &usize)| {
            let (image, dynamic) = (images[t].as_slice(), dynamic[t].as_slice());
            Detection { candid: *row as i64, jd: t as f64, fid: 1, days: 1.0, image, dynamic }
        };
        let detections: Vec<Detection> = rows.iter().enumerate().map(detection).collect();
        writer.push(&identity, &[noise(object, 5), noise(object, 6)], &detections).unwrap();
    }
    writer.finish().unwrap();
}

/// An autoencoder of the stamps that has learned nothing.
fn model(folder: &Path) {
    let settings = serde_json::json!({ "channels": 2, "crop": CROP, "latent": 3, "maps": 4 });
    let card = ModelCard { model: "conv_autoencoder".into(), settings };
    let model: Model<Kernels> = models::build(card, 4).unwrap();
    model.save(folder).unwrap();
}

/// A network that learned two of three classes.
fn classifier(folder: &Path) {
    let rotations = serde_json::json!({ "count": 1, "jitter": 0.0, "cut": 0 });
    let settings = serde_json::json!({ "channels": 2, "crop": CROP, "metadata": 2, "classes": 2, "kernel": 3, "dropout": 0.5, "entropy": 0.5,
        "rotations": rotations });
    let card = ModelCard { model: "stamp_classifier".into(), settings };
    let model: Model<Kernels> = models::build(card, 4).unwrap();
    model.save(folder).unwrap();
    let facts = PredictionsFacts {
        classes: CLASSES.map(String::from).into(),
        classifier: "stamp_classifier".into(),
        train_counts: vec![3, 5, 0],
        labels: None,
        temperature: Some(2.0),
    };
    Predictions { facts, rows: Vec::new() }.write(folder).unwrap();
    Judged { sequences: false, views: "one".into(), stamps: made_stamps() }.write(folder).unwrap();
}

/// Stamps that can be made again.
fn made_stamps() -> StampsFacts {
    let recipe = [("crop", "9"), ("nan", "zero"), ("shape", "drop"), ("sign", "physical"), ("sentinel", "clip")];
    let recipe = recipe.into_iter().chain([("softening", "1")]).map(|(key, word)| (key.into(), word.into()));
    StampsFacts { normalise: "min_max".into(), recipe: recipe.collect(), ..stamps_facts() }
}

/// A tree that knows two of three classes by a code and a column of metadata.
fn fitted(folder: &Path) {
    let from = folder.join("model");
    std::fs::create_dir(&from).unwrap();
    model(&from);
    let classes: Vec<String> = CLASSES.map(String::from).into();
    let tree = r#"{"nodes":[[0,0.0,1],[-1,0.0,1],[4,5.0,3],[-2,0.0,0],[-2,0.0,2]],"shares":[0.75,0.25,0.125,0.875]}"#;
    let kept = FittedFacts {
        classifier: "random_forest".into(),
        features: ["latent_0", "latent_1", "latent_2", "magpsf", "ra"].map(String::from).into(),
        classes: classes[..2].to_vec(),
        recipe: Some(FeaturesRecipe {
            sequences: false,
            columns: vec!["latent".into(), "metadata".into()],
            views: "dihedral".into(),
            encoder: Some(encoder::keep(&from, folder).unwrap()),
            stamps: made_stamps(),
        }),
        fitted: serde_json::from_str(&format!(r#"{{"trees":[{tree}],"classes":2}}"#)).unwrap(),
    };
    kept.write(folder).unwrap();
    let (classifier, train_counts) = (kept.classifier, vec![3, 5, 0]);
    let facts = PredictionsFacts { classes, classifier, train_counts, labels: None, temperature: Some(2.0) };
    Predictions { facts, rows: Vec::new() }.write(folder).unwrap();
}

fn features(folder: &Path) {
    let names = ["a", "b", "c", "d"].map(String::from).into();
    let facts = FeaturesFacts { names, classes: CLASSES.map(String::from).into(), recipe: None };
    let row = |i: usize| FeatureRow {
        candid: i as i64,
        object_id: format!("ZTF{i:03}"),
        label: CLASSES[i % 3].into(),
        split: SPLITS[i / 3 % 5].into(),
        copy: 0,
    };
    let rows: Vec<FeatureRow> = (0..60).map(row).collect();
    let shift = |i: usize, j: usize| if i % 3 == j { 0.5 } else { 0.0 };
    let vectors: Vec<[f32; 4]> = (0..60).map(|i| [0, 1, 2, 3].map(|j| noise(i, j) + shift(i, j))).collect();
    Features::write(folder, &facts, rows.iter().zip(vectors.iter().map(<[f32; 4]>::as_slice))).unwrap();
}

/// Every `wrong`th row is wrong.
fn predictions(folder: &Path, wrong: usize) {
    let row = |i: usize| {
        let label = i % 3;
        let mut probabilities = vec![0.125, 0.125, 0.125];
        probabilities[if i.is_multiple_of(wrong) { (label + 1) % 3 } else { label }] = 0.75;
        let split = if i.is_multiple_of(2) { "validation" } else { "test" };
        Prediction {
            candid: i as i64,
            object_id: format!("ZTF{:03}", i / 4),
            label,
            split: split.into(),
            probabilities,
        }
    };
    let classes = CLASSES.map(String::from).into();
    let facts = PredictionsFacts {
        classes,
        classifier: "any".into(),
        train_counts: vec![10, 30, 10],
        labels: None,
        temperature: None,
    };
    Predictions { facts, rows: (0..60).map(row).collect() }.write(folder).unwrap();
}
