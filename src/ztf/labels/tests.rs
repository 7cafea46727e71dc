//! Tests of labels on tables of a few lines.

use super::*;
use crate::ztf::alert::{FIELDS, Stamp, field};

fn alert(candid: i64, object: &str) -> Alert {
    let stamp = || Stamp { rows: 0, columns: 0, pixels: Vec::new() };
    let values = vec![f64::NAN; FIELDS.len()];
    Alert { candid, object_id: object.into(), values, stamps: [stamp(), stamp(), stamp()] }
}

fn alert_at(candid: i64, ra: f64, dec: f64) -> Alert {
    let mut alert = alert(candid, &format!("ZTF{candid}"));
    (alert.values[field("ra").unwrap()], alert.values[field("dec").unwrap()]) = (ra, dec);
    alert
}

/// The tables `a.csv`, `b.csv` and so on.
fn tables(texts: &[&str], options: &LabelOptions) -> Result<Labels, LabelError> {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = ('a'..='z').take(texts.len()).map(|letter| format!("{letter}.csv")).collect();
    let paths: Vec<_> = names.iter().map(|name| folder.path().join(name)).collect();
    for (path, text) in paths.iter().zip(texts) {
        std::fs::write(path, text).unwrap();
    }
    let own = |name: &String| TableOptions { name: name.clone(), ..TableOptions::default() };
    Labels::read(paths.iter().map(std::path::PathBuf::as_path).zip(names.iter().map(own)), options)
}

fn words(labels: &mut Labels, alerts: &[Alert]) -> Vec<String> {
    alerts.iter().map(|alert| labels.of(alert).0.label).collect()
}

fn reasons(faults: &[Fault]) -> Vec<Reason> {
    faults.iter().map(|fault| fault.reason).collect()
}

#[test]
fn rules_label_what_has_no_label_of_its_own() {
    let rules = vec![Rule::parse("weak = bogus_drb<0.1 -> bogus").unwrap()];
    let options = LabelOptions { rules, classes: vec!["SN".into(), "bogus".into()], ..LabelOptions::default() };
    let csv = "candid,label,weak\n1,SN,bogus_drb<0.1\n2,,bogus_drb<0.1\n3,,starlike; bogus_drb<0.1\n4,TDE,\n5,,bogus\n";
    let mut labels = tables(&[csv], &options).unwrap();
    let alerts: Vec<Alert> = (1..=6).map(|candid| alert(candid, "a")).collect();
    assert_eq!(words(&mut labels, &alerts), ["SN", "bogus", "bogus", "", "", ""]);
    assert_eq!(labels.unmatched().count(), 0);
    assert_eq!(labels.of(&alerts[2]).0.evidence, "a.csv:candid, weak = bogus_drb<0.1");
    let (unlabelled, faults) = labels.of(&alerts[3]);
    assert_eq!((unlabelled, reasons(&faults)), (Label::default(), vec![Reason::OtherClass]));
    assert_eq!(faults[0].detail, "`TDE` by a.csv:candid");
}

#[test]
fn objects_have_splits_and_unmatched_rows_are_counted() {
    let options = LabelOptions { split: Some("split".into()), ..LabelOptions::default() };
    let mut labels = tables(&["objectId,label,split\nZTF1,SN,train\nZTF2,VS,test\n"], &options).unwrap();
    let evidence = "a.csv:objectId".into();
    assert_eq!(labels.of(&alert(1, "ZTF1")).0, Label { label: "SN".into(), split: "train".into(), evidence });
    assert_eq!(labels.unmatched().collect::<Vec<_>>(), [("a.csv", 1)]);
}

#[test]
fn the_first_table_that_has_a_label_wins_and_others_are_heard() {
    let renamings = ["SN Ia -> SN", "QSO -> AGN"].map(|text| Renaming::parse(text).unwrap()).to_vec();
    let options = LabelOptions { renamings, split: Some("split".into()), ..LabelOptions::default() };
    let first = "candid,label\n1,SN Ia\n2,\n3,SN\n4,AGN\n";
    let second = "objectId,class,split\nZTF1,SN,test\nZTF2,QSO,\nZTF3,VS,train\nZTF5,SN,\n";
    let mut labels = tables(&[first, second], &options).unwrap();
    let mut of = |n: i64| labels.of(&alert(n, &format!("ZTF{n}")));
    let label = |label: &str, split: &str, evidence: &str| Label {
        label: label.into(),
        split: split.into(),
        evidence: evidence.into(),
    };
    assert_eq!(of(1), (label("SN", "test", "a.csv:candid, SN Ia -> SN"), Vec::new()));
    assert_eq!(of(2), (label("AGN", "", "b.csv:objectId, QSO -> AGN"), Vec::new()));
    let (found, faults) = of(3);
    assert_eq!(found, label("SN", "train", "a.csv:candid"));
    assert_eq!(reasons(&faults), [Reason::LabelConflict]);
    assert_eq!(faults[0].detail, "`SN` by a.csv:candid, `VS` by b.csv:objectId");
    assert_eq!(of(5).0, label("SN", "", "b.csv:objectId"));
    assert_eq!(of(6), <_>::default());
    assert_eq!(labels.unmatched().collect::<Vec<_>>(), [("a.csv", 1)]);
}

#[test]
fn the_nearest_source_within_the_radius_labels() {
    let second = 1.0 / 3600.0;
    let csv = format!("ra,dec,type\n10,{},SN\n10,{},AGN\n359.9999,0,VS\n-20,5,\n", 0.3 * second, -1.2 * second);
    let mut labels = tables(&[&csv], &LabelOptions::default()).unwrap();
    let (found, faults) = labels.of(&alert_at(1, 10.0, 0.0));
    assert_eq!((found.label.as_str(), found.evidence.as_str()), ("SN", "a.csv:position 0.30\""));
    assert_eq!(reasons(&faults), [Reason::AmbiguousMatch]);
    assert_eq!(faults[0].detail, "`SN` at 0.30 arcsec, `AGN` at 1.20 arcsec by a.csv");
    let (found, faults) = labels.of(&alert_at(2, 10.0, -1.3 * second));
    assert_eq!((found.label.as_str(), faults), ("AGN", Vec::new()), "1.6 arcsec from the other");
    assert_eq!(
        words(&mut labels, &[alert_at(3, 0.0001, 0.0), alert_at(4, 340.0, 5.0), alert_at(5, 11.0, 0.0)]),
        ["VS", "", ""]
    );
    assert_eq!(labels.of(&alert(6, "nowhere")).0, Label::default());
    assert_eq!(labels.unmatched().count(), 0, "the source without a label was asked for");
}

#[test]
fn weak_rules_label_only_what_no_table_does() {
    let weak = vec![WeakRule::parse("drb < 0.1 -> bogus").unwrap()];
    let options = LabelOptions { weak, classes: vec!["SN".into(), "bogus".into()], ..LabelOptions::default() };
    let mut labels = tables(&["candid,label\n1,SN\n2,TDE\n3,\n"], &options).unwrap();
    let with_drb = |candid: i64, drb: f64| {
        let mut alert = alert(candid, &format!("ZTF{candid}"));
        alert.values[field("drb").unwrap()] = drb;
        alert
    };
    let alerts = [with_drb(1, 0.0), with_drb(2, 0.0), with_drb(3, 0.05), with_drb(4, 0.05), with_drb(5, f64::NAN)];
    assert_eq!(words(&mut labels, &alerts), ["SN", "", "bogus", "bogus", ""]);
    assert_eq!(labels.of(&alerts[3]).0.evidence, "rule drb < 0.1");
    let mut alone = Labels::read([], &options).unwrap();
    assert_eq!(words(&mut alone, &alerts), ["bogus", "bogus", "bogus", "bogus", ""]);
}

#[test]
fn an_object_with_two_labels_is_noted() {
    let mut labels = tables(&["candid,label\n1,SN\n2,AGN\n3,\n"], &LabelOptions::default()).unwrap();
    assert_eq!(labels.of(&alert(1, "ZTF1")).1, []);
    assert_eq!(reasons(&labels.of(&alert(2, "ZTF1")).1), [Reason::LabelConflict]);
    assert_eq!(labels.of(&alert(3, "ZTF1")).1, []);
}

#[test]
fn faults_say_where() {
    let message = |csv: &str| tables(&[csv], &LabelOptions::default()).unwrap_err().to_string();
    assert!(message("id,label\n").starts_with("a.csv: neither a column `candid`"));
    assert!(message("candid,label\n1,SN\n2.46644e+18,SN\n").contains("row 2: candid `2.46644e+18`"));
    assert!(message("candid,label\n1,SN\n1,VS\n").contains("1 is `VS` here and `SN` before"));
    assert!(message("candid,label\n,SN\n").contains("row 1: no identifier"));
    assert!(message("ra,dec,label\n1,2,\n1,91,SN\n").contains("row 2: dec `91` is no number of degrees"));
    assert!(message("ra,dec,label\n12:30:00,2,SN\n").contains("row 1: ra `12:30:00` is no number"));
    let rules = vec![Rule::parse("weak = x -> y").unwrap()];
    let options = LabelOptions { rules, ..LabelOptions::default() };
    let message = |texts: &[&str]| tables(texts, &options).unwrap_err().to_string();
    assert_eq!(message(&["candid,label\n", "candid,label\n"]), "no column `weak` in a.csv, b.csv");
    assert!(tables(&["candid,label\n", "candid,label,weak\n"], &options).is_ok());
}

/// What a source says of its own alert comes after all tables and before the rules, and is renamed and counted like the rest.
#[test]
fn a_sources_own_label_comes_after_the_tables() {
    let renamings = vec![Renaming::parse("SN Ia -> SN").unwrap()];
    let weak = vec![WeakRule::parse("drb < 0.1 -> bogus").unwrap()];
    let options = LabelOptions { renamings, weak, ..LabelOptions::default() };
    let mut labels = tables(&["candid,label\n1,AGN\n"], &options).unwrap();
    let own = |label: &str| Label { label: label.into(), split: "test".into(), evidence: "table, row 1".into() };
    let mut odd = alert(2, "ZTF2");
    odd.values[field("drb").unwrap()] = 0.05;
    let (first, faults) = labels.beside(&alert(1, "ZTF1"), Some(&own("SN Ia")));
    assert_eq!((first.label.as_str(), first.split.as_str()), ("AGN", "test"));
    assert_eq!(reasons(&faults), [Reason::LabelConflict]);
    assert_eq!(labels.beside(&odd, Some(&own("SN Ia"))).0.evidence, "table, row 1, SN Ia -> SN");
    assert_eq!(labels.beside(&odd, Some(&own(""))).0.label, "bogus");
}
