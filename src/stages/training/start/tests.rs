//! Starting from other weights: taken, partly taken, refused with all that does not fit.

use std::collections::BTreeMap;

use super::*;
use crate::models;
use crate::nn::{Kernels, ModelCard};
use crate::spec::keys::Keys;
use crate::spec::value::{Params, Value};
use crate::stage::{Device, Silent};

fn model(latent: usize, seed: u64) -> Model<Kernels> {
    let settings = serde_json::json!({ "channels": 1, "crop": 9, "latent": latent, "maps": 4 });
    models::build(ModelCard { model: "conv_autoencoder".into(), settings }, seed).unwrap()
}

fn list(words: &[&str]) -> Value {
    Value::List(words.iter().map(|word| Value::Text((*word).into())).collect())
}

/// Runs [`prepare`] with these keys, external files and input.
fn prepared(
    model: &mut Model<Kernels>,
    set: &[(&'static str, Value)],
    files: &[(&str, &Path)],
    input: Option<&Path>,
) -> Result<(), StageError> {
    let mut params: Params = TrainingKeys::keys().into_iter().map(|key| (key.name, key.default.unwrap())).collect();
    for (name, value) in set {
        params.insert(name, value.clone());
    }
    let file = |(label, path): &(&str, &Path)| ExternalFile {
        label: (*label).into(),
        path: path.to_path_buf(),
        is_listed: false,
    };
    let files = [(NAME.to_owned(), files.iter().map(file).collect())];
    let place = Path::new("");
    let job = Job {
        params: &params,
        seed: 1,
        inputs: input.iter().map(|folder| (NAME.to_owned(), folder.to_path_buf())).collect(),
        files: BTreeMap::from(files),
        home: place,
        out: place,
        checkpoint: place,
        device: Device::Cpu,
        gpus: &[],
        threads: 1,
        pulse: &Silent,
        shelf: &Silent,
    };
    prepare(&job, &job.keys()?, model)
}

fn values(model: &Model<Kernels>) -> BTreeMap<String, Vec<f32>> {
    model.weights.entries.iter().map(|entry| (entry.name.clone(), entry.values())).collect()
}

fn failure(made: Result<(), StageError>) -> (String, String) {
    match made.unwrap_err() {
        StageError::Failed { what, hint } => (what, hint.unwrap_or_default()),
        StageError::Interrupted => panic!("interrupted"),
    }
}

#[test]
fn a_file_a_folder_and_an_input_give_the_same_start() {
    let folder = tempfile::tempdir().unwrap();
    let source = model(3, 7);
    source.save(folder.path()).unwrap();
    let (weights, card) = (folder.path().join(WEIGHTS), folder.path().join("model.json"));
    let cases: [(&[(&str, &Path)], Option<&Path>); 3] =
        [(&[("", &weights)], None), (&[("model.json", &card), (WEIGHTS, &weights)], None), (&[], Some(folder.path()))];
    for (files, input) in cases {
        let mut own = model(3, 8);
        assert_ne!(values(&own), values(&source));
        prepared(&mut own, &[], files, input).unwrap();
        assert_eq!(values(&own), values(&source));
    }
    let both = prepared(&mut model(3, 8), &[], &[("", &weights)], Some(folder.path()));
    assert!(failure(both).0.contains("two `init`"));
    let other = prepared(&mut model(3, 8), &[], &[("model.json", &card), ("a.csv", &card)], None);
    assert!(failure(other).0.contains("without `weights.safetensors`"));
}

#[test]
fn other_shapes_are_listed_and_fresh_parts_keep_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let source = model(3, 7);
    source.save(folder.path()).unwrap();
    let mut own = model(5, 8);
    let before = values(&own);
    let (what, hint) = failure(prepared(&mut own, &[], &[], Some(folder.path())));
    assert_eq!(values(&own), before, "nothing is taken of what does not fit");
    let apart: Vec<String> = source
        .weights
        .names()
        .zip(own.weights.names())
        .filter(|(a, b)| a.1 != b.1)
        .map(|(a, b)| format!("{}: the file has f32 {:?}, the network wants {:?}", a.0, a.1, b.1))
        .collect();
    assert!(apart.len() >= 2 && apart.iter().all(|line| what.contains(line)), "{what}");
    let layers = hint.split_once("fresh = [").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
    let layers: Vec<&str> = layers.split(", ").map(|layer| layer.trim_matches('"')).collect();
    prepared(&mut own, &[("fresh", list(&layers))], &[], Some(folder.path())).unwrap();
    let (after, source) = (values(&own), values(&source));
    let (mut kept, mut taken) = (0, 0);
    for (name, values) in &after {
        let is_fresh = layers.iter().any(|layer| name.starts_with(&format!("{layer}.")));
        assert_eq!(values, if is_fresh { &before[name] } else { &source[name] }, "{name}");
        *(if is_fresh { &mut kept } else { &mut taken }) += 1;
    }
    assert!(kept >= 2 && taken > 2);
}

#[test]
fn parts_that_are_not_there_are_named_with_the_nearest() {
    let first = model(3, 8).weights.names().next().unwrap().0.to_owned();
    let (part, _) = first.split_once('.').unwrap();
    let wrong = format!("{part}x");
    let (what, hint) = failure(prepared(&mut model(3, 8), &[("frozen", list(&[&wrong]))], &[], None));
    assert!(what.contains(&format!("no part `{wrong}`")) && hint.contains(&format!("`{part}`")), "{what} {hint}");
    assert!(failure(prepared(&mut model(3, 8), &[("fresh", list(&[part]))], &[], None)).0.contains("there is none"));
}

#[test]
fn damaged_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    model(3, 7).save(folder.path()).unwrap();
    let path = folder.path().join(WEIGHTS);
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 1, 8, 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let (what, _) = failure(prepared(&mut model(3, 8), &[], &[("", &path)], None));
        assert!(what.contains("no whole safetensors"), "{what}");
    }
}
