//! The Avro object container: header, blocks, sync markers (Avro specification 1.11, "Object Container Files").
//! Knows no schema and no alert: a block is bytes, a count and where it stood.
//!
//! Own, because the reader of `serde_avro_fast` refuses deflate blocks as fastavro writes them and cannot go on after damage.

use super::inflate::{self, Inflater};
use super::quality::{Fault, Reason};
use std::io::{BufRead, ErrorKind, Seek, SeekFrom};
use std::sync::Arc;

/// First bytes of every container.
pub const MAGIC: &[u8; 4] = b"Obj\x01";
/// Most bytes of one block, packed or inflated, that are held in memory.
pub const BLOCK_LIMIT: usize = 256 << 20;
/// Most bytes of one metadata value; a ZTF schema has 23 kB.
const METADATA_LIMIT: u64 = 1 << 20;
/// Most metadata entries; two are usual.
const METADATA_ENTRIES: u64 = 1000;
const SYNC: usize = 16;
/// Bytes looked at together in search of a marker.
const STRIDE: usize = 4096;
/// Most buffers that wait for the next blocks, and the most bytes of one.
const SPARE: (usize, usize) = (64, 1 << 20);

/// How blocks are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not packed.
    Null,
    /// Raw deflate.
    Deflate,
    /// Snappy with a CRC-32.
    Snappy,
    /// Zstandard.
    Zstandard,
}

impl Codec {
    /// Every codec with its name in the header.
    const NAMES: [(Self, &str); 4] =
        [(Self::Null, "null"), (Self::Deflate, "deflate"), (Self::Snappy, "snappy"), (Self::Zstandard, "zstandard")];

    fn parse(name: &[u8]) -> Result<Self, Fault> {
        let found = Self::NAMES.iter().find(|(_, known)| known.as_bytes() == name);
        found.map(|(codec, _)| *codec).ok_or_else(|| {
            Fault::new(Reason::UnsupportedCodec, format!("codec {}", String::from_utf8_lossy(name).escape_debug()))
        })
    }

    /// Its name in the header.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// The plain bytes of a block, in `unpacker` unless they are plain already.
    ///
    /// # Errors
    /// [`Reason::BadBlock`]: damaged, wrong checksum, or beyond [`BLOCK_LIMIT`].
    pub fn unpack<'a>(self, data: &'a [u8], unpacker: &'a mut Unpacker) -> Result<&'a [u8], Fault> {
        let Unpacker { inflater, buffer } = unpacker;
        let unpacked = match self {
            Self::Null => Ok(data),
            // fastavro leaves three bytes of a zlib trailer behind the stream, so what is left over is not looked at
            Self::Deflate => inflater.deflate(data, BLOCK_LIMIT),
            Self::Snappy => inflate::snappy(data, buffer, BLOCK_LIMIT).map(|()| &buffer[..]),
            Self::Zstandard => inflate::zstandard(data, buffer, BLOCK_LIMIT).map(|()| &buffer[..]),
        };
        unpacked.map_err(|detail| Fault::new(Reason::BadBlock, detail))
    }
}

/// Buffers for unpacking one block after the other.
#[derive(Default)]
pub struct Unpacker {
    inflater: Inflater,
    buffer: Vec<u8>,
}

/// What the container says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Text of the embedded writer schema, JSON.
    pub schema: Vec<u8>,
    /// How the blocks are packed.
    pub codec: Codec,
    sync: [u8; SYNC],
}

/// Some records as they stand in the file, still packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where it starts in the container, bytes.
    pub offset: u64,
    /// Number of its first record in the container.
    pub first: u64,
    /// How many records it claims to hold.
    pub records: u64,
    /// Packed records.
    pub data: Vec<u8>,
    /// Why they are not to be trusted. The data then run over the next sync marker or to the end: a record that lost
    /// some bytes can so still be taken apart and named.
    pub fault: Option<Fault>,
}

/// Streams the blocks of a container; after damage it goes on behind the next sync marker.
pub struct Container<R> {
    reader: R,
    header: Arc<Header>,
    at: u64,
    len: u64,
    records: u64,
    /// Whether a block claimed a wrong size. From then on the marker is looked for before so many bytes are read, lest
    /// every few bytes of a hostile file have the rest of it read.
    doubtful: bool,
    spare: Vec<Vec<u8>>,
}

impl<R: BufRead + Seek> Container<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Reason::EmptyFile`], [`Reason::NotAvro`], [`Reason::Truncated`], [`Reason::BadHeader`],
    /// [`Reason::UnsupportedCodec`], [`Reason::Unreadable`].
    pub fn open(mut reader: R) -> Result<Self, Fault> {
        let len = reader.seek(SeekFrom::End(0)).and_then(|len| reader.rewind().map(|()| len)).map_err(unreadable)?;
        let mut header = Header { schema: Vec::new(), codec: Codec::Null, sync: [0; SYNC] };
        let mut container = Self {
            reader,
            header: Arc::new(header.clone()),
            at: 0,
            len,
            records: 0,
            doubtful: false,
            spare: Vec::new(),
        };
        container.check_magic()?;
        container.read_metadata(&mut header)?;
        if header.schema.is_empty() {
            return Err(Fault::new(Reason::BadHeader, "no avro.schema in the header"));
        }
        header.sync = container.read_array()?;
        container.header = Arc::new(header);
        Ok(container)
    }

    /// What the container says of itself.
    #[must_use]
    pub fn header(&self) -> &Arc<Header> {
        &self.header
    }

    /// Takes back the data of blocks that are done with: the next are read into the same memory.
    pub(super) fn recycle(&mut self, data: &mut Vec<Vec<u8>>) {
        self.spare.extend(data.drain(..).filter(|data| data.capacity() <= SPARE.1));
        self.spare.truncate(SPARE.0);
    }

    fn check_magic(&mut self) -> Result<(), Fault> {
        const POINTER: &[u8] = b"version https://git-lfs";
        if self.len == 0 {
            return Err(Fault::new(Reason::EmptyFile, "0 bytes"));
        }
        let start = self.read_bytes(self.len.min(POINTER.len() as u64))?;
        if start == POINTER {
            let detail = "a git-lfs pointer instead of the file; fetch it with `git lfs pull`";
            return Err(Fault::new(Reason::NotAvro, detail));
        }
        if !start.starts_with(MAGIC) {
            let shown = &start[..start.len().min(8)];
            return Err(Fault::new(Reason::NotAvro, format!("starts with \"{}\"", shown.escape_ascii())));
        }
        self.seek(MAGIC.len() as u64)
    }

    fn read_metadata(&mut self, header: &mut Header) -> Result<(), Fault> {
        let mut entries = 0;
        loop {
            let count = self.read_long()?;
            if count < 0 {
                self.read_long()?;
            }
            entries = u64::saturating_add(entries, count.unsigned_abs());
            if entries > METADATA_ENTRIES {
                return Err(Fault::new(Reason::BadHeader, format!("{entries} metadata entries")));
            }
            for _ in 0..count.unsigned_abs() {
                let (key, value) = (self.read_metadata_bytes()?, self.read_metadata_bytes()?);
                match &key[..] {
                    b"avro.schema" => header.schema = value,
                    b"avro.codec" => header.codec = Codec::parse(&value)?,
                    _ => {}
                }
            }
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn read_metadata_bytes(&mut self) -> Result<Vec<u8>, Fault> {
        let len = self.read_long()?;
        match u64::try_from(len) {
            Ok(len) if len <= METADATA_LIMIT => self.read_bytes(len),
            _ => Err(Fault::new(Reason::BadHeader, format!("metadata of {len} bytes"))),
        }
    }

    /// The next block; a fault is the block's own and never the end of the file.
    fn read_block(&mut self) -> Result<Block, Fault> {
        let offset = self.at;
        let mut block = Block { offset, first: self.records, records: 0, data: Vec::new(), fault: None };
        let start = self.read_block_start(&mut block);
        let start_of_data = self.at;
        match start.and_then(|size| self.read_block_data(size)) {
            Ok(data) => block.data = data,
            Err(fault) if fault.reason == Reason::Unreadable => return Err(fault),
            Err(fault) => {
                self.doubtful = true;
                self.seek(start_of_data)?;
                block.data = self.read_past_marker()?;
                block.fault = Some(self.explain(fault, self.at - start_of_data, &block.data));
            }
        }
        self.records = self.records.saturating_add(block.records);
        Ok(block)
    }

    /// A block that is too short for its claim although a marker follows has lost bytes; the file may be whole.
    fn explain(&self, fault: Fault, len: u64, data: &[u8]) -> Fault {
        if fault.reason != Reason::Truncated || !data.ends_with(&self.header.sync) {
            return fault;
        }
        let len = len - SYNC as u64;
        Fault::new(Reason::BadSync, format!("the sync marker comes early, after {len} bytes: bytes were lost"))
    }

    /// Record count into `block`; returns the size of the data.
    fn read_block_start(&mut self, block: &mut Block) -> Result<u64, Fault> {
        let (records, size) = (self.read_long()?, self.read_long()?);
        match (u64::try_from(records), u64::try_from(size)) {
            (Ok(records), Ok(size)) => {
                block.records = records;
                Ok(size)
            }
            _ => Err(Fault::new(Reason::BadSync, format!("a block of {records} records and {size} bytes"))),
        }
    }

    fn read_block_data(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        if size > BLOCK_LIMIT as u64 && size <= self.len.saturating_sub(self.at) {
            return Err(Fault::new(Reason::TooLarge, format!("a block of {size} bytes, the limit is {BLOCK_LIMIT}")));
        }
        let wrong = || Fault::new(Reason::BadSync, format!("no sync marker after the {size} bytes of the block"));
        if self.doubtful && size <= self.len.saturating_sub(self.at) {
            let start = self.at;
            self.seek(start + size)?;
            let is_marked = self.read_array()? == self.header.sync;
            self.seek(start)?;
            if !is_marked {
                return Err(wrong());
            }
        }
        let data = self.read_bytes(size)?;
        if self.read_array()? == self.header.sync { Ok(data) } else { Err(wrong()) }
    }

    /// Reads the next sync marker and all before it, or to the end; the last part when that exceeds [`BLOCK_LIMIT`].
    fn read_past_marker(&mut self) -> Result<Vec<u8>, Fault> {
        let mut data = Vec::new();
        loop {
            let chunk = self.reader.fill_buf().map_err(unreadable)?;
            // of a file in memory this is all that is left, and the marker may be near
            let chunk = &chunk[..chunk.len().min(STRIDE)];
            let (known, new) = (data.len(), chunk.len());
            data.extend_from_slice(chunk);
            let from = usize::saturating_sub(known, SYNC - 1);
            let found = data[from..].windows(SYNC).position(|window| window == self.header.sync);
            let taken = found.map_or(new, |p| from + p + SYNC - known);
            self.reader.consume(taken);
            self.at += taken as u64;
            if let Some(p) = found {
                data.truncate(from + p + SYNC);
                return Ok(data);
            }
            if new == 0 {
                return Ok(data);
            }
            if data.len() > BLOCK_LIMIT {
                data.drain(..data.len() - (SYNC - 1));
            }
        }
    }

    fn seek(&mut self, to: u64) -> Result<(), Fault> {
        self.at = to;
        self.reader.seek(SeekFrom::Start(to)).map(drop).map_err(unreadable)
    }

    /// Exactly `len` bytes, which are known to be there before room is made for them.
    fn read_bytes(&mut self, len: u64) -> Result<Vec<u8>, Fault> {
        let left = self.len.saturating_sub(self.at);
        if len > left {
            return Err(Fault::new(Reason::Truncated, format!("{len} bytes claimed at byte {}, {left} left", self.at)));
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.resize(len as usize, 0);
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_exact(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        self.reader.read_exact(bytes).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => Fault::new(Reason::Truncated, format!("ends after {} bytes", self.len)),
            _ => unreadable(e),
        })?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// A zigzag variable-length integer of at most ten bytes.
    fn read_long(&mut self) -> Result<i64, Fault> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let [byte] = self.read_array()?;
            value |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte < 0x80 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(Fault::new(Reason::BadSync, format!("no integer at byte {}", self.at)))
    }
}

impl<R: BufRead + Seek> Iterator for Container<R> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        if self.at >= self.len {
            return None;
        }
        let (offset, first) = (self.at, self.records);
        Some(self.read_block().unwrap_or_else(|fault| {
            self.at = self.len;
            Block { offset, first, records: 0, data: Vec::new(), fault: Some(fault) }
        }))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function value in map_err")]
fn unreadable(error: std::io::Error) -> Fault {
    Fault::new(Reason::Unreadable, error.to_string())
}

#[cfg(test)]
mod tests;
