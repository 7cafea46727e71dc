//! Remembered digests of the user's files, by device, inode, size and times: a shortcut, never the truth. A file that
//! changed within the last two seconds is not remembered, since a second change might leave its times as they are.
//! Within one run the first digest of a file holds: a file that changes later is told apart, not read anew.
//!
//! What was hashed may not be on the disk yet. After a power cut other bytes can stand there with the same size and
//! times, so the digest of a file that was young counts only until the machine is started again.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rayon::prelude::*;

use super::digest;
use super::disk::Disk;
use super::index;
use super::key::Digest;
use super::{Result, at};

/// Name of the file.
pub const FILE: &str = "digests";
/// Younger files than this are hashed again next time.
const RACY: i128 = 2_000_000_000;
/// Files that did not change for so long are on the disk for good: systems write back within a minute or so.
const SETTLED: i128 = 600_000_000_000;
/// In place of a start of the machine: the file was on the disk for good.
const SYNCED: &str = "synced";

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Nanoseconds since 1970 of the last change of the contents.
    modified: i128,
    /// Nanoseconds since 1970 of the last change of anything; no program can set it back.
    changed: i128,
}

impl Stamp {
    pub(super) fn of(disk: &Disk, meta: &fs::Metadata) -> Self {
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: nanos(meta.mtime(), meta.mtime_nsec()),
            changed: i128::from(disk.changed(meta)),
        }
    }

    /// From the words of its text.
    pub(super) fn parse<'a>(mut fields: impl Iterator<Item = &'a str>) -> Option<Self> {
        Some(Self {
            device: fields.next()?.parse().ok()?,
            inode: fields.next()?.parse().ok()?,
            size: fields.next()?.parse().ok()?,
            modified: fields.next()?.parse().ok()?,
            changed: fields.next()?.parse().ok()?,
        })
    }

    /// Whether the file has not changed for so long that it is on the disk for good.
    pub(super) fn is_settled(&self) -> bool {
        self.age() >= SETTLED
    }

    /// Nanoseconds since the last change.
    fn age(&self) -> i128 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i128);
        now - self.changed.max(self.modified)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, inode, size, modified, changed } = self;
        write!(f, "{device} {inode} {size} {modified} {changed}")
    }
}

/// A line of the memory that counts in this start of the machine; `None` also for one that a kill has torn.
fn parse(line: &str, boot: &str) -> Option<(Stamp, Digest)> {
    let mut fields = line.split(' ');
    let stamp = Stamp::parse(fields.by_ref())?;
    let since = fields.next()?;
    let digest = Digest::parse(fields.next()?)?;
    let counts = since == SYNCED || (since == boot && !boot.is_empty());
    (counts && fields.next().is_none()).then_some((stamp, digest))
}

/// Digests by stamp.
#[derive(Debug)]
pub struct Memory {
    disk: Disk,
    file: Option<PathBuf>,
    /// This start of the machine.
    boot: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<Stamp, Digest>,
    /// What this run believes of each file.
    frozen: HashMap<PathBuf, (Stamp, Digest)>,
    /// Lines to be written.
    news: String,
}

impl Memory {
    /// The memory of the cache in `root`; without `keep` nothing is written.
    pub fn open(root: &Path, keep: bool) -> Self {
        Self::open_on(root, keep, Disk::default(), index::boot())
    }

    pub(super) fn open_on(root: &Path, keep: bool, disk: Disk, boot: String) -> Self {
        let file = root.join(FILE);
        let text = index::text(disk.read(&file).unwrap_or_default());
        let known = text.lines().filter_map(|line| parse(line, &boot)).collect();
        let state = Mutex::new(State { known, ..State::default() });
        Self { disk, file: keep.then_some(file), boot, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Digest of a file's contents when this run first asked for it.
    pub fn digest(&self, path: &Path) -> Result<Digest> {
        if let Some((_, digest)) = self.state().frozen.get(path) {
            return Ok(*digest);
        }
        let stamp = self.stamp(path)?;
        let known = self.state().known.get(&stamp).copied();
        let digest = known.map_or_else(|| self.hash(path), Ok)?;
        let mut state = self.state();
        if known.is_none() && stamp.age() >= RACY {
            let since = if stamp.is_settled() { SYNCED } else { &self.boot };
            let _ = writeln!(state.news, "{stamp} {since} {digest}");
        }
        state.known.insert(stamp, digest);
        state.frozen.insert(path.into(), (stamp, digest));
        Ok(digest)
    }

    fn stamp(&self, path: &Path) -> Result<Stamp> {
        at(path, "cannot read", self.disk.stat(path)).map(|meta| Stamp::of(&self.disk, &meta))
    }

    fn hash(&self, path: &Path) -> Result<Digest> {
        digest::of_file_on(&self.disk, path).map(|(digest, _)| digest)
    }

    /// Reads many files at once, in parallel; what cannot be read is found out when its digest is asked for.
    pub fn learn(&self, paths: &[&Path]) {
        paths.par_iter().for_each(|path| {
            let _ = self.digest(path);
        });
    }

    /// Whether a file is still as it was when this run first asked for its digest.
    pub fn is_unchanged(&self, path: &Path) -> bool {
        let frozen = self.state().frozen.get(path).copied();
        match (frozen, self.stamp(path)) {
            (Some((then, digest)), Ok(now)) => then == now || self.hash(path).is_ok_and(|now| now == digest),
            _ => false,
        }
    }

    /// The stamp that a file had when this run first asked for its digest, unless it was so young that a second change
    /// might leave it as it is.
    pub(super) fn frozen(&self, path: &Path) -> Option<Stamp> {
        self.state().frozen.get(path).map(|(stamp, _)| *stamp).filter(|stamp| stamp.age() >= RACY)
    }

    /// Writes what was learned. Losing it costs a hash, nothing else.
    pub fn save(&self) {
        let news = std::mem::take(&mut self.state().news);
        if let Some(file) = self.file.as_ref().filter(|_| !news.is_empty()) {
            let _ = self.disk.append(file, news.as_bytes());
        }
    }
}

/// The text of the file of the cache in `root` with the last line of each file of the user.
pub fn compacted(root: &Path) -> String {
    let text = fs::read_to_string(root.join(FILE)).unwrap_or_default();
    let boot = index::boot();
    let lines =
        text.lines().filter_map(|line| parse(line, &boot).map(|(stamp, _)| ((stamp.device, stamp.inode), line)));
    let mut last: Vec<(usize, &str)> =
        lines.enumerate().map(|(i, (file, line))| (file, (i, line))).collect::<HashMap<_, _>>().into_values().collect();
    last.sort_unstable();
    last.iter().fold(String::new(), |text, (_, line)| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(path: &Path) {
        // Only `changed` cannot be set back: waiting is what a user does too.
        while Stamp::of(&Disk::default(), &fs::metadata(path).unwrap()).age() < RACY {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    #[test]
    fn a_young_file_is_not_remembered_and_an_old_one_is() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("x");
        fs::write(&file, "one").unwrap();
        let memory = Memory::open(root.path(), true);
        memory.digest(&file).unwrap();
        memory.save();
        assert!(!root.path().join(FILE).exists(), "it could change again within the clock's granularity");
        age(&file);
        let memory = Memory::open(root.path(), true);
        let digest = memory.digest(&file).unwrap();
        memory.save();
        assert!(fs::read_to_string(root.path().join(FILE)).unwrap().ends_with(&format!(" {digest}\n")));
    }

    #[test]
    fn compacting_keeps_the_last_line_of_a_file() {
        let root = tempfile::tempdir().unwrap();
        let digest = |c: &str| c.repeat(64);
        let lines = [("1 2 3 4 5", "a"), ("1 9 3 4 5", "b"), ("1 2 8 4 5", "c")];
        let mut text = String::from("1 2 torn\n");
        for (stamp, c) in lines {
            let _ = writeln!(text, "{stamp} synced {}", digest(c));
        }
        fs::write(root.path().join(FILE), text).unwrap();
        assert_eq!(
            compacted(root.path()),
            format!("1 9 3 4 5 synced {}\n1 2 8 4 5 synced {}\n", digest("b"), digest("c"))
        );
    }

    #[test]
    fn a_change_that_keeps_size_and_time_is_seen() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("x");
        fs::write(&file, "one").unwrap();
        age(&file);
        let memory = Memory::open(root.path(), true);
        let first = memory.digest(&file).unwrap();
        memory.save();
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, "two").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        assert!(!memory.is_unchanged(&file));
        assert_eq!(memory.digest(&file).unwrap(), first, "a run believes what it first saw");
        assert_ne!(Memory::open(root.path(), false).digest(&file).unwrap(), first);
    }
}
