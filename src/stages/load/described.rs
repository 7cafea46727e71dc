//! Tests of `load` on arrays that a table describes.

use super::Load;
use super::tests::load;
use crate::artifacts::alerts::Alerts;
use crate::artifacts::table::Table;
use crate::spec::value::Value;
use crate::stage::StageKind;
use crate::stages::testing;

/// An array of three stamps of 2 x 2 pixels, `numpy.arange(36)`, and its table.
fn data() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2, 2, 3), }";
    let mut array = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    array.extend(format!("{text:<117}\n").into_bytes());
    array.extend((0..36).flat_map(|i| (i as f32).to_le_bytes()));
    std::fs::write(folder.path().join("a.npy"), array).unwrap();
    let rows = "candid,objectId,jd,FID,label,split\n7,ZTFa,2459000.5,2,SN,train\n2.4e18,ZTFb,2459001.5,1,x,test\n9,ZTFc,,1,,\n";
    std::fs::write(folder.path().join("table.csv"), rows).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "hello").unwrap();
    folder
}

fn text(word: &str) -> Value {
    testing::text(word)
}

#[test]
fn an_array_becomes_alerts_with_the_labels_of_its_table() {
    let folder = data();
    let columns = Value::Table([("fid".to_owned(), text("FID"))].into());
    let set = [
        ("table", text("table.csv")),
        ("columns", columns),
        ("classes", testing::list(&["SN"])),
        ("split_column", text("split")),
        ("unlabelled", text("keep")),
    ];
    let out = load(folder.path(), &["a.npy", "notes.txt"], &set).unwrap();
    let alerts = Alerts::open(&out).unwrap();
    let candids = alerts.table.ints("candid").unwrap();
    assert!(candids[0] == 7 && candids[1] < 0 && candids[2] == 9);
    assert_eq!(alerts.table.texts("label"), ["SN", "", ""]);
    assert_eq!(alerts.table.texts("split"), ["train", "test", ""]);
    assert_eq!(alerts.table.ints("fid"), Some(&[2, 1, 1][..]));
    assert_eq!(alerts.table.ints("rows"), Some(&[63, 63, 63][..]));
    let row = alerts.stamps.row(1);
    assert_eq!([row[31 * 63 + 31], row[63 * 63 + 30 * 63 + 30]], [21.0, 13.0]);
    let quality = Table::read(out.join("quality.csv")).unwrap();
    let reasons = quality.texts("reason");
    let count = |reason: &str| reasons.iter().filter(|found| *found == reason).count();
    let expected = ["other_file", "resized", "made_up_candid", "missing_jd", "other_class"];
    assert_eq!(expected.map(count), [1, 9, 1, 1, 1]);
    assert_eq!(reasons.len(), 13);
    assert_eq!(alerts.table.texts("label_evidence"), ["table, row 1", "", ""]);
}

#[test]
fn columns_named_for_label_tables_are_theirs_alone() {
    let folder = data();
    std::fs::write(folder.path().join("labels.csv"), "candid,kind,part\n9,VS,validation\n").unwrap();
    let set = [
        ("table", text("table.csv")),
        ("labels", testing::list(&["labels.csv"])),
        ("label_column", text("kind")),
        ("split_column", text("part")),
    ];
    let table = Alerts::open(&load(folder.path(), &["a.npy"], &set).unwrap()).unwrap().table;
    assert_eq!(table.texts("label"), ["SN", "x", "VS"]);
    assert_eq!(table.texts("split"), ["", "", "validation"]);
}

#[test]
fn what_does_not_fit_is_a_clear_error() {
    let folder = data();
    let table = || ("table", text("table.csv"));
    let message = |set: &[(&'static str, Value)]| load(folder.path(), &["a.npy"], set).unwrap_err().to_string();
    assert!(message(&[]).contains("none of the 1 files in `path` is called .tar, "));
    std::fs::write(folder.path().join("table.csv"), "candid,objectId\n1,ZTFa\n").unwrap();
    assert!(message(&[table()]).contains("has 1 rows and the arrays claim 3 stamps"));
    std::fs::write(folder.path().join("table.csv"), "candid\n1\n2\n3\n").unwrap();
    assert!(message(&[table()]).contains("no column `objectId`"));
    let faults = |set: &[(&'static str, Value)]| {
        let set = [&[("path", text("a.npy"))][..], set].concat();
        let mut params: crate::spec::value::Params =
            Load.keys().into_iter().map(|key| (key.name, key.default.unwrap_or(Value::Nothing))).collect();
        params.extend(set);
        Load.check(&params).into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(faults(&[("cutouts", testing::list(&["a"]))]), ["cutouts"]);
    assert_eq!(faults(&[("label_rules", testing::list(&["a = b -> c"])), table()]), ["label_rules"]);
    assert_eq!(faults(&[("unlabelled", text("drop"))]), ["unlabelled"]);
    assert!(faults(&[("unlabelled", text("drop")), table()]).is_empty());
}
