//! Labels of alerts from a csv table with a column `candid` or `objectId`. Knows no packet.

use super::alert::Alert;
use super::quality::{Fault, Reason};
use std::collections::HashMap;
use std::path::Path;
use thiserror::Error;

/// Why a label table cannot be used.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct LabelError(String);

/// A label for rows without one: `COLUMN = VALUE -> LABEL`. The cell, or one of its items parted by `;`, equals VALUE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    column: String,
    value: String,
    label: String,
}

impl Rule {
    /// Reads the notation, e.g. `weak_label = bogus_drb<0.1 -> bogus`.
    ///
    /// # Errors
    /// The text is not of that form.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let parts = text.rsplit_once("->").and_then(|(from, label)| Some((from.split_once('=')?, label)));
        let ((column, value), label) = parts
            .ok_or_else(|| LabelError(format!("label rule `{text}` is not of the form `column = value -> label`")))?;
        let [column, value, label] = [column, value, label].map(|part| part.trim().to_owned());
        if column.is_empty() || label.is_empty() {
            return Err(LabelError(format!("label rule `{text}` needs a column before `=` and a label after `->`")));
        }
        Ok(Self { column, value, label })
    }
}

/// Which columns and classes are wanted.
#[derive(Clone, Debug, Default)]
pub struct LabelOptions {
    /// Column of the label.
    pub label: String,
    /// Column of the split, if the table gives one.
    pub split: Option<String>,
    /// Labels for rows without one, the first rule that fits.
    pub rules: Vec<Rule>,
    /// Labels that count; all when empty.
    pub classes: Vec<String>,
}

/// What the table says of one candid or object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// The class; empty: unlabelled.
    pub label: String,
    /// The split; empty: none given.
    pub split: String,
}

/// A label table, looked up alert by alert.
#[derive(Debug)]
pub struct LabelTable {
    by_object: bool,
    rows: Vec<(Label, bool)>,
    index: HashMap<String, usize>,
    object_labels: HashMap<String, String>,
}

impl LabelTable {
    /// Reads a csv file with a header line. With both columns, `candid` decides.
    ///
    /// # Errors
    /// The file, a column or an identifier is missing or malformed, or one identifier has two labels; with line numbers.
    pub fn read(path: &Path, options: &LabelOptions) -> Result<Self, LabelError> {
        let shown = path.file_name().unwrap_or_default().to_string_lossy();
        let reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path);
        let mut reader = reader.map_err(|e| LabelError(format!("cannot read {shown}: {e}")))?;
        let header = reader.headers().map_err(|e| LabelError(format!("{shown}: {e}")))?.clone();
        let columns = Columns::find(&header, options).map_err(|what| LabelError(format!("{shown}: {what}")))?;
        let mut table = Self {
            by_object: columns.by_object,
            rows: Vec::new(),
            index: HashMap::new(),
            object_labels: HashMap::new(),
        };
        for (number, record) in reader.records().enumerate() {
            let place = |what: String| LabelError(format!("{shown}, row {}: {what}", number + 1));
            let record = record.map_err(|e| place(e.to_string()))?;
            let id = columns.id(&record).map_err(place)?;
            table.add(id, columns.label(&record, options)).map_err(place)?;
        }
        Ok(table)
    }

    fn add(&mut self, id: String, label: Label) -> Result<(), String> {
        match self.index.get(&id).map(|row| &self.rows[*row].0) {
            Some(known) if *known == label => {}
            Some(known) => return Err(format!("{id} is `{}` here and `{}` before", label.label, known.label)),
            None => {
                self.index.insert(id, self.rows.len());
                self.rows.push((label, false));
            }
        }
        Ok(())
    }

    /// The label of `alert`, and a note when another alert of its object has a different one.
    pub fn of(&mut self, alert: &Alert) -> (Label, Option<Fault>) {
        let id = if self.by_object { alert.object_id.clone() } else { alert.candid.to_string() };
        let Some(row) = self.index.get(&id) else { return <_>::default() };
        let (label, used) = &mut self.rows[*row];
        *used = true;
        let first = match label.label.is_empty() {
            true => &label.label,
            false => self.object_labels.entry(alert.object_id.clone()).or_insert_with(|| label.label.clone()),
        };
        let conflict = (first != &label.label).then(|| {
            Fault::new(Reason::LabelConflict, format!("`{}`, another alert of the object `{first}`", label.label))
        });
        (label.clone(), conflict)
    }

    /// How many rows no alert asked for.
    #[must_use]
    pub fn unmatched(&self) -> u64 {
        self.rows.iter().filter(|(_, used)| !used).count() as u64
    }
}

/// Positions of the wanted columns.
struct Columns {
    id: usize,
    by_object: bool,
    label: usize,
    split: Option<usize>,
    rules: Vec<usize>,
}

impl Columns {
    fn find(header: &csv::StringRecord, options: &LabelOptions) -> Result<Self, String> {
        let position = |name: &str| header.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
        let wanted = |name: &str| {
            let names = || header.iter().take(30).collect::<Vec<_>>().join(", ");
            position(name).ok_or_else(|| format!("no column `{name}` among {}", names()))
        };
        let (id, by_object) = match position("candid") {
            Some(id) => (id, false),
            None => (
                wanted("objectId").map_err(|what| format!("neither a column `candid` nor one `objectId`; {what}"))?,
                true,
            ),
        };
        let rules = options.rules.iter().map(|rule| wanted(&rule.column)).collect::<Result<_, _>>()?;
        let split = options.split.as_deref().map(wanted).transpose()?;
        Ok(Self { id, by_object, label: wanted(&options.label)?, split, rules })
    }

    fn id(&self, record: &csv::StringRecord) -> Result<String, String> {
        let id = record.get(self.id).unwrap_or_default();
        if id.is_empty() {
            return Err("no identifier".to_owned());
        }
        if self.by_object {
            return Ok(id.to_owned());
        }
        let exact = "write it with all its digits (a table program may have rounded it)";
        id.parse::<i64>()
            .map(|candid| candid.to_string())
            .map_err(|_| format!("candid `{id}` is no whole number; {exact}"))
    }

    fn label(&self, record: &csv::StringRecord, options: &LabelOptions) -> Label {
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let fits = |(rule, column): &(&Rule, &usize)| {
            cell(**column) == rule.value || cell(**column).split(';').any(|item| item.trim() == rule.value)
        };
        let weak = || options.rules.iter().zip(&self.rules).find(fits).map_or("", |(rule, _)| &rule.label);
        let label = Some(cell(self.label)).filter(|label| !label.is_empty()).unwrap_or_else(weak);
        let counts = options.classes.is_empty() || options.classes.iter().any(|class| class == label);
        Label {
            label: if counts { label.to_owned() } else { String::new() },
            split: self.split.map_or("", cell).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ztf::alert::Stamp;

    fn alert(candid: i64, object: &str) -> Alert {
        let stamp = || Stamp { rows: 0, columns: 0, pixels: Vec::new() };
        Alert { candid, object_id: object.into(), values: Vec::new(), stamps: [stamp(), stamp(), stamp()] }
    }

    fn table(csv: &str, options: &LabelOptions) -> Result<LabelTable, LabelError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, csv).unwrap();
        LabelTable::read(&path, options)
    }

    fn options() -> LabelOptions {
        LabelOptions { label: "label".into(), ..LabelOptions::default() }
    }

    #[test]
    fn rules_label_what_has_no_label_of_its_own() {
        let rules = vec![Rule::parse("weak = bogus_drb<0.1 -> bogus").unwrap()];
        let options = LabelOptions { rules, classes: vec!["SN".into(), "bogus".into()], ..options() };
        let csv =
            "candid,label,weak\n1,SN,bogus_drb<0.1\n2,,bogus_drb<0.1\n3,,starlike; bogus_drb<0.1\n4,TDE,\n5,,bogus\n";
        let mut table = table(csv, &options).unwrap();
        let labels: Vec<String> = (1..=6).map(|candid| table.of(&alert(candid, "a")).0.label).collect();
        assert_eq!(labels, ["SN", "bogus", "bogus", "", "", ""]);
        assert_eq!(table.unmatched(), 0);
    }

    #[test]
    fn objects_have_splits_and_unmatched_rows_are_counted() {
        let options = LabelOptions { split: Some("split".into()), ..options() };
        let mut table = table("objectId,label,split\nZTF1,SN,train\nZTF2,VS,test\n", &options).unwrap();
        let expected = Label { label: "SN".into(), split: "train".into() };
        assert_eq!(table.of(&alert(1, "ZTF1")).0, expected);
        assert_eq!(table.unmatched(), 1);
    }

    #[test]
    fn an_object_with_two_labels_is_noted() {
        let mut table = table("candid,label\n1,SN\n2,AGN\n3,\n", &options()).unwrap();
        assert_eq!(table.of(&alert(1, "ZTF1")).1, None);
        assert_eq!(table.of(&alert(2, "ZTF1")).1.unwrap().reason, Reason::LabelConflict);
        assert_eq!(table.of(&alert(3, "ZTF1")).1, None);
    }

    #[test]
    fn faults_say_where() {
        let message = |csv: &str| table(csv, &options()).unwrap_err().to_string();
        assert!(message("id,label\n").contains("neither a column `candid`"));
        assert!(message("candid,class\n").contains("no column `label` among candid, class"));
        assert!(message("candid,label\n1,SN\n2.46644e+18,SN\n").contains("row 2: candid `2.46644e+18`"));
        assert!(message("candid,label\n1,SN\n1,VS\n").contains("1 is `VS` here and `SN` before"));
        assert!(message("candid,label\n,SN\n").contains("row 1: no identifier"));
        assert!(Rule::parse("bogus").is_err() && Rule::parse("=x->").is_err());
    }
}
