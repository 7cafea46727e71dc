//! The inputs: their cutouts, which stay on the disk, and columns of their tables as somebody asks for them. Knows no rows.

use std::path::{Path, PathBuf};

use crate::artifacts::alerts::Alerts;
use crate::artifacts::array::{Array, Stack};
use crate::artifacts::table::Table;
use crate::stage::{Job, StageError};

/// Columns of alerts that rows are made of.
const COLUMNS: [&str; 13] =
    ["candid", "objectId", "label", "split", "rows", "columns", "jd", "fid", "ra", "dec", "xpos", "ypos", "isdiffpos"];

/// One input.
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its artifact.
    pub folder: PathBuf,
    /// The cutouts of its alerts.
    pub stamps: Stack,
    /// The same without noise, when they were simulated.
    pub clean: Option<Array>,
}

impl Source {
    /// Opens it, with the wanted columns of its alerts.
    pub fn open(name: &str, folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<(Self, Table), StageError> {
        let Alerts { table, stamps, clean } = Alerts::open_columns(folder, wanted)?;
        Ok((Self { name: name.into(), folder: folder.into(), stamps, clean }, table))
    }

    /// Some columns of its alerts, as numbers.
    pub fn numbers(&self, wanted: &[&str]) -> Result<Table, StageError> {
        Ok(Table::read_numbers(self.table(), self.stamps.rows(), |name| wanted.contains(&name))?)
    }

    /// The table of its alerts.
    pub fn table(&self) -> PathBuf {
        self.folder.join("alerts.csv")
    }
}

/// Opens all inputs, in order of their names, each with the columns that rows are made of, `group_by` among them.
pub fn open_all(job: &Job, group_by: Option<&str>) -> Result<Vec<(Source, Table)>, StageError> {
    job.inputs.iter().map(|(name, folder)| open_one(name, folder, group_by)).collect()
}

/// Opens one of them.
pub fn open_one(name: &str, folder: &Path, group_by: Option<&str>) -> Result<(Source, Table), StageError> {
    Source::open(name, folder, |name| COLUMNS.contains(&name) || Some(name) == group_by)
}
