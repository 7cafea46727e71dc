//! Stamps in `.npy` and `.npz` arrays, `[row, y, x, 3]` as `BTSbot` and braai publish theirs or `[row, 3, y, x]`, with the csv
//! whose row i describes stamp i: to pieces, some stamps at a time. Channels are science, template, difference.

use super::alert::Stamp;
use super::described::{Described, Row, TableError, TableOptions};
use super::feed::{Piece, Source};
use super::npy::Header;
use super::quality::{Fault, Reason};
use super::record::{Images, Record};
use flate2::read::DeflateDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use zip::{CompressionMethod, ZipArchive};

/// First bytes of a zip archive, which a `.npz` is.
pub(super) const ZIP: &[u8] = b"PK\x03\x04";
/// Stamps of one piece.
const TOGETHER: usize = 32;
/// Longest side of a stamp, pixels.
const LONGEST_SIDE: u64 = 1024;
/// Most members of an archive that are looked at.
const MOST_MEMBERS: usize = 1000;

/// Where the three images of a row are.
#[derive(Clone, Copy, Debug)]
struct Layout {
    rows: usize,
    columns: usize,
    channels_last: bool,
}

/// One array, being read from its first row on.
struct Stack {
    reader: Box<dyn Read + Send>,
    header: Header,
    layout: Layout,
    left: u64,
}

impl Stack {
    /// A lower-case fragment where it is no array.
    fn open(source: &Source) -> Result<Self, String> {
        let file = File::open(&source.path).map_err(|e| e.to_string())?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let zipped = reader.fill_buf().map_err(|e| e.to_string())?.starts_with(ZIP);
        if zipped { member(&source.path) } else { Self::start(Box::new(reader)) }
    }

    fn start(mut reader: Box<dyn Read + Send>) -> Result<Self, String> {
        let header = Header::read(&mut reader)?;
        let layout = layout(&header.shape)?;
        Ok(Self { left: header.shape[0], reader, header, layout })
    }

    /// The next three images.
    fn next_stamps(&mut self) -> Option<Result<[Stamp; 3], Fault>> {
        if self.left == 0 {
            return None;
        }
        let Layout { rows, columns, channels_last } = self.layout;
        let (size, pixels) = (self.header.number.size, rows * columns);
        let mut bytes = vec![0; 3 * pixels * size];
        if let Err(e) = self.reader.read_exact(&mut bytes) {
            let (left, all) = (std::mem::take(&mut self.left), self.header.shape[0]);
            let detail = format!("it claims {all} stamps and ends, or is damaged, before the last {left}: {e}");
            // what the system says is no property of the file
            let reason = if e.raw_os_error().is_some() { Reason::Unreadable } else { Reason::BadArray };
            return Some(Err(Fault::new(reason, detail)));
        }
        self.left -= 1;
        let value = |i: usize| self.header.number.value(&bytes[i * size..(i + 1) * size]);
        let place = |channel: usize, pixel: usize| {
            if channels_last { 3 * pixel + channel } else { channel * pixels + pixel }
        };
        let stamp = |channel| {
            let pixels = (0..pixels).map(|pixel| value(place(channel, pixel))).collect();
            Stamp { rows, columns, pixels }
        };
        Some(Ok([0, 1, 2].map(stamp)))
    }
}

/// The only array of stamps in a `.npz`.
fn member(path: &Path) -> Result<Stack, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| format!("no whole zip archive: {e}"))?;
    let (mut stacks, mut names) = (Vec::new(), Vec::new());
    for index in 0..archive.len().min(MOST_MEMBERS) {
        let member = archive.by_index_raw(index).map_err(|e| format!("the zip archive is damaged: {e}"))?;
        let name: String = member.name().chars().take(40).collect();
        let unpacked = unpacked(path, member.data_start(), member.compressed_size(), member.compression());
        match unpacked.and_then(Stack::start) {
            Ok(stack) => {
                stacks.push(stack);
                names.push(name);
            }
            Err(why) => names.push(format!("{name}: {why}")),
        }
    }
    match (stacks.pop(), stacks.is_empty()) {
        (Some(stack), true) => Ok(stack),
        _ => Err(format!("it must hold one array of stamps; it holds {}", names[..names.len().min(10)].join("; "))),
    }
}

/// The bytes of a member of a zip archive, on a file handle of their own.
fn unpacked(path: &Path, start: u64, size: u64, method: CompressionMethod) -> Result<Box<dyn Read + Send>, String> {
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    file.seek(SeekFrom::Start(start)).map_err(|e| e.to_string())?;
    let packed = BufReader::with_capacity(1 << 16, file.take(size));
    match method {
        CompressionMethod::Stored => Ok(Box::new(packed)),
        CompressionMethod::DEFLATE => Ok(Box::new(DeflateDecoder::new(packed))),
        other => Err(format!("packed by {other}")),
    }
}

fn layout(shape: &[u64]) -> Result<Layout, String> {
    let (rows, columns, channels_last) = match *shape {
        [_, rows, columns, 3] => (rows, columns, true),
        [_, 3, rows, columns] => (rows, columns, false),
        _ => return Err(format!("its shape {shape:?} is neither [row, y, x, 3] nor [row, 3, y, x]")),
    };
    if ![rows, columns].iter().all(|side| (1..=LONGEST_SIDE).contains(side)) {
        return Err(format!("stamps of {rows} x {columns} pixels, not 1 to {LONGEST_SIDE}"));
    }
    Ok(Layout { rows: rows as usize, columns: columns as usize, channels_last })
}

/// The stamps of all arrays with the rows of their table.
pub(super) struct Arrays {
    sources: std::vec::IntoIter<Source>,
    open: Option<(Arc<str>, Stack)>,
    table: Described,
    /// Why the open array gives no more.
    fault: Option<Fault>,
}

impl Arrays {
    /// The arrays in the order of `sources`, one behind the other, described by the table.
    ///
    /// # Errors
    /// An array or any row of the table cannot be read, or they differ in length: no stamp could be told from another.
    pub(super) fn open(sources: Vec<Source>, options: &TableOptions) -> Result<Self, TableError> {
        let table = Described::open(options)?;
        let rows = Described::count(options)?;
        let mut stamps = 0_u64;
        for source in &sources {
            let stack = Stack::open(source);
            let stack = stack.map_err(|why| TableError(format!("array {}: {why}", source.shown())))?;
            stamps = stamps.saturating_add(stack.left);
        }
        if stamps != rows {
            let what = "row i of the table describes stamp i, but the table has";
            return Err(TableError(format!("{what} {rows} rows and the arrays claim {stamps} stamps")));
        }
        Ok(Self { sources: sources.into_iter(), open: None, table, fault: None })
    }

    /// The next stamp of the open array with its row.
    fn record(&mut self) -> Option<Record> {
        let (_, stack) = self.open.as_mut()?;
        let (number, claimed) = (stack.header.shape[0] - stack.left, stack.left);
        let stamps = stack.next_stamps()?;
        let row = self.table.next_row();
        match (stamps, row) {
            (Ok(stamps), Some(Ok(row))) => {
                return Some(Record { number, told: row.told, images: Images::Stamps(stamps) });
            }
            (Ok(_), row) => self.fault = Some(self.end(row)),
            (Err(fault), row) => {
                // the rows of the stamps that are lost
                let rest = (1..claimed).map(|_| self.table.next_row());
                let bad = std::iter::once(row).chain(rest).find(|row| !matches!(row, Some(Ok(_))));
                self.fault = Some(bad.map_or(fault, |row| self.end(row)));
            }
        }
        None
    }

    /// Every row could be read when they were counted: since then the disk has failed or the table was changed, and what follows
    /// has no known row.
    fn end(&mut self, row: Option<Result<Row, Fault>>) -> Fault {
        self.sources = Vec::new().into_iter();
        let why = row.and_then(Result::err).map_or_else(|| "it ends early".to_owned(), |fault| fault.detail);
        let what = format!("the table cannot be read as before ({why}); no stamp from here on is read");
        Fault::new(Reason::Unreadable, what)
    }
}

impl Iterator for Arrays {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        loop {
            if let Some((file, _)) = &self.open {
                let file = Arc::clone(file);
                if let Some(fault) = self.fault.take() {
                    self.open = None;
                    return Some(Piece::Fault { file, fault });
                }
                let records: Vec<Record> = std::iter::from_fn(|| self.record()).take(TOGETHER).collect();
                if !records.is_empty() {
                    return Some(Piece::Records { file, records });
                }
                if self.fault.is_some() {
                    continue;
                }
            }
            let source = self.sources.next()?;
            match Stack::open(&source) {
                Ok(stack) => self.open = Some((source.shown(), stack)),
                // it could be when the stamps were counted
                Err(why) => {
                    let fault = Fault::new(Reason::Unreadable, why);
                    return Some(Piece::Fault { file: source.shown(), fault });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
