//! The csv that says what arrays and FITS images hold: row i describes alert i. Streamed, so that its size does not matter.
//! Knows no image.

use super::alert::{FIELDS, field};
use super::labels::Label;
use super::packet::{Packet, Scalar};
use super::quality::{Fault, Reason};
use super::record::Told;
use csv::{Position, Reader, StringRecord, Trim};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why sources cannot be read with their table.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct TableError(pub(super) String);

/// Which table describes the alerts, and how.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    /// The csv.
    pub path: PathBuf,
    /// Columns that are not called as ZTF's fields: field to column.
    pub columns: BTreeMap<String, String>,
    /// Column of the label, if there is one.
    pub label: String,
    /// Column of the split, if the table gives one.
    pub split: Option<String>,
    /// Name of a row's FITS file: `{column}` stands for the row's cell, `{cutout}` for a word of `cutouts`.
    pub pattern: String,
    /// Words for science, template and difference in names of files.
    pub cutouts: Vec<String>,
}

/// An open table.
pub(super) struct Described {
    header: Vec<String>,
    candid: Option<usize>,
    object_id: Option<usize>,
    /// Position in [`FIELDS`] and column.
    fields: Vec<(usize, usize)>,
    label: Option<usize>,
    split: Option<usize>,
    path: PathBuf,
    rows: csv::StringRecordsIntoIter<File>,
    number: u64,
}

/// One row.
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) told: Told,
    /// Cells as they stand, for names of files.
    cells: StringRecord,
}

impl Described {
    /// Opens the csv and finds the columns.
    ///
    /// # Errors
    /// It cannot be read, or a column is missing that `columns` or an alert needs.
    pub(super) fn open(options: &TableOptions) -> Result<Self, TableError> {
        let mut reader = reader(options)?;
        let header = reader.headers().map_err(|e| TableError(format!("table: {e}")))?;
        let header: Vec<String> = header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
        let position = |name: &str| header.iter().position(|column| column == name);
        let found = || header.iter().take(30).map(String::as_str).collect::<Vec<_>>().join(", ");
        let column = |name: &str| match options.columns.get(name) {
            None => Ok(position(name)),
            Some(own) => position(own)
                .map(Some)
                .ok_or_else(|| TableError(format!("table: no column `{own}` for `{name}` among {}", found()))),
        };
        for name in options.columns.keys() {
            if field(name).is_none() && !["candid", "objectId"].contains(&name.as_str()) {
                return Err(TableError(format!(
                    "columns: `{name}` is no field of an alert, such as jd, fid or magpsf"
                )));
            }
        }
        let object_id = column("objectId")?;
        if object_id.is_none() {
            let advice = "say `columns = { objectId = \"...\" }`, for splits go by object";
            return Err(TableError(format!("table: no column `objectId` among {}; {advice}", found())));
        }
        let fields = FIELDS.iter().enumerate().map(|(i, name)| Ok(column(name)?.map(|column| (i, column))));
        let fields = fields.collect::<Result<Vec<_>, TableError>>()?.into_iter().flatten().collect();
        let split = options.split.as_deref().map(|name| {
            position(name).ok_or_else(|| TableError(format!("table: no column `{name}` among {}", found())))
        });
        let (candid, label, split) = (column("candid")?, position(&options.label), split.transpose()?);
        let (path, rows) = (options.path.clone(), reader.into_records());
        Ok(Self { candid, object_id, fields, label, split, path, rows, number: 0, header })
    }

    /// Number of rows of the csv.
    ///
    /// # Errors
    /// A row cannot be read: it is no UTF-8, or has more or fewer cells than the header.
    pub(super) fn count(options: &TableOptions) -> Result<u64, TableError> {
        let (mut reader, mut row, mut count) = (reader(options)?, StringRecord::new(), 0);
        reader.headers().map_err(|e| TableError(format!("table: {e}")))?;
        loop {
            let before = reader.position().clone();
            let read = reader.read_record(&mut row);
            let bad = |e| TableError(format!("table, {}", in_words(&e, count, line_behind(&options.path, &before))));
            if !read.map_err(bad)? {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    /// Whether a name `{name}` of a pattern can be filled in.
    pub(super) fn has(&self, name: &str) -> bool {
        self.header.iter().any(|column| column == name)
    }

    /// The next row; none at the end. One that cannot be read counts as a row as well, lest those behind it move up.
    pub(super) fn next_row(&mut self) -> Option<Result<Row, Fault>> {
        let before = self.rows.reader().position().clone();
        let cells = self.rows.next()?;
        let number = self.number;
        self.number += 1;
        // what the system says is no property of the row
        let reason = |e: &csv::Error| if e.is_io_error() { Reason::Unreadable } else { Reason::BadRow };
        let bad = |e: csv::Error| Fault::new(reason(&e), in_words(&e, number, line_behind(&self.path, &before)));
        Some(cells.map(|cells| self.row(number, cells)).map_err(bad))
    }

    fn row(&self, number: u64, cells: StringRecord) -> Row {
        let mut told = self.packet(&cells).told();
        // a table is its owner's, who may mean another date by `jd` than the packet does
        told.faults.retain(|fault| fault.reason != Reason::WrongJd);
        told.any_size = true;
        if told.candid.is_none() {
            told.candid = Some(made_up(number, &cells));
            let written = self.candid.and_then(|column| cells.get(column)).unwrap_or("no column");
            let written: String = written.chars().take(40).collect();
            told.faults.retain(|fault| fault.reason != Reason::MissingCandid);
            told.faults.push(Fault::new(Reason::MadeUpCandid, format!("`{written}`")));
        }
        let cell = |column: Option<usize>| column.and_then(|column| cells.get(column)).unwrap_or_default().to_owned();
        if self.label.is_some() || self.split.is_some() {
            let evidence = format!("table, row {}", number + 1);
            told.label = Some(Label { label: cell(self.label), split: cell(self.split), evidence });
        }
        Row { number, told, cells }
    }

    fn packet<'a>(&self, cells: &'a StringRecord) -> Packet<'a> {
        let object = self.object_id.and_then(|column| cells.get(column)).filter(|object| !object.is_empty());
        let candid = self.candid.and_then(|column| cells.get(column)?.parse().ok());
        let mut packet = Packet { candid, object_id: object.map(Cow::Borrowed), ..Packet::default() };
        for (index, column) in &self.fields {
            let scalar = match cells.get(*column) {
                None | Some("") => Scalar::Nothing,
                Some(cell) => cell.parse().map_or(Scalar::Text(cell), Scalar::Float),
            };
            packet.set_value(*index, &scalar);
        }
        packet
    }

    /// From here on reading fails as on a bad disk: a folder can be opened and not be read.
    #[cfg(test)]
    pub(super) fn break_disk(&mut self, folder: &std::path::Path) {
        let reader = csv::ReaderBuilder::new().has_headers(false).from_path(folder);
        self.rows = reader.unwrap().into_records();
    }

    /// The name that `pattern` gives to an image of `row`.
    pub(super) fn name(&self, row: &Row, pattern: &str, cutout: &str) -> String {
        let mut name = pattern.replace("{cutout}", cutout);
        for (column, cell) in self.header.iter().zip(&row.cells) {
            name = name.replace(&format!("{{{column}}}"), cell);
        }
        name
    }
}

fn reader(options: &TableOptions) -> Result<Reader<File>, TableError> {
    let reader = csv::ReaderBuilder::new().trim(Trim::All).from_path(&options.path);
    reader.map_err(|e| TableError(format!("table: {e}")))
}

/// Line of the row behind a place where the reader stood: first come the rest of the line's end and empty lines.
fn line_behind(path: &Path, before: &Position) -> u64 {
    let skip = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(before.byte()))?;
        let ends = BufReader::new(file).bytes().map_while(Result::ok).take_while(|byte| b"\r\n".contains(byte));
        Ok::<u64, std::io::Error>(ends.filter(|byte| *byte == b'\n').count() as u64)
    };
    before.line() + skip().unwrap_or(0)
}

/// What is wrong with row `number`, from 0, at this line.
fn in_words(error: &csv::Error, number: u64, line: u64) -> String {
    let what = match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => err.to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} cells, and the header {expected_len}")
        }
        _ => error.to_string(),
    };
    format!("row {} (line {line}): {what}", number + 1)
}

/// A negative number for a row that has none: of its place and cells, lest the first rows of two tables are taken for one alert.
fn made_up(number: u64, cells: &StringRecord) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes());
    for cell in cells {
        hasher.update(cell.as_bytes()).update(&[0]);
    }
    let half = hasher.finalize().as_bytes().first_chunk().map_or(0, |start| i64::from_le_bytes(*start));
    half | i64::MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(csv: &str, change: impl FnOnce(&mut TableOptions)) -> Result<Described, TableError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, csv).unwrap();
        let mut options = TableOptions { path, label: "label".into(), ..TableOptions::default() };
        change(&mut options);
        Described::open(&options)
    }

    #[test]
    fn rows_are_alerts_and_rounded_numbers_are_replaced() {
        let csv = "candid,objectId,jd,isdiffpos,mag,label\n2752190653015010019,ZTFa,2460220.9,t,18.5,SN\n2.4e18,ZTFb,,0,-999.0,\n";
        let magnitudes = |options: &mut TableOptions| drop(options.columns.insert("magpsf".into(), "mag".into()));
        let mut table = open(csv, magnitudes).unwrap();
        let value = |row: &Row, name: &str| row.told.values[field(name).unwrap()];
        let reasons = |row: &Row| row.told.faults.iter().map(|fault| fault.reason).collect::<Vec<_>>();
        let (one, two) = (table.next_row().unwrap().unwrap(), table.next_row().unwrap().unwrap());
        assert_eq!(
            (one.told.candid, value(&one, "isdiffpos"), value(&one, "magpsf")),
            (Some(2_752_190_653_015_010_019), 1.0, 18.5)
        );
        assert_eq!(one.told.label.as_ref().map(|label| label.label.as_str()), Some("SN"));
        assert!(reasons(&one).is_empty() && value(&one, "fid").is_nan());
        assert_eq!((value(&two, "isdiffpos"), value(&two, "magpsf")), (0.0, -999.0));
        assert_eq!(reasons(&two), [Reason::MissingJd, Reason::MadeUpCandid]);
        assert!(two.told.candid.is_some_and(|candid| candid < 0));
        let other = open("candid,objectId,jd,isdiffpos,mag,label\n,,,,,\n2.4e18,ZTFb,,1,-999.0,\n", magnitudes);
        let mut other = other.unwrap();
        let other = [other.next_row(), other.next_row()].map(|row| row.unwrap().unwrap().told.candid);
        assert!(other[0] != other[1] && !other.contains(&two.told.candid));
        assert!(table.next_row().is_none());
        assert_eq!(table.name(&one, "{objectId}/{candid}_{cutout}.fits", "sci"), "ZTFa/2752190653015010019_sci.fits");
    }

    #[test]
    fn signs_are_words_or_numbers_and_anything_else_is_odd() {
        let signs = ["1", "0", "-1", "-1.0", "f", "2", "-999.123456789012345678", "nan", "", "-999"];
        let rows = signs.map(|sign| format!("1,ZTFa,5,{sign}\n")).concat();
        let mut table = open(&format!("candid,objectId,jd,isdiffpos\n{rows}"), |_| ()).unwrap();
        let mut next = || {
            let told = table.next_row().unwrap().unwrap().told;
            (told.values[field("isdiffpos").unwrap()], told.faults.iter().map(|f| f.detail.clone()).collect::<Vec<_>>())
        };
        for expected in [1.0, 0.0, 0.0, 0.0, 0.0] {
            assert_eq!(next(), (expected, Vec::new()));
        }
        for odd in [&["2"][..], &["-999.1234567890124"], &[], &[], &[]] {
            let (value, faults) = next();
            assert!(value.is_nan() && faults == odd, "{faults:?}");
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_is_named_with_its_line() {
        for (csv, line) in [
            ("objectId,jd\na,1\nb,2,3\nc,3\n", 3),
            ("objectId,jd\n\n\na,1\n\n\nb,2,3\nc,3\n", 7),
            ("objectId,jd\r\na,1\r\nb,2,3\r\nc,3\r\n", 3),
            ("objectId,jd\r\n\r\na,1\r\n\r\nb,2,3\r\n", 5),
            ("objectId,jd\n\"a\na\",1\nb,2,3\n", 4),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("t.csv");
            std::fs::write(&path, csv).unwrap();
            let options = TableOptions { path, ..TableOptions::default() };
            let expected = format!("row 2 (line {line}): it has 3 cells, and the header 2");
            let mut table = Described::open(&options).unwrap();
            assert!(table.next_row().unwrap().is_ok());
            assert_eq!(table.next_row().unwrap().err().unwrap().detail, expected, "{csv:?}");
            assert_eq!(Described::count(&options).unwrap_err().to_string(), format!("table, {expected}"));
        }
    }

    #[test]
    fn faults_name_what_is_missing() {
        let message = |csv: &str, key: &str, column: &str| {
            let change = |options: &mut TableOptions| drop(options.columns.insert(key.into(), column.into()));
            open(csv, change).err().map(|fault| fault.to_string()).unwrap_or_default()
        };
        assert!(message("candid,x\n", "jd", "x").contains("no column `objectId` among candid, x"));
        assert!(message("objectId,x\n", "jd", "y").contains("no column `y` for `jd` among objectId, x"));
        assert!(message("objectId,x\n", "colour", "x").contains("`colour` is no field of an alert"));
        assert_eq!(message("x\n", "objectId", "x"), "");
    }
}
