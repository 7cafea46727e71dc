//! `cache/index`: one line for each entry with what a look-up needs, so that a run that has nothing to do opens one file.
//! A shortcut, never the truth: a line counts only while the files have the sizes and times of last change (of anything:
//! no program can set that back) that it tells, and the folders those of theirs, which every new name changes; whatever is not here, or not believed, is read from `meta.json` and
//! hashed.
//!
//! Small entries are not synced to the disk one by one. After a power cut some of their blocks may be missing, so a line
//! of an earlier start of the machine counts only if its entry had been synced.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::hash::{BuildHasherDefault, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::digest::Times;
use super::disk::Disk;
use super::entry::{Entry, Meta, OUT};
use super::key::{Digest, Key};

/// Name of the file.
pub const FILE: &str = "index";
/// In place of a start of the machine: the entry is on the disk for good.
const SYNCED: &str = "synced";
/// Hexadecimal digits of a line's check sum, and of the name of a start of the machine.
const CHECK: usize = 8;

/// The lines of an index, by key.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    text: String,
    /// Where the last line of each key begins.
    lines: HashMap<Key, u32, BuildHasherDefault<KeyIsHash>>,
    /// Lines that were added since it was read.
    added: Mutex<HashMap<Key, String, BuildHasherDefault<KeyIsHash>>>,
    /// This start of the machine.
    boot: String,
}

impl Index {
    /// The index of the cache in `root`; an empty one when there is none.
    pub fn read(disk: &Disk, root: &Path, boot: &str) -> Self {
        let path = root.join(FILE);
        let text = text(disk.read(&path).unwrap_or_default());
        let (mut lines, mut start) = (HashMap::default(), 0);
        for line in text.split_inclusive('\n') {
            if let Some(key) = line.get(..40).and_then(Key::parse) {
                lines.insert(key, start as u32);
            }
            start += line.len();
        }
        Self { path, text, lines, added: Mutex::default(), boot: boot.into() }
    }

    fn line(&self, start: u32) -> Option<Line<'_>> {
        Line::parse(self.text[start as usize..].lines().next()?)
    }

    /// The entry of `key` in `folder`, if a line tells of it and its files are as the line says.
    pub fn find(&self, disk: &Disk, key: &Key, kind: &str, folder: &Path) -> Option<Entry> {
        let added = self.added().get(key).cloned();
        let line = match &added {
            Some(line) => Line::parse(line.trim_end())?,
            None => self.line(*self.lines.get(key)?)?,
        };
        if line.kind != kind || !(line.since == SYNCED || (line.since == self.boot && !self.boot.is_empty())) {
            return None;
        }
        let mut path = format!("{}/{OUT}/", folder.to_str()?);
        let (length, mut size) = (path.len(), 0);
        for (name, bytes, time) in line.files() {
            path.truncate(length);
            path.push_str(name);
            let meta = disk.stat(path.as_ref()).ok()?;
            if meta.len() != bytes || disk.changed(&meta) != time {
                return None;
            }
            if !is_folder(name) {
                size += bytes;
            }
        }
        Some(Entry {
            folder: folder.into(),
            key: *key,
            kind: kind.into(),
            digest: line.digest,
            stage: line.stage.into(),
            seconds: line.seconds,
            created: line.created,
            size,
        })
    }

    /// Name, size and time of each file and folder of an entry, with tabs between them.
    pub(super) fn files(&self, key: &Key) -> Option<&str> {
        self.lines.get(key).and_then(|start| self.line(*start)).map(|line| line.files)
    }

    /// Whether the entry, which was just hashed, is known from before this start of the machine: what a power cut had
    /// left of it was whole, and is on the disk for good.
    pub fn is_old(&self, meta: &Meta) -> bool {
        let line = self.lines.get(&meta.key).and_then(|start| self.line(*start));
        let is_other =
            |since: &str| since != SYNCED && since != self.boot && !since.is_empty() && !self.boot.is_empty();
        line.is_some_and(|l| l.digest == meta.digest && l.created == meta.created && is_other(l.since))
    }

    /// Adds the line of an entry whose files and folders changed last at `times`. That it cannot be written costs time later, nothing
    /// else.
    pub fn add(&self, disk: &Disk, meta: &Meta, times: &Times, synced: bool) {
        if let Some(line) = line_of(meta, times, if synced { SYNCED } else { &self.boot }) {
            let _ = disk.append(&self.path, line.as_bytes());
            self.added().insert(meta.key, line);
        }
    }

    fn added(&self) -> MutexGuard<'_, HashMap<Key, String, BuildHasherDefault<KeyIsHash>>> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text of the file with the last line of each entry that is there, in their order.
    pub fn compacted(&self, is_there: impl Fn(&str, &Key) -> bool) -> String {
        let mut starts: Vec<(u32, Key)> = self.lines.iter().map(|(key, start)| (*start, *key)).collect();
        starts.sort_unstable();
        let mut text = String::new();
        for (start, key) in starts {
            let raw = self.text[start as usize..].lines().next().unwrap_or_default();
            if Line::parse(raw).is_some_and(|line| is_there(line.kind, &key)) {
                text.push_str(raw);
                text.push('\n');
            }
        }
        text
    }

    /// Stage name, key, seconds and time of every line of a kind.
    pub fn history(&self, kind: &str) -> Vec<(&str, Key, f64, u64)> {
        let lines = self.lines.iter().filter_map(|(key, start)| {
            let line = self.line(*start)?;
            (line.kind == kind).then_some((line.stage, *key, line.seconds, line.created))
        });
        lines.collect()
    }
}

/// One line, taken apart.
struct Line<'a> {
    kind: &'a str,
    digest: Digest,
    stage: &'a str,
    seconds: f64,
    created: u64,
    /// The start of the machine in which it was written, or that it is on the disk for good.
    since: &'a str,
    files: &'a str,
}

impl<'a> Line<'a> {
    /// `None` for a line that a kill has torn, or that somebody edited.
    fn parse(text: &'a str) -> Option<Self> {
        let (text, check) = text.rsplit_once('\t')?;
        if blake3::hash(text.as_bytes()).to_hex()[..CHECK] != *check {
            return None;
        }
        let mut fields = text.splitn(8, '\t').skip(1);
        Some(Self {
            kind: fields.next()?,
            digest: Digest::parse(fields.next()?)?,
            stage: fields.next()?,
            seconds: fields.next()?.parse().ok()?,
            created: fields.next()?.parse().ok()?,
            since: fields.next()?,
            files: fields.next()?,
        })
    }

    /// Name, size and time of each file and folder.
    fn files(&self) -> impl Iterator<Item = (&'a str, u64, u64)> {
        let mut fields = self.files.split('\t');
        std::iter::from_fn(move || Some((fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?)))
    }
}

/// Whether a name in a line is that of a folder, which has no bytes of its own.
fn is_folder(name: &str) -> bool {
    name == "." || name.ends_with("/.")
}

/// The line of an entry; `None` when a name would break it.
fn line_of(meta: &Meta, times: &Times, since: &str) -> Option<String> {
    let mut line = format!("{}\t{}\t{}\t{}", meta.key, meta.kind, meta.digest, meta.stage);
    let _ = write!(line, "\t{:.4}\t{}\t{since}", meta.seconds, meta.created);
    let files = meta.files.iter().zip(&times.files).map(|(file, time)| (&file.name, file.size, *time));
    let folders = times.folders.iter().map(|folder| (&folder.name, folder.size, folder.time));
    for (name, size, time) in files.chain(folders) {
        let _ = write!(line, "\t{name}\t{size}\t{time}");
    }
    let tabs = 6 + 3 * (meta.files.len() + times.folders.len());
    if line.contains('\n') || line.bytes().filter(|b| *b == b'\t').count() != tabs || meta.files.is_empty() {
        return None;
    }
    let check = blake3::hash(line.as_bytes()).to_hex();
    Some(format!("{line}\t{}\n", &check[..CHECK]))
}

/// What bytes spell; a byte that spells nothing spoils its line alone.
pub(super) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Keys are hashes already.
#[derive(Default)]
pub struct KeyIsHash(u64);

impl Hasher for KeyIsHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for (i, byte) in bytes.iter().take(8).enumerate() {
            self.0 ^= u64::from(*byte) << (8 * i);
        }
    }
}

/// What tells one start of the machine from another; empty where the system does not say, so that nothing unsynced is
/// believed.
pub fn boot() -> String {
    let id = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if id.is_empty() { String::new() } else { blake3::hash(&id).to_hex()[..CHECK].into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::key::Parts;

    fn entry(root: &Path, key: u8, text: &str) -> (Meta, Times, PathBuf) {
        let folder = root.join(format!("{key}"));
        fs::create_dir_all(folder.join(OUT)).unwrap();
        fs::write(folder.join(OUT).join("x.txt"), text).unwrap();
        let meta = Meta {
            key: Key([key; 20]),
            kind: "command".into(),
            digest: Digest([0; 32]),
            parts: Parts::default(),
            files: Vec::new(),
            stage: "s".into(),
            seconds: 0.5,
            created: 7,
            version: String::new(),
            cause: Vec::new(),
        };
        let (meta, times) = meta.seal(&Disk::default(), &folder.join(OUT), false, |_| Ok(None)).unwrap();
        (meta, times, folder)
    }

    #[test]
    fn a_line_finds_its_entry_until_a_file_changes() {
        let root = tempfile::tempdir().unwrap();
        let (meta, times, folder) = entry(root.path(), 1, "one");
        let index = |boot: &str| Index::read(&Disk::default(), root.path(), boot);
        index("aaaaaaaa").add(&Disk::default(), &meta, &times, false);
        let find = |boot: &str| index(boot).find(&Disk::default(), &meta.key, "command", &folder);
        assert_eq!(find("aaaaaaaa"), Some(Entry::of(&folder, &meta)));
        assert_eq!(find("bbbbbbbb"), None, "unsynced, and the machine was started again");
        fs::write(folder.join("out/more.txt"), "").unwrap();
        assert_eq!(find("aaaaaaaa"), None, "a file that nobody knows");
        fs::remove_file(folder.join("out/x.txt")).unwrap();
        fs::write(folder.join("out/x.txt"), "two").unwrap();
        assert_eq!(find("aaaaaaaa"), None);
    }

    #[test]
    fn compacting_keeps_the_last_line_of_each_entry_that_is_there() {
        let root = tempfile::tempdir().unwrap();
        let (one, one_times, _) = entry(root.path(), 1, "one");
        let (two, two_times, folder) = entry(root.path(), 2, "two");
        let disk = Disk::default();
        for (meta, times, synced) in [(&one, &one_times, true), (&two, &two_times, false), (&two, &two_times, true)] {
            Index::read(&disk, root.path(), "aaaaaaaa").add(&disk, meta, times, synced);
        }
        let text = Index::read(&disk, root.path(), "aaaaaaaa").compacted(|_, key| *key == two.key);
        assert_eq!(text.lines().count(), 1);
        fs::write(root.path().join(FILE), text).unwrap();
        let again = Index::read(&disk, root.path(), "bbbbbbbb");
        assert!(again.find(&disk, &two.key, "command", &folder).is_some(), "the synced line");
    }

    #[test]
    fn torn_and_edited_lines_do_not_count() {
        let root = tempfile::tempdir().unwrap();
        let (meta, times, folder) = entry(root.path(), 1, "one");
        let index = |boot: &str| Index::read(&Disk::default(), root.path(), boot);
        index("aaaaaaaa").add(&Disk::default(), &meta, &times, true);
        let line = fs::read_to_string(root.path().join(FILE)).unwrap();
        let find = |text: &str| {
            fs::write(root.path().join(FILE), text).unwrap();
            index("bbbbbbbb").find(&Disk::default(), &meta.key, "command", &folder).is_some()
        };
        assert!(find(&line));
        assert!((1..line.len() - 1).all(|cut| !find(&line[..cut])), "cut anywhere");
        assert!(!find(&line.replace("0.5000", "0.6000")));
        assert!(!find(&format!("{}{line}", &line[..60])), "appended to a torn line");
        fs::write(root.path().join(FILE), [b"\xff\xfe\n", line.as_bytes()].concat()).unwrap();
        assert!(
            index("bbbbbbbb").find(&Disk::default(), &meta.key, "command", &folder).is_some(),
            "after bytes of no text"
        );
    }
}
