//! Files to pieces that can be decoded apart: whole small containers, blocks of large ones, members of tarballs.
//! Knows how pieces are found, not what they hold.

use super::container::{Block, Codec, Container, Header};
use super::quality::{Fault, Reason};
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
    /// Whether a file in a folder looks like alerts by its name: `.avro`, `.tar`, `.tar.gz`, `.tgz`.
    #[must_use]
    pub fn is_named_like_alerts(path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
        [".avro", ".tar", ".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end))
    }

    fn shown(&self) -> Arc<str> {
        if self.label.is_empty() { "-".into() } else { self.label.as_str().into() }
    }
}

/// A part of a file that is decoded on its own.
pub(super) enum Piece {
    /// A whole container.
    Container { file: Arc<str>, bytes: Vec<u8> },
    /// One block of a container.
    Block { file: Arc<str>, header: Arc<Header>, block: Block },
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
            Self::Fault { .. } => 0,
        }
    }
}

/// The file that is open.
enum Open {
    Container(Box<Container<BufReader<File>>>),
    Tarball(Tarball),
}

/// Pieces of all files, in order.
pub(super) struct Feed {
    sources: std::vec::IntoIter<Source>,
    open: Option<(Source, Open)>,
    files: u64,
}

impl Feed {
    pub(super) fn new(sources: Vec<Source>) -> Self {
        Self { sources: sources.into_iter(), open: None, files: 0 }
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
        match begin(&source.path) {
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

fn begin(path: &Path) -> Result<Begun, Fault> {
    let unreadable = |e: io::Error| Fault::new(Reason::Unreadable, e.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let len = file.metadata().map_err(unreadable)?.len();
    let mut reader = BufReader::with_capacity(1 << 17, file);
    if Tarball::recognises(reader.fill_buf().map_err(unreadable)?) {
        return Ok(Begun::Open(Open::Tarball(Tarball::open(reader)?)));
    }
    if len > WHOLE {
        return Ok(Begun::Open(Open::Container(Box::new(Container::open(reader)?))));
    }
    let mut bytes = Vec::with_capacity(len as usize);
    reader.take(WHOLE).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Begun::Whole(bytes))
}
