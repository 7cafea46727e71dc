//! One label table: a csv file whose rows are looked up by detection, object or place. Knows no other table.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use super::columns::{Columns, Id};
use super::{LabelError, LabelOptions, TableOptions};
use crate::ztf::alert::Alert;
use crate::ztf::crossmatch::SkyIndex;
use crate::ztf::quality::{Fault, Reason};

/// What a table says of an alert.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The label; empty: none.
    pub(super) label: String,
    pub(super) split: String,
    /// Table, identifier, and what led from the cell to the label.
    pub(super) evidence: String,
    /// Sources with another label are within the radius.
    pub(super) ambiguous: Option<Fault>,
}

/// Words by number, each kept once, so that a row of a large catalogue takes few bytes. Number 0 is the empty word.
#[derive(Debug)]
struct Words {
    list: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Words {
    fn new() -> Self {
        Self { list: vec![String::new()], numbers: HashMap::from([(String::new(), 0)]) }
    }

    fn number(&mut self, word: &str) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = self.list.len() as u32;
        self.list.push(word.to_owned());
        self.numbers.insert(word.to_owned(), number);
        number
    }

    fn word(&self, number: u32) -> &str {
        &self.list[number as usize]
    }
}

/// Numbers of words.
#[derive(Clone, Copy, Debug)]
struct Row {
    label: u32,
    split: u32,
    /// What led from the cell to the label, as it stands in the evidence.
    how: u32,
    used: bool,
}

#[derive(Debug)]
enum Index {
    Candid(HashMap<i64, usize>),
    Object(HashMap<String, usize>),
    Position(SkyIndex),
}

/// A label table, looked up alert by alert.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Columns,
    words: Words,
    rows: Vec<Row>,
    index: Index,
}

impl Table {
    /// Opens a csv file and finds its columns in the header line.
    pub(super) fn open(
        path: &Path,
        own: &TableOptions,
        all: &LabelOptions,
    ) -> Result<(csv::Reader<File>, Columns), LabelError> {
        let name = &own.name;
        let reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path);
        let mut reader = reader.map_err(|e| LabelError(format!("cannot read {name}: {e}")))?;
        let header = reader.headers().map_err(|e| LabelError(format!("{name}: {e}")))?.clone();
        let columns = Columns::find(&header, own, all).map_err(|what| LabelError(format!("{name}: {what}")))?;
        Ok((reader, columns))
    }

    /// Reads a csv file with a header line.
    pub(super) fn read(path: &Path, own: &TableOptions, all: &LabelOptions) -> Result<Self, LabelError> {
        let name = &own.name;
        let (mut reader, columns) = Self::open(path, own, all)?;
        let index = match columns.id {
            Id::Candid(_) => Index::Candid(HashMap::new()),
            Id::Object(_) => Index::Object(HashMap::new()),
            Id::Position(..) => Index::Position(SkyIndex::new(&[], all.radius)),
        };
        let mut table = Self { name: name.clone(), columns, words: Words::new(), rows: Vec::new(), index };
        let mut places = Vec::new();
        let mut record = csv::StringRecord::new();
        for number in 1.. {
            let place = |what: String| LabelError(format!("{name}, row {number}: {what}"));
            if !reader.read_record(&mut record).map_err(|e| place(e.to_string()))? {
                break;
            }
            table.add(&record, all, &mut places).map_err(place)?;
        }
        if let Index::Position(index) = &mut table.index {
            *index = SkyIndex::new(&places, all.radius);
        }
        Ok(table)
    }

    fn add(
        &mut self,
        record: &csv::StringRecord,
        all: &LabelOptions,
        places: &mut Vec<(f64, f64)>,
    ) -> Result<(), String> {
        let row = self.row(record, all);
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let next = self.rows.len();
        let known = match (&mut self.index, self.columns.id) {
            (Index::Candid(index), Id::Candid(column)) => *index.entry(candid(cell(column))?).or_insert(next),
            (Index::Object(index), Id::Object(column)) => *index.entry(named(cell(column))?.to_owned()).or_insert(next),
            (_, Id::Position(ra, dec)) => {
                places.push((degrees("ra", cell(ra), -360.0, 360.0)?, degrees("dec", cell(dec), -90.0, 90.0)?));
                next
            }
            _ => next,
        };
        match self.rows.get(known) {
            None => self.rows.push(row),
            Some(before) if (before.label, before.split) == (row.label, row.split) => {}
            Some(before) => {
                let (Id::Candid(id) | Id::Object(id) | Id::Position(id, _)) = self.columns.id;
                let (here, before) = (self.words.word(row.label), self.words.word(before.label));
                return Err(format!("{} is `{here}` here and `{before}` before", cell(id)));
            }
        }
        Ok(())
    }

    fn row(&mut self, record: &csv::StringRecord, all: &LabelOptions) -> Row {
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let own = cell(self.columns.label);
        let renaming = all.renamings.iter().find(|renaming| renaming.from == own);
        let rules = all.rules.iter().zip(&self.columns.rules);
        let rule = || rules.clone().find_map(|(rule, column)| rule.fits(cell((*column)?)).then_some(rule));
        let (label, how) = match (own.is_empty(), renaming) {
            (false, None) => (own, String::new()),
            (false, Some(renaming)) => (renaming.to.as_str(), format!(", {} -> {}", renaming.from, renaming.to)),
            (true, _) => match rule() {
                Some(rule) => (rule.label.as_str(), format!(", {}", rule.condition())),
                None => ("", String::new()),
            },
        };
        let split = self.columns.split.map_or("", cell);
        let [label, split, how] = [label, split, &how].map(|word| self.words.number(word));
        Row { label, split, how, used: false }
    }

    /// What the table says of `alert`; `None` when it does not know it.
    pub(super) fn of(&mut self, alert: &Alert) -> Option<Answer> {
        let mut evidence = format!("{}:{}", self.name, self.columns.identity());
        let mut others = Vec::new();
        let row = match &self.index {
            Index::Candid(index) => *index.get(&alert.candid)?,
            Index::Object(index) => *index.get(&alert.object_id)?,
            Index::Position(index) => {
                others = index.within(alert.value("ra"), alert.value("dec"));
                let nearest = others.first()?;
                evidence += &format!(" {:.2}\"", nearest.distance);
                nearest.row
            }
        };
        let found = &mut self.rows[row];
        found.used = true;
        let found = *found;
        let other = others.iter().find(|near| {
            let label = self.rows[near.row].label;
            label != 0 && found.label != 0 && label != found.label
        });
        let label = self.words.word(found.label).to_owned();
        let ambiguous = other.map(|other| {
            let (farther, near) = (self.words.word(self.rows[other.row].label), others[0].distance);
            let detail =
                format!("`{label}` at {near:.2} arcsec, `{farther}` at {:.2} arcsec by {}", other.distance, self.name);
            Fault::new(Reason::AmbiguousMatch, detail)
        });
        evidence += self.words.word(found.how);
        Some(Answer { label, split: self.words.word(found.split).to_owned(), evidence, ambiguous })
    }

    /// Rows that alerts asked for.
    pub(super) fn used(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows.iter().enumerate().filter(|(_, row)| row.used).map(|(number, _)| number)
    }

    /// As if an alert had asked for the row.
    pub(super) fn mark_used(&mut self, row: usize) {
        if let Some(row) = self.rows.get_mut(row) {
            row.used = true;
        }
    }

    /// How many rows no alert asked for.
    pub(super) fn unmatched(&self) -> u64 {
        self.rows.iter().filter(|row| !row.used).count() as u64
    }
}

fn named(id: &str) -> Result<&str, String> {
    if id.is_empty() { Err("no identifier".to_owned()) } else { Ok(id) }
}

fn candid(id: &str) -> Result<i64, String> {
    let exact = "write it with all its digits (a table program may have rounded it)";
    named(id)?.parse().map_err(|_| format!("candid `{id}` is no whole number; {exact}"))
}

fn degrees(what: &str, cell: &str, low: f64, high: f64) -> Result<f64, String> {
    cell.parse::<f64>()
        .ok()
        .filter(|value| (low..=high).contains(value))
        .ok_or_else(|| format!("{what} `{cell}` is no number of degrees from {low} to {high}"))
}
