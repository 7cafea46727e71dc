//! The stage as a whole: small alerts artifacts in, stamps out.

mod light_curves;

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::artifacts::alerts::AlertsWriter;
use crate::artifacts::light_curves::LightCurvesWriter;
use crate::artifacts::split::{TEST, VALIDATION};
use crate::artifacts::stamps::{MetadataColumn, Stamps};
use crate::artifacts::table::Table;
use crate::spec::value::Value;
use crate::stages::sequences::SequencesKind;
use crate::stages::testing::{Bench, list, params, text};
use crate::ztf::alert::{Alert, FIELDS, SIDE, Stamp, field};
use crate::ztf::history::{Point, PointKind};

/// One alert of the object `object`: a Gaussian source on a sky with a pattern that depends on `candid`.
fn alert(object: usize, candid: i64, jd: f64) -> Alert {
    let pixel = |cutout: usize, i: usize| {
        let (y, x) = ((i / SIDE) as f64 - 31.0, (i % SIDE) as f64 - 31.0);
        let noise = (i as f64 * 12.9898 + candid as f64 * 78.233 + cutout as f64).sin() * 5.0;
        (200.0 * (-(y * y + x * x) / 8.0).exp() * [1.0, 0.4, 0.6][cutout] + noise) as f32
    };
    let stamps =
        [0, 1, 2].map(|c| Stamp { rows: SIDE, columns: SIDE, pixels: (0..SIDE * SIDE).map(|i| pixel(c, i)).collect() });
    let mut values: Vec<f64> = (0..FIELDS.len()).map(|f| ((f * 7 + candid as usize * 13) % 23) as f64).collect();
    values[0] = jd;
    values[1] = 1.0 + (candid % 2) as f64;
    values[field("ra").unwrap()] = object as f64;
    Alert { candid, object_id: format!("ZTF{object:03}"), values, stamps }
}

struct Given {
    alert: Alert,
    label: String,
    split: String,
}

/// `objects` objects with two alerts each, of the classes SN, AGN and VS in turn.
fn given(objects: usize) -> Vec<Given> {
    let label = |object: usize| ["SN", "AGN", "VS"][object % 3].to_string();
    let of = |object: usize| {
        [0, 1].map(|n| Given {
            alert: alert(object, (object * 10 + n) as i64, 2_459_000.5 + object as f64 + n as f64),
            label: label(object),
            split: String::new(),
        })
    };
    (0..objects).rev().flat_map(of).collect()
}

fn write_alerts(folder: &Path, alerts: &[Given], clean: bool) {
    let mut writer = AlertsWriter::create(folder, clean).unwrap();
    for given in alerts {
        let truth = clean.then(|| given.alert.stamps.clone().map(|s| Stamp { pixels: vec![3.0; s.pixels.len()], ..s }));
        writer.push(&given.alert, &given.label, &given.split, truth.as_ref()).unwrap();
    }
    writer.finish().unwrap();
}

/// Runs the stage on inputs of these names.
fn run(inputs: &[(&str, &[Given])], clean: bool, set: &[(&'static str, Value)]) -> Result<Bench, StageError> {
    let names: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
    let alerts = |name: &str| inputs.iter().find(|(n, _)| *n == name).map(|(_, alerts)| *alerts).unwrap();
    Bench::new(&names, |name, folder| write_alerts(folder, alerts(name), clean)).run(&Preprocess, &names, 5, set)
}

fn run_one(alerts: &[Given], set: &[(&'static str, Value)]) -> Result<Bench, StageError> {
    run(&[("alerts", alerts)], false, set)
}

fn stamps(bench: &Bench) -> Stamps {
    Stamps::open(&bench.out()).unwrap()
}

fn message(result: Result<Bench, StageError>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn first_alerts_become_stamps_in_order() {
    let folder = run_one(&given(12), &[]).unwrap();
    let stamps = stamps(&folder);
    assert_eq!(stamps.images.shape(), [12, 3, 21, 21]);
    assert_eq!(stamps.metadata.shape(), [12, 23]);
    assert_eq!(stamps.index.ints("candid").unwrap(), (0..12).map(|i| i * 10).collect::<Vec<i64>>());
    assert_eq!(stamps.facts.classes, ["AGN", "SN", "VS"]);
    for row in 0..12 {
        for channel in stamps.images.row(row).chunks_exact(441) {
            let (low, high) = channel.iter().fold((1.0_f32, 0.0_f32), |(l, h), x| (l.min(*x), h.max(*x)));
            assert_eq!((low, high), (0.0, 1.0));
        }
    }
    let all = run_one(&given(12), &[("detections", text("all"))]).unwrap();
    assert_eq!(super::tests::stamps(&all).images.rows(), 24);
}

#[test]
fn metadata_has_mean_0_and_deviation_1_in_training() {
    let folder = run_one(&given(30), &[("metadata", list(&["magpsf", "gal_lat"]))]).unwrap();
    let stamps = stamps(&folder);
    for column in 0..2 {
        let values: Vec<f64> =
            stamps.rows_of(TRAIN).iter().map(|r| f64::from(stamps.metadata.row(*r)[column])).collect();
        let (mean, std) = metadata::statistics(values.into_iter());
        assert!(mean.abs() < 1e-6 && (std - 1.0).abs() < 1e-6, "{mean} {std}");
    }
}

#[test]
fn a_changed_test_row_changes_no_statistic_and_no_other_row() {
    let before = stamps(&run_one(&given(30), &[]).unwrap());
    let test_row = before.rows_of(TEST)[0];
    let candid = before.index.ints("candid").unwrap()[test_row];
    let mut changed = given(30);
    for given in changed.iter_mut().filter(|g| g.alert.candid == candid) {
        given.alert.values[4..].iter_mut().for_each(|v| *v = *v * 3.0 + 1.0);
        given.alert.stamps[0].pixels[31 * SIDE + 31] = 9999.0;
    }
    let after = stamps(&run_one(&changed, &[]).unwrap());
    assert_eq!(before.facts, after.facts);
    for row in 0..before.images.rows() {
        assert_eq!(before.images.row(row) == after.images.row(row), row != test_row);
        assert_eq!(before.metadata.row(row) == after.metadata.row(row), row != test_row);
    }
}

#[test]
fn an_object_is_in_one_split_only() {
    for rule in ["fraction", "count", "time", "folds"] {
        for resample in [false, true] {
            let set = [
                ("detections", text("all")),
                ("split", text(rule)),
                ("per_class", Value::Int(3)),
                ("resample", Value::Bool(resample)),
            ];
            let stamps = stamps(&run_one(&given(33), &set).unwrap());
            let (ids, splits) = (stamps.index.texts("objectId"), stamps.index.texts("split"));
            let pairs: BTreeSet<(&String, &String)> = ids.iter().zip(&splits).collect();
            assert_eq!(pairs.len(), 33, "{rule}: an object is in two splits");
            assert_eq!(splits.iter().collect::<BTreeSet<_>>().len(), 3, "{rule}: a split is empty");
        }
    }
}

/// 20 objects, one new each day, with an alert then and one 10 days later: 3 are tested, from the day 17 on.
#[test]
fn nothing_is_trained_on_from_the_time_of_the_test() {
    let mut alerts = given(20);
    for given in alerts.iter_mut().filter(|given| given.alert.candid % 10 == 1) {
        given.alert.values[0] += 9.0;
    }
    let bench = run_one(&alerts, &[("detections", text("all")), ("split", text("time"))]).unwrap();
    let index = stamps(&bench).index;
    let (dates, splits) = (index.numbers("jd").unwrap(), index.texts("split"));
    let begin = 2_459_000.5 + 17.0;
    let late = dates.iter().zip(&splits).filter(|(jd, _)| **jd > begin);
    assert!(late.clone().all(|(_, split)| split == TEST) && late.count() == 5, "{splits:?}");
    let objects: BTreeSet<String> = index.texts("objectId").into_iter().collect();
    assert_eq!(objects.len(), 20, "each keeps its first alert");
    let dropped = Table::read(bench.out().join("dropped.csv")).unwrap();
    assert_eq!(dropped.texts("reason"), vec!["test_period"; 9]);
}

#[test]
fn one_and_four_threads_give_the_same_bytes() {
    let alerts = given(300);
    let set = [("detections", text("all")), ("normalise", text("asinh")), ("nan", text("drop"))];
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&[("alerts", &alerts)], true, &set)).unwrap().bytes()
    };
    let (one, four) = (with(1), with(4));
    assert_eq!(one.len(), 7);
    assert!(one == four, "output depends on the number of threads");
}

#[test]
fn truncated_and_incomplete_cutouts_follow_the_policies_and_are_named() {
    let mut alerts = given(12);
    for stamp in &mut alerts[0].alert.stamps {
        *stamp = Stamp { rows: 48, columns: SIDE, pixels: stamp.pixels[..48 * SIDE].to_vec() };
    }
    let truncated = alerts[0].alert.object_id.clone();
    alerts[2].alert.stamps[1].pixels[31 * SIDE + 31] = f32::NAN;
    let incomplete = alerts[2].alert.object_id.clone();
    let dropped = |set: &[(&'static str, Value)]| {
        let folder = run_one(&alerts, set).unwrap();
        let table = Table::read(folder.out().join("dropped.csv")).unwrap();
        let named: Vec<(String, String)> = table.texts("objectId").into_iter().zip(table.texts("reason")).collect();
        (stamps(&folder), named)
    };
    let (stamps, named) = dropped(&[]);
    assert_eq!((stamps.images.rows(), named), (11, vec![(truncated.clone(), "truncated".into())]));
    assert!(stamps.images.values().iter().all(|x| x.is_finite()));
    let (_, named) = dropped(&[("nan", text("drop"))]);
    assert_eq!(named, [(truncated, "truncated".into()), (incomplete.clone(), "missing_pixels".to_string())]);
    let (stamps, named) = dropped(&[("shape", text("pad_end")), ("crop", Value::Int(63))]);
    assert_eq!((stamps.images.rows(), named.len()), (12, 0));
    // The full cutout of the padded alert misses pixels, its centre does not.
    assert_eq!(dropped(&[("shape", text("pad_end")), ("nan", text("drop"))]).1.len(), 1);
    let whole = [("shape", text("pad_end")), ("nan", text("drop")), ("crop", Value::Int(63))];
    assert_eq!(dropped(&whole).1.len(), 2);
}

#[test]
fn physical_sign_turns_negative_differences() {
    let mut alerts = given(6);
    let position = field("isdiffpos").unwrap();
    for g in &mut alerts {
        g.alert.values[position] = (g.alert.candid / 10 % 2) as f64;
    }
    let set = [("sign", text("physical")), ("normalise", text("none")), ("channels", list(&["difference"]))];
    let stamps = stamps(&run_one(&alerts, &set).unwrap());
    for (row, candid) in stamps.index.ints("candid").unwrap().iter().enumerate() {
        let centre = stamps.images.row(row)[10 * 21 + 10];
        assert_eq!(centre > 0.0, candid / 10 % 2 == 1, "candid {candid}: {centre}");
    }
}

#[test]
fn labels_come_from_the_inputs_when_asked_for() {
    let (one, mut two) = (given(9), given(9));
    for g in &mut two {
        g.alert.object_id = g.alert.object_id.replace("ZTF", "SIM");
    }
    let inputs: [(&str, &[Given]); 2] = [("real", &one), ("simulated", &two)];
    let stamps = stamps(&run(&inputs, false, &[("label_from", text("input"))]).unwrap());
    assert_eq!(stamps.facts.classes, ["real", "simulated"]);
    assert_eq!(stamps.index.texts("label").iter().filter(|l| *l == "real").count(), 9);
    let same: [(&str, &[Given]); 2] = [("a", &one), ("b", &one)];
    let folder = run(&same, false, &[]).unwrap();
    assert_eq!(Table::read(folder.out().join("dropped.csv")).unwrap().rows(), 18);
    assert!(message(run_one(&one, &[("label_from", text("input"))])).contains("`alerts`"));
}

#[test]
fn classes_choose_and_order_labels() {
    let mut alerts = given(12);
    alerts.iter_mut().filter(|g| g.label == "VS").for_each(|g| g.label = String::new());
    let set = [("classes", list(&["SN"])), ("unlabelled", text("keep"))];
    let stamps = stamps(&run_one(&alerts, &set).unwrap());
    assert_eq!((stamps.facts.classes.clone(), stamps.images.rows()), (vec!["SN".to_string()], 8));
    let folder = run_one(&alerts, &[("unlabelled", text("drop"))]).unwrap();
    let splits = Table::read(folder.out().join("splits.csv")).unwrap();
    assert_eq!((splits.rows(), splits.ints("objects").unwrap().iter().sum::<i64>()), (6, 8));
    assert!(message(run_one(&alerts, &[("classes", list(&["SN", "TDE"]))])).contains("`TDE`"));
}

#[test]
fn the_column_of_splits_is_obeyed() {
    let mut alerts = given(12);
    let word = |g: &Given| ["train", "val", "test", ""][(g.alert.candid / 10 % 4) as usize].to_string();
    for g in &mut alerts {
        g.split = word(g);
    }
    let folder = run_one(&alerts, &[("split", text("column"))]).unwrap();
    let stamps = stamps(&folder);
    assert_eq!([TRAIN, VALIDATION, TEST].map(|s| stamps.rows_of(s).len()), [3, 3, 3]);
    assert_eq!(Table::read(folder.out().join("dropped.csv")).unwrap().texts("reason"), ["no_split"; 3]);
    alerts[0].split = "tset".into();
    let all = [("split", text("column")), ("detections", text("all"))];
    assert!(message(run_one(&alerts, &all)).contains("two splits, `tset` and") || alerts[1].split.is_empty());
    for g in &mut alerts {
        g.split = "test".into();
    }
    assert!(message(run_one(&alerts, &[("split", text("column"))])).contains("no training rows"));
    for g in &mut alerts {
        g.split = String::new();
    }
    assert!(message(run_one(&alerts, &[("split", text("column"))])).contains("no_split 12"));
}

#[test]
fn noise_free_stamps_are_scaled_like_the_noisy_ones() {
    let alerts = given(6);
    let folder = run(&[("alerts", &alerts)], true, &[("crop", Value::Int(21))]).unwrap();
    let stamps = stamps(&folder);
    let science = &alerts.iter().find(|g| g.alert.candid == 0).unwrap().alert.stamps[0].pixels;
    let crop = pixels::centre(science, SIDE, 21);
    let low = crop.iter().copied().fold(f32::INFINITY, f32::min);
    let high = crop.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    assert_eq!(stamps.clean.unwrap().row(0)[0], (3.0 - low) / (high - low));
}

#[test]
fn empty_inputs_are_an_error() {
    assert!(message(run_one(&[], &[])).contains("no alerts"));
}

#[test]
fn faults_are_found_before_anything_runs() {
    let faults = |set: &[(&'static str, Value)]| {
        let faults = Preprocess.check(&params(&Preprocess, set));
        faults.into_iter().map(|(key, message)| format!("{key}: {message}")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(faults(&[]), "");
    assert!(faults(&[("metadata", list(&["magspf"]))]).contains("did you mean `magpsf`?"));
    assert!(faults(&[("channels", list(&["science", "science"]))]).contains("channels: `science` is listed twice"));
    assert!(faults(&[("channels", list(&[]))]).contains("at least one channel"));
    let half = [("validation", Value::Float(0.5)), ("test", Value::Float(0.5))];
    assert!(faults(&half).contains("nothing to train on"));
    assert!(faults(&[("split", text("folds")), ("fold", Value::Int(5))]).contains("numbered 0 to 4"));
    let clip = |name: &str, x: f64| Value::Table(BTreeMap::from([(name.to_string(), Value::Float(x))]));
    assert!(faults(&[("clip_low", clip("chinr", 20.0))]).contains("clipped to 20"));
    assert!(faults(&[("clip_high", clip("sgscore", 2.0))]).contains("sgscore1"));
}

#[test]
fn only_random_splits_have_a_seed() {
    let of = |set: &[(&'static str, Value)]| Preprocess.randomness(&params(&Preprocess, set));
    assert_eq!(of(&[]), Randomness::Shared);
    assert_eq!(of(&[("resample", Value::Bool(true))]), Randomness::PerReplicate);
    assert_eq!(of(&[("split", text("time")), ("resample", Value::Bool(true))]), Randomness::None);
}

#[test]
fn inputs_told_apart_may_hold_the_same_alerts() {
    let (one, two) = (given(9), given(9));
    let inputs: [(&str, &[Given]); 2] = [("one", &one), ("two", &two)];
    let stamps = stamps(&run(&inputs, false, &[("label_from", text("input"))]).unwrap());
    assert_eq!((stamps.images.rows(), stamps.facts.classes.len()), (18, 2));
    let (ids, splits) = (stamps.index.texts("objectId"), stamps.index.texts("split"));
    assert_eq!(ids.iter().zip(&splits).collect::<BTreeSet<_>>().len(), 9);
}

/// As two `simulate` stages with their own seeds do: other objects under the same names.
#[test]
fn two_objects_with_one_name_are_refused() {
    let (mut one, mut two) = (given(9), given(9));
    for g in &mut two {
        g.alert.candid += 5;
        g.alert.values[field("dec").unwrap()] = 40.0;
    }
    for g in &mut one {
        g.alert.values[field("dec").unwrap()] = 20.0;
    }
    let inputs: [(&str, &[Given]); 2] = [("one", &one), ("two", &two)];
    let said = message(run(&inputs, false, &[]));
    assert!(said.contains("`one` and `two` have an object ZTF000 each"), "{said}");
    assert!(run(&inputs, false, &[("label_from", text("input"))]).is_ok(), "these are told apart");
    for dec in [20.0, f64::NAN] {
        for g in &mut two {
            g.alert.values[field("dec").unwrap()] = dec;
        }
        assert!(run(&[("one", &one), ("two", &two)], false, &[]).is_ok(), "one object in two inputs, or who knows");
    }
}

#[test]
fn labels_can_be_merged() {
    let table = |labels: &[&str]| [("merge", Value::Table([("real".to_string(), list(labels))].into()))];
    let bench = run(&[("alerts", &given(12))], false, &table(&["SN", "AGN"])).unwrap();
    let stamps = Stamps::open(&bench.out()).unwrap();
    assert_eq!(stamps.facts.classes, ["VS", "real"]);
    assert_eq!(stamps.index.texts("label").iter().filter(|label| *label == "real").count(), 8);
    let refused = run(&[("alerts", &given(12))], false, &table(&["galaxy"])).err().unwrap().to_string();
    assert!(refused.contains("`galaxy` into `real`"), "{refused}");
    let twice = Preprocess.check(&params(&Preprocess, &table(&["SN", "SN"])));
    assert!(twice.iter().any(|(key, what)| *key == "merge" && what.contains("`SN`")), "{twice:?}");
}

#[test]
fn objects_at_one_place_are_never_in_two_splits() {
    let mut alerts = given(60);
    // Objects 2k and 2k + 1 are one source with two names, a third of an arcsecond apart.
    let (ra, dec) = (field("ra").unwrap(), field("dec").unwrap());
    for given in &mut alerts {
        let object: usize = given.alert.object_id[3..].parse().unwrap();
        given.alert.values[ra] = (object / 2) as f64;
        given.alert.values[dec] = (object % 2) as f64 * 1e-4;
        given.label = "SN".into();
    }
    let torn = |bench: &Bench| {
        let index = stamps(bench).index;
        let split_of: std::collections::BTreeMap<usize, String> =
            index.texts("objectId").iter().map(|id| id[3..].parse().unwrap()).zip(index.texts("split")).collect();
        (0..30).filter(|pair| split_of[&(2 * pair)] != split_of[&(2 * pair + 1)]).count()
    };
    assert_eq!(torn(&run_one(&alerts, &[]).unwrap()), 0);
    assert_eq!(torn(&run_one(&alerts, &[("split", text("time"))]).unwrap()), 0);
    assert!(torn(&run_one(&alerts, &[("one_place", text("apart"))]).unwrap()) > 3);
    assert!(torn(&run_one(&alerts, &[("place_radius", Value::Float(0.1))]).unwrap()) > 3);
    let refused = message(run_one(&alerts, &[("one_place", text("refuse"))]));
    assert!(
        refused.contains("pairs of objects at one place are in two splits") && refused.contains("0.36 arcsec"),
        "{refused}"
    );
    for given in &mut alerts {
        let object: usize = given.alert.object_id[3..].parse().unwrap();
        given.split = if object == 7 { "test".into() } else { "train".into() };
    }
    let refused = message(run_one(&alerts, &[("split", text("column"))]));
    assert!(refused.contains("1 pairs") && refused.contains("ZTF006 in train and ZTF007 in test"), "{refused}");
}

#[test]
fn objects_with_the_same_value_of_a_column_are_never_in_two_splits() {
    let mut alerts = given(60);
    let rcid = field("rcid").unwrap();
    for given in &mut alerts {
        let object: usize = given.alert.object_id[3..].parse().unwrap();
        given.alert.values[rcid] = (object % 12) as f64;
    }
    let splits = |bench: &Bench| -> BTreeSet<(usize, String)> {
        let index = stamps(bench).index;
        let values = index.texts("objectId").into_iter().map(|id| id[3..].parse::<usize>().unwrap() % 12);
        values.zip(index.texts("split")).collect()
    };
    let by_rcid = ("group_by", text("rcid"));
    assert!(splits(&run_one(&alerts, &[]).unwrap()).len() > 20);
    for rule in ["fraction", "folds"] {
        let found = splits(&run_one(&alerts, &[by_rcid.clone(), ("split", text(rule))]).unwrap());
        assert_eq!(found.len(), 12, "{rule}: each of 12 detectors is in one split: {found:?}");
        let test = found.iter().filter(|(_, split)| split == TEST).count();
        assert!((1..=3).contains(&test), "{rule}: {test} of 12 detectors to test");
    }
    // An object that two detectors saw links them.
    let second = alerts.iter_mut().find(|g| g.alert.object_id == "ZTF000" && g.alert.candid == 1).unwrap();
    second.alert.values[rcid] = 5.0;
    let linked = splits(&run_one(&alerts, &[by_rcid.clone(), ("detections", text("all"))]).unwrap());
    let of = |value| linked.iter().filter(|(v, _)| *v == value).map(|(_, split)| split.as_str()).collect::<Vec<_>>();
    assert_eq!((of(0).len(), of(0)), (1, of(5)));
    for given in &mut alerts {
        given.split = if given.alert.object_id == "ZTF030" { "test".into() } else { "train".into() };
    }
    let refused = message(run_one(&alerts, &[by_rcid.clone(), ("split", text("column"))]));
    assert!(refused.contains("ZTF006 and ZTF030 have the same `rcid`"), "{refused}");
    let unknown = message(run_one(&alerts, &[("group_by", text("detector"))]));
    assert!(unknown.contains("no column `detector`"), "{unknown}");
    for rule in ["count", "time"] {
        let faults = Preprocess.check(&params(&Preprocess, &[by_rcid.clone(), ("split", text(rule))]));
        assert!(faults.iter().any(|(key, what)| *key == "group_by" && what.contains(rule)), "{rule}: {faults:?}");
    }
}

#[test]
fn inputs_can_be_kept_whole() {
    let is_first = |id: &str| id < "ZTF010";
    let (a, b): (Vec<Given>, Vec<Given>) = given(20).into_iter().partition(|g| is_first(&g.alert.object_id));
    let set = [("group_by", text("input")), ("validation", Value::Float(0.0)), ("test", Value::Float(0.5))];
    let index = stamps(&run(&[("a", &a), ("b", &b)], false, &set).unwrap()).index;
    let inputs = index.texts("objectId").into_iter().map(|id| is_first(&id));
    let found: BTreeSet<(bool, String)> = inputs.zip(index.texts("split")).collect();
    let splits: BTreeSet<&String> = found.iter().map(|(_, split)| split).collect();
    assert_eq!((found.len(), splits.len()), (2, 2), "each input in a split of its own: {found:?}");
}
