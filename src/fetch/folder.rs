//! The folder that files are fetched into: its lock, and `.fetched.csv`, which says how each file should be.
//! Both are hidden, so that `load` neither reads nor hashes them. Knows nothing of the network.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::fault::{Fault, at};

/// Name of the list of what was fetched.
const LIST: &str = ".fetched.csv";

/// Name of the lock.
const LOCK: &str = ".fetching";

/// Columns of the list.
const HEADER: &str = "file,size,blake3,source\n";

/// How a file should be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    size: u64,
    blake3: String,
    /// The address that it came from.
    source: String,
}

/// How a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not there.
    Missing,
    /// As it was fetched.
    Whole,
    /// Fetched once, but not like that.
    Damaged(String),
    /// There, but not fetched.
    Foreign,
}

/// A locked folder. The system frees the lock when the process ends, however it ends.
pub(super) struct Folder {
    root: PathBuf,
    records: BTreeMap<String, Record>,
    list: File,
    _lock: File,
}

impl Folder {
    /// Makes it if need be, locks it and reads its list.
    pub(super) fn open(root: &Path) -> Result<Self, Fault> {
        at(root, "cannot make the folder", fs::create_dir_all(root))?;
        let path = root.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = at(&path, "cannot open the lock", lock)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Fault::Busy(root.to_path_buf())),
            Err(TryLockError::Error(error)) => return at(&path, "cannot lock", Err(error)),
        }
        let path = root.join(LIST);
        let list = OpenOptions::new().create(true).read(true).append(true).open(&path);
        let (mut list, mut bytes) = (at(&path, "cannot open", list)?, Vec::new());
        at(&path, "cannot read", list.read_to_end(&mut bytes))?;
        // A line that a killed process has left half written is no record.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        bytes.truncate(whole);
        let cut = list.set_len(whole as u64);
        let begun = cut.and_then(|()| if whole == 0 { list.write_all(HEADER.as_bytes()) } else { Ok(()) });
        at(&path, "cannot write", begun)?;
        Ok(Self { root: root.to_path_buf(), records: read(&bytes), list, _lock: lock })
    }

    /// The place of a file.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// How a file is, by its size, or by its contents.
    pub(super) fn state(&self, name: &str, by_contents: bool) -> Result<State, Fault> {
        let path = self.path(name);
        let Ok(meta) = fs::metadata(&path) else { return Ok(State::Missing) };
        let Some(record) = self.records.get(name) else { return Ok(State::Foreign) };
        if meta.len() != record.size {
            return Ok(State::Damaged(format!("it has {} bytes, {} were fetched", meta.len(), record.size)));
        }
        if by_contents && hash(&path)? != record.blake3 {
            return Ok(State::Damaged("its bytes are not those that were fetched".into()));
        }
        Ok(State::Whole)
    }

    /// Whether the part at `path` is all of a file whose record was written: only its name is missing.
    pub(super) fn is_whole(&self, name: &str, path: &Path) -> Result<bool, Fault> {
        let record = self.records.get(name);
        let of_size = record.filter(|record| fs::metadata(path).is_ok_and(|meta| meta.len() == record.size));
        of_size.map_or(Ok(false), |record| Ok(hash(path)? == record.blake3))
    }

    /// Whether this is the digest of a file's record.
    pub(super) fn is_recorded_as(&self, name: &str, blake3: &str) -> bool {
        self.records.get(name).is_some_and(|record| record.blake3 == blake3)
    }

    /// The address that a file came from; empty where nobody knows.
    pub(super) fn source(&self, name: &str) -> &str {
        self.records.get(name).map_or("", |record| &record.source)
    }

    /// Writes down how a file should be.
    pub(super) fn record(&mut self, name: &str, size: u64, blake3: &str, source: &str) -> Result<(), Fault> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let _ = writer.write_record([name, &size.to_string(), blake3, source]);
        let line = writer.into_inner().unwrap_or_default();
        let written = self.list.write_all(&line).and_then(|()| self.list.sync_data());
        at(&self.root.join(LIST), "cannot write", written)?;
        self.records.insert(name.to_string(), Record { size, blake3: blake3.to_string(), source: source.to_string() });
        Ok(())
    }
}

/// Records of a list; the last one of a file holds.
fn read(bytes: &[u8]) -> BTreeMap<String, Record> {
    let rows = csv::ReaderBuilder::new().flexible(true).from_reader(bytes).into_records();
    let record = |row: csv::StringRecord| {
        let [name, size, blake3, source] = [0, 1, 2, 3].map(|i| row.get(i).map(String::from));
        let blake3 = blake3.filter(|hash| hash.len() == 2 * blake3::OUT_LEN)?;
        Some((name?, Record { size: size?.parse().ok()?, blake3, source: source.unwrap_or_default() }))
    };
    rows.flatten().filter_map(record).collect()
}

fn hash(path: &Path) -> Result<String, Fault> {
    let mut hasher = blake3::Hasher::new();
    at(path, "cannot read", File::open(path).and_then(|file| hasher.update_reader(file).map(drop)))?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_a_line_cut_by_a_kill() {
        let root = tempfile::tempdir().unwrap();
        let digest = blake3::hash(b"x").to_hex().to_string();
        std::fs::write(root.path().join("a,b"), "x").unwrap();
        Folder::open(root.path()).unwrap().record("a,b", 1, &digest, "http://x/").unwrap();
        let path = root.path().join(LIST);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut folder = Folder::open(root.path()).unwrap();
            let known = folder.state("a,b", true).unwrap();
            assert_eq!(known == State::Whole, cut == whole.len(), "cut at {cut}: {known:?}");
            folder.record("a,b", 1, &digest, "").unwrap();
            drop(folder);
            let again = Folder::open(root.path()).unwrap();
            assert_eq!(again.state("a,b", true).unwrap(), State::Whole, "after a cut at {cut}");
        }
    }

    #[test]
    fn one_process_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let first = Folder::open(root.path()).unwrap();
        assert!(matches!(Folder::open(root.path()), Err(Fault::Busy(_))));
        drop(first);
        assert!(Folder::open(root.path()).is_ok());
    }

    #[test]
    fn damage_is_seen_by_size_and_by_contents() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(root.path()).unwrap();
        let path = root.path().join("a");
        assert_eq!(folder.state("a", true).unwrap(), State::Missing);
        std::fs::write(&path, "x").unwrap();
        assert_eq!(folder.state("a", true).unwrap(), State::Foreign);
        folder.record("a", 1, &blake3::hash(b"x").to_hex(), "").unwrap();
        assert_eq!(folder.state("a", true).unwrap(), State::Whole);
        std::fs::write(&path, "y").unwrap();
        assert_eq!(folder.state("a", false).unwrap(), State::Whole);
        assert!(matches!(folder.state("a", true).unwrap(), State::Damaged(_)));
        std::fs::write(&path, "xx").unwrap();
        assert!(matches!(folder.state("a", false).unwrap(), State::Damaged(_)));
    }
}
