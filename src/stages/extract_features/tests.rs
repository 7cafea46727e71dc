//! `extract_features` on small stamps and sequences.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::artifacts::features::Features;
use crate::artifacts::sequences::{Detection, SequenceObject, SequencesFacts, SequencesWriter};
use crate::artifacts::stamps::{MetadataColumn, StampRow, StampsFacts, StampsWriter};
use crate::spec::value::Value;
use crate::stage::{Device, Silent};

fn facts() -> StampsFacts {
    let column = |name: &str| MetadataColumn { name: name.into(), low: None, high: None, mean: 0.0, std: 1.0 };
    StampsFacts {
        channels: vec!["science".into()],
        side: 2,
        normalise: "none".into(),
        metadata: vec![column("magpsf"), column("fwhm")],
        classes: vec!["AGN".into(), "SN".into()],
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
    };
    assert!(faults(&keys(&[Part::Latent, Part::Pca], None)).is_empty());
    assert_eq!(faults(&keys(&[], None))[0].0, "columns");
    assert!(faults(&keys(&[Part::Pca, Part::Pca], None))[0].1.contains("twice"));
    assert_eq!(faults(&keys(&[Part::Pca], Some(vec![])))[0].0, "metadata");
}
