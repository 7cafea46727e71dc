//! Parquet files of alerts, as Fink writes its archive: one row is one alert, `candidate.*` (or Rubin's `diaSource.*`) and the
//! cutouts nested as in the packets. Named columns only; everything else in a file stays unread. Knows no image.

use super::feed::Rows;
use super::quality::{Fault, Reason};
use std::fs::File;
use std::sync::Arc;

/// First bytes of every file.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// The rows of a file, some at a time.
///
/// # Errors
/// [`Reason::BadParquet`].
#[cfg(feature = "parquet")]
pub(super) fn open(file: Arc<str>, reader: File) -> Result<Rows, Fault> {
    Ok(Box::new(table::Table::open(file, reader)?))
}

/// Says that this program cannot.
#[cfg(not(feature = "parquet"))]
pub(super) fn open(_: Arc<str>, _: File) -> Result<Rows, Fault> {
    Err(Fault::new(Reason::BadParquet, "this program was built without its feature `parquet`"))
}

#[cfg(feature = "parquet")]
mod table {
    use super::super::feed::Piece;
    use super::super::packet::{Column, Packet, Part, Scalar};
    use super::super::record::{Images, Record};
    use super::{Arc, Fault, File, Reason};
    use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
    use parquet::data_type::{ByteArray, DataType};
    use parquet::errors::{ParquetError, Result};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::schema::types::ColumnDescriptor;
    use std::borrow::Cow;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// Rows of one piece.
    const TOGETHER: usize = 16;

    /// What a column is good for.
    #[derive(Clone, Copy)]
    enum Wanted {
        Candid,
        Object,
        Column(Column),
        Cutout(usize),
    }

    impl Wanted {
        /// By the path of the column; lists, such as the history of an object, are no columns of the alert.
        fn of(column: &ColumnDescriptor) -> Option<Self> {
            if column.max_rep_level() > 0 {
                return None;
            }
            let parts: Vec<&str> = column.path().parts().iter().map(String::as_str).collect();
            match (parts.first().map(|part| Part::of(part))?, &parts[1..]) {
                (Part::Candid, []) => Some(Self::Candid),
                (Part::Object, []) => Some(Self::Object),
                (Part::Candidate, [name]) => Column::of(name).map(Self::Column),
                (Part::DiaSource, [name]) => Column::of_dia(name).map(Self::Column),
                (Part::Cutout(index), [] | ["stampData"]) => Some(Self::Cutout(index)),
                _ => None,
            }
        }
    }

    /// One value of a column.
    enum Value {
        Nothing,
        Integer(i64),
        Float(f64),
        Bytes(ByteArray),
    }

    impl Value {
        fn scalar(&self) -> Scalar<'_> {
            match self {
                Self::Nothing => Scalar::Nothing,
                Self::Integer(value) => Scalar::Integer(*value),
                Self::Float(value) => Scalar::Float(*value),
                Self::Bytes(bytes) => bytes.as_utf8().map_or(Scalar::Nothing, Scalar::Text),
            }
        }
    }

    /// A column of the open row group.
    struct Open {
        wanted: Wanted,
        most: i16,
        reader: ColumnReader,
    }

    /// An open file.
    pub(super) struct Table {
        file: Arc<str>,
        reader: SerializedFileReader<File>,
        groups: std::ops::Range<usize>,
        columns: Vec<Open>,
        /// Rows of the open row group that are still to come.
        left: usize,
        number: u64,
    }

    /// Whether the file could not be read, whatever is in it.
    fn is_of_the_system(error: &ParquetError) -> bool {
        let ParquetError::External(inner) = error else { return false };
        inner.downcast_ref::<std::io::Error>().is_some_and(|error| error.raw_os_error().is_some())
    }

    /// A fault of the file, also where the library panics over it.
    fn guarded<T>(read: impl FnOnce() -> Result<T>) -> std::result::Result<T, Fault> {
        let result = catch_unwind(AssertUnwindSafe(read));
        let result = result.unwrap_or_else(|_| Err(ParquetError::General("damaged (the library gave up)".into())));
        result.map_err(|e| {
            let reason = if is_of_the_system(&e) { Reason::Unreadable } else { Reason::BadParquet };
            Fault::new(reason, e.to_string().trim_start_matches("Parquet error: "))
        })
    }

    impl Table {
        pub(super) fn open(file: Arc<str>, reader: File) -> std::result::Result<Self, Fault> {
            let reader = guarded(|| SerializedFileReader::new(reader))?;
            let columns = reader.metadata().file_metadata().schema_descr().columns();
            let wanted: Vec<Wanted> = columns.iter().filter_map(|column| Wanted::of(column)).collect();
            let has = |test: fn(&Wanted) -> bool| wanted.iter().any(test);
            for (found, what) in [
                (has(|wanted| matches!(wanted, Wanted::Candid | Wanted::Column(Column::Candid))), "candid"),
                (has(|wanted| matches!(wanted, Wanted::Cutout(0))), "cutoutScience"),
                (has(|wanted| matches!(wanted, Wanted::Cutout(1))), "cutoutTemplate"),
                (has(|wanted| matches!(wanted, Wanted::Cutout(2))), "cutoutDifference"),
            ] {
                if !found {
                    let names = columns.iter().map(|column| column.path().string()).take(12).collect::<Vec<_>>();
                    let detail = format!("no column {what} among {} ...", names.join(", "));
                    return Err(Fault::new(Reason::BadParquet, detail));
                }
            }
            let groups = 0..reader.num_row_groups();
            Ok(Self { file, reader, groups, columns: Vec::new(), left: 0, number: 0 })
        }

        /// Opens the wanted columns of the next row group that has rows; false at the end.
        fn next_group(&mut self) -> Result<bool> {
            while self.left == 0 {
                let Some(index) = self.groups.next() else { return Ok(false) };
                let group = self.reader.get_row_group(index)?;
                self.left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
                self.columns.clear();
                for (i, column) in group.metadata().schema_descr().columns().iter().enumerate() {
                    if let Some(wanted) = Wanted::of(column) {
                        let (most, reader) = (column.max_def_level(), group.get_column_reader(i)?);
                        self.columns.push(Open { wanted, most, reader });
                    }
                }
            }
            Ok(true)
        }

        fn records(&mut self) -> Result<Vec<Record>> {
            if !self.next_group()? {
                return Ok(Vec::new());
            }
            let count = self.left.min(TOGETHER);
            let columns = self.columns.iter_mut().map(|open| Ok((open.wanted, values(open, count)?)));
            let mut columns: Vec<(Wanted, Vec<Value>)> = columns.collect::<Result<_>>()?;
            self.left -= count;
            let first = self.number;
            self.number += count as u64;
            Ok((0..count).map(|row| record(first + row as u64, row, &mut columns)).collect())
        }
    }

    impl Iterator for Table {
        type Item = Piece;

        fn next(&mut self) -> Option<Piece> {
            let file = Arc::clone(&self.file);
            match guarded(|| self.records()) {
                Ok(records) if records.is_empty() => {
                    if std::mem::replace(&mut self.number, 1) > 0 {
                        return None;
                    }
                    Some(Piece::Fault { file, fault: Fault::new(Reason::NoRecords, "") })
                }
                Ok(records) => Some(Piece::Records { file, records }),
                Err(fault) => {
                    (self.left, self.groups, self.number) = (0, 0..0, self.number.max(1));
                    Some(Piece::Fault { file, fault })
                }
            }
        }
    }

    fn record(number: u64, row: usize, columns: &mut [(Wanted, Vec<Value>)]) -> Record {
        let missing = || Err(Fault::new(Reason::MissingCutout, "no bytes"));
        let mut images = [missing(), missing(), missing()];
        let mut packet = Packet::default();
        for (wanted, values) in columns {
            let value = &values[row];
            match wanted {
                Wanted::Candid => packet.candid = value.scalar().integer().or(packet.candid),
                Wanted::Object => packet.object_id = value.scalar().text().map(|id| Cow::Owned(id.to_owned())),
                Wanted::Column(column) => packet.set_column(*column, &value.scalar()),
                Wanted::Cutout(index) => {
                    if let Value::Bytes(bytes) = value {
                        images[*index] = Ok(bytes.data().to_vec());
                    }
                }
            }
        }
        Record { number, told: packet.told(), images: Images::Files(images) }
    }

    /// The next values of a column, `count` of them.
    fn values(open: &mut Open, count: usize) -> Result<Vec<Value>> {
        let most = open.most;
        match &mut open.reader {
            ColumnReader::BoolColumnReader(reader) => typed(reader, most, count, |v| Value::Integer(v.into())),
            ColumnReader::Int32ColumnReader(reader) => typed(reader, most, count, |v| Value::Integer(v.into())),
            ColumnReader::Int64ColumnReader(reader) => typed(reader, most, count, Value::Integer),
            ColumnReader::FloatColumnReader(reader) => typed(reader, most, count, |v| Value::Float(v.into())),
            ColumnReader::DoubleColumnReader(reader) => typed(reader, most, count, Value::Float),
            ColumnReader::ByteArrayColumnReader(reader) => typed(reader, most, count, Value::Bytes),
            ColumnReader::FixedLenByteArrayColumnReader(_) | ColumnReader::Int96ColumnReader(_) => {
                Ok((0..count).map(|_| Value::Nothing).collect())
            }
        }
    }

    fn typed<T: DataType>(
        reader: &mut ColumnReaderImpl<T>,
        most: i16,
        count: usize,
        value: impl Fn(T::T) -> Value,
    ) -> Result<Vec<Value>> {
        let (mut levels, mut stored) = (Vec::new(), Vec::new());
        let (records, ..) = reader.read_records(count, Some(&mut levels), None, &mut stored)?;
        if records < count {
            return Err(ParquetError::General(format!("a column ends after {records} of {count} rows")));
        }
        let mut stored = stored.into_iter().map(value);
        let mut next = || stored.next().unwrap_or(Value::Nothing);
        Ok(match most {
            0 => (0..count).map(|_| next()).collect(),
            _ => levels.iter().map(|level| if *level == most { next() } else { Value::Nothing }).collect(),
        })
    }
}

#[cfg(test)]
#[cfg(feature = "parquet")]
mod tests;
