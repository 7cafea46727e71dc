//! A claim on a key: one process at a time computes it. The system frees the lock when the process ends, however it
//! ends, so nobody ever has to clear one.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::disk::Disk;
use super::entry::OUT;
use super::{Result, at};

/// Name of the lock file.
const LOCK: &str = "lock";

/// The right to compute a key, with the folder to do it in.
#[derive(Debug)]
pub struct Claim {
    disk: Disk,
    folder: PathBuf,
    /// Name of the entry being made: a new one for each claim, so that a program which outlived its killed run cannot
    /// write into the entry of the run after it.
    entry: String,
    _lock: File,
}

impl Claim {
    /// Takes the lock in `folder` and empties the unfinished entry there (checkpoints stay), or `None` while another
    /// process holds it.
    pub(super) fn try_new(disk: &Disk, folder: &Path) -> Result<Option<Self>> {
        let is_new = disk.make_folder(folder)?;
        let path = folder.join(LOCK);
        // No lock file: the process that held it has just removed the folder.
        let Some(lock) = disk.open_lock(&path)? else { return Ok(None) };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return at(&path, "cannot lock", Err(error)),
        }
        if !is_same_file(&lock, &path) {
            // It was removed between opening and locking: whoever holds the new one has the claim.
            return Ok(None);
        }
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let entry = format!("entry-{}-{nanos}", std::process::id());
        let claim = Self { disk: disk.clone(), folder: folder.to_path_buf(), entry, _lock: lock };
        if !is_new {
            claim.clear();
        }
        for folder in [claim.entry(), claim.out()] {
            disk.make_folder(&folder)?;
        }
        Ok(Some(claim))
    }

    /// The entry being made.
    pub fn entry(&self) -> PathBuf {
        self.folder.join(&self.entry)
    }

    /// The artifact being made.
    pub fn out(&self) -> PathBuf {
        self.entry().join(OUT)
    }

    /// What survives a kill; it is not made until a stage has something to keep.
    pub fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }

    /// Whether the disk has no room left, which a program that ran out of it may not have been able to say.
    pub fn is_full(&self) -> bool {
        let tried = self.disk.write(&self.entry().join("probe"), &vec![0; 1 << 16], false);
        tried.is_err_and(|error| matches!(error.source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
    }

    /// Removes everything: the work is done, or not worth keeping. What cannot be removed now, the next claim removes.
    pub fn finish(self) {
        let _ = self.remove();
    }

    /// The lock goes last, and after it only an empty folder: from then on another process may have the next claim there.
    fn remove(&self) -> Result<()> {
        let lock = self.folder.join(LOCK);
        for path in self.disk.list(&self.folder).unwrap_or_default().iter().filter(|path| **path != lock) {
            self.disk.remove_folder(path)?;
        }
        self.disk.remove_file(&lock)?;
        self.disk.remove_empty(&self.folder)
    }

    /// Gives the claim up and keeps the checkpoints, if there are any.
    pub fn leave(self) {
        let _ = self.disk.remove_folder(&self.entry());
        let holds_some = fs::read_dir(self.checkpoint()).is_ok_and(|mut files| files.next().is_some());
        if !holds_some {
            self.finish();
        }
    }

    /// What is in the way of nobody may stay: the new entry has a name of its own, and a program that outlived its killed
    /// run may still be writing into the old one.
    fn clear(&self) {
        for old in self.disk.list(&self.folder).unwrap_or_default() {
            if old.file_name().is_some_and(|name| name.to_string_lossy().starts_with("entry-")) {
                let _ = self.disk.remove_folder(&old);
            }
        }
    }
}

fn is_same_file(file: &File, path: &Path) -> bool {
    let (Ok(a), Ok(b)) = (file.metadata(), fs::metadata(path)) else { return false };
    a.ino() == b.ino() && a.dev() == b.dev()
}
