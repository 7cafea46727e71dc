//! The kind on small features: what is judged, which labels are taken, calibration, faults.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::artifacts::features::{FeatureRow, Features, FeaturesFacts};
use crate::stage::{Device, Silent};

/// Rows `(label, split, copy, value)`.
type Row = (&'static str, &'static str, i64, f32);

fn write(folder: &Path, rows: &[Row]) {
    let facts = FeaturesFacts {
        names: vec!["x".into(), "zero".into()],
        classes: ["a", "b", "c"].map(String::from).into(),
        recipe: None,
    };
    let identity = |(i, row): (usize, &Row)| FeatureRow {
        candid: 1000 + i as i64,
        object_id: format!("Z{i}"),
        label: row.0.into(),
        split: row.1.into(),
        copy: row.2,
    };
    let identities: Vec<FeatureRow> = rows.iter().enumerate().map(identity).collect();
    let vectors: Vec<[f32; 2]> = rows.iter().map(|row| [row.3, 0.0]).collect();
    Features::write(folder, &facts, identities.iter().zip(vectors.iter().map(<[f32; 2]>::as_slice))).unwrap();
}

fn run(rows: &[Row], classifier_name: &str) -> Result<(Predictions, Vec<Metric>), StageError> {
    run_with(rows, classifier_name, 1, &[])
}

fn run_with(
    rows: &[Row],
    classifier_name: &str,
    seed: u64,
    set: &[(&'static str, Value)],
) -> Result<(Predictions, Vec<Metric>), StageError> {
    let (input, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(input.path(), rows);
    let mut params = Params::from([(CLASSIFIER, Value::Text(classifier_name.into()))]);
    let keys = Classify.keys().into_iter().chain(classifier(classifier_name).unwrap().keys());
    params.extend(keys.map(|key| (key.name, key.default.unwrap())));
    params.extend([("k", Value::List(vec![Value::Int(1)]))].into_iter().filter(|_| classifier_name == "knn"));
    params.extend([("min_rows", Value::Int(1))].into_iter().filter(|_| classifier_name == "gradient_boosting"));
    params.extend(set.iter().cloned());
    let job = Job {
        params: &params,
        seed,
        inputs: BTreeMap::from([("features".into(), input.path().into())]),
        files: BTreeMap::new(),
        home: input.path(),
        out: out.path(),
        checkpoint: input.path(),
        device: Device::Cpu,
        gpus: &[],
        threads: 1,
        pulse: &Silent,
        shelf: &Silent,
    };
    Classify.run(&job)?;
    Ok((Predictions::open(out.path())?, scores::read_metrics(out.path())?))
}

const ROWS: &[Row] = &[
    ("a", "train", 0, -1.0),
    ("a", "train", 0, -1.5),
    ("a", "train", 1, -1.2),
    ("b", "train", 0, 1.0),
    ("b", "train", 0, 2.0),
    ("", "train", 0, f32::NAN),
    ("b", "validation", 0, 1.1),
    ("", "test", 0, f32::NAN),
    ("a", "test", 0, -1.3),
    ("c", "test", 0, 0.2),
];

#[test]
fn every_classifier_judges_the_labelled_validation_and_test_rows() {
    for classifier in CLASSIFIERS {
        let (predictions, _) = run(ROWS, classifier.name()).unwrap();
        assert_eq!(predictions.facts.train_counts, [2, 2, 0]);
        assert_eq!(predictions.facts.classifier, classifier.name());
        let candids: Vec<i64> = predictions.rows.iter().map(|row| row.candid).collect();
        assert_eq!(candids, [1006, 1008, 1009]);
        assert!(predictions.rows.iter().all(|row| row.probabilities[2] == 0.0), "class c has no training rows");
        if classifier.name() != "majority" {
            assert_eq!(predictions.rows[0].predicted(), 1);
            assert_eq!(predictions.rows[1].predicted(), 0);
        }
    }
}

#[test]
fn convergence_is_reported() {
    let (_, metrics) = run(ROWS, "logistic").unwrap();
    let converged = metrics.iter().find(|m| m.metric == "converged").unwrap();
    assert_eq!((converged.value, converged.split.as_str(), converged.n), (Some(1.0), "train", 5));
}

#[test]
fn only_the_forest_has_a_seed_in_its_key() {
    let randomness = |name: &str| Classify.randomness(&Params::from([(CLASSIFIER, Value::Text(name.into()))]));
    assert_eq!(randomness("random_forest"), Randomness::PerReplicate);
    assert_eq!(randomness("logistic"), Randomness::None);
}

#[test]
fn data_that_cannot_be_learnt_from_are_explained() {
    let message = |rows: &[Row]| run(rows, "logistic").map(|_| ()).unwrap_err().to_string();
    let one_class: Vec<Row> = ROWS.iter().copied().filter(|row| row.0 != "b" || row.1 != "train").collect();
    assert!(message(&one_class).contains("3 labelled training rows are of one class, a"), "{}", message(&one_class));
    let no_labels: Vec<Row> = ROWS.iter().copied().filter(|row| row.0.is_empty() || row.1 != "train").collect();
    assert!(message(&no_labels).starts_with("none of the "), "{}", message(&no_labels));
    let nothing_to_judge: Vec<Row> = ROWS.iter().copied().filter(|row| row.1 == "train").collect();
    assert!(message(&nothing_to_judge).contains("none of the 0 rows of the validation and test splits has a label"));
    let mut missing = ROWS.to_vec();
    missing[3].3 = f32::NAN;
    assert!(message(&missing).contains("feature `x` of candid 1003 is not a number"));
}

/// Twenty rows of class a with a copy each, eight of b, in three splits.
fn many() -> Vec<Row> {
    let mut rows = Vec::new();
    for i in 0..20 {
        rows.push(("a", "train", 0, -1.0 - i as f32 / 10.0));
        rows.extend((i < 8).then_some(("b", "train", 0, 0.5 - i as f32 / 5.0)));
    }
    let judged = |split: &'static str| (0..12).map(move |i| (["a", "b"][i % 2], split, 0, (i % 5) as f32 - 2.5));
    rows.extend(judged("validation").chain(judged("test")));
    rows
}

fn taken(rows: &[Row], seed: u64, set: &[(&'static str, Value)]) -> (LabelsTaken, BTreeSet<usize>) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), rows);
    let vectors = Vectors::open(folder.path()).unwrap();
    let mut params: Params = Classify.keys().into_iter().map(|key| (key.name, key.default.unwrap())).collect();
    params.extend(set.iter().cloned());
    let table = LabelledTable::new(&vectors, true, &FewLabels::read(&params).unwrap(), seed).unwrap();
    assert_eq!(table.train_counts, [20, 8, 0], "counts are those of all labels");
    (table.taken.clone().unwrap(), table.training.iter().copied().collect())
}

#[test]
fn fewer_labels_are_among_the_more_and_a_class_without_enough_keeps_all() {
    let of = |n: i64, seed| taken(&many(), seed, &[("labels_per_class", Value::Int(n))]);
    let (three, ten, thirty) = (of(3, 1), of(10, 1), of(30, 1));
    assert_eq!((three.0.per_class, three.0.short), (vec![3, 3, 0], vec!["c".to_string()]));
    assert_eq!((ten.0.per_class, ten.0.short), (vec![10, 8, 0], vec!["b".to_string(), "c".into()]));
    assert!(three.1.len() == 6 && three.1.is_subset(&ten.1) && ten.1.is_subset(&thirty.1));
    assert_eq!(thirty.1.len(), 28);
    assert_ne!(of(3, 2).1, three.1, "another seed takes others");
    let share = |f: f64| taken(&many(), 1, &[("label_fraction", Value::Float(f))]);
    assert_eq!((share(0.3).0.per_class, share(0.01).0.per_class), (vec![6, 3, 0], vec![1, 1, 0]));
    assert!(share(0.01).1.is_subset(&share(0.3).1) && share(0.15).1.is_subset(&three.1));
}

#[test]
fn copies_go_with_what_they_are_copies_of() {
    let (folder, rows) = (tempfile::tempdir().unwrap(), many());
    let facts =
        FeaturesFacts { names: vec!["x".into()], classes: ["a", "b", "c"].map(String::from).into(), recipe: None };
    let identity = |i: usize, copy: i64| FeatureRow {
        candid: i as i64,
        object_id: format!("Z{i}"),
        label: rows[i].0.into(),
        split: rows[i].1.into(),
        copy,
    };
    let identities: Vec<FeatureRow> = (0..rows.len()).flat_map(|i| [identity(i, 0), identity(i, 1)]).collect();
    Features::write(folder.path(), &facts, identities.iter().map(|row| (row, &[1.0_f32][..]))).unwrap();
    let vectors = Vectors::open(folder.path()).unwrap();
    let of = |copies| {
        let few = FewLabels { labels_per_class: 4, label_fraction: 1.0 };
        LabelledTable::new(&vectors, copies, &few, 1).unwrap().training
    };
    let (with, without) = (of(true), of(false));
    assert_eq!((with.len(), without.len()), (16, 8));
    assert!(without.iter().all(|row| with.contains(row) && with.contains(&(row + 1))));
}

#[test]
fn what_was_taken_is_said_and_the_seed_enters_the_key_only_then() {
    let (all, _) = run(&many(), "logistic").unwrap();
    assert_eq!((all.facts.labels, all.facts.temperature), (None, None));
    let few = run_with(&many(), "logistic", 1, &[("labels_per_class", Value::Int(3))]).unwrap().0;
    assert_eq!(few.facts.labels.unwrap().per_class, [3, 3, 0]);
    let (some, metrics) = run_with(
        &many(),
        "knn",
        1,
        &[("labels_per_class", Value::Int(3)), ("calibrate", Value::Text("temperature".into()))],
    )
    .unwrap();
    let chosen_by = metrics.iter().find(|metric| metric.metric == "temperature").unwrap();
    assert_eq!(
        (some.facts.labels.unwrap().validation, chosen_by.n),
        (vec![3, 3, 0], 6),
        "of 12 in the validation split"
    );
    assert_eq!(some.rows.len(), 24, "all are judged");
    let randomness = |labels: i64, share: f64| {
        let mut params: Params = Classify.keys().into_iter().map(|key| (key.name, key.default.unwrap())).collect();
        params.extend([(CLASSIFIER, Value::Text("logistic".into())), ("labels_per_class", Value::Int(labels))]);
        params.extend([("label_fraction", Value::Float(share))]);
        (Classify.randomness(&params), Classify.check(&params).len())
    };
    assert_eq!(randomness(0, 1.0), (Randomness::None, 0));
    assert_eq!(randomness(3, 1.0), (Randomness::PerReplicate, 0));
    assert_eq!(randomness(0, 0.5), (Randomness::PerReplicate, 0));
    assert_eq!(randomness(3, 0.5).1, 1, "both at once");
}

#[test]
fn calibration_lowers_the_loss_on_validation_and_moves_no_class() {
    let warm = [("calibrate", Value::Text("temperature".into()))];
    let of = |rows: &[Row], set| run_with(rows, "knn", 1, set);
    let ((plain, _), (calibrated, metrics)) = (of(&many(), &[]).unwrap(), of(&many(), &warm).unwrap());
    let loss = |predictions: &Predictions| {
        let held = predictions.rows.iter().filter(|row| row.split == VALIDATION);
        let judged: Vec<crate::metrics::Judged> =
            held.map(|row| crate::metrics::Judged::new(row.label, &row.probabilities)).collect();
        crate::metrics::log_loss::log_loss(&judged).unwrap()
    };
    assert!(loss(&calibrated) < 0.9 * loss(&plain), "{} {}", loss(&calibrated), loss(&plain));
    let classes = |predictions: &Predictions| predictions.rows.iter().map(Prediction::predicted).collect::<Vec<_>>();
    assert_eq!(classes(&plain), classes(&calibrated));
    assert!(calibrated.rows.iter().all(|row| row.probabilities[2] == 0.0), "a class without labels keeps 0");
    let temperature = metrics.iter().find(|metric| metric.metric == "temperature").unwrap();
    assert_eq!((temperature.value, temperature.n), (calibrated.facts.temperature, 12));
    // test rows choose nothing
    let mut other = many();
    other.iter_mut().filter(|row| row.1 == "test").for_each(|row| row.0 = "b");
    assert_eq!(of(&other, &warm).unwrap().0.facts.temperature, calibrated.facts.temperature);
    let none: Vec<Row> = many().into_iter().filter(|row| row.1 != "validation").collect();
    assert!(of(&none, &warm).map(|_| ()).unwrap_err().to_string().contains("`calibrate` needs labelled rows"));
}
