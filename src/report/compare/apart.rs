//! Records of one name, such as those of a pipeline and of the experiment on it, told apart: all that is compared is looked up by
//! names. Knows no numbers.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::report::record::Record;

/// The records, each with a name of its own: where two have the same, with the file that each comes from, or else a number.
pub(super) fn told_apart(records: &[Record]) -> Cow<'_, [Record]> {
    let is_alone = |record: &Record| records.iter().filter(|other| other.experiment == record.experiment).count() == 1;
    if records.iter().all(is_alone) {
        return records.into();
    }
    let mut taken: HashSet<String> = records.iter().map(|record| record.experiment.clone()).collect();
    let named = |record: &Record| {
        let (mut record, is_alone) = (record.clone(), is_alone(record));
        if !is_alone {
            record.experiment = free_name(&record, &taken);
            taken.insert(record.experiment.clone());
        }
        record
    };
    records.iter().map(named).collect()
}

/// A name for the record that is not taken.
fn free_name(record: &Record, taken: &HashSet<String>) -> String {
    let file = record.provenance.get("file").and_then(serde_json::Value::as_str);
    let file = file.map(|file| format!("{} ({file})", record.experiment));
    let numbered = (1..).map(|number| format!("{} ({number})", record.experiment));
    let mut names = file.into_iter().chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_one_name_get_their_file_or_a_number() {
        let record = |name: &str, file: Option<&str>| Record {
            experiment: name.into(),
            provenance: file.map_or_else(Default::default, |file| serde_json::json!({ "file": file })),
            ..Record::default()
        };
        let names = |records: &[Record]| {
            told_apart(records).iter().map(|record| record.experiment.clone()).collect::<Vec<String>>()
        };
        assert_eq!(names(&[record("x", Some("a.toml")), record("y", None)]), ["x", "y"]);
        let same =
            [record("x", Some("a.toml")), record("x", Some("b.toml")), record("x", Some("a.toml")), record("x", None)];
        assert_eq!(names(&same), ["x (a.toml)", "x (b.toml)", "x (1)", "x (2)"]);
        assert_eq!(names(&[record("x (1)", None), record("x", None), record("x", None)]), ["x (1)", "x (2)", "x (3)"]);
    }
}
