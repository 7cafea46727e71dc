//! `extract_features` on small stamps and sequences.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::views::View;
use super::*;
use crate::artifacts::features::Features;
use crate::artifacts::judged::Judged;
use crate::artifacts::scores::{Metric, read_metrics};
use crate::artifacts::sequences::{Detection, SequenceObject, SequencesFacts, SequencesWriter};
use crate::artifacts::stamps::{MetadataColumn, StampRow, StampsFacts, StampsWriter};
use crate::models;
use crate::nn::{Kernels, ModelCard};
use crate::spec::value::Value;
use crate::stage::{Device, Silent};
use crate::stages::testing::{Bench, text};

fn facts() -> StampsFacts {
    let column = |name: &str| MetadataColumn { name: name.into(), low: None, high: None, mean: 0.0, std: 1.0 };
    StampsFacts {
        channels: vec!["science".into()],
        side: 2,
        normalise: "none".into(),
        metadata: vec![column("magpsf"), column("fwhm")],
        classes: vec!["AGN".into(), "SN".into()],
        recipe: std::collections::BTreeMap::new(),
    }
}

fn image(i: i64) -> [f32; 4] {
    [i as f32, (i * i % 7) as f32, (i % 3) as f32, 1.0]
}

/// Twelve stamps: eight for training, of which the last is a copy, two each for the others.
fn stamps(folder: &Path, shift_of_test: f32) {
    let mut writer = StampsWriter::create(folder, &facts(), false).unwrap();
    for i in 0..12 {
        let split = if i < 8 {
            "train"
        } else if i < 10 {
            "validation"
        } else {
            "test"
        };
        let row = StampRow {
            candid: 100 + i,
            object_id: format!("Z{i}"),
            jd: 0.0,
            fid: 1,
            label: if i == 3 { String::new() } else { "SN".into() },
            split: split.into(),
            copy: i64::from(i == 7),
        };
        let shift = if split == "test" { shift_of_test } else { 0.0 };
        writer.push(&row, &image(i).map(|x| x + shift), &[i as f32, -(i as f32)], None).unwrap();
    }
    writer.finish().unwrap();
}

/// Two objects of three and one detections.
fn sequences(folder: &Path) {
    let facts = SequencesFacts {
        stamps: facts(),
        dynamic: vec!["days".into(), "magpsf".into()],
        fixed: vec!["sgscore1".into()],
        longest: 3,
    };
    let mut writer = SequencesWriter::create(folder, &facts).unwrap();
    for (name, candids) in [("A", vec![1, 2, 3]), ("B", vec![4])] {
        let object = SequenceObject { object_id: name.into(), label: "AGN".into(), split: "train".into() };
        let rows: Vec<([f32; 4], [f32; 2])> = candids.iter().map(|c| (image(*c), [0.5, *c as f32])).collect();
        let detection = |(candid, (image, dynamic)): (&i64, &'static ([f32; 4], [f32; 2]))| Detection {
            candid: *candid,
            jd: 0.0,
            fid: 1,
            days: 0.0,
            image,
            dynamic,
        };
        let rows: &'static [([f32; 4], [f32; 2])] = rows.leak();
        let detections: Vec<Detection> = candids.iter().zip(rows).map(detection).collect();
        writer.push(&object, &[9.0], &detections).unwrap();
    }
    writer.finish().unwrap();
}

fn run(inputs: &[(&str, &Path)], changes: &[(&'static str, Value)]) -> Result<Features, StageError> {
    let out = tempfile::tempdir().unwrap();
    let mut params: Params = ExtractFeatures.keys().into_iter().map(|key| (key.name, key.default.unwrap())).collect();
    params.extend(changes.iter().map(|(key, value)| (*key, value.clone())));
    let job = Job {
        params: &params,
        seed: 0,
        inputs: inputs.iter().map(|(name, folder)| ((*name).to_string(), folder.to_path_buf())).collect(),
        files: BTreeMap::new(),
        home: out.path(),
        out: out.path(),
        checkpoint: out.path(),
        device: Device::Cpu,
        gpus: &[],
        threads: 1,
        pulse: &Silent,
        shelf: &Silent,
    };
    ExtractFeatures.run(&job)?;
    Ok(Features::open(out.path())?)
}

fn words(words: &[&str]) -> Value {
    Value::List(words.iter().map(|word| Value::Text((*word).into())).collect())
}

#[test]
fn columns_are_put_together_in_order() {
    let folder = tempfile::tempdir().unwrap();
    stamps(folder.path(), 0.0);
    let changes = [
        ("columns", words(&["pixels", "metadata", "pca"])),
        ("metadata", words(&["fwhm"])),
        ("components", Value::Int(2)),
    ];
    let features = run(&[("stamps", folder.path())], &changes).unwrap();
    assert_eq!(features.facts.names, ["pixel_0", "pixel_1", "pixel_2", "pixel_3", "fwhm", "pca_0", "pca_1"]);
    assert_eq!(features.facts.classes, ["AGN", "SN"]);
    assert_eq!(features.values.row(5)[..5], [5.0, 4.0, 2.0, 1.0, -5.0]);
    assert_eq!(features.index.texts("copy")[7], "1");
    assert_eq!(features.index.texts("label")[3], "");
    assert_eq!(features.index.ints("candid").unwrap()[11], 111);
}

/// Invariant 2: what the test split holds changes nothing in the components.
#[test]
fn components_come_from_the_training_split_only() {
    let (plain, shifted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    stamps(plain.path(), 0.0);
    stamps(shifted.path(), 50.0);
    let changes = [("columns", words(&["pca"])), ("components", Value::Int(3))];
    let plain = run(&[("stamps", plain.path())], &changes).unwrap();
    let shifted = run(&[("stamps", shifted.path())], &changes).unwrap();
    for row in 0..10 {
        assert_eq!(plain.values.row(row), shifted.values.row(row));
    }
    assert_ne!(plain.values.row(10), shifted.values.row(10));
}

#[test]
fn an_object_is_seen_through_its_last_detection() {
    let folder = tempfile::tempdir().unwrap();
    sequences(folder.path());
    let features = run(&[("sequences", folder.path())], &[("columns", words(&["metadata", "pixels"]))]).unwrap();
    assert_eq!(features.facts.names[..3], ["sgscore1", "days", "magpsf"]);
    assert_eq!(features.index.ints("candid"), Some(&[3, 4][..]));
    assert_eq!(features.values.row(0), [9.0, 0.5, 3.0, 3.0, 2.0, 0.0, 1.0]);
}

#[test]
fn inputs_that_do_not_fit_are_explained() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    stamps(a.path(), 0.0);
    sequences(b.path());
    let message = |inputs: &[(&str, &Path)], changes: &[(&'static str, Value)]| {
        run(inputs, changes).map(|_| ()).unwrap_err().to_string()
    };
    let stamps = ("stamps", a.path());
    assert!(message(&[stamps], &[]).contains("no model is connected"));
    assert!(message(&[], &[]).contains("neither `stamps` nor `sequences`"));
    assert!(message(&[stamps, ("sequences", b.path())], &[]).contains("both"));
    let unknown = [("columns", words(&["metadata"])), ("metadata", words(&["drb"]))];
    assert!(message(&[stamps], &unknown).contains("no metadata column `drb`"));
    let many = [("columns", words(&["pca"])), ("components", Value::Int(5))];
    assert!(message(&[stamps], &many).contains("5 principal components"));
}

#[test]
fn faults_of_the_keys_are_found_before_running() {
    let keys = |columns: &[Part], metadata: Option<Vec<String>>| ExtractKeys {
        columns: columns.to_vec(),
        metadata,
        components: 4,
        views: Views::One,
    };
    assert!(faults(&keys(&[Part::Latent, Part::Pca], None)).is_empty());
    assert_eq!(faults(&keys(&[], None))[0].0, "columns");
    assert!(faults(&keys(&[Part::Pca, Part::Pca], None))[0].1.contains("twice"));
    assert_eq!(faults(&keys(&[Part::Pca], Some(vec![])))[0].0, "metadata");
    let views = |columns: &[Part]| faults(&ExtractKeys { views: Views::Dihedral, ..keys(columns, None) });
    assert!(views(&[Part::Latent, Part::Pca]).is_empty());
    assert_eq!(views(&[Part::Pixels])[0].0, "views");
}

const SIDE: usize = 9;

/// Twelve objects in three splits, an image of two channels each, which is seen in a view of its own if `turned`.
fn write_views(name: &str, folder: &Path, network: &str, turned: bool) {
    let facts = StampsFacts { channels: vec!["a".into(), "b".into()], side: SIDE, metadata: Vec::new(), ..facts() };
    let shown = |i: usize| {
        let image: Vec<f32> = (0..2 * SIDE * SIDE).map(|p| ((p * (i + 3)) as f32 * 0.37).sin()).collect();
        let mut seen = image.clone();
        View::ALL[if turned { i % 8 } else { 0 }].copy(&image, SIDE, &mut seen);
        seen
    };
    let split = |i: usize| ["train", "validation", "test"][i % 3].to_owned();
    match name {
        "stamps" => {
            let mut writer = StampsWriter::create(folder, &facts, false).unwrap();
            for i in 0..12 {
                let (object_id, label) = (format!("Z{i}"), "SN".into());
                let row = StampRow { candid: i as i64, object_id, jd: 0.0, fid: 1, label, split: split(i), copy: 0 };
                writer.push(&row, &shown(i), &[], None).unwrap();
            }
            writer.finish().unwrap();
        }
        "sequences" => {
            let facts = SequencesFacts { stamps: facts, dynamic: vec!["days".into()], fixed: Vec::new(), longest: 2 };
            let mut writer = SequencesWriter::create(folder, &facts).unwrap();
            for i in 0..12 {
                let object = SequenceObject { object_id: format!("Z{i}"), label: "SN".into(), split: split(i) };
                let (image, dynamic) = (&shown(i)[..], &[0.5][..]);
                let detection = Detection { candid: i as i64, jd: 0.0, fid: 1, days: 0.0, image, dynamic };
                writer.push(&object, &[], &vec![detection; 1 + i % 2]).unwrap();
            }
            writer.finish().unwrap();
        }
        _ => {
            let settings = match network {
                "conv_autoencoder" => serde_json::json!({ "channels": 2, "crop": SIDE, "latent": 3, "maps": 4 }),
                "vae" => serde_json::json!({
                    "channels": 2, "crop": SIDE, "latent": 3, "maps": 4, "variance_head": true, "warm_up": 0
                }),
                "sequence_autoencoder" => serde_json::json!({
                    "channels": 2, "crop": SIDE, "dynamic": 1, "hidden": 3, "steps": 2, "codes": 0
                }),
                _ => serde_json::json!({
                    "channels": 2, "crop": SIDE, "metadata": 0, "classes": 2, "kernel": 5, "dropout": 0.5,
                    "entropy": 0.0, "rotations": { "count": 4, "jitter": 0.0, "cut": 0 }
                }),
            };
            let card = ModelCard { model: network.into(), settings };
            models::build::<Kernels>(card, 4).unwrap().save(folder).unwrap();
        }
    }
}

fn latent_of(network: &str, data: &str, views: &str, turned: bool) -> (Features, Option<Vec<Metric>>) {
    let inputs = ["model", data];
    let bench = Bench::new(&inputs, |name, folder| write_views(name, folder, network, turned));
    let bench = bench.run(&ExtractFeatures, &inputs, 0, &[("views", text(views))]).unwrap();
    let is_measured = bench.out().join("metrics.csv").exists();
    (Features::open(&bench.out()).unwrap(), is_measured.then(|| read_metrics(&bench.out()).unwrap()))
}

#[test]
fn the_mean_code_of_eight_views_does_not_feel_how_a_stamp_lies() {
    for (network, data) in [
        ("conv_autoencoder", "stamps"),
        ("vae", "stamps"),
        ("stamp_classifier", "stamps"),
        ("conv_autoencoder", "sequences"),
        ("sequence_autoencoder", "sequences"),
    ] {
        let codes = |views, turned| latent_of(network, data, views, turned).0.values.values().to_vec();
        let apart = |a: Vec<f32>, b: Vec<f32>| {
            let norm = a.iter().map(|a| a.abs()).fold(0.0, f32::max);
            a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / norm
        };
        let (one, eight) =
            (apart(codes("one", false), codes("one", true)), apart(codes("dihedral", false), codes("dihedral", true)));
        assert!(one > 1e-3, "{network} of {data}: views have one code: {one}");
        assert!(eight < 1e-5, "{network} of {data}: {eight} apart");
    }
}

#[test]
fn the_likeness_of_views_is_measured_by_split_beside_that_of_other_objects() {
    assert!(latent_of("conv_autoencoder", "stamps", "one", false).1.is_none());
    let (_, Some(metrics)) = latent_of("conv_autoencoder", "stamps", "dihedral", false) else { panic!("no metrics") };
    assert_eq!(metrics.len(), 2 * 3);
    for metric in &metrics {
        assert_eq!(metric.metric, "view_similarity");
        assert!((-1.0..1.0).contains(&metric.value.unwrap()), "{metric:?}");
    }
    let n: Vec<(&str, usize)> = metrics.iter().map(|metric| (metric.series.as_str(), metric.n)).collect();
    assert_eq!(n[..2], [("conv_autoencoder", 4), ("another object", 3)]);
    // four quarter turns are averaged within the network: only mirrors are left to differ
    let (_, Some(turned)) = latent_of("stamp_classifier", "stamps", "dihedral", false) else { panic!("no metrics") };
    assert!(turned[0].value.unwrap() > metrics[0].value.unwrap());
}

/// Three stamps of one image, of which the second has other metadata, and a network that sees both and learned from `learned`.
fn codes_with_metadata(learned: &[&str]) -> Result<Features, StageError> {
    let column = |name: &&str| MetadataColumn { name: (*name).into(), low: None, high: None, mean: 0.0, std: 1.0 };
    let seen = |names: &[&str]| StampsFacts { side: SIDE, metadata: names.iter().map(column).collect(), ..facts() };
    let (stamps, model) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut writer = StampsWriter::create(stamps.path(), &seen(&["magpsf", "fwhm"]), false).unwrap();
    let image: Vec<f32> = (0..SIDE * SIDE).map(|p| (p as f32 * 0.37).sin()).collect();
    for (candid, magnitude) in [(1, 0.5), (2, -2.0), (3, 0.5)] {
        let (object_id, label) = (format!("Z{candid}"), "SN".into());
        let row = StampRow { candid, object_id, jd: 0.0, fid: 1, label, split: "train".into(), copy: 0 };
        writer.push(&row, &image, &[magnitude, 1.0], None).unwrap();
    }
    writer.finish().unwrap();
    let settings = serde_json::json!({
        "channels": 1, "crop": SIDE, "metadata": 2, "classes": 2, "kernel": 5, "dropout": 0.5,
        "entropy": 0.0, "rotations": { "count": 4, "jitter": 0.0, "cut": 0 }
    });
    let card = ModelCard { model: "stamp_classifier".into(), settings };
    models::build::<Kernels>(card, 4).unwrap().save(model.path()).unwrap();
    Judged { sequences: false, views: "one".into(), stamps: seen(learned) }.write(model.path()).unwrap();
    run(&[("stamps", stamps.path()), ("model", model.path())], &[])
}

#[test]
fn a_network_that_sees_metadata_gets_the_columns_that_it_learned_from() {
    let features = codes_with_metadata(&["magpsf", "fwhm"]).unwrap();
    let code = |row| features.values.row(row);
    assert_eq!(code(0), code(2));
    assert_ne!(code(0), code(1), "the metadata of the second stamp are others");
    let fault = codes_with_metadata(&["fwhm", "magpsf"]).err().unwrap().to_string();
    assert!(fault.contains("learned from the metadata fwhm, magpsf; the stamps have magpsf, fwhm"), "{fault}");
}
