//! The kind behind those that make what it needs.

mod vectors;

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::artifacts::table::Table;
use crate::spec::value::Params;
use crate::stages::kind;
use crate::stages::testing::{Bench, list, params, text};

/// Runs a kind on what others wrote.
fn stage(name: &str, inputs: &[(&str, &Bench)], set: &[(&'static str, Value)]) -> Result<Bench, StageError> {
    let kind = kind(name).unwrap();
    let names: Vec<&str> = inputs.iter().map(|(input, _)| *input).collect();
    let bench = Bench::new(&names, |input, folder| {
        let (_, from) = inputs.iter().find(|(name, _)| *name == input).unwrap();
        copy(&from.out(), folder);
    });
    let params: Params = match kind.variants() {
        None => params(kind, set),
        Some(variants) => {
            let chosen = set.iter().find(|(key, _)| *key == variants.key).unwrap().1.clone();
            let variant = variants.list.into_iter().find(|variant| text(variant.name) == chosen).unwrap();
            let of_kind = kind.keys().into_iter().chain(variant.keys).filter_map(|key| Some((key.name, key.default?)));
            of_kind.chain(set.iter().cloned()).collect()
        }
    };
    bench.run_with(kind, &names, 3, &params)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let (file, to) = (file.as_ref().unwrap().path(), to.join(file.as_ref().unwrap().file_name()));
        if file.is_dir() {
            copy(&file, &to);
        } else {
            std::fs::copy(file, to).unwrap();
        }
    }
}

fn simulated(objects: i64) -> Bench {
    stage("simulate", &[], &[("objects", Value::Int(objects)), ("max_detections", Value::Int(2))]).unwrap()
}

fn stamps(alerts: &Bench) -> Bench {
    stamps_of(alerts, 15)
}

/// Every setting is another than its default, so that whatever is not taken from the model shows.
fn stamps_of(alerts: &Bench, crop: i64) -> Bench {
    let set = [
        ("detections", text("all")),
        ("crop", Value::Int(crop)),
        ("channels", list(&["difference", "template", "difference_snr"])),
        ("metadata", list(&["magpsf", "sgscore1", "gal_lat"])),
        ("normalise", text("asinh")),
        ("softening", Value::Float(2.5)),
        ("sign", text("physical")),
        ("nan", text("median")),
        ("shape", text("pad")),
        ("sentinel", text("missing")),
    ];
    stage("preprocess", &[("alerts", alerts)], &set).unwrap()
}

fn trained(stamps: &Bench, set: &[(&'static str, Value)]) -> Bench {
    let small = [
        ("model", text("stamp_classifier")),
        ("kernel", Value::Int(3)),
        ("rotations", Value::Int(1)),
        ("epochs", Value::Int(2)),
        ("batch", Value::Int(16)),
    ];
    stage("train_classifier", &[("stamps", stamps)], &[&small[..], set].concat()).unwrap()
}

fn predict(alerts: &Bench, model: &Bench, set: &[(&'static str, Value)]) -> Result<Bench, StageError> {
    stage("predict", &[("alerts", alerts), ("model", model)], set)
}

/// Probabilities by candid, of the classes in order.
fn probabilities(table: &Table, classes: &[String]) -> BTreeMap<i64, Vec<f64>> {
    let columns: Vec<Vec<f64>> = classes.iter().map(|class| table.numbers(&format!("p_{class}")).unwrap()).collect();
    let of = |(row, candid): (usize, &i64)| (*candid, columns.iter().map(|column| column[row]).collect());
    table.ints("candid").unwrap().iter().enumerate().map(of).collect()
}

fn table(bench: &Bench, file: &str) -> Table {
    Table::read(bench.out().join(file)).unwrap()
}

/// What a stage of training says of its own test rows is what is said of them here, whichever other alerts are there.
#[test]
fn an_alert_is_judged_as_in_training_whatever_night_it_is_in() {
    let (night, part) = (simulated(40), simulated(12));
    let stamps = stamps(&night);
    let cropped = stage("augment", &[("stamps", &stamps)], &[("copies", Value::Int(1)), ("crop", Value::Int(9))]);
    let set = [("views", text("dihedral")), ("calibrate", text("temperature"))];
    for model in [trained(&stamps, &[]), trained(&stamps, &set), trained(&cropped.unwrap(), &[])] {
        let facts = Predictions::open(&model.out()).unwrap().facts;
        let expected = probabilities(&table(&model, "predictions.csv"), &facts.classes);
        let whole = probabilities(&table(&predict(&night, &model, &[]).unwrap(), "candidates.csv"), &facts.classes);
        let alone = probabilities(&table(&predict(&part, &model, &[]).unwrap(), "candidates.csv"), &facts.classes);
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(expected.len() > 5 && whole.len() > expected.len() && alone.len() >= 12);
        for (candid, expected) in &expected {
            assert!(close(expected, &whole[candid]), "{candid}: {expected:?} in training, {:?} here", whole[candid]);
        }
        for (candid, found) in &alone {
            assert!(close(found, &whole[candid]), "{candid}: {found:?} in a smaller night, {:?}", whole[candid]);
        }
    }
}

#[test]
fn every_alert_is_judged_or_named_and_the_most_probable_come_first() {
    let night = simulated(40);
    let set = [("crop", Value::Int(9)), ("detections", text("all"))];
    let model = trained(&stage("preprocess", &[("alerts", &night)], &set).unwrap(), &[]);
    let cut = stage("simulate", &[], &[("objects", Value::Int(30)), ("edge_fraction", Value::Float(0.5))]).unwrap();
    let bench = predict(&cut, &model, &[("rank_by", text("SN"))]).unwrap();
    let (found, dropped) = (table(&bench, "candidates.csv"), table(&bench, "dropped.csv"));
    assert!(dropped.rows() > 3 && dropped.texts("reason").iter().all(|reason| reason == reason::TRUNCATED));
    assert_eq!(found.rows() + dropped.rows(), table(&cut, "alerts.csv").rows());
    let ranked = found.numbers("p_SN").unwrap();
    assert!(ranked.windows(2).all(|pair| pair[0] >= pair[1]) && ranked[0] > ranked[ranked.len() - 1]);
    assert!(found.numbers("magpsf").unwrap().iter().all(|magnitude| magnitude.is_finite()));
}

#[test]
fn what_cannot_be_judged_says_why() {
    let night = simulated(40);
    let stamps = stamps(&night);
    let model = trained(&stamps, &[]);
    let refused = predict(&night, &model, &[("rank_by", text("kilonova"))]).err().unwrap().to_string();
    assert!(refused.contains("`kilonova`") && refused.contains("does not know"), "{refused}");
    let facts = model.out().join("judged.json");
    let text = std::fs::read_to_string(&facts).unwrap();
    std::fs::write(&facts, text.replace("\"sequences\": false", "\"sequences\": true")).unwrap();
    assert!(predict(&night, &model, &[]).err().unwrap().to_string().contains("judges sequences"));
    std::fs::write(&facts, text.replace("\"nan\": \"median\"", "\"nan\": \"guess\"")).unwrap();
    assert!(predict(&night, &model, &[]).err().unwrap().to_string().contains("nan = \"guess\""));
    std::fs::write(&facts, text.replace("\"sign\": \"physical\",", "")).unwrap();
    assert!(predict(&night, &model, &[]).err().unwrap().to_string().contains("do not tell their `sign`"));
}

#[test]
fn a_night_without_alerts_has_no_candidates() {
    let night = simulated(40);
    let model = trained(&stamps(&night), &[]);
    let empty = tempfile::tempdir().unwrap();
    crate::artifacts::alerts::AlertsWriter::create(empty.path(), false).unwrap().finish().unwrap();
    let bench = Bench::new(&["alerts", "model"], |input, folder| match input {
        "alerts" => copy(empty.path(), folder),
        _ => copy(&model.out(), folder),
    });
    let bench = bench.run(&Predict, &["alerts", "model"], 0, &[]).unwrap();
    assert_eq!(table(&bench, "candidates.csv").rows(), 0);
}
