//! Tests of `load` on small packets.

use super::*;
use crate::artifacts::alerts::Alerts;
use crate::artifacts::table::Table;
use crate::stage::{Device, ExternalFile, Silent};
use crate::stages::testing::list;
use crate::ztf::alert::{Alert, Stamp, field};
use crate::ztf::history::{Point, tests::history};
use crate::ztf::labels::LabelTrace;
use crate::ztf::writer::PacketSink;
use crate::ztf::writer::tests::alert;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) fn load(folder: &Path, files: &[&str], set: &[(&'static str, Value)]) -> Result<PathBuf, StageError> {
    load_remembering(REMEMBERED, folder, files, set)
}

/// With files of so many bytes read as portions.
fn load_remembering(
    bytes: u64,
    folder: &Path,
    files: &[&str],
    set: &[(&'static str, Value)],
) -> Result<PathBuf, StageError> {
    let mut params: Params =
        LoadKeys::keys().into_iter().map(|key| (key.name, key.default.unwrap_or(Value::Text("x".into())))).collect();
    params.extend(set.iter().map(|(key, value)| (*key, value.clone())));
    assert!(Load.check(&params).is_empty());
    let external = |name: &&str| ExternalFile { label: (*name).to_owned(), path: folder.join(name), is_listed: false };
    let tables: Vec<String> =
        LoadKeys::read(&params).unwrap().labels.0.iter().map(|file| file.0.to_string_lossy().into()).collect();
    let tables = tables.iter().map(|name| external(&name.as_str())).collect();
    let mut all =
        BTreeMap::from([("path".to_owned(), files.iter().map(external).collect()), ("labels".to_owned(), tables)]);
    if params.get("table") != Some(&Value::Nothing) {
        all.insert("table".to_owned(), vec![external(&"table.csv")]);
    }
    let out = folder.join("out");
    std::fs::create_dir_all(&out).unwrap();
    let job = Job {
        params: &params,
        seed: 0,
        inputs: BTreeMap::new(),
        files: all,
        home: folder,
        out: &out,
        checkpoint: folder,
        device: Device::Cpu,
        gpus: &[],
        threads: 2,
        pulse: &Silent,
        shelf: &Silent,
    };
    super::run(&job, bytes).map(|()| out.clone())
}

/// An alert at right ascension 359.9999, declination 2 degrees.
fn placed(candid: i64) -> Alert {
    let mut alert = alert(candid);
    (alert.values[field("ra").unwrap()], alert.values[field("dec").unwrap()]) = (359.9999, 2.0);
    alert
}

/// Three alerts in `a.tar.gz`, one of them twice, a damaged file and one of another kind.
fn data() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = PacketSink::create(&folder.path().join("a.tar.gz")).unwrap();
    for candid in [1, 2, 3, 2] {
        sink.push(&placed(candid)).unwrap();
    }
    sink.finish().unwrap();
    std::fs::write(folder.path().join("b.avro"), "no packet").unwrap();
    std::fs::write(folder.path().join("readme.txt"), "hello").unwrap();
    std::fs::write(folder.path().join("labels.csv"), "candid,label,weak\n1,SN,\n2,,low\n9,VS,\n").unwrap();
    folder
}

const FILES: [&str; 3] = ["a.tar.gz", "b.avro", "readme.txt"];

#[test]
fn alerts_labels_and_reasons_are_written() {
    let folder = data();
    let rules = Value::List(vec![Value::Text("weak = low -> bogus".into())]);
    let labels = [("labels", Value::Text("labels.csv".into())), ("label_rules", rules)];
    let out = load(folder.path(), &FILES, &labels).unwrap();
    let alerts = Alerts::open(&out).unwrap();
    assert_eq!(alerts.table.ints("candid"), Some(&[1, 2, 3][..]));
    assert_eq!(alerts.table.texts("label"), ["SN", "bogus", ""]);
    assert_eq!(alerts.stamps.row(1)[..63 * 63], alert(2).stamps[0].pixels);
    let quality = Table::read(out.join("quality.csv")).unwrap();
    assert_eq!(quality.texts("reason"), ["other_file", "duplicate", "not_avro", "label_unmatched"]);
    assert_eq!(quality.texts("file"), ["readme.txt", "a.tar.gz:2.avro", "b.avro", ""]);
    let totals = Table::read(out.join("quality_totals.csv")).unwrap();
    assert_eq!(totals.ints("count"), Some(&[1, 1, 1, 1][..]));
}

#[test]
fn a_label_table_of_other_alerts_is_an_error() {
    let folder = data();
    std::fs::write(folder.path().join("others.csv"), "candid,label\n9,VS\n").unwrap();
    let run = |tables: &[&str]| load(folder.path(), &FILES, &[("labels", list(tables))]);
    let message = run(&["others.csv"]).unwrap_err().to_string();
    assert_eq!(message, "no row of others.csv matches one of the 3 alerts");
    run(&["labels.csv", "others.csv"]).unwrap();
}

/// Two nights and a small file between them: no alert of one is in another, but an object of the first is.
fn nights() -> tempfile::TempDir {
    let folder = data();
    for (name, candids) in [("c.tar.gz", &[11, 12][..]), ("d.tar.gz", &[21]), ("e.tar.gz", &[31, 32, 31])] {
        let mut sink = PacketSink::create(&folder.path().join(name)).unwrap();
        for candid in candids {
            let object_id = alert(if *candid == 12 { 1 } else { *candid }).object_id;
            sink.push_with(&Alert { object_id, ..placed(*candid) }, &history()).unwrap();
        }
        sink.finish().unwrap();
    }
    folder
}

#[test]
fn portions_make_what_reading_all_files_makes() {
    let folder = nights();
    let files = ["a.tar.gz", "b.avro", "c.tar.gz", "d.tar.gz", "e.tar.gz", "readme.txt"];
    let object = alert(1).object_id;
    for (name, table) in [
        ("by_candid.csv", "candid,label\n1,SN\n12,SN\n31,SN\n77,VS\n".to_owned()),
        ("disagree.csv", "candid,label\n1,SN\n12,AGN\n31,SN\n".to_owned()),
        ("by_object.csv", format!("objectId,label\n{object},SN\nZTF99x,SN\n")),
    ] {
        std::fs::write(folder.path().join(name), table).unwrap();
    }
    let labels = |table: &str| ("labels", Value::Text(table.into()));
    let drop = ("unlabelled", Value::Text("drop".into()));
    let curves = ("light_curves", Value::Bool(true));
    let again = ["a.tar.gz", "c.tar.gz", "b.avro", "a.tar.gz"];
    // What is read again because of the files before it: a night that comes twice, one whose labels disagree.
    for (files, set, again) in [
        (&files[..], vec![], 0),
        (&files, vec![labels("by_candid.csv")], 0),
        (&files, vec![labels("by_candid.csv"), drop.clone()], 0),
        (&files, vec![labels("by_object.csv"), curves.clone()], 0),
        (&files, vec![labels("disagree.csv")], 1),
        (&again, vec![labels("by_candid.csv"), curves.clone()], 1),
    ] {
        let read = |out: &Path| {
            let text = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
            let curves = set.contains(&curves).then(|| text("light_curves.csv"));
            assert_eq!(out.join("light_curves.csv").exists(), curves.is_some());
            let alerts = Alerts::open(out).unwrap();
            let stamps: Vec<Vec<f32>> = (0..alerts.len()).map(|row| alerts.stamps.row(row).to_vec()).collect();
            ((["alerts.csv", "quality.csv", "quality_totals.csv"].map(text), curves), stamps)
        };
        let large = 1 + std::fs::metadata(folder.path().join("d.tar.gz")).unwrap().len();
        let whole = read(&load_remembering(u64::MAX, folder.path(), files, &set).unwrap());
        for bytes in [0, large] {
            std::fs::remove_dir_all(folder.path().join("out")).unwrap();
            let out = load_remembering(bytes, folder.path(), files, &set).unwrap();
            let found = read(&out);
            assert_eq!(found.0, whole.0, "{files:?} {set:?} {bytes}");
            assert_eq!(found.1, whole.1, "{files:?} {set:?} {bytes}");
            let scratch = |entry: std::io::Result<std::fs::DirEntry>| {
                entry.unwrap().file_name().to_string_lossy().starts_with("light_curves.csv.")
            };
            assert!(!std::fs::read_dir(&out).unwrap().any(scratch));
            let own = |entry: std::io::Result<std::fs::DirEntry>| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                name.starts_with("stamps").then_some(name)
            };
            let stamps = std::fs::read_dir(&out).unwrap().filter_map(own).count();
            assert!(stamps > again, "{stamps} files of stamps");
        }
        std::fs::remove_dir_all(folder.path().join("out")).unwrap();
    }
}

/// Two alerts of one object in two files, and one that is skipped: what both tell is there once, as the first tells it.
#[test]
fn light_curves_are_joined_over_files() {
    let folder = tempfile::tempdir().unwrap();
    let of = |candid, jd, size| {
        let mut alert = Alert { object_id: "ZTF1".into(), ..placed(candid) };
        alert.values[field("jd").unwrap()] = jd;
        let stamp = || Stamp { rows: size, columns: 63, pixels: vec![1.0; size * 63] };
        Alert { stamps: [stamp(), stamp(), stamp()], ..alert }
    };
    let mut changed = history();
    changed[1].values[0] = 17.0;
    let night = |name: &str, alert: &Alert, history: &[Point]| {
        let mut sink = PacketSink::create(&folder.path().join(name)).unwrap();
        sink.push_with(alert, history).unwrap();
        sink.finish().unwrap();
    };
    night(
        "a.tar.gz",
        &of(11, 2_458_890.5, 63),
        &[&changed[..], &[Point::of_alert(&of(10, 2_458_882.0, 63)).unwrap()]].concat(),
    );
    night("b.tar.gz", &of(10, 2_458_882.0, 63), &history());
    night("c.tar.gz", &of(12, 2_458_883.0, 70), &[Point { jd: 1.0, ..history()[0].clone() }]);
    let set = [("light_curves", Value::Bool(true))];
    let out = load(folder.path(), &["a.tar.gz", "b.tar.gz", "c.tar.gz"], &set).unwrap();
    let table = Table::read(out.join("light_curves.csv")).unwrap();
    assert_eq!(table.texts("objectId"), vec!["ZTF1"; 5]);
    assert_eq!(table.texts("kind"), ["limit", "detection", "forced", "detection", "detection"]);
    assert_eq!(table.texts("candid"), ["", "5", "", "10", "11"]);
    assert_eq!(table.texts("magpsf")[1], "18.3");
    let first = 2_458_882.0;
    assert_eq!(table.numbers("told").unwrap(), [first, first, first, first, 2_458_890.5]);
}

#[test]
fn a_trace_comes_back_and_an_odd_one_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let objects = BTreeMap::from([("ZTF1, \"a\"".to_owned(), "SN\nIa".to_owned())]);
    let labels = LabelTrace { rows: vec![(0, 7), (1, 2)], objects };
    let seen = std::collections::HashSet::from([i64::MIN, 3]);
    let totals = vec![(Reason::Duplicate, 3)];
    let trace = trace::Trace { alerts: 2, readings: 5, totals, seen, labels };
    trace.write(folder.path()).unwrap();
    assert_eq!(trace::Trace::read(folder.path()).unwrap(), trace);
    std::fs::write(folder.path().join("trace.csv"), "what,value,more\ncandid,x,\n").unwrap();
    assert!(trace::Trace::read(folder.path()).unwrap_err().to_string().contains("odd row"));
}

#[test]
fn a_file_that_cannot_be_read_fails_the_stage_and_nothing_else_can_be_asked_for() {
    let folder = nights();
    std::fs::remove_file(folder.path().join("c.tar.gz")).unwrap();
    for remembered in [REMEMBERED, 1] {
        let fault = load_remembering(remembered, folder.path(), &["c.tar.gz", "d.tar.gz"], &[]).unwrap_err();
        assert!(fault.to_string().contains("unreadable"), "{fault}");
    }
    assert!(
        Reason::read(&Value::Text("unreadable".into())).is_none()
            && Reason::read(&Value::Text("bad_row".into())).is_some()
    );
}

#[test]
fn unlabelled_alerts_can_be_dropped() {
    let folder = data();
    let labels = [("labels", Value::Text("labels.csv".into())), ("unlabelled", Value::Text("drop".into()))];
    let set = [&labels[..], &[("light_curves", Value::Bool(true))]].concat();
    let out = load(folder.path(), &FILES, &set).unwrap();
    assert_eq!(Alerts::open(&out).unwrap().table.ints("candid"), Some(&[1][..]));
    assert_eq!(Table::read(out.join("light_curves.csv")).unwrap().ints("candid"), Some(&[1][..]));
    let quality = Table::read(out.join("quality.csv")).unwrap();
    assert_eq!(quality.texts("reason").iter().filter(|reason| *reason == "unlabelled").count(), 2);
}

#[test]
fn bad_input_is_a_clear_error() {
    let folder = data();
    let message =
        |files: &[&str], set: &[(&'static str, Value)]| load(folder.path(), files, set).unwrap_err().to_string();
    assert!(message(&["readme.txt"], &[]).contains("none of the 1 files"));
    assert!(message(&["b.avro"], &[]).contains("no usable alert among 1 in 1 files: 1 not_avro"));
    let refuse = [("refuse", Value::List(vec![Value::Text("duplicate".into())]))];
    assert!(message(&FILES, &refuse).contains("refused: a.tar.gz:2.avro, record 0 at byte"));
}

/// What the checker says of these keys.
fn faults(set: &[(&'static str, Value)]) -> Vec<(&'static str, String)> {
    let default = |key: Key| (key.name, key.default.unwrap_or(Value::Text("x".into())));
    let mut params: Params = LoadKeys::keys().into_iter().map(default).collect();
    params.extend(set.iter().cloned());
    Load.check(&params)
}

#[test]
fn tables_positions_and_weak_rules_label_with_evidence() {
    let folder = data();
    let place = format!("RA,Dec,type\n359.9999,{},SN II\n0,-80,VS\n0,-81,VS\n", 2.0 + 0.5 / 3600.0);
    std::fs::write(folder.path().join("places.csv"), place).unwrap();
    let set = [
        ("labels", list(&["labels.csv", "places.csv"])),
        ("class_map", list(&["SN II -> TDE"])),
        ("match_radius", Value::Float(1.0)),
        ("weak_labels", list(&["ndethist > -1e9 -> weak"])),
    ];
    let out = load(folder.path(), &FILES, &set).unwrap();
    let table = Alerts::open(&out).unwrap().table;
    assert_eq!(table.texts("label"), ["SN", "TDE", "TDE"]);
    let by_place = "places.csv:position 0.50\", SN II -> TDE";
    assert_eq!(table.texts("label_evidence"), ["labels.csv:candid", by_place, by_place]);
    let quality = Table::read(out.join("quality.csv")).unwrap();
    let (reasons, details) = (quality.texts("reason"), quality.texts("detail"));
    let of = |reason: &str| -> Vec<&str> {
        reasons.iter().zip(&details).filter(|(r, _)| *r == reason).map(|(_, detail)| detail.as_str()).collect()
    };
    let conflict = format!("`SN` by labels.csv:candid, `TDE` by {by_place}");
    assert!(of("label_conflict").contains(&conflict.as_str()), "{details:?}");
    assert_eq!(of("label_unmatched"), ["1 rows of labels.csv", "2 rows of places.csv"]);
    let totals = Table::read(out.join("quality_totals.csv")).unwrap();
    let row = totals.texts("reason").iter().position(|reason| reason == "label_unmatched").unwrap();
    assert_eq!(totals.ints("count").unwrap()[row], 3);
}

#[test]
fn labels_that_do_not_count_are_counted_and_can_be_skipped() {
    let folder = data();
    let table = ("labels", Value::Text("labels.csv".into()));
    let out = load(folder.path(), &FILES, &[table.clone(), ("classes", list(&["VS"]))]).unwrap();
    let alerts = Alerts::open(&out).unwrap().table;
    assert_eq!(
        (alerts.texts("label"), alerts.texts("label_evidence")),
        (vec![String::new(); 3], vec![String::new(); 3])
    );
    let totals = Table::read(out.join("quality_totals.csv")).unwrap();
    assert!(totals.texts("reason").contains(&"other_class".to_owned()));
    let skipped = [table, ("classes", list(&["VS"])), ("skip", list(&["other_class"]))];
    let out = load(folder.path(), &FILES, &skipped).unwrap();
    assert_eq!(Alerts::open(&out).unwrap().table.ints("candid"), Some(&[2, 3][..]));
}

#[test]
fn tables_of_one_name_are_told_apart() {
    let folder = data();
    let out = load(folder.path(), &FILES, &[("labels", list(&["labels.csv", "labels.csv"]))]).unwrap();
    let quality = Table::read(out.join("quality.csv")).unwrap();
    let details = quality.texts("detail");
    assert!(details.contains(&"1 rows of labels.csv".into()) && details.contains(&"1 rows of labels.csv (2)".into()));
}

#[test]
fn without_labels_there_is_no_evidence() {
    let folder = data();
    let table = Alerts::open(&load(folder.path(), &FILES, &[]).unwrap()).unwrap().table;
    assert!(table.column("label_evidence").is_none());
}

#[test]
fn alerts_are_mended_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let stamp = |rows| Stamp { rows, columns: 63, pixels: vec![1.0; rows * 63] };
    let mut cut = Alert { stamps: [stamp(50), stamp(50), stamp(50)], ..alert(1) };
    cut.values[field("ypos").unwrap()] = 20.0;
    let large = Alert { stamps: [stamp(65), stamp(65), stamp(65)], ..alert(2) };
    let unlike = Alert { stamps: [stamp(50), stamp(63), stamp(50)], ..alert(3) };
    let mut sink = PacketSink::create(&folder.path().join("a.avro.tar.gz")).unwrap();
    for alert in [cut, large, unlike] {
        sink.push(&alert).unwrap();
    }
    sink.finish().unwrap();
    let candids = |repair: &[&str]| {
        let out = load(folder.path(), &["a.avro.tar.gz"], &[("repair", list(repair))]).unwrap();
        let alerts = Alerts::open(&out).unwrap();
        (alerts.table.ints("candid").unwrap().to_vec(), alerts.table.ints("rows").unwrap().to_vec(), out)
    };
    assert_eq!((candids(&[]).0, candids(&[]).1), (vec![1], vec![50]));
    let (kept, rows, out) = candids(&["not_square", "oversized"]);
    assert_eq!((kept, rows), (vec![1, 2], vec![63, 63]));
    let alerts = Alerts::open(&out).unwrap();
    let pixels = &alerts.stamps.row(0)[..63 * 63];
    assert!(pixels[..13 * 63].iter().all(|x| x.is_nan()) && pixels[13 * 63..].iter().all(|x| *x == 1.0));
    let quality = Table::read(out.join("quality.csv")).unwrap();
    let (reasons, policies) = (quality.texts("reason"), quality.texts("policy"));
    let policy = |reason| policies[reasons.iter().position(|r| r == reason).unwrap()].as_str();
    assert_eq!([policy("not_square"), policy("oversized"), policy("shapes_differ")], ["repair", "repair", "skip"]);
}

#[test]
fn keys_that_cannot_be_meant_are_faults() {
    let one = |key: &'static str, texts: &[&str]| {
        let faults = faults(&[("classes", list(&["SN", "bogus"])), (key, list(texts))]);
        assert!(faults.iter().all(|(at, _)| *at == key), "{faults:?}");
        faults.into_iter().map(|(_, message)| message).collect::<Vec<_>>().join("; ")
    };
    let can = "`nan_pixels` cannot be repaired; what can be: oversized, not_square, huge_pixels, odd_isdiffpos, missing_jd, \
         wrong_jd, wrong_past_jd";
    assert_eq!(one("repair", &["nan_pixels"]), can);
    assert_eq!(
        one("weak_labels", &["drbb < 0.1 -> bogus"]),
        "`drbb` is no field of an alert that is kept; did you mean `drb`?"
    );
    assert!(one("weak_labels", &["drb < 0.1 -> bogs"]).contains("`bogs` is not among `classes`"));
    assert!(one("weak_labels", &["drb 0.1 -> bogus"]).contains("is not of the form"));
    assert!(one("class_map", &["SN Ia -> SNe"]).contains("`SNe` is not among `classes`"));
    assert!(one("class_map", &["a -> SN", "a -> bogus"]).contains("`a` has two names"));
    assert!(one("label_rules", &["weak"]).contains("is not of the form"));
    assert!(one("position_columns", &["ra"]).contains("two names"));
    let tables = ("labels", list(&["a.csv", "b.csv", "c.csv"]));
    let of_three = faults(&[tables.clone(), ("match_by", list(&["candid", "position"]))]);
    assert!(of_three[0].1.contains("2 values for 3 label tables"), "{of_three:?}");
    assert_eq!(faults(&[tables, ("label_column", Value::Text("type".into()))]), []);
    let both = faults(&[("repair", list(&["not_square"])), ("refuse", list(&["not_square"]))]);
    assert!(both[0].0 == "refuse" && both[0].1.contains("choose one"));
    assert!(faults(&[("unlabelled", Value::Text("drop".into()))])[0].1.contains("leave no alert"));
}
