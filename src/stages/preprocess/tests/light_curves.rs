//! Columns that come from light curves.

use super::*;
use crate::stages::preprocess::light_curves::{COLUMNS, values};

/// Alerts with their light curves: each object was not seen two days before its first alert.
fn write_light_curves(folder: &Path, alerts: &[Given]) {
    write_alerts(folder, alerts, false);
    let mut writer = LightCurvesWriter::create(folder);
    for Given { alert, .. } in alerts {
        let first = alert.value("jd") - (alert.candid % 10) as f64;
        let limit = Point { jd: first - 2.0, ..Point::new(PointKind::Limit) };
        writer.push(&alert.object_id, alert.value("jd"), [Point::of_alert(alert).unwrap(), limit]).unwrap();
    }
    writer.finish().unwrap();
}

const LIGHT_CURVES: [&str; 3] = ["lc_detections", "lc_days", "lc_since_limit"];

fn run_light_curves(alerts: &[Given]) -> Result<Bench, StageError> {
    let set = [("metadata", list(&LIGHT_CURVES)), ("detections", text("all"))];
    Bench::new(&["alerts"], |_, folder| write_light_curves(folder, alerts)).run(&Preprocess, &["alerts"], 5, &set)
}

#[test]
fn light_curves_give_columns_and_sequences_take_them() {
    let bench = run_light_curves(&given(12)).unwrap();
    let stamps = stamps(&bench);
    let column = |i: usize| -> Vec<f64> {
        let MetadataColumn { mean, std, .. } = &stamps.facts.metadata[i];
        (0..24).map(|row| f64::from(stamps.metadata.row(row)[i]) * std + mean).collect()
    };
    for row in 0..24 {
        let wanted = [1.0 + (row % 2) as f64, (row % 2) as f64, 2.0];
        assert!((0..3).all(|i| (column(i)[row] - wanted[i]).abs() < 1e-6), "row {row}");
    }
    let copy = |_: &str, folder: &Path| {
        bench.bytes().iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).unwrap());
    };
    let set = [("dynamic", list(&LIGHT_CURVES)), ("static", list(&[]))];
    let sequences = Bench::new(&["stamps"], copy).run(&SequencesKind, &["stamps"], 5, &set).unwrap();
    let facts = std::fs::read_to_string(sequences.out().join("sequences.json")).unwrap();
    assert!(facts.contains("lc_days"), "{facts}");
}

/// Detections, and the values of some columns for each of them.
fn values_of(bench: &Bench, wanted: &[&str]) -> (Vec<i64>, Vec<Vec<f64>>) {
    let (source, table) = Source::open("alerts", &bench.path("alerts"), |_| true).unwrap();
    let reading =
        Reading { label_from: LabelFrom::Label, shape: ShapePolicy::Drop, sign: Sign::Packet, group_by: None };
    let rows = reading.rows(std::slice::from_ref(&source), vec![table]).unwrap();
    let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let columns = metadata::columns(&names, &BTreeMap::new(), &BTreeMap::new());
    (rows.kept.iter().map(|row| row.candid).collect(), values(&[source], &rows, &columns).unwrap())
}

#[test]
fn later_alerts_change_no_column_of_earlier_ones() {
    let early_values = |alerts: &[Given]| -> Vec<Vec<f64>> {
        let bench = Bench::new(&["alerts"], |_, folder| write_light_curves(folder, alerts));
        let (candids, values) = values_of(&bench, &COLUMNS);
        let early = |values: Vec<f64>| values.into_iter().zip(&candids).filter(|(_, c)| *c % 10 == 0).map(|(x, _)| x);
        values.into_iter().map(|values| early(values).collect()).collect()
    };
    let (all, mut early) = (given(6), given(6));
    early.retain(|given| given.alert.candid % 10 == 0);
    let (of_all, of_early) = (early_values(&all), early_values(&early));
    assert!(of_early.iter().all(|values| values.len() == 6) && of_early[0] == [1.0; 6], "{of_early:?}");
    assert_eq!(format!("{of_all:?}"), format!("{of_early:?}"));
}

#[test]
fn alerts_of_objects_without_points_have_none() {
    let bench = Bench::new(&["alerts"], |_, folder| {
        write_alerts(folder, &given(2), false);
        LightCurvesWriter::create(folder).finish().unwrap();
    });
    let (_, values) = values_of(&bench, &["lc_limits", "lc_days"]);
    assert_eq!(values[0], [0.0; 4]);
    assert!(values[1].len() == 4 && values[1].iter().all(|days| days.is_nan()));
}

/// Two inputs, of which one alone tells of the object that both have.
#[test]
fn each_input_has_its_own_light_curves() {
    let inputs = ["a", "b"];
    let bench = Bench::new(&inputs, |name, folder| {
        let alerts = given(6);
        write_light_curves(folder, &alerts);
        if name == "b" {
            LightCurvesWriter::create(folder).finish().unwrap();
        }
    });
    let set = [("metadata", list(&["lc_detections"])), ("detections", text("all")), ("label_from", text("input"))];
    let stamps = stamps(&bench.run(&Preprocess, &inputs, 5, &set).unwrap());
    let MetadataColumn { mean, std, .. } = &stamps.facts.metadata[0];
    let found = |row: usize| (f64::from(stamps.metadata.row(row)[0]) * std + mean).round();
    let labels = stamps.index.texts("label");
    let of = |label: &str| -> Vec<f64> { (0..24).filter(|row| labels[*row] == label).map(found).collect() };
    assert_eq!(of("a"), [1.0, 2.0].repeat(6));
    assert_eq!(of("b"), [0.0; 12]);
}

#[test]
fn columns_of_light_curves_without_light_curves_are_an_error() {
    let fault = run_one(&given(6), &[("metadata", list(&["ra", "lc_peak"]))]).err().unwrap();
    assert!(fault.to_string().contains("`lc_peak` needs light curves, but input `alerts` has none"), "{fault}");
}
