//! The stage as a whole: stamps of several detections in, sequences out.

use super::*;
use crate::artifacts::sequences::Sequences;
use crate::artifacts::stamps::{MetadataColumn, StampRow, StampsFacts, StampsWriter};
use crate::spec::value::Value;
use crate::stages::testing::{Bench, list, params};

/// Object, hours of its detections (in the order of the file), split.
const OBJECTS: [(&str, &[f64], &str); 4] = [
    ("b", &[50.0, 0.0, 3.0, 26.0, 100.0], "train"),
    ("a", &[0.0, 24.0], "test"),
    ("c", &[0.0, 2.0, 5.0], "train"),
    ("d", &[0.0, 10.0, 20.0, 30.0], "validation"),
];

fn write_stamps(folder: &std::path::Path, copy: i64) {
    let column = |name: &str| MetadataColumn { name: name.into(), low: None, high: None, mean: 0.0, std: 1.0 };
    let facts = StampsFacts {
        channels: vec!["science".into()],
        side: 1,
        normalise: "none".into(),
        metadata: ["magpsf", "ra", "fwhm"].map(column).to_vec(),
        classes: vec!["SN".into()],
        recipe: std::collections::BTreeMap::new(),
    };
    let mut writer = StampsWriter::create(folder, &facts, false).unwrap();
    for (object, (id, hours, split)) in OBJECTS.iter().enumerate() {
        for hour in *hours {
            let row = StampRow {
                candid: object as i64 * 1000 + *hour as i64,
                object_id: (*id).into(),
                jd: 2_459_000.5 + hour / 24.0,
                fid: 2,
                label: "SN".into(),
                split: (*split).into(),
                copy,
            };
            writer.push(&row, &[*hour as f32], &[*hour as f32, object as f32, 0.0], None).unwrap();
        }
    }
    writer.finish().unwrap();
}

fn run(set: &[(&'static str, Value)], copy: i64) -> Result<(Bench, Sequences), StageError> {
    let bench = Bench::new(&["stamps"], |_, folder| write_stamps(folder, copy));
    let bench = bench.run(&SequencesKind, &["stamps"], 0, &with_columns(set))?;
    let sequences = Sequences::open(&bench.out())?;
    Ok((bench, sequences))
}

/// These values, and columns that the stamps have.
fn with_columns<'a>(set: &[(&'a str, Value)]) -> Vec<(&'a str, Value)> {
    let columns = [("dynamic", list(&["magpsf"])), ("static", list(&["ra"]))];
    columns.into_iter().chain(set.iter().cloned()).collect()
}

#[test]
fn detections_are_in_time_order_and_spaced_and_packed() {
    let (_bench, sequences) = run(&[], 0).unwrap();
    assert_eq!(sequences.objects.texts("objectId"), ["a", "b", "d"]);
    assert_eq!(sequences.spans(), [(0, 2), (2, 4), (6, 4)]);
    // b: 3 h is too soon after 0 h; c has one detection left and is out.
    assert_eq!(sequences.images.values(), [0.0, 24.0, 0.0, 26.0, 50.0, 100.0, 0.0, 10.0, 20.0, 30.0]);
    assert_eq!(sequences.fixed.values(), [1.0, 0.0, 3.0]);
    assert_eq!((sequences.images.rows(), sequences.detections.rows(), sequences.facts.longest), (10, 10, 4));
    let days = sequences.detections.numbers("days").unwrap();
    assert_eq!(days[2], 0.0);
    assert!((days[3] - 26.0 / 24.0).abs() < 1e-6);
    assert_eq!(sequences.facts.dynamic, ["gap", "magpsf"]);
}

/// ```python
/// g = np.log10(1 + np.array([0, 26, 24, 50]) / 24); (g - g.mean()) / g.std()   # object b alone trains
/// ```
#[test]
fn gaps_are_standardised_on_the_training_split() {
    let (_bench, sequences) = run(&[], 0).unwrap();
    let gaps: Vec<f32> = (2..6).map(|row| sequences.dynamic.row(row)[0]).collect();
    for (ours, numpy) in gaps.iter().zip([-1.574_386, 0.236_022, 0.135_331, 1.203_033]) {
        assert!((ours - numpy).abs() < 1e-5, "{ours} instead of {numpy}");
    }
    assert_eq!(sequences.dynamic.row(0)[0], gaps[0]);
    assert_eq!(sequences.dynamic.row(3)[1], 26.0);
}
#[test]
fn length_keeps_the_first_detections() {
    let (_bench, sequences) = run(&[("length", Value::Int(2)), ("min_gap", Value::Float(0.0))], 0).unwrap();
    assert_eq!(sequences.spans(), [(0, 2), (2, 2), (4, 2), (6, 2)]);
    assert_eq!(sequences.images.values(), [0.0, 24.0, 0.0, 3.0, 0.0, 2.0, 0.0, 10.0]);
}

#[test]
fn what_cannot_be_a_sequence_is_refused() {
    let message = |set: &[(&'static str, Value)], copy| run(set, copy).err().unwrap().to_string();
    assert!(message(&[], 1).contains("augmented copies"));
    assert!(message(&[("at_least", Value::Int(5))], 0).contains("no object has 5 detections"));
    let drb = list(&["drb"]);
    assert!(message(&[("dynamic", drb)], 0).contains("no metadata column `drb`; they have magpsf, ra, fwhm"));
}

#[test]
fn faults_are_found_before_anything_runs() {
    assert!(SequencesKind.check(&params(&SequencesKind, &[])).is_empty());
    let odd = list(&["magspf"]);
    let faults = SequencesKind.check(&params(&SequencesKind, &[("static", odd), ("at_least", Value::Int(9))]));
    assert_eq!(faults.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["static", "at_least"]);
}
