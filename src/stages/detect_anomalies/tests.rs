//! Scores beside numpy and scikit-learn, what is learned from, threads, and faults.

use std::path::Path;

use super::*;
use crate::artifacts::features::{FeatureRow, Features, FeaturesFacts};
use crate::artifacts::scores::read_metrics;
use crate::artifacts::table::Table;
use crate::spec::value::Value;
use crate::stages::testing::{Bench, list, params, text};

const CLASSES: [&str; 4] = ["a", "b", "c", "d"];

/// Rows of the script below: 0 to 99 train, to 119 validation, then test.
fn rows() -> Vec<(FeatureRow, Vec<f32>)> {
    let value = |i: usize, j: usize| ((i * 37 + j * j * 113 + i * i * (j + 1)) % 1009) as f32 / 64.0;
    let row = |i: usize| {
        let (class, mut vector) = (i % 4, (0..6).map(|j| value(i, j)).collect::<Vec<f32>>());
        vector[1] += if class == 1 { vector[0] } else { 0.0 };
        vector[2] += if class == 3 { 9.0 } else { 0.0 };
        vector[3] = 2.0;
        let split = if i < 100 {
            TRAIN
        } else if i < 120 {
            VALIDATION
        } else {
            TEST
        };
        let (object_id, label, split) = (format!("Z{i}"), CLASSES[class].into(), split.into());
        (FeatureRow { candid: i as i64, object_id, label, split, copy: 0 }, vector)
    };
    (0..160).map(row).collect()
}

type Rows = Vec<(FeatureRow, Vec<f32>)>;

fn run(rows: &Rows, score: &str, set: &[(&'static str, Value)]) -> Result<Bench, StageError> {
    let mut all = params(&DetectAnomalies, &[("normal", list(&["a", "b"]))]);
    all.insert(SCORE, text(score));
    let keys = match score {
        MAHALANOBIS => MahalanobisKeys::keys(),
        RECONSTRUCTION => ReconstructionKeys::keys(),
        _ => Vec::new(),
    };
    all.extend(keys.into_iter().map(|key| (key.name, key.default.unwrap())));
    all.extend(set.iter().cloned());
    let write = |_: &str, folder: &Path| {
        let names = (0..6).map(|j| format!("x{j}")).collect();
        let facts = FeaturesFacts { names, classes: CLASSES.map(String::from).into(), recipe: None };
        Features::write(folder, &facts, rows.iter().map(|(row, vector)| (row, vector.as_slice()))).unwrap();
    };
    Bench::new(&["features"], write).run_with(&DetectAnomalies, &["features"], 1, &all)
}

fn scores(bench: &Bench) -> Vec<f64> {
    Table::read(bench.out().join("anomalies.csv")).unwrap().numbers("score").unwrap()
}

fn area_in(bench: &Bench, split: &str, class: &str) -> Option<f64> {
    let metrics = read_metrics(&bench.out()).unwrap();
    metrics.iter().find(|m| (&*m.metric, &*m.split, &*m.class) == ("auroc", split, class)).unwrap().value
}

/// ```python
/// import numpy as np; from sklearn.metrics import roc_auc_score
/// i = np.arange(160)[:, None]; j = np.arange(6)[None]
/// x = ((i*37 + j*j*113 + i*i*(j + 1)) % 1009) / 64; y = np.arange(160) % 4
/// x[:, 1] += x[:, 0] * (y == 1); x[:, 2] += 9 * (y == 3); x[:, 3] = 2
/// train, test = np.arange(160) < 100, np.arange(160) >= 120
/// t = train & (y < 2); m, s = x[t].mean(0), x[t].std(0); s[s == 0] = 1; z = (x - m) / s
/// of = lambda c: t & (y == c); means = [z[of(c)].mean(0) for c in (0, 1)]
/// cov = sum((z[of(c)] - means[c]).T @ (z[of(c)] - means[c]) for c in (0, 1)) / t.sum() + 1e-6*np.eye(6)
/// d = np.min([((z - mu) @ np.linalg.inv(cov) * (z - mu)).sum(1) for mu in means], 0)
/// print(d[120:124], roc_auc_score(y[test] > 1, d[test]))
/// print([roc_auc_score(y[k] > 1, d[k]) for k in (test & ((y < 2) | (y == c)) for c in (2, 3))])
/// c = x - x[t].mean(0); v = np.linalg.svd(c[t], full_matrices=False)[2][:2]; e = ((c - c @ v.T @ v)**2).sum(1)
/// print(e[120:124], roc_auc_score(y[test] > 1, e[test]))
/// ```
mod numpy {
    pub(super) const DISTANCES: [f64; 4] =
        [4.985_384_819_983_459, 3.801_331_148_104_665, 5.560_185_933_550_725, 11.319_676_787_688_099];
    pub(super) const AREAS: [f64; 3] = [0.64, 0.58, 0.7];
    pub(super) const ERRORS: [f64; 4] =
        [72.606_445_221_483_33, 11.616_138_750_582_81, 60.249_433_171_382_464, 185.825_711_184_746_7];
    pub(super) const AREA_OF_ERRORS: f64 = 0.685;
}

#[test]
fn distances_errors_and_areas_equal_numpy_and_scikit_learn() {
    let close = |ours: &[f64], theirs: &[f64], tolerance: f64| {
        let close = ours.iter().zip(theirs).all(|(a, b)| (a / b - 1.0).abs() < tolerance);
        assert!(close && ours.len() == theirs.len(), "{ours:?} against {theirs:?}");
    };
    let bench = run(&rows(), MAHALANOBIS, &[]).unwrap();
    close(&scores(&bench)[120..124], &numpy::DISTANCES, 1e-9);
    close(&["", "c", "d"].map(|class| area_in(&bench, TEST, class).unwrap()), &numpy::AREAS, 1e-12);
    let bench = run(&rows(), RECONSTRUCTION, &[("components", Value::Int(2))]).unwrap();
    // reconstructions are kept in single precision
    close(&scores(&bench)[120..124], &numpy::ERRORS, 1e-5);
    close(&[area_in(&bench, TEST, "").unwrap()], &[numpy::AREA_OF_ERRORS], 1e-12);
}

#[test]
fn only_normal_training_rows_are_learned_from() {
    let mut other = rows();
    for (row, vector) in other.iter_mut().filter(|(row, _)| row.split != TRAIN || row.candid % 4 > 1) {
        vector[0] *= if row.candid == 120 { 1.0 } else { 50.0 };
    }
    let cluster = ("around", text("cluster"));
    for (score, set) in
        [(MAHALANOBIS, vec![]), (MAHALANOBIS, vec![cluster]), (RECONSTRUCTION, vec![("components", Value::Int(2))])]
    {
        let [own, changed] = [rows(), other.clone()].map(|rows| scores(&run(&rows, score, &set).unwrap()));
        assert_eq!((own[0], own[120]), (changed[0], changed[120]), "{score}");
        assert!(changed[122] > own[122], "{score}");
    }
}

#[test]
fn one_kind_of_row_has_no_area_and_a_feature_that_never_changed_is_odd_when_it_does() {
    let mut rows = rows();
    rows.retain(|(row, _)| row.split != VALIDATION || row.candid % 4 < 2);
    rows[140].1[3] = 3.0;
    let candid = rows[140].0.candid;
    rows[141].0.label = String::new();
    let bench = run(&rows, MAHALANOBIS, &[]).unwrap();
    assert_eq!(area_in(&bench, VALIDATION, ""), None);
    let table = Table::read(bench.out().join("anomalies.csv")).unwrap();
    let at = table.ints("candid").unwrap().iter().position(|found| *found == candid).unwrap();
    assert!(scores(&bench)[at] > 1e5);
    let [normal, labels] = ["normal", "label"].map(|name| table.texts(name));
    assert!(normal.iter().zip(&labels).all(|(normal, label)| normal.is_empty() == label.is_empty()));
}

#[test]
fn bytes_are_the_same_with_any_threads() {
    for (score, set) in [(MAHALANOBIS, ("around", text("cluster"))), (RECONSTRUCTION, ("components", Value::Int(3)))] {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&rows(), score, std::slice::from_ref(&set)).unwrap().digest())
        };
        assert_eq!(with(1), with(2), "{score}");
    }
}

#[test]
fn faults_are_named() {
    let what = |rows: &Rows, score: &str, set: &[(&'static str, Value)]| match run(rows, score, set) {
        Err(StageError::Failed { what, .. }) => what,
        _ => panic!("it did not fail"),
    };
    let unknown = what(&rows(), MAHALANOBIS, &[("normal", list(&["a", "z"]))]);
    assert_eq!(unknown, "`normal` names a class `z` that there is not");
    let mut odd = rows();
    odd[150].1[2] = f32::NAN;
    assert_eq!(what(&odd, MAHALANOBIS, &[]), "feature `x2` of candid 150 is not a number");
    let mut without = rows();
    without.retain(|(row, _)| row.split != TRAIN || row.candid % 4 > 1);
    assert_eq!(what(&without, RECONSTRUCTION, &[]), "no row of the training split is of a normal class");
    assert!(what(&rows(), RECONSTRUCTION, &[("components", Value::Int(9))]).contains("at least as many rows"));
    let many = [("around", text("cluster")), ("clusters", Value::Int(51))];
    assert_eq!(what(&rows(), MAHALANOBIS, &many), "51 clusters need at least as many rows; there are 50");
    let none = params(&DetectAnomalies, &[]);
    assert_eq!(DetectAnomalies.check(&none), [("normal", "names no class".into())]);
}

#[test]
fn a_sum_is_of_the_features_as_they_are() {
    let rows = rows();
    let found = scores(&run(&rows, SUM, &[]).unwrap());
    let sums: Vec<f64> = rows.iter().map(|(_, vector)| vector.iter().map(|x| f64::from(*x)).sum()).collect();
    assert_eq!(found, sums);
}
