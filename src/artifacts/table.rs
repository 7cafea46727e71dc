//! A table in memory, by columns, and its csv file. An empty cell is a missing value (NaN), never 0.
//! Knows nothing of what the columns mean.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter};
use std::path::Path;

use super::texts::Texts;
use super::{ArtifactError, Result};

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Whole numbers (identifiers do not fit into f64).
    Int(Vec<i64>),
    /// Real numbers, NaN where missing.
    Number(Vec<f64>),
    /// Texts.
    Text(Texts),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Int(v) => v.len(),
            Self::Number(v) => v.len(),
            Self::Text(v) => v.len(),
        }
    }

    fn cell(&self, row: usize) -> Cow<'_, str> {
        match self {
            Self::Int(v) => v[row].to_string().into(),
            Self::Number(v) => number(v[row]).into(),
            Self::Text(v) => (&v[row]).into(),
        }
    }

    /// A row as a number, NaN where the cell is none.
    pub fn number(&self, row: usize) -> f64 {
        match self {
            Self::Int(v) => v[row] as f64,
            Self::Number(v) => v[row],
            Self::Text(v) => v[row].parse().unwrap_or(f64::NAN),
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Int(v) => Self::Int(rows.iter().map(|r| v[*r]).collect()),
            Self::Number(v) => Self::Number(rows.iter().map(|r| v[*r]).collect()),
            Self::Text(v) => Self::Text(rows.iter().map(|r| &v[*r]).collect()),
        }
    }

    fn push(&mut self, cell: &str) {
        match self {
            Self::Int(v) => v.extend(cell.parse::<i64>()),
            Self::Number(v) => v.push(cell.parse().unwrap_or(f64::NAN)),
            Self::Text(v) => v.push(cell),
        }
    }
}

/// What the cells of a column have been so far.
#[derive(Clone, Copy)]
struct Cells {
    whole: bool,
    numbers: bool,
    empty: bool,
    rows: usize,
    bytes: usize,
}

impl Cells {
    const NONE: Self = Self { whole: true, numbers: true, empty: true, rows: 0, bytes: 0 };

    fn see(&mut self, cell: &str) {
        self.rows += 1;
        self.bytes += cell.len();
        self.whole = self.whole && cell.parse::<i64>().is_ok();
        self.numbers = self.numbers && (cell.is_empty() || cell.parse::<f64>().is_ok());
        self.empty &= cell.is_empty();
    }

    /// The narrowest type that holds them all, as a column with room for them.
    fn column(self) -> Column {
        match self {
            Self { empty: false, whole: true, rows, .. } => Column::Int(Vec::with_capacity(rows)),
            Self { empty: false, numbers: true, rows, .. } => Column::Number(Vec::with_capacity(rows)),
            Self { rows, bytes, .. } => Column::Text(Texts::with_capacity(rows, bytes)),
        }
    }
}

/// A number as a cell: shortest text that reads back the same; empty when it is not finite.
pub fn number(value: f64) -> String {
    if value.is_finite() { format!("{value}") } else { String::new() }
}

/// Named columns of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    names: Vec<String>,
    columns: Vec<Column>,
}

impl Table {
    /// Without columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more column; its length must be that of the others.
    #[must_use]
    pub fn with(mut self, name: &str, column: Column) -> Self {
        debug_assert!(self.columns.is_empty() || self.rows() == column.len(), "columns of unequal length");
        self.names.push(name.into());
        self.columns.push(column);
        self
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Column::len)
    }

    /// Names of the columns in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The column called `name`.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.names.iter().position(|n| n == name).map(|i| &self.columns[i])
    }

    /// The column `name` as texts (numbers are written out; all empty when there is no such column).
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.packed(name).iter().map(str::to_owned).collect()
    }

    /// As [`Table::texts`], in a fraction of the memory: for tables of many rows.
    pub fn packed(&self, name: &str) -> Cow<'_, Texts> {
        match self.column(name) {
            None => Cow::Owned(std::iter::repeat_n("", self.rows()).collect()),
            Some(Column::Text(texts)) => Cow::Borrowed(texts),
            Some(column) => Cow::Owned((0..self.rows()).map(|r| column.cell(r)).collect()),
        }
    }

    /// The column `name` as numbers; `None` when there is no such column, NaN where a cell is no number.
    pub fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        self.column(name).map(|column| (0..self.rows()).map(|row| column.number(row)).collect())
    }

    /// The column `name` as whole numbers.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        if let Some(Column::Int(v)) = self.column(name) { Some(v) } else { None }
    }

    /// The chosen rows, in the given order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { names: self.names.clone(), columns: self.columns.iter().map(|c| c.select(rows)).collect() }
    }

    /// Writes the csv file.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut writer = RowWriter::create(path, &self.names)?;
        for row in 0..self.rows() {
            writer.push(self.columns.iter().map(|c| c.cell(row).into_owned()))?;
        }
        writer.finish()
    }

    /// Reads a csv file with a header line.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_columns(path, |_| true)
    }

    /// As [`Table::read`], but only the columns whose names are wanted.
    pub fn read_columns(path: impl AsRef<Path>, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let path = path.as_ref();
        // Twice: the first time for the types, so that no cell is held as text that becomes a number.
        let mut seen: Vec<Cells> = Vec::new();
        let names = Self::visit(path, &wanted, |column, cell| {
            if column == seen.len() {
                seen.push(Cells::NONE);
            }
            seen[column].see(cell);
        })?;
        seen.resize(names.len(), Cells::NONE);
        let mut columns: Vec<Column> = seen.iter().map(|cells| cells.column()).collect();
        Self::visit(path, &wanted, |column, cell| {
            if let Some(column) = columns.get_mut(column) {
                column.push(cell);
            }
        })?;
        let same = columns.iter().zip(&seen).all(|(column, cells)| column.len() == cells.rows);
        if same { Ok(Self { names, columns }) } else { Err(ArtifactError::new(path, "changed while it was read")) }
    }

    /// The wanted columns of a csv file of so many rows as numbers, NaN where a cell is none. Reads the file once, for there are
    /// no types to find out first.
    pub fn read_numbers(path: impl AsRef<Path>, rows: usize, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let path = path.as_ref();
        let mut seen: Vec<(Vec<f64>, bool)> = Vec::new();
        let names = Self::visit(path, wanted, |column, cell| {
            if column == seen.len() {
                seen.push((Vec::with_capacity(rows), true));
            }
            let (numbers, whole) = &mut seen[column];
            *whole = *whole && cell.parse::<i64>().is_ok();
            numbers.push(cell.parse().unwrap_or(f64::NAN));
        })?;
        seen.resize_with(names.len(), Default::default);
        if seen.iter().any(|(numbers, _)| numbers.len() != rows) {
            return Err(ArtifactError::new(path, format!("does not have {rows} rows")));
        }
        // -0 is not a whole number, but the 0 that it is in a column of these
        let column = |(numbers, whole): (Vec<f64>, bool)| {
            Column::Number(if whole { numbers.into_iter().map(|x| x + 0.0).collect() } else { numbers })
        };
        Ok(Self { names, columns: seen.into_iter().map(column).collect() })
    }

    /// Names of the columns of a csv file.
    pub fn names_in(path: impl AsRef<Path>) -> Result<Vec<String>> {
        let failed = |e: csv::Error| ArtifactError::new(path.as_ref(), e);
        let mut reader = csv::Reader::from_path(path.as_ref()).map_err(failed)?;
        Ok(reader.headers().map_err(failed)?.iter().map(|name| name.trim().to_owned()).collect())
    }

    /// Shows the wanted cells of every row of a csv file, each with the number of its column among them; gives the names of
    /// these columns.
    fn visit(path: &Path, wanted: impl Fn(&str) -> bool, mut show: impl FnMut(usize, &str)) -> Result<Vec<String>> {
        let failed = |e: csv::Error| ArtifactError::new(path, e);
        let mut reader = csv::Reader::from_path(path).map_err(failed)?;
        let header = reader.headers().map_err(failed)?.iter().map(str::trim).enumerate();
        let (places, names): (Vec<usize>, Vec<String>) =
            header.filter(|(_, name)| wanted(name)).map(|(place, name)| (place, name.to_string())).unzip();
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(failed)? {
            places.iter().enumerate().for_each(|(column, place)| show(column, record.get(*place).unwrap_or_default()));
        }
        Ok(names)
    }
}

/// Writes a csv file row by row.
pub struct RowWriter {
    path: std::path::PathBuf,
    /// The header line.
    header: String,
    file: File,
    writer: csv::Writer<BufWriter<File>>,
}

impl RowWriter {
    /// Starts the file with its header line.
    pub fn create<T: AsRef<str>>(path: impl AsRef<Path>, header: &[T]) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let failed = |e: std::io::Error| ArtifactError::new(&path, e);
        let file = File::create(&path).map_err(failed)?;
        let writer = csv::Writer::from_writer(BufWriter::new(file.try_clone().map_err(failed)?));
        let line = header.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",");
        let mut writer = Self { writer, file, header: line, path };
        writer.push(header.iter().map(|h| h.as_ref().to_string()))?;
        Ok(writer)
    }

    /// Appends a row.
    pub fn push<T: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = T>) -> Result<()> {
        self.writer.write_record(cells).map_err(|e| ArtifactError::new(&self.path, e))
    }

    /// Appends all rows of a csv file with the same header line.
    pub fn push_all(&mut self, path: &Path) -> Result<()> {
        let failed = |e: std::io::Error| ArtifactError::new(path, e);
        self.writer.flush().map_err(|e| ArtifactError::new(&self.path, e))?;
        let mut reader = BufReader::new(File::open(path).map_err(failed)?);
        let mut header = String::new();
        reader.read_line(&mut header).map_err(failed)?;
        if header.trim_end() != self.header {
            return Err(ArtifactError::new(path, format!("its columns are not those of {}", self.path.display())));
        }
        // Both handles write at the same place of the file.
        std::io::copy(&mut reader, &mut self.file).map(drop).map_err(|e| ArtifactError::new(&self.path, e))
    }

    /// Makes sure that everything is written.
    pub fn finish(mut self) -> Result<()> {
        self.writer.flush().map_err(|e| ArtifactError::new(&self.path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_inferred_and_identifiers_keep_all_digits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "candid,magpsf,label\n2752190653015010019,18.5,SN\n-3,,\n").unwrap();
        let table = Table::read(&path).unwrap();
        assert_eq!(table.ints("candid"), Some(&[2_752_190_653_015_010_019, -3][..]));
        let magnitudes = table.numbers("magpsf").unwrap();
        assert!(magnitudes[0] == 18.5 && magnitudes[1].is_nan());
        assert_eq!(table.texts("label"), ["SN", ""]);
        assert_eq!(table.texts("split"), ["", ""]);
    }

    #[test]
    fn a_cell_at_the_end_decides_and_texts_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "name,flux,night,none\n007,1,2,\n1e3,2,3,\nx,2.5,4,\n").unwrap();
        let table = Table::read(&path).unwrap();
        assert_eq!(table.texts("name"), ["007", "1e3", "x"]);
        assert_eq!(table.column("flux"), Some(&Column::Number(vec![1.0, 2.0, 2.5])));
        assert_eq!(table.ints("night"), Some(&[2, 3, 4][..]));
        assert_eq!(table.column("none"), Some(&Column::Text([""; 3].into_iter().collect())));
        let two = Table::read_columns(&path, |name| name == "none" || name == "flux").unwrap();
        assert_eq!((two.names(), two.rows()), (&["flux".to_string(), "none".to_string()][..], 3));
        assert_eq!(two.column("flux"), table.column("flux"));
        std::fs::write(&path, "a,b\n").unwrap();
        assert_eq!(Table::read(&path).unwrap().rows(), 0);
    }

    #[test]
    fn numbers_are_those_of_the_whole_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "whole,real,mixed,none,name\n-0,-0,1,,a\n+7,,x,,b\n9007199254740993,2.5,-0,,c\n")
            .unwrap();
        let bits = |table: &Table, name: &str| -> Vec<u64> {
            table.numbers(name).unwrap().iter().map(|x| if x.is_nan() { 0 } else { x.to_bits() + 1 }).collect()
        };
        let (table, numbers) = (Table::read(&path).unwrap(), Table::read_numbers(&path, 3, |_| true).unwrap());
        assert_eq!(numbers.names(), table.names());
        assert!(numbers.names().iter().all(|name| bits(&numbers, name) == bits(&table, name)));
        let signs = ["whole", "real", "mixed"].map(|name| {
            <[f64; 3]>::try_from(numbers.numbers(name).unwrap()).unwrap().map(|x| x.is_sign_negative() && !x.is_nan())
        });
        assert_eq!(signs, [[false; 3], [true, false, false], [false, false, true]]);
        let two = Table::read_numbers(&path, 3, |name| name == "real" || name == "none").unwrap();
        assert_eq!((two.names(), two.rows()), (&["real".to_string(), "none".to_string()][..], 3));
        assert!(Table::read_numbers(&path, 4, |_| true).unwrap_err().to_string().contains("4 rows"));
        std::fs::write(&path, "a,b\n").unwrap();
        assert_eq!(Table::read_numbers(&path, 0, |_| true).unwrap().names(), ["a", "b"]);
    }

    #[test]
    fn rows_of_other_files_follow_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, other] = ["one.csv", "two.csv", "other.csv"].map(|name| folder.path().join(name));
        std::fs::write(&one, "id,name\n2,\"two\nlines\"\n").unwrap();
        std::fs::write(&other, "id,label\n9,x\n").unwrap();
        let mut writer = RowWriter::create(&two, &["id", "name"]).unwrap();
        writer.push(["1", "a"]).unwrap();
        writer.push_all(&one).unwrap();
        writer.push(["3", "c"]).unwrap();
        assert!(writer.push_all(&other).unwrap_err().to_string().contains("its columns are not those of"));
        writer.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&two).unwrap(), "id,name\n1,a\n2,\"two\nlines\"\n3,c\n");
    }

    #[test]
    fn table_reads_back_equal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let table = Table::new()
            .with("id", Column::Int(vec![1, 2]))
            .with("x", Column::Number(vec![0.1, 1e-300]))
            .with("name", Column::Text(["a,\"b\"", "c"].into_iter().collect()));
        table.write(&path).unwrap();
        assert_eq!(Table::read(&path).unwrap(), table);
        assert_eq!(table.select(&[1]).texts("name"), ["c"]);
    }
}
