//! A folder of FITS images, three for each row of a csv, found by their names. Knows no pixels.

use super::alert::CUTOUTS;
use super::described::{Described, Row, TableError, TableOptions};
use super::feed::{Piece, Source};
use super::quality::{Fault, Reason};
use super::record::{Images, Record};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Alerts of one piece.
const TOGETHER: usize = 16;
/// Most bytes of one file: a gzipped image of two thousand pixels square.
const LIMIT: u64 = 16 << 20;

/// How FITS images are called, lower case.
pub(super) const ENDINGS: &[&str] = &[".fits", ".fit", ".fits.gz", ".fit.gz"];

/// Whether a file is a FITS image by its name.
pub(super) fn is_one(source: &Source) -> bool {
    let name = source.path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ENDINGS.iter().any(|end| name.ends_with(end))
}

/// The alerts of a table with their images.
pub(super) struct Folder {
    /// Where each is, and whether a row asked for it.
    files: BTreeMap<String, (PathBuf, bool)>,
    table: Described,
    pattern: String,
    cutouts: [String; 3],
}

impl Folder {
    /// The images among `sources`, by their labels.
    ///
    /// # Errors
    /// The table cannot be read, or the pattern does not say which file is which.
    pub(super) fn open(sources: Vec<Source>, options: &TableOptions) -> Result<Self, TableError> {
        let table = Described::open(options)?;
        let pattern = options.pattern.clone();
        let names = pattern.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name);
        let names: Vec<&str> = names.collect();
        if let Some(unknown) = names.iter().find(|name| **name != "cutout" && !table.has(name)) {
            return Err(TableError(format!("pattern: the table has no column `{unknown}`")));
        }
        if !names.contains(&"cutout") || names.len() < 2 {
            let what = "pattern: it needs {cutout} and a column of the table, as in {candid}_{cutout}.fits";
            return Err(TableError(what.into()));
        }
        let cutouts = <[String; 3]>::try_from(options.cutouts.clone());
        let cutouts = cutouts.map_err(|_| TableError(format!("cutouts: three words, for {}", CUTOUTS.join(", "))))?;
        let label = |source: &Source| match source.label.as_str() {
            "" => source.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            label => label.to_owned(),
        };
        let files = sources.into_iter().map(|source| (label(&source), (source.path, false))).collect();
        Ok(Self { files, table, pattern, cutouts })
    }

    fn record(&mut self) -> Option<Record> {
        let row = self.table.next_row()?;
        let images = self.cutouts.clone().map(|cutout| self.image(&row, &cutout));
        Some(Record { number: row.number, told: row.told, images: Images::Files(images) })
    }

    fn image(&mut self, row: &Row, cutout: &str) -> Result<Vec<u8>, Fault> {
        let name = self.table.name(row, &self.pattern, cutout);
        let zipped = format!("{name}.gz");
        let found = if self.files.contains_key(&name) { &name } else { &zipped };
        match self.files.get_mut(found) {
            Some((path, used)) => {
                *used = true;
                read(path).map_err(|fault| Fault { detail: format!("{name}: {}", fault.detail), ..fault })
            }
            None => Err(Fault::new(Reason::MissingCutout, format!("no file {name}"))),
        }
    }

    /// The first file that no row asked for, as a fault of its own.
    fn unused(&mut self) -> Option<Piece> {
        let (name, _) = std::iter::from_fn(|| self.files.pop_first()).find(|(_, (_, used))| !used)?;
        let fault = Fault::new(Reason::OtherFile, "no row of the table has this image");
        Some(Piece::Fault { file: name.into(), fault })
    }
}

impl Iterator for Folder {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let records: Vec<Record> = std::iter::from_fn(|| self.record()).take(TOGETHER).collect();
        if records.is_empty() { self.unused() } else { Some(Piece::Records { file: Arc::from("table"), records }) }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let unreadable = |e: std::io::Error| Fault::new(Reason::Unreadable, e.to_string());
    let mut bytes = Vec::new();
    File::open(path).map_err(unreadable)?.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT {
        return Err(Fault::new(Reason::TooLarge, format!("more than {LIMIT} bytes")));
    }
    Ok(bytes)
}
