//! Files to pieces that can be decoded apart: whole small containers, blocks of large ones, members of tarballs, some rows of a
//! table. Knows how pieces are found, not what they hold.

use super::arrays::{self, Arrays};
use super::container::{Block, Codec, Container, Header};
use super::described::{TableError, TableOptions};
use super::images::{self, Folder};
use super::npy;
use super::parquet;
use super::quality::{Fault, Reason};
use super::record::Record;
use super::tarball::Tarball;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Containers up to this size are one piece, bytes; larger ones are streamed block by block.
const WHOLE: u64 = 4 << 20;

/// A file to read, with the name that it has in tables: relative to what was asked for, so that results do not depend
/// on where the data lie. Empty when the file itself was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name in tables.
    pub label: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Source {
    /// Whether a file in a folder looks like alerts by its name; arrays and FITS images do where a table describes them.
    #[must_use]
    pub fn is_named_like_alerts(path: &Path, described: bool) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
        let named = |format: &&Format| format.endings.iter().any(|end| name.ends_with(end));
        FORMATS.iter().find(named).is_some_and(|format| described || format.start.is_some())
    }

    /// How files are called that are looked for in a folder.
    #[must_use]
    pub fn endings(described: bool) -> Vec<&'static str> {
        let wanted = FORMATS.iter().filter(|format| described || format.start.is_some());
        wanted.flat_map(|format| format.endings.iter().copied()).collect()
    }

    pub(super) fn shown(&self) -> Arc<str> {
        if self.label.is_empty() { "-".into() } else { self.label.as_str().into() }
    }
}

/// A kind of file that holds alerts.
struct Format {
    /// How its files are called, lower case.
    endings: &'static [&'static str],
    /// Whether a file that starts so is one, whatever its name.
    recognises: fn(&[u8]) -> bool,
    /// Starts to read one; none where the files say nothing without a table.
    start: Option<fn(&Source, BufReader<File>) -> Result<Begun, Fault>>,
}

/// Every kind of file, in the order in which they are tried; what none recognises is taken for the last.
static FORMATS: &[Format] = &[
    Format { endings: images::ENDINGS, recognises: |start| start.starts_with(b"SIMPLE"), start: None },
    Format {
        endings: &[".npy", ".npz"],
        recognises: |start| start.starts_with(npy::MAGIC) || start.starts_with(arrays::ZIP),
        start: None,
    },
    Format {
        endings: &[".tar", ".tar.gz", ".tgz"],
        recognises: Tarball::recognises,
        start: Some(|_, reader| Ok(Begun::Open(Open::Tarball(Tarball::open(reader)?)))),
    },
    Format {
        endings: &[".parquet"],
        recognises: |start| start.starts_with(parquet::MAGIC),
        start: Some(|source, reader| Ok(Begun::Open(Open::Rows(parquet::open(source.shown(), reader.into_inner())?)))),
    },
    Format { endings: &[".avro"], recognises: |_| true, start: Some(begin_container) },
];

/// A part of a file that is decoded on its own.
pub(super) enum Piece {
    /// A whole container.
    Container { file: Arc<str>, bytes: Vec<u8> },
    /// One block of a container.
    Block { file: Arc<str>, header: Arc<Header>, block: Block },
    /// Alerts that are no Avro records.
    Records { file: Arc<str>, records: Vec<Record> },
    /// Nothing but a fault.
    Fault { file: Arc<str>, fault: Fault },
}

impl Piece {
    /// A block that is deflated and was read whole, with its file and header.
    pub(super) fn deflated_block(&self) -> Option<(&Arc<str>, &Header, &Block)> {
        match self {
            Self::Block { file, header, block } if header.codec == Codec::Deflate && block.fault.is_none() => {
                Some((file, header, block))
            }
            _ => None,
        }
    }

    /// Bytes held in memory.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Container { bytes, .. } => bytes.len(),
            Self::Block { block, .. } => block.data.len(),
            Self::Records { records, .. } => records.iter().map(Record::len).sum(),
            Self::Fault { .. } => 0,
        }
    }
}

/// The file that is open.
enum Open {
    Container(Box<Container<BufReader<File>>>),
    Tarball(Tarball),
    Rows(Rows),
}

/// Pieces of a file or of several that a table describes.
pub(super) type Rows = Box<dyn Iterator<Item = Piece> + Send>;

/// Pieces of all files, in order; first of those that a table describes.
pub(super) struct Feed {
    sources: std::vec::IntoIter<Source>,
    open: Option<(Source, Open)>,
    described: Option<Rows>,
    files: u64,
}

impl Feed {
    pub(super) fn new(sources: Vec<Source>) -> Self {
        Self { sources: sources.into_iter(), open: None, described: None, files: 0 }
    }

    /// With a table that describes the arrays or the FITS images among `sources`.
    ///
    /// # Errors
    /// The table cannot be read or does not fit, or there is nothing that it could describe.
    pub(super) fn with_table(sources: Vec<Source>, options: &TableOptions) -> Result<Self, TableError> {
        let (images, rest): (Vec<_>, Vec<_>) = sources.into_iter().partition(images::is_one);
        let (arrays, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_array);
        let files = (images.len() + arrays.len()) as u64;
        let described: Rows = match (arrays.is_empty(), images.is_empty()) {
            (false, true) => Box::new(Arrays::open(arrays, options)?),
            (true, false) => Box::new(Folder::open(images, options)?),
            (true, true) => {
                return Err(TableError("table: no array or FITS image in `path` that it could describe".into()));
            }
            (false, false) => {
                let what = "table: it describes arrays or FITS images, and `path` has both; load them by two stages";
                return Err(TableError(what.into()));
            }
        };
        Ok(Self { described: Some(described), files, ..Self::new(rest) })
    }

    /// Files that were opened so far.
    pub(super) fn files(&self) -> u64 {
        self.files
    }

    /// Takes back the data of blocks that are done with.
    pub(super) fn recycle(&mut self, data: &mut Vec<Vec<u8>>) {
        if let Some((_, Open::Container(container))) = &mut self.open {
            container.recycle(data);
        }
        data.clear();
    }

    /// Starts a source: one piece when it is small or unreadable, else it stays open.
    fn start(&mut self, source: Source) -> Option<Piece> {
        self.files += 1;
        let file = source.shown();
        match begin(&source) {
            Ok(Begun::Whole(bytes)) => Some(Piece::Container { file, bytes }),
            Ok(Begun::Open(open)) => {
                self.open = Some((source, open));
                None
            }
            Err(fault) => Some(Piece::Fault { file, fault }),
        }
    }
}

impl Iterator for Feed {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if let Some(piece) = self.described.as_mut().and_then(Iterator::next) {
            return Some(piece);
        }
        self.described = None;
        loop {
            if let Some((source, open)) = &mut self.open
                && let Some(piece) = continue_with(source, open)
            {
                return Some(piece);
            }
            self.open = None;
            let source = self.sources.next()?;
            if let Some(piece) = self.start(source) {
                return Some(piece);
            }
        }
    }
}

fn continue_with(source: &Source, open: &mut Open) -> Option<Piece> {
    match open {
        Open::Container(container) => {
            let block = container.next()?;
            Some(Piece::Block { file: source.shown(), header: Arc::clone(container.header()), block })
        }
        Open::Rows(rows) => rows.next(),
        Open::Tarball(tarball) => {
            let member = tarball.next()?;
            let file: Arc<str> = match (source.label.as_str(), member.name.as_str()) {
                (_, "") => source.shown(),
                ("", name) => name.into(),
                (label, name) => format!("{label}:{name}").into(),
            };
            Some(match member.bytes {
                Ok(bytes) => Piece::Container { file, bytes },
                Err(fault) => Piece::Fault { file, fault },
            })
        }
    }
}

enum Begun {
    Whole(Vec<u8>),
    Open(Open),
}

fn unreadable(e: io::Error) -> Fault {
    Fault::new(Reason::Unreadable, e.to_string())
}

fn begin(source: &Source) -> Result<Begun, Fault> {
    let mut reader = BufReader::with_capacity(1 << 17, File::open(&source.path).map_err(unreadable)?);
    let start = reader.fill_buf().map_err(unreadable)?;
    let start = FORMATS.iter().find(|format| (format.recognises)(start)).and_then(|format| format.start);
    let start = start.ok_or_else(|| Fault::new(Reason::NoTable, "give `table`, a csv with a row for each alert"))?;
    start(source, reader)
}

fn begin_container(_: &Source, reader: BufReader<File>) -> Result<Begun, Fault> {
    let len = reader.get_ref().metadata().map_err(unreadable)?.len();
    if len > WHOLE {
        return Ok(Begun::Open(Open::Container(Box::new(Container::open(reader)?))));
    }
    let mut bytes = Vec::with_capacity(len as usize);
    reader.take(WHOLE).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Begun::Whole(bytes))
}

/// Whether a file starts as an array does.
fn is_array(source: &Source) -> bool {
    let mut start = [0; 8];
    let read = File::open(&source.path).and_then(|mut file| file.read(&mut start)).unwrap_or(0);
    [npy::MAGIC, arrays::ZIP].iter().any(|magic| start[..read].starts_with(magic))
}
