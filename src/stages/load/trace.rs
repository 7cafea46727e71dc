//! What the alerts of one file mean for those of the files after it, as `trace.csv` beside them. Knows no alert.

use std::collections::HashSet;
use std::path::Path;

use crate::artifacts::table::RowWriter;
use crate::stage::StageError;
use crate::ztf::labels::LabelTrace;
use crate::ztf::quality::Reason;

/// Name of the file: rows of a word, and what the word says about one or two values.
const FILE: &str = "trace.csv";

/// See the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Trace {
    /// Alerts that were kept.
    pub(super) alerts: usize,
    /// Records that were read.
    pub(super) readings: u64,
    /// How often each reason occurred.
    pub(super) totals: Vec<(Reason, u64)>,
    /// Every `candid`, of alerts that were not kept too.
    pub(super) seen: HashSet<i64>,
    /// What was found in label tables.
    pub(super) labels: LabelTrace,
}

impl Trace {
    pub(super) fn write(&self, folder: &Path) -> Result<(), StageError> {
        let mut rows = RowWriter::create(folder.join(FILE), &["what", "value", "more"])?;
        let mut push = |what: &str, value: &str, more: &str| rows.push([what, value, more]);
        push("alerts", &self.alerts.to_string(), "")?;
        push("readings", &self.readings.to_string(), "")?;
        for (reason, count) in &self.totals {
            push("reason", reason.name(), &count.to_string())?;
        }
        let mut seen: Vec<&i64> = self.seen.iter().collect();
        seen.sort_unstable();
        for candid in seen {
            push("candid", &candid.to_string(), "")?;
        }
        for (table, row) in &self.labels.rows {
            push("row", &table.to_string(), &row.to_string())?;
        }
        for (object, label) in &self.labels.objects {
            push("object", object, label)?;
        }
        Ok(rows.finish()?)
    }

    pub(super) fn read(folder: &Path) -> Result<Self, StageError> {
        let path = folder.join(FILE);
        let failed = |e: &dyn std::fmt::Display| StageError::failed(format!("{}: {e}", path.display()));
        let mut reader = csv::Reader::from_path(&path).map_err(|e| failed(&e))?;
        let (mut trace, mut record) = (Self::default(), csv::StringRecord::new());
        while reader.read_record(&mut record).map_err(|e| failed(&e))? {
            let cell = |i: usize| record.get(i).unwrap_or_default();
            trace.take(cell(0), cell(1), cell(2)).ok_or_else(|| failed(&format!("odd row {record:?}")))?;
        }
        Ok(trace)
    }

    fn take(&mut self, what: &str, value: &str, more: &str) -> Option<()> {
        match what {
            "alerts" => self.alerts = value.parse().ok()?,
            "readings" => self.readings = value.parse().ok()?,
            "reason" => self.totals.push((Reason::parse(value)?, more.parse().ok()?)),
            "candid" => drop(self.seen.insert(value.parse().ok()?)),
            "row" => self.labels.rows.push((value.parse().ok()?, more.parse().ok()?)),
            "object" => drop(self.labels.objects.insert(value.into(), more.into())),
            _ => return None,
        }
        Some(())
    }
}
