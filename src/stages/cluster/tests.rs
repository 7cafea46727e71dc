//! The kind on small features: what it writes, what it leaves out, threads, and faults.

use std::path::Path;

use super::*;
use crate::artifacts::features::{FeatureRow, Features, FeaturesFacts};
use crate::artifacts::scores::read_metrics;
use crate::spec::value::Value;
use crate::stages::testing::{Bench, params, text};

/// Rows `(label, split, copy, value)`; the second feature is constant.
type Row = (&'static str, &'static str, i64, f32);

/// Two groups; an alert without a label; a copy and a test row far from all others.
const ROWS: &[Row] = &[
    ("a", "train", 0, -1.0),
    ("a", "train", 0, -1.5),
    ("a", "train", 1, 90.0),
    ("b", "train", 0, 1.0),
    ("b", "train", 0, 2.0),
    ("", "train", 0, 1.5),
    ("b", "validation", 0, 1.1),
    ("a", "test", 0, -1.3),
    ("a", "test", 0, -1.2),
    ("b", "test", 0, 60.0),
    ("", "test", 0, -1.0),
];

fn write(folder: &Path, rows: &[Row]) {
    let names = ["x", "same"].map(String::from).into();
    let facts = FeaturesFacts { names, classes: ["a", "b"].map(String::from).into(), recipe: None };
    let identity = |(i, row): (usize, &Row)| FeatureRow {
        candid: 1000 + i as i64,
        object_id: format!("Z{i}"),
        label: row.0.into(),
        split: row.1.into(),
        copy: row.2,
    };
    let identities: Vec<FeatureRow> = rows.iter().enumerate().map(identity).collect();
    let vectors: Vec<[f32; 2]> = rows.iter().map(|row| [row.3, 7.0]).collect();
    Features::write(folder, &facts, identities.iter().zip(vectors.iter().map(<[f32; 2]>::as_slice))).unwrap();
}

fn run(rows: &[Row], method: &str, set: &[(&'static str, Value)]) -> Result<Bench, StageError> {
    let mut all = params(&Cluster, &[]);
    all.insert(METHOD, text(method));
    all.extend(clusterer(method).unwrap().keys().into_iter().map(|key| (key.name, key.default.unwrap())));
    all.extend(set.iter().cloned());
    Bench::new(&["features"], |_, folder| write(folder, rows)).run_with(&Cluster, &["features"], 3, &all)
}

const TWO: (&str, Value) = ("clusters", Value::Int(2));

#[test]
fn every_method_assigns_all_rows_but_copies_and_learns_from_training_rows_only() {
    for method in CLUSTERERS.iter().map(|method| method.name()) {
        let bench = run(ROWS, method, &[TWO]).unwrap();
        let found = Assignments::open(&bench.out()).unwrap();
        let candids: Vec<i64> = found.rows.iter().map(|row| row.candid).collect();
        assert_eq!(candids, [1000, 1001, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010]);
        // 90 of a copy or 60 of a test row would have taken a cluster for itself
        let low = found.rows[0].cluster;
        let is_low: Vec<bool> = found.rows.iter().map(|row| row.cluster == low).collect();
        assert_eq!(is_low, [true, true, false, false, false, false, true, true, false, true], "{method}");
        let metrics = read_metrics(&bench.out()).unwrap();
        let of = |split: &str, name: &str| {
            let found = metrics.iter().find(|m| (&*m.split, &*m.metric) == (split, name)).unwrap();
            (found.value, found.n)
        };
        assert_eq!(of("test", "clusters"), (Some(2.0), 3));
        assert_eq!(of("test", "purity"), (Some(1.0), 3));
        assert_eq!(of("test", "ari"), (Some(1.0), 3));
        assert_eq!(of("test", "silhouette").1, 4, "the silhouette needs no labels");
        assert_eq!(of("validation", "silhouette"), (None, 1), "one row has no silhouette");
        assert_eq!(of("train", "dead_clusters"), (Some(0.0), 5));
        assert!(metrics.iter().all(|m| m.series == method));
    }
}

#[test]
fn the_silhouette_is_that_of_what_was_clustered() {
    let value = |standardise| {
        let bench = run(ROWS, "kmeans", &[TWO, ("standardise", Value::Bool(standardise))]).unwrap();
        let metrics = read_metrics(&bench.out()).unwrap();
        let of = |name: &str| metrics.iter().find(|m| m.split == "train" && m.metric == name).unwrap().value.unwrap();
        (of("silhouette"), of("inertia"))
    };
    let (own, standardised) = (value(false), value(true));
    assert!((own.0 - standardised.0).abs() < 1e-9, "one scale for all changes no ratio");
    // by hand: the five values -1, -1.5, 1, 2, 1.5 have the variance 1.94
    assert!((own.1 - 0.625).abs() < 1e-9 && (standardised.1 - 0.625 / 1.94).abs() < 1e-9, "{own:?} {standardised:?}");
}

#[test]
fn bytes_are_the_same_with_any_threads_and_differ_by_seed() {
    for method in ["kmeans", "gaussian_mixture"] {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(ROWS, method, &[TWO]).unwrap().digest())
        };
        assert_eq!(with(1), with(2));
    }
}

#[test]
fn odd_features_are_named_or_leave_cells_empty() {
    let what = |rows: &[Row], set: &[(&'static str, Value)]| match run(rows, "kmeans", set) {
        Err(StageError::Failed { what, .. }) => what,
        _ => panic!("it did not fail"),
    };
    assert_eq!(what(ROWS, &[("clusters", Value::Int(6))]), "6 clusters need at least as many rows; there are 5");
    let mut missing = ROWS.to_vec();
    missing[7].3 = f32::NAN;
    assert_eq!(what(&missing, &[TWO]), "feature `x` of candid 1007 is not a number");
    let no_training: Vec<Row> = ROWS.iter().copied().filter(|row| row.1 != "train").collect();
    assert_eq!(what(&no_training, &[TWO]), "2 clusters need at least as many rows; there are 0");
    let unlabelled: Vec<Row> = ROWS.iter().map(|row| ("", row.1, row.2, 3.0)).collect();
    for method in ["kmeans", "gaussian_mixture"] {
        let metrics = read_metrics(&run(&unlabelled, method, &[TWO]).unwrap().out()).unwrap();
        let empty = |name: &str| metrics.iter().filter(|m| m.metric == name).all(|m| m.value.is_none());
        assert!(["purity", "clustering_accuracy", "nmi", "ari", "silhouette"].into_iter().all(empty), "{metrics:?}");
    }
}
