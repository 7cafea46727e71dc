//! Labels of alerts: from csv tables in order of priority, else from rules on the alert's own fields; each with its evidence.
//! Knows no packet.

mod columns;
mod notation;
mod table;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use thiserror::Error;

use super::alert::Alert;
use super::quality::{Fault, Reason};
use columns::Columns;
pub use columns::Identity;
pub use notation::{Renaming, Rule, WeakRule};
use table::{Answer, Table};

/// Why a label table cannot be used.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct LabelError(String);

/// What is special about one table; the header tells the rest.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    /// What evidence and messages call it.
    pub name: String,
    /// Column of the label.
    pub label: Option<String>,
    /// How it names what it labels.
    pub identity: Option<Identity>,
}

/// What holds for all tables.
#[derive(Clone, Debug)]
pub struct LabelOptions {
    /// Column of the split, if a table gives one.
    pub split: Option<String>,
    /// Labels for rows without one, the first rule that fits.
    pub rules: Vec<Rule>,
    /// Other names for labels.
    pub renamings: Vec<Renaming>,
    /// Labels that count; all when empty.
    pub classes: Vec<String>,
    /// Columns of right ascension and declination.
    pub position: [String; 2],
    /// How far a source may be from the alert, arcsec, above 0.
    pub radius: f64,
    /// Labels for alerts that no table labels, the first rule that fits.
    pub weak: Vec<WeakRule>,
}

impl Default for LabelOptions {
    fn default() -> Self {
        let (split, position) = (None, ["ra".to_owned(), "dec".to_owned()]);
        let (rules, renamings, classes, weak) = <_>::default();
        Self { split, rules, renamings, classes, position, radius: 1.5, weak }
    }
}

/// What is known of one alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// The class; empty: unlabelled.
    pub label: String,
    /// The split; empty: none given.
    pub split: String,
    /// Where the class comes from, such as `tns.csv:candid`; empty: unlabelled.
    pub evidence: String,
}

/// What alerts have left in [`Labels`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelTrace {
    /// Table and row of what was found, both by position.
    pub rows: Vec<(usize, usize)>,
    /// The first label of each object that has one.
    pub objects: BTreeMap<String, String>,
}

/// All that labels alerts, asked alert by alert.
#[derive(Debug)]
pub struct Labels {
    tables: Vec<Table>,
    weak: Vec<WeakRule>,
    renamings: Vec<Renaming>,
    classes: Vec<String>,
    object_labels: HashMap<String, String>,
}

impl Labels {
    /// Reads csv files with header lines, the first one above the second. With columns for both, `candid` goes before
    /// `objectId`, and that before a position.
    ///
    /// # Errors
    /// A file, a column or an identifier is missing or malformed, or one identifier has two labels; with line numbers.
    pub fn read<'a>(
        files: impl IntoIterator<Item = (&'a Path, TableOptions)>,
        options: &LabelOptions,
    ) -> Result<Self, LabelError> {
        let tables = files.into_iter().map(|(path, own)| Table::read(path, &own, options));
        let tables: Vec<Table> = tables.collect::<Result<_, _>>()?;
        let found: Vec<(&str, &Columns)> = tables.iter().map(|table| (table.name.as_str(), &table.columns)).collect();
        check_columns_of_all(&found, options)?;
        let LabelOptions { weak, renamings, classes, .. } = options.clone();
        Ok(Self { tables, weak, renamings, classes, object_labels: HashMap::new() })
    }

    /// Whether the header lines of files have all columns that are asked for.
    ///
    /// # Errors
    /// As those of [`Labels::read`] about files and columns.
    pub fn check_columns<'a>(
        files: impl IntoIterator<Item = (&'a Path, TableOptions)>,
        options: &LabelOptions,
    ) -> Result<(), LabelError> {
        let columns = files.into_iter().map(|(path, own)| {
            let (_, columns) = Table::open(path, &own, options)?;
            Ok::<_, LabelError>((own.name, columns))
        });
        let columns: Vec<(String, Columns)> = columns.collect::<Result<_, _>>()?;
        let found: Vec<(&str, &Columns)> = columns.iter().map(|(name, columns)| (name.as_str(), columns)).collect();
        check_columns_of_all(&found, options)
    }

    /// The label of `alert`: that of the first table that has one, else that of the first weak rule that fits; and what is
    /// odd about it.
    pub fn of(&mut self, alert: &Alert) -> (Label, Vec<Fault>) {
        self.beside(alert, None)
    }

    /// The same beside the label that the alert's source gives, which comes after all tables and before the rules.
    pub fn beside(&mut self, alert: &Alert, own: Option<&Label>) -> (Label, Vec<Fault>) {
        let mut faults = Vec::new();
        let mut answers: Vec<Label> = Vec::new();
        for table in &mut self.tables {
            let Some(Answer { label, split, evidence, ambiguous }) = table.of(alert) else { continue };
            faults.extend(ambiguous);
            answers.push(Label { label, split, evidence });
        }
        answers.extend(own.map(|own| self.renamed(own)));
        let mut found = Label::default();
        for Label { label, split, evidence } in answers {
            if found.split.is_empty() {
                found.split = split;
            }
            if found.label.is_empty() && !label.is_empty() {
                (found.label, found.evidence) = (label, evidence);
            } else if !label.is_empty() && found.label != label {
                let detail = format!("`{}` by {}, `{label}` by {evidence}", found.label, found.evidence);
                faults.push(Fault::new(Reason::LabelConflict, detail));
            }
        }
        if found.label.is_empty()
            && let Some(rule) = self.weak.iter().find(|rule| rule.fits(alert))
        {
            (found.label, found.evidence) = (rule.label().to_owned(), rule.evidence());
        }
        self.count(&mut found, &mut faults);
        faults.extend(self.conflict_in_object(alert, &found.label));
        (found, faults)
    }

    /// A source's own label under its other name, if it has one.
    fn renamed(&self, own: &Label) -> Label {
        let Some(renaming) = self.renamings.iter().find(|renaming| renaming.from == own.label) else {
            return own.clone();
        };
        let evidence = format!("{}, {} -> {}", own.evidence, renaming.from, renaming.to);
        Label { label: renaming.to.clone(), split: own.split.clone(), evidence }
    }

    /// Takes away a label that does not count.
    fn count(&self, found: &mut Label, faults: &mut Vec<Fault>) {
        if found.label.is_empty() || self.classes.is_empty() || self.classes.contains(&found.label) {
            return;
        }
        faults.push(Fault::new(Reason::OtherClass, format!("`{}` by {}", found.label, found.evidence)));
        found.label.clear();
        found.evidence.clear();
    }

    /// A note when another alert of the object has a different label.
    fn conflict_in_object(&mut self, alert: &Alert, label: &str) -> Option<Fault> {
        if label.is_empty() {
            return None;
        }
        let first = self.object_labels.entry(alert.object_id.clone()).or_insert_with(|| label.to_owned());
        let detail = || format!("`{label}`, another alert of the object `{first}`");
        (*first != label).then(|| Fault::new(Reason::LabelConflict, detail()))
    }

    /// What was asked and found so far.
    pub fn trace(&self) -> LabelTrace {
        let rows = |(table, found): (usize, &Table)| found.used().map(|row| (table, row)).collect::<Vec<_>>();
        let objects = self.object_labels.iter().map(|(object, label)| (object.clone(), label.clone()));
        LabelTrace { rows: self.tables.iter().enumerate().flat_map(rows).collect(), objects: objects.collect() }
    }

    /// Whether what is known of objects is the same with and without the alerts of `trace`.
    pub fn agrees_with(&self, trace: &LabelTrace) -> bool {
        trace.objects.iter().all(|(object, label)| self.object_labels.get(object).is_none_or(|known| known == label))
    }

    /// As if the alerts of `trace` had been asked for.
    pub fn recall(&mut self, trace: LabelTrace) {
        for (table, row) in trace.rows {
            if let Some(table) = self.tables.get_mut(table) {
                table.mark_used(row);
            }
        }
        for (object, label) in trace.objects {
            self.object_labels.entry(object).or_insert(label);
        }
    }

    /// The tables that have rows, none of which an alert asked for.
    pub fn strangers(&self) -> impl Iterator<Item = &str> {
        let tables = self.tables.iter().filter(|table| table.unmatched() > 0 && table.used().next().is_none());
        tables.map(|table| table.name.as_str())
    }

    /// The tables that have rows which no alert asked for, and how many.
    pub fn unmatched(&self) -> impl Iterator<Item = (&str, u64)> {
        self.tables.iter().map(|table| (table.name.as_str(), table.unmatched())).filter(|(_, rows)| *rows > 0)
    }
}

/// Whether some table has the column of the split and that of each rule.
fn check_columns_of_all(tables: &[(&str, &Columns)], options: &LabelOptions) -> Result<(), LabelError> {
    let split = options.split.iter().map(|name| (name, tables.iter().any(|(_, columns)| columns.split.is_some())));
    let has_rule = |i: usize| tables.iter().any(|(_, columns)| columns.rules[i].is_some());
    let rules = options.rules.iter().enumerate().map(|(i, rule)| (&rule.column, has_rule(i)));
    if let Some((name, _)) = split.chain(rules).find(|(_, found)| !found && !tables.is_empty()) {
        let names: Vec<&str> = tables.iter().map(|(name, _)| *name).collect();
        return Err(LabelError(format!("no column `{name}` in {}", names.join(", "))));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
