//! What a run that had nothing to do has looked at: as long as all of it is as it was, the next such run has nothing to do
//! either, and need not find that out again. A shortcut, never the truth: at the first difference, however small, and on
//! anything unclear, it does not hold, and the run goes the long way; so it does after the machine was started again, since
//! not everything was synced to the disk.
//!
//! A text file of lines, the first with the digest of all others; the word at the start of a line says what is listed.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::Store;
use super::digest;
use super::disk::Disk;
use super::entry::{Entry, OUT};
use super::index;
use super::key::Digest;
use super::memory::{Memory, Stamp};

/// The first line before the digest is known.
const HEAD: &str = "0000000000000000000000000000000000000000000000000000000000000000\n";

/// Collects what a run has looked at.
#[derive(Debug)]
pub struct Snapshot {
    lines: String,
    /// Whether something cannot be written down, or may change without a trace.
    is_void: bool,
}

impl Snapshot {
    /// Of a run of this program with these arguments; all that decides about the run and is no file is in `about`.
    pub fn new(about: &str) -> Self {
        let boot = index::boot();
        let mut snapshot = Self { lines: HEAD.into(), is_void: boot.is_empty() };
        snapshot.line("about", about, &format!("\t{boot}"));
        snapshot
    }

    fn line(&mut self, word: &str, name: &str, more: &str) {
        self.is_void |= name.contains(['\n', '\t']) || more.contains('\n');
        let _ = writeln!(self.lines, "{word}\t{name}{more}");
    }

    /// A text that counts by its bytes, as this run read it.
    pub fn add_source(&mut self, path: &Path, digest: &Digest) {
        self.line("source", &path.to_string_lossy(), &format!("\t{digest}"));
    }

    /// A file of the user, as this run believed it to be; one that was too young then makes the snapshot void.
    pub fn add_file(&mut self, path: &Path, memory: &Memory) {
        match memory.frozen(path) {
            Some(stamp) => self.line("file", &path.to_string_lossy(), &format!("\t{stamp}")),
            None => self.is_void = true,
        }
    }

    /// A file of the results, which this run has just read or written.
    pub fn add_result(&mut self, path: &Path) {
        match fs::metadata(path).map(|meta| Stamp::of(&Disk::default(), &meta)) {
            Ok(stamp) => self.line("file", &path.to_string_lossy(), &format!("\t{stamp}")),
            Err(_) => self.is_void = true,
        }
    }

    /// A pattern of paths, with a digest of what it means.
    pub fn add_pattern(&mut self, base: &Path, pattern: &str, means: &Digest) {
        self.is_void |= pattern.contains('\t');
        self.line("pattern", &base.to_string_lossy(), &format!("\t{pattern}\t{means}"));
    }

    /// An entry of the cache with its files.
    pub fn add_entry(&mut self, store: &Store, entry: &Entry) {
        match store.index.files(&entry.key) {
            Some(files) => self.line("entry", &entry.folder.to_string_lossy(), &format!("\t{files}")),
            None => self.is_void = true,
        }
    }

    /// Writes it, unless it is void. That it cannot be written costs time later, nothing else.
    pub fn save(mut self, store: &Store, about: &str) {
        if self.is_void {
            return;
        }
        let (place, disk) = (place(&store.root, about), &store.disk);
        let digest = blake3::hash(&self.lines.as_bytes()[HEAD.len()..]).to_hex();
        let aside = place.with_extension(format!("{}.partial", std::process::id()));
        let folder = place.parent().map_or(Ok(()), |folder| disk.make_folders(folder));
        // Of a large run there is no room for the lines twice.
        self.lines.replace_range(..digest.len(), &digest);
        let written = folder.and_then(|()| disk.write(&aside, self.lines.as_bytes(), false));
        let _ = written.and_then(|()| disk.rename(&aside, &place));
    }
}

/// The number of entries in the snapshot of runs that are about the same in the cache in `root`, if it holds: all that it
/// looked at is as it was. `means` gives a digest of what a pattern means now.
pub fn holds(root: &Path, about: &str, means: impl Fn(&Path, &str) -> Option<Digest>) -> Option<usize> {
    let text = String::from_utf8(fs::read(place(root, about)).ok()?).ok()?;
    let (digest, lines) = text.split_once('\n')?;
    let first = format!("about\t{about}\t{}\n", index::boot());
    if blake3::hash(lines.as_bytes()).to_hex().as_str() != digest || !lines.starts_with(&first) {
        return None;
    }
    let (disk, mut path, mut entries) = (Disk::default(), String::new(), 0);
    for line in lines.lines().skip(1) {
        let mut fields = line.split('\t');
        let (word, name) = (fields.next()?, fields.next()?);
        let same = match word {
            "source" => digest::of_file(Path::new(name)).ok()? == Digest::parse(fields.next()?)?,
            "file" => Stamp::of(&disk, &fs::metadata(name).ok()?) == Stamp::parse(fields.next()?.split(' '))?,
            "pattern" => means(Path::new(name), fields.next()?)? == Digest::parse(fields.next()?)?,
            "entry" => {
                entries += 1;
                entry_is_same(&disk, name, fields, &mut path)?
            }
            _ => false,
        };
        if !same {
            return None;
        }
    }
    Some(entries)
}

/// Whether the files of an entry have the sizes and times that are listed.
fn entry_is_same<'a>(
    disk: &Disk,
    folder: &str,
    mut fields: impl Iterator<Item = &'a str>,
    path: &mut String,
) -> Option<bool> {
    while let Some(name) = fields.next() {
        path.clear();
        let _ = write!(path, "{folder}/{OUT}/{name}");
        let meta = fs::metadata(&path).ok()?;
        let (size, time): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        if meta.len() != size || disk.changed(&meta) != time {
            return Some(false);
        }
    }
    Some(true)
}

/// The file for runs that are about the same.
fn place(root: &Path, about: &str) -> PathBuf {
    root.join("snapshots").join(&blake3::hash(about.as_bytes()).to_hex()[..20])
}
