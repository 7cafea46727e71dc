//! Members of a tar archive, streamed: nothing is unpacked to disk, so no path in it can do harm.
//! Knows nothing of what the members hold.
//!
//! Own, on the header of the `tar` crate: its iterator reads long names of any claimed size into memory and cannot be held
//! in a struct beside its archive.

use super::quality::{Fault, Reason};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path};
use tar::{EntryType, Header};

/// Most bytes of one member that are held in memory; a packet has 70 kB.
const MEMBER_LIMIT: u64 = 256 << 20;
/// Most bytes of a long name or extended header.
const NAME_LIMIT: u64 = 1 << 16;
const RECORD: usize = 512;
/// Most bytes that are looked at after the end of the archive: tar fills its last block of 10 kB with zeros.
const END_LIMIT: u64 = 1 << 20;

/// One member: its name and bytes, or why it is not read.
pub struct Member {
    /// Path in the archive; empty for a fault of the archive itself.
    pub name: String,
    /// Its bytes.
    pub bytes: Result<Vec<u8>, Fault>,
}

/// Streams the members of a tar archive, gzipped or not.
pub struct Tarball {
    reader: Box<dyn Read + Send>,
    long_name: Option<String>,
    finished: bool,
}

impl Tarball {
    /// Whether a file that starts so is a tar archive or gzip.
    #[must_use]
    pub fn recognises(start: &[u8]) -> bool {
        start.starts_with(&[0x1f, 0x8b]) || start.get(257..262) == Some(b"ustar")
    }

    /// Starts at the first member of `reader`, which may be gzipped.
    ///
    /// # Errors
    /// [`Reason::Unreadable`].
    pub fn open(mut reader: impl BufRead + Send + 'static) -> Result<Self, Fault> {
        let start = reader.fill_buf().map_err(|e| Fault::new(Reason::Unreadable, e.to_string()))?;
        let reader: Box<dyn Read + Send> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(reader)))
        } else {
            Box::new(reader)
        };
        Ok(Self { reader, long_name: None, finished: false })
    }

    /// The next member that is no folder and no bookkeeping; none at the end.
    fn read_member(&mut self) -> Result<Option<Member>, Fault> {
        while let Some(header) = self.read_header()? {
            let size = header.entry_size().map_err(|e| damaged(&e))?;
            match header.entry_type() {
                EntryType::GNULongName => self.long_name = Some(text(&self.read_name(size)?)),
                EntryType::XHeader => self.long_name = pax_path(&self.read_name(size)?).or(self.long_name.take()),
                EntryType::XGlobalHeader | EntryType::GNULongLink | EntryType::Directory => {
                    self.skip(size)?;
                }
                kind => {
                    let name = self.long_name.take().unwrap_or_else(|| text(&header.path_bytes()));
                    return self.read_file(name, kind, size).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn read_file(&mut self, name: String, kind: EntryType, size: u64) -> Result<Member, Fault> {
        let fault = if !matches!(kind, EntryType::Regular | EntryType::Continuous) {
            Some(Fault::new(Reason::Link, format!("a member of type {kind:?}")))
        } else if !is_inside(&name) {
            Some(Fault::new(Reason::UnsafePath, "leads out of the archive"))
        } else if size > MEMBER_LIMIT {
            let advice = "unpack it and load the file";
            Some(Fault::new(Reason::TooLarge, format!("{size} bytes, the limit is {MEMBER_LIMIT}: {advice}")))
        } else {
            None
        };
        let bytes = match fault {
            Some(fault) => self.skip(size).map(|()| Err(fault))?,
            None => Ok(self.read(size)?),
        };
        Ok(Member { name, bytes })
    }

    /// The next header; none at the end, be it marked by zeros or not.
    fn read_header(&mut self) -> Result<Option<Header>, Fault> {
        let mut header = Header::new_old();
        let mut bytes = Vec::with_capacity(RECORD);
        // A gzip stream that was cut is an error here; an archive that just ends is not.
        self.reader.by_ref().take(RECORD as u64).read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
        match bytes.len() {
            0 => return Ok(None),
            RECORD => header.as_mut_bytes().copy_from_slice(&bytes),
            _ => return Err(Fault::new(Reason::BadArchive, "it ends within a tar header")),
        }
        if bytes.iter().all(|byte| *byte == 0) {
            return self.read_end().map(|()| None);
        }
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        let bytes = header.as_bytes();
        let wanted = sum(&bytes[..148]) + 8 * u32::from(b' ') + sum(&bytes[156..]);
        match header.cksum() {
            Ok(found) if found == wanted => Ok(Some(header)),
            _ => Err(Fault::new(Reason::BadArchive, "a tar header with a wrong checksum")),
        }
    }

    /// What follows the last member, so that the checksum of a gzip stream is looked at.
    fn read_end(&mut self) -> Result<(), Fault> {
        io::copy(&mut self.reader.by_ref().take(END_LIMIT), &mut io::sink()).map(drop).map_err(|e| damaged(&e))
    }

    fn read_name(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        if size > NAME_LIMIT {
            return Err(Fault::new(Reason::BadArchive, format!("a name of {size} bytes, the limit is {NAME_LIMIT}")));
        }
        self.read(size)
    }

    /// Exactly `size` bytes and their padding; the buffer grows with what is there.
    fn read(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::with_capacity(size.min(1 << 17) as usize);
        let read = self.reader.by_ref().take(size).read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
        if (read as u64) < size {
            return Err(Fault::new(
                Reason::BadArchive,
                format!("ends {} bytes before a member's end", size - read as u64),
            ));
        }
        let padding = size.next_multiple_of(RECORD as u64) - size;
        self.skip_bytes(padding)?;
        Ok(bytes)
    }

    fn skip(&mut self, size: u64) -> Result<(), Fault> {
        self.skip_bytes(size.checked_next_multiple_of(RECORD as u64).unwrap_or(u64::MAX))
    }

    fn skip_bytes(&mut self, size: u64) -> Result<(), Fault> {
        io::copy(&mut self.reader.by_ref().take(size), &mut io::sink()).map(drop).map_err(|e| damaged(&e))
    }
}

impl Iterator for Tarball {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        if self.finished {
            return None;
        }
        let member = self.read_member();
        self.finished = !matches!(member, Ok(Some(_)));
        member.unwrap_or_else(|fault| Some(Member { name: String::new(), bytes: Err(fault) }))
    }
}

/// What the system says is no property of the archive.
fn damaged(error: &io::Error) -> Fault {
    let reason = if error.raw_os_error().is_some() { Reason::Unreadable } else { Reason::BadArchive };
    Fault::new(reason, error.to_string())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

/// What is wrong with a gzipped archive as a whole: it is read to its end, against the sums that gzip keeps.
#[must_use]
pub fn damage(path: &Path) -> Option<Fault> {
    let check = || -> io::Result<Option<Fault>> {
        let mut reader = BufReader::with_capacity(1 << 17, File::open(path)?);
        if !reader.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            return Ok(Some(Fault::new(Reason::BadArchive, "not gzipped")));
        }
        io::copy(&mut MultiGzDecoder::new(reader), &mut io::sink()).map(|_| None)
    };
    check().unwrap_or_else(|error| Some(damaged(&error)))
}

/// Whether a path has neither a root nor `..`.
fn is_inside(name: &str) -> bool {
    let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    !name.contains('\\') && Path::new(name).components().all(inside)
}

/// The `path` record of a POSIX extended header: lines of `LENGTH KEY=VALUE`.
fn pax_path(bytes: &[u8]) -> Option<String> {
    let mut lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| line.splitn(2, |byte| *byte == b' ').nth(1));
    lines.find_map(|line| line.strip_prefix(b"path=")).map(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn header(size: u64, kind: EntryType) -> Header {
        let mut header = Header::new_gnu();
        header.set_size(size);
        header.set_entry_type(kind);
        header
    }

    fn members(tar: Vec<u8>) -> Vec<(String, Result<Vec<u8>, Reason>)> {
        let tarball = Tarball::open(BufReader::new(io::Cursor::new(tar))).unwrap();
        tarball.map(|member| (member.name, member.bytes.map_err(|fault| fault.reason))).collect()
    }

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_data(&mut header(0, EntryType::Directory), "night/", &[][..]).unwrap();
        builder.append_data(&mut header(3, EntryType::Regular), "night/1.avro", &b"one"[..]).unwrap();
        builder.append_link(&mut header(0, EntryType::Symlink), "night/2.avro", "/etc/passwd").unwrap();
        builder.append_data(&mut header(3, EntryType::Regular), "n".repeat(150), &b"two"[..]).unwrap();
        for name in [&b"../3.avro"[..], b"/4.avro"] {
            let mut evil = header(4, EntryType::Regular);
            evil.as_old_mut().name[..name.len()].copy_from_slice(name);
            evil.set_cksum();
            builder.append(&evil, &b"evil"[..]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn members_come_in_order_and_evil_ones_are_named() {
        let expected = vec![
            ("night/1.avro".to_owned(), Ok(b"one".to_vec())),
            ("night/2.avro".to_owned(), Err(Reason::Link)),
            ("n".repeat(150), Ok(b"two".to_vec())),
            ("../3.avro".to_owned(), Err(Reason::UnsafePath)),
            ("/4.avro".to_owned(), Err(Reason::UnsafePath)),
        ];
        assert_eq!(members(archive()), expected);
        let mut gzipped = GzEncoder::new(Vec::new(), Compression::fast());
        gzipped.write_all(&archive()).unwrap();
        assert_eq!(members(gzipped.finish().unwrap()), expected);
    }

    #[test]
    fn what_the_disk_refuses_is_no_damage_of_the_archive() {
        struct Disk<R>(R, usize);
        impl<R: Read> Read for Disk<R> {
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                if self.1 == 0 {
                    return Err(io::Error::from_raw_os_error(5));
                }
                let length = bytes.len().min(self.1);
                let read = self.0.read(&mut bytes[..length])?;
                self.1 -= read;
                Ok(read)
            }
        }
        let mut gzipped = GzEncoder::new(Vec::new(), Compression::fast());
        gzipped.write_all(&archive()).unwrap();
        for whole in [archive(), gzipped.finish().unwrap()] {
            for length in [40, whole.len() / 2] {
                let disk = Disk(io::Cursor::new(whole.clone()), length);
                let last = Tarball::open(BufReader::with_capacity(16, disk)).unwrap().last().unwrap();
                assert_eq!(last.bytes.unwrap_err().reason, Reason::Unreadable);
            }
        }
    }

    #[test]
    fn every_cut_of_a_gzipped_archive_is_seen() {
        let mut gzipped = GzEncoder::new(Vec::new(), Compression::fast());
        gzipped.write_all(&archive()).unwrap();
        let whole = gzipped.finish().unwrap();
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(damage(&path).is_none(), cut == whole.len(), "cut at {cut} of {}", whole.len());
            if cut >= 2 {
                let named = members(whole[..cut].to_vec()).iter().any(|member| member.1 == Err(Reason::BadArchive));
                assert_eq!(named, cut < whole.len(), "loaded, cut at {cut} of {}", whole.len());
            }
        }
        std::fs::write(&path, "<html>No such night</html>").unwrap();
        assert!(damage(&path).is_some());
    }

    #[test]
    fn a_huge_claim_allocates_nothing() {
        let mut tar = header(1 << 40, EntryType::Regular);
        tar.set_path("huge.avro").unwrap();
        tar.set_cksum();
        assert_eq!(members(tar.as_bytes().to_vec()), [("huge.avro".to_owned(), Err(Reason::TooLarge))]);
        tar.set_size(MEMBER_LIMIT);
        tar.set_cksum();
        assert_eq!(members(tar.as_bytes().to_vec()), [(String::new(), Err(Reason::BadArchive))]);
        tar.set_entry_type(EntryType::GNULongName);
        tar.set_cksum();
        assert_eq!(members(tar.as_bytes().to_vec()), [(String::new(), Err(Reason::BadArchive))]);
    }

    #[test]
    fn every_truncation_and_flip_ends_without_panic() {
        let whole = archive();
        for cut in 0..whole.len() {
            members(whole[..cut].to_vec());
            let mut flipped = whole.clone();
            flipped[cut] ^= 0x81;
            members(flipped);
        }
        assert_eq!(members(b"no tar".repeat(200)).last().unwrap().1, Err(Reason::BadArchive));
    }

    #[test]
    fn pax_paths_are_read() {
        assert_eq!(pax_path(b"12 mtime=1.5\n20 path=night/a.avro\n").as_deref(), Some("night/a.avro"));
        assert_eq!(pax_path(b"12 mtime=1.5\n"), None);
    }

    /// Sizes as base-256 numbers, negative or beyond 64 bits, and as text that is none; kinds that are no files.
    #[test]
    fn odd_sizes_and_kinds_have_their_reason() {
        let with = |kind: EntryType, size: [u8; 12]| {
            let mut tar = header(0, kind);
            tar.set_path("a.avro").unwrap();
            tar.as_old_mut().size = size;
            tar.set_cksum();
            members(tar.as_bytes().to_vec()).pop().unwrap().1.unwrap_err()
        };
        let base_256 = |fill: u8| std::array::from_fn(|i| if i == 0 { 0x80 | fill } else { fill });
        assert_eq!(with(EntryType::Regular, base_256(0xff)), Reason::TooLarge, "-1");
        assert_eq!(with(EntryType::Regular, *b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"), Reason::TooLarge);
        assert_eq!(with(EntryType::Regular, *b"77777777777\0"), Reason::TooLarge);
        assert_eq!(with(EntryType::Regular, *b"-0000000001\0"), Reason::BadArchive);
        assert_eq!(with(EntryType::GNULongName, base_256(0xff)), Reason::BadArchive);
        assert_eq!(with(EntryType::XHeader, base_256(0x7f)), Reason::BadArchive);
        for kind in [EntryType::Link, EntryType::Symlink, EntryType::Char, EntryType::Fifo, EntryType::GNUSparse] {
            assert_eq!(with(kind, *b"00000000000\0"), Reason::Link, "{kind:?}");
        }
    }
}
