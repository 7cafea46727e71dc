//! Columns that come from light curves.

use super::*;
use crate::stages::preprocess::light_curves::{COLUMNS, with_columns};

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

#[test]
fn later_alerts_change_no_column_of_earlier_ones() {
    let values = |alerts: &[Given]| -> Vec<Vec<f64>> {
        let bench = Bench::new(&["alerts"], |_, folder| write_light_curves(folder, alerts));
        let names = COLUMNS.map(String::from);
        let table = Table::read(bench.path("alerts").join("alerts.csv")).unwrap();
        let table = with_columns(table, &bench.path("alerts"), "alerts", &names).unwrap();
        let early: Vec<usize> = (0..table.rows()).filter(|row| table.ints("candid").unwrap()[*row] % 10 == 0).collect();
        names.iter().map(|name| table.select(&early).numbers(name).unwrap()).collect()
    };
    let (all, mut early) = (given(6), given(6));
    early.retain(|given| given.alert.candid % 10 == 0);
    assert_eq!(format!("{:?}", values(&all)), format!("{:?}", values(&early)));
}

#[test]
fn alerts_of_objects_without_points_have_none() {
    let bench = Bench::new(&["alerts"], |_, folder| {
        write_alerts(folder, &given(2), false);
        LightCurvesWriter::create(folder).finish().unwrap();
    });
    let table = Table::read(bench.path("alerts").join("alerts.csv")).unwrap();
    let names = ["lc_limits", "lc_days"].map(String::from);
    let table = with_columns(table, &bench.path("alerts"), "alerts", &names).unwrap();
    assert_eq!(table.numbers("lc_limits").unwrap(), [0.0; 4]);
    assert!(table.numbers("lc_days").unwrap().iter().all(|days| days.is_nan()));
}

#[test]
fn columns_of_light_curves_without_light_curves_are_an_error() {
    let fault = run_one(&given(6), &[("metadata", list(&["ra", "lc_peak"]))]).err().unwrap();
    assert!(fault.to_string().contains("`lc_peak` needs light curves, but input `alerts` has none"), "{fault}");
}
