//! Claims on keys: one process at a time computes a key. Every claim is a lock on one byte of the same file, which stays
//! empty; the key says which byte. The system frees the locks of a process when it ends, however it ends, so nobody ever
//! has to clear one, and nothing is made or removed for a claim. Two keys with the same byte, of 2^62, only wait for each
//! other.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::disk::Disk;
use super::entry::OUT;
use super::key::Key;
use super::{Result, at};

/// Name of the file.
pub const FILE: &str = "claims";

/// The claims of one process on the keys of a cache.
#[derive(Debug)]
pub(super) struct Claims {
    disk: Disk,
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Opened at the first claim.
    file: Option<File>,
    /// Bytes that this process has. The system would give it each of them twice.
    held: HashSet<u64>,
    /// Bytes that another process had when this one asked for them: if it was killed, it has left something.
    missed: HashSet<u64>,
}

/// A locked byte.
#[derive(Debug)]
struct Lock {
    claims: Arc<Claims>,
    byte: u64,
}

impl Claims {
    /// Of this process on the cache in `root`; makes and opens nothing.
    pub(super) fn new(disk: &Disk, root: &Path) -> Arc<Self> {
        Arc::new(Self { disk: disk.clone(), root: root.to_path_buf(), state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock of a key, and whether another process had it when this one asked before; `None` while one has it.
    fn lock(self: &Arc<Self>, key: &Key) -> Result<Option<(Lock, bool)>> {
        let byte = byte_of(key);
        let state = &mut *self.state();
        if state.held.contains(&byte) {
            return Ok(None);
        }
        let path = self.root.join(FILE);
        let file = match &mut state.file {
            Some(file) => file,
            none => match self.disk.open_lock(&path)? {
                Some(file) => none.insert(file),
                None => return at(&path, "cannot open the lock", Err(ErrorKind::NotFound.into())),
            },
        };
        if !at(&path, "cannot lock", self.disk.lock_byte(file, byte))? {
            state.missed.insert(byte);
            return Ok(None);
        }
        state.held.insert(byte);
        Ok(Some((Lock { claims: self.clone(), byte }, state.missed.remove(&byte))))
    }

    /// Takes the lock of `key` and makes the folder of a new entry, or `None` while another process has the lock.
    /// Checkpoints stay.
    pub(super) fn claim(self: &Arc<Self>, key: &Key) -> Result<Option<Claim>> {
        let Some((lock, was_missed)) = self.lock(key)? else { return Ok(None) };
        if was_missed {
            self.clear_key(key);
        }
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let folder = self.root.join(FOLDER).join(key.to_string());
        let entry = folder.with_file_name(format!("{key}-{}-{nanos}", std::process::id()));
        let claim = Claim { disk: self.disk.clone(), folder, entry, _lock: lock };
        for folder in [claim.entry(), claim.out()] {
            if let Err(error) = self.disk.make_folder(&folder) {
                claim.finish();
                return Err(error);
            }
        }
        Ok(Some(claim))
    }

    /// Entries that were being made, by key.
    fn begun(&self) -> impl Iterator<Item = (Key, PathBuf)> {
        let list = self.disk.list(&self.root.join(FOLDER)).unwrap_or_default();
        list.into_iter().filter_map(|path| Some((key_of(&path)?, path))).filter(|(_, path)| is_entry(path))
    }

    /// Removes what killed processes have left of entries. What cannot be removed now is in the way of nobody: each entry
    /// has a name of its own, and a program that outlived its killed run may still be writing into the old one.
    pub(super) fn clear(self: &Arc<Self>) {
        for (key, path) in self.begun() {
            if let Ok(Some(_lock)) = self.lock(&key) {
                let _ = self.disk.remove_folder(&path);
            }
        }
    }

    /// The same for a key that is locked already.
    fn clear_key(&self, key: &Key) {
        for (_, path) in self.begun().filter(|(of, _)| of == key) {
            let _ = self.disk.remove_folder(&path);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let state = &mut *self.claims.state();
        if let Some(file) = &state.file {
            // What cannot be freed now is free when this process ends.
            let _ = self.claims.disk.free_byte(file, self.byte);
        }
        state.held.remove(&self.byte);
    }
}

/// The byte that stands for a key. Systems count bytes of a file with a sign.
fn byte_of(key: &Key) -> u64 {
    key.0[..8].iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)) >> 2
}

/// Folder of all that is being made.
pub(super) const FOLDER: &str = "unfinished";

/// The key that a folder in there belongs to: `KEY` holds checkpoints, `KEY-*` an entry being made.
pub(super) fn key_of(folder: &Path) -> Option<Key> {
    Key::parse(folder.file_name()?.to_str()?.split('-').next()?)
}

fn is_entry(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name.to_string_lossy().contains('-'))
}

/// The right to compute a key, with the folder to do it in.
#[derive(Debug)]
pub struct Claim {
    disk: Disk,
    folder: PathBuf,
    /// A new name for each claim, so that a program which outlived its killed run cannot write into the entry of the run
    /// after it.
    entry: PathBuf,
    _lock: Lock,
}

impl Claim {
    /// The entry being made.
    pub fn entry(&self) -> PathBuf {
        self.entry.clone()
    }

    /// The artifact being made.
    pub fn out(&self) -> PathBuf {
        self.entry.join(OUT)
    }

    /// What survives a kill; it is not made until a stage has something to keep.
    pub fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }

    /// Whether a stage has something there.
    pub fn has_checkpoint(&self) -> bool {
        self.checkpoint().is_dir()
    }

    /// Whether the disk has no room left, which a program that ran out of it may not have been able to say.
    pub fn is_full(&self) -> bool {
        let tried = self.disk.write(&self.entry.join("probe"), &vec![0; 1 << 16], false);
        tried.is_err_and(|error| matches!(error.source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
    }

    /// Removes everything: the work is done, or not worth keeping. What cannot be removed now, a later run removes.
    pub fn finish(self) {
        // Mostly there is neither: the entry has got its place, and nothing was kept.
        for folder in [&self.entry, &self.folder] {
            if self.disk.stat(folder).is_ok() {
                let _ = self.disk.remove_folder(folder);
            }
        }
    }

    /// Gives the claim up and keeps the checkpoints, if there are any.
    pub fn leave(self) {
        let _ = self.disk.remove_folder(&self.entry);
        let holds_some = fs::read_dir(self.checkpoint()).is_ok_and(|mut files| files.next().is_some());
        if !holds_some {
            self.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(root: &Path) -> Arc<Claims> {
        fs::create_dir_all(root.join(FOLDER)).unwrap();
        Claims::new(&Disk::default(), root)
    }

    #[test]
    fn a_key_is_claimed_once_among_processes_and_within_one() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (claims(root.path()), claims(root.path()));
        let (a, b) = (Key([1; 20]), Key([2; 20]));
        let claim = one.claim(&a).unwrap().unwrap();
        assert!(one.claim(&a).unwrap().is_none() && two.claim(&a).unwrap().is_none());
        let other = two.claim(&b).unwrap().unwrap();
        assert!(one.claim(&b).unwrap().is_none());
        claim.finish();
        assert!(one.claim(&b).unwrap().is_none(), "freeing one byte frees no other");
        let claim = two.claim(&a).unwrap().unwrap();
        assert!(one.claim(&a).unwrap().is_none(), "a claim after a claim holds too");
        drop((claim, other));
        assert!(one.claim(&a).unwrap().is_some() && one.claim(&b).unwrap().is_some());
    }

    #[test]
    fn keys_with_the_same_byte_wait_for_each_other() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (claims(root.path()), claims(root.path()));
        let (mut a, mut b) = (Key([7; 20]), Key([7; 20]));
        (a.0[19], b.0[19]) = (1, 2);
        let claim = one.claim(&a).unwrap().unwrap();
        assert!(one.claim(&b).unwrap().is_none() && two.claim(&b).unwrap().is_none());
        claim.finish();
        assert!(two.claim(&b).unwrap().is_some());
    }

    #[test]
    fn the_largest_key_has_a_byte() {
        let root = tempfile::tempdir().unwrap();
        let claims = claims(root.path());
        let claim = claims.claim(&Key([255; 20])).unwrap().unwrap();
        claim.finish();
        assert!(claims.claim(&Key([255; 20])).unwrap().is_some());
    }

    #[test]
    fn what_a_killed_process_left_is_cleared_by_who_takes_over_and_by_who_comes_later() {
        let root = tempfile::tempdir().unwrap();
        let left = |claims: &Arc<Claims>| claims.begun().count();
        let key = Key([3; 20]);
        let (dead, waiting) = (claims(root.path()), claims(root.path()));
        let claim = dead.claim(&key).unwrap().unwrap();
        assert!(waiting.claim(&key).unwrap().is_none());
        waiting.clear();
        assert_eq!(left(&waiting), 1, "somebody works there");
        let other = dead.claim(&Key([4; 20])).unwrap().unwrap();
        // As after a kill: the lock is free, the folder is there.
        drop(claim);
        let claim = waiting.claim(&key).unwrap().unwrap();
        assert_eq!(left(&waiting), 2, "its own, and that of another key");
        assert!(other.out().exists() && claim.out().exists());
        drop((claim, other));
        claims(root.path()).clear();
        assert_eq!(left(&waiting), 0);
    }
}
