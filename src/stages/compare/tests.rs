//! `compare` on small predictions: numbers, pairing, threads and faults.

use super::*;
use crate::artifacts::predictions::{Prediction, PredictionsFacts};
use crate::artifacts::scores::{MCNEMAR, Metric, PAIRED_SCORE, SIGN_TEST};
use crate::artifacts::table::Table;
use crate::spec::value::Value;
use crate::stage::{Device, Silent};

/// 60 alerts of 30 objects, half in each split; row i is right unless `wrong(i)`.
fn predictions(wrong: impl Fn(i64) -> bool) -> Predictions {
    let row = |i: i64| {
        let label = (i % 3) as usize;
        let predicted = if wrong(i) { (label + 1) % 3 } else { label };
        let mut probabilities = vec![0.1; 3];
        probabilities[predicted] = 0.8;
        let split = if i % 2 == 0 { "validation" } else { "test" };
        Prediction { candid: i, object_id: format!("Z{}", i / 4), label, split: split.into(), probabilities }
    };
    let facts = PredictionsFacts {
        classes: ["AGN", "SN", "VS"].map(String::from).into(),
        classifier: "any".into(),
        train_counts: vec![10, 30, 10],
        labels: None,
        temperature: None,
    };
    Predictions { facts, rows: (0..60).map(row).collect() }
}

struct Found {
    metrics: Vec<Metric>,
    differences: Table,
    bytes: Vec<Vec<u8>>,
}

fn run(inputs: &[(&str, Predictions)], changes: &[(&'static str, Value)]) -> Result<Found, StageError> {
    let home = tempfile::tempdir().unwrap();
    let mut folders = BTreeMap::new();
    for (name, predictions) in inputs {
        let folder = home.path().join(format!("input {name}"));
        std::fs::create_dir(&folder).unwrap();
        predictions.write(&folder).unwrap();
        folders.insert((*name).to_string(), folder);
    }
    let out = home.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let mut params: Params = Compare.keys().into_iter().map(|key| (key.name, key.default.unwrap())).collect();
    params.extend(changes.iter().map(|(key, value)| (*key, value.clone())));
    let job = Job {
        params: &params,
        seed: 11,
        inputs: folders,
        files: BTreeMap::new(),
        home: home.path(),
        out: &out,
        checkpoint: home.path(),
        device: Device::Cpu,
        gpus: &[],
        threads: 1,
        pulse: &Silent,
        shelf: &Silent,
    };
    Compare.run(&job)?;
    let files = [scores::METRICS, scores::CONFUSION, scores::DIFFERENCES];
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), files.len());
    Ok(Found {
        metrics: scores::read_metrics(&out)?,
        differences: Table::read(out.join(scores::DIFFERENCES))?,
        bytes: files.map(|file| std::fs::read(out.join(file)).unwrap()).into(),
    })
}

fn both() -> [(&'static str, Predictions); 2] {
    [("metadata", predictions(|i| i % 5 == 0)), ("images", predictions(|i| i % 3 == 1))]
}

fn value(found: &Found, series: &str, metric: &str, class: &str) -> Metric {
    let wanted = |m: &&Metric| m.series == series && m.metric == metric && m.class == class && m.split == "test";
    found.metrics.iter().find(wanted).unwrap().clone()
}

#[test]
fn metrics_have_intervals_and_the_majority_class_is_there() {
    let found = run(&both(), &[]).unwrap();
    let accuracy = value(&found, "metadata", "accuracy", "");
    assert_eq!((accuracy.value, accuracy.n), (Some(0.8), 30));
    let (low, high) = accuracy.interval.unwrap();
    assert!(low < 0.8 && 0.8 < high && low > 0.5, "{low} to {high}");
    assert_eq!(value(&found, "images", "recall", "SN").value, Some(0.0));
    assert_eq!(value(&found, "images", "recall", "SN").n, 10);
    assert_eq!(value(&found, MAJORITY, "accuracy", "").value, Some(1.0 / 3.0));
    assert_eq!(value(&found, MAJORITY, "macro_auc", "").value, Some(0.5));
    assert_eq!(value(&found, MAJORITY, "precision", "VS").value, None);
}

/// Of the validation rows 0, 2 .. 58 every third is SN, in objects of two rows: all ten right in one series and nine in the other.
#[test]
fn shares_near_one_have_an_interval_and_errors_of_calibration_have_none() {
    let found = run(&[("right", predictions(|_| false)), ("nearly", predictions(|i| i == 4))], &[]).unwrap();
    let recall = value(&found, "right", "recall", "SN");
    let (low, high) = recall.interval.unwrap();
    assert!(low > 0.5 && low < 0.75 && high == 1.0, "{low} to {high}");
    let of = |name, metric: &str, class: &str| {
        let wanted =
            |m: &&Metric| (m.split == "validation" && m.series == name) && m.metric == metric && m.class == class;
        found.metrics.iter().find(wanted).unwrap().clone()
    };
    let (given, other) = (of("nearly", "precision", "SN"), of("nearly", "precision", "VS"));
    assert_eq!((given.n, other.n), (9, 11), "rows that were given the class");
    assert_eq!(of("nearly", "recall", "SN").n, 10);
    assert_eq!((of("right", "ece", "").interval, of("right", "macro_auc", "").interval), (None, None));
    assert!(of("nearly", "macro_f1", "").interval.is_some());
    let texts = |name| found.differences.texts(name);
    let ece = (0..found.differences.rows()).find(|row| texts("metric")[*row] == "ece").unwrap();
    assert!(found.differences.numbers("p_value").unwrap()[ece].is_nan());
}

/// In the test split `metadata` is wrong for 5, 15, 25, 35, 45, 55 and `images` for i % 3 == 1: both for 25 and 55. So
/// images alone is right 4 times and metadata alone 8 times, of rows of objects of their own `scipy.stats.binomtest(4, 12).pvalue`
/// = 0.3876953125. Of objects with two rows `images` has more right in 2 and `metadata` in 6: `binomtest(2, 8).pvalue` = 0.2890625.
#[test]
fn differences_are_paired() {
    let baseline = ("baseline", Value::Text("metadata".into()));
    let mut alone = both();
    alone.iter_mut().flat_map(|(_, all)| &mut all.rows).for_each(|row| row.object_id = row.candid.to_string());
    for (inputs, test, p) in [(both(), SIGN_TEST, 0.289_062_5), (alone, MCNEMAR, 0.387_695_312_5)] {
        let found = run(&inputs, std::slice::from_ref(&baseline)).unwrap();
        let texts = |name| found.differences.texts(name);
        let row = (0..found.differences.rows())
            .find(|r| texts("series")[*r] == "images" && texts("test")[*r] == test && texts("split")[*r] == "test")
            .unwrap();
        let number = |name: &str, row: usize| found.differences.numbers(name).unwrap()[row];
        assert!((number("p_value", row) - p).abs() < 1e-12);
        assert!((number("difference", row) + 4.0 / 30.0).abs() < 1e-12);
        let score = (0..row).rfind(|r| texts("metric")[*r] == "accuracy").unwrap();
        assert_eq!(texts("test")[score], PAIRED_SCORE);
        assert!((number("difference", score) + 4.0 / 30.0).abs() < 1e-12);
        assert!(number("ci_low", score) < -0.13 && number("ci_high", score) > -0.13);
        assert!(texts("baseline").iter().all(|name| name == "metadata"));
        assert!(texts("series").contains(&MAJORITY.to_string()));
    }
}

/// All rows are right in one series and wrong in the other: resamples all say the same. Of 15 objects the score interval ends at
/// `(1.96^2 - 15) / (1.96^2 + 15)` = -0.592.
#[test]
fn differences_that_no_resample_changes_have_an_interval_of_counts_or_none() {
    let inputs = [("right", predictions(|_| false)), ("wrong", predictions(|_| true))];
    let found = run(&inputs, &[("baseline", Value::Text("right".into()))]).unwrap();
    let of = |metric: &str| {
        let (series, metrics) = (found.differences.texts("series"), found.differences.texts("metric"));
        let row = (0..series.len()).find(|row| series[*row] == "wrong" && metrics[*row] == metric).unwrap();
        ["difference", "ci_low", "ci_high", "p_value"].map(|name| found.differences.numbers(name).unwrap()[row])
    };
    let [value, low, high, p] = of("accuracy");
    assert!(value == -1.0 && low == -1.0 && high < -0.55 && high > -0.65 && p < 0.001, "{low} to {high}, {p}");
    let [value, low, _, p] = of("balanced_accuracy");
    assert!(value == -1.0 && low.is_nan() && p.is_nan(), "{low}, {p}");
}

/// With two objects of a class a quarter of the resamples has none or only one of them.
#[test]
fn means_over_classes_with_hardly_an_object_have_no_interval() {
    let of = |objects: usize| {
        let mut inputs = both();
        for row in inputs.iter_mut().flat_map(|(_, all)| &mut all.rows) {
            row.object_id = row.candid.to_string();
            row.label = if row.label == 1 && row.candid >= 6 * objects as i64 { 0 } else { row.label };
        }
        let found = run(&inputs, &[]).unwrap();
        let balanced = value(&found, "images", "balanced_accuracy", "").interval;
        let (metrics, p) = (found.differences.texts("metric"), found.differences.numbers("p_value").unwrap());
        let row = metrics.iter().position(|metric| metric == "macro_auc").unwrap();
        assert!(value(&found, "images", "log_loss", "").interval.is_some());
        (balanced.is_some(), p[row].is_finite())
    };
    assert_eq!((of(2), of(3)), ((false, false), (true, true)));
}

#[test]
fn equal_series_do_not_differ() {
    let same = [("a", predictions(|i| i % 5 == 0)), ("b", predictions(|i| i % 5 == 0))];
    let found = run(&same, &[]).unwrap();
    let (series, p) = (found.differences.texts("series"), found.differences.numbers("p_value").unwrap());
    let of_b = series.iter().zip(p).filter(|(series, p)| *series == "b" && p.is_finite()).map(|(_, p)| p);
    let of_b: Vec<f64> = of_b.collect();
    assert!(!of_b.is_empty() && of_b.iter().all(|p| *p == 1.0), "{of_b:?}");
}

#[test]
fn the_same_bytes_with_any_number_of_threads() {
    let with = |n| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        pool.install(|| run(&both(), &[]).unwrap().bytes)
    };
    assert_eq!(with(1), with(4));
}

fn message(inputs: &[(&str, Predictions)], changes: &[(&'static str, Value)]) -> String {
    run(inputs, changes).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn objects_are_compared_where_each_input_judged_another_alert_of_them() {
    let one_each = |keep: i64| {
        let mut predictions = predictions(|_| false);
        predictions.rows.retain(|row| row.candid % 4 == keep);
        predictions.rows.iter_mut().for_each(|row| row.label = 0);
        predictions
    };
    let inputs = [("first", one_each(0)), ("last", one_each(2))];
    assert!(message(&inputs, &[("common", Value::Bool(true))]).contains("no validation row in common"));
    let by_object = ("rows", Value::Text("object".into()));
    let validation = ("splits", Value::List(vec![Value::Text("validation".into())]));
    assert_eq!(run(&inputs, &[by_object.clone(), validation]).unwrap().metrics[0].n, 15);
    assert!(message(&both(), &[by_object]).contains("several validation rows of one object"));
}

#[test]
fn inputs_that_cannot_be_compared_are_named() {
    let mut inputs = both();
    inputs[1].1.rows.retain(|row| row.candid != 6);
    let said = message(&inputs, &[]);
    assert!(said.contains("validation rows differ: 0 are only in `images`, 1 only in `metadata` (candid 6"), "{said}");
    let found = run(&inputs, &[("common", Value::Bool(true))]).unwrap();
    assert_eq!(found.metrics[0].n, 29);

    let mut inputs = both();
    inputs[0].1.facts.classes.swap(0, 1);
    assert!(message(&inputs, &[]).contains("has the classes"));

    let mut inputs = both();
    inputs[0].1.rows[4].label = 0;
    assert!(message(&inputs, &[]).contains("candid 4 has one class in `images` and another in `metadata`"));

    let mut inputs = both();
    inputs[0].1.rows[2].candid = 0;
    assert!(message(&inputs, &[]).contains("several validation rows of one candid"));

    assert!(message(&both(), &[("baseline", Value::Text("neither".into()))]).contains("`neither` is no input"));
    assert!(message(&[(MAJORITY, predictions(|_| false))], &[]).contains("is called `majority class`"));
}
