//! A claim on a key: one process at a time computes it. The system frees the lock when the process ends, however it
//! ends, so nobody ever has to clear one.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::disk::Disk;
use super::entry::OUT;
use super::{Result, at};

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
        let path = folder.join("lock");
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
            claim.clear()?;
        }
        for folder in [claim.entry(), claim.out(), claim.checkpoint()] {
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

    /// What survives a kill.
    pub fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }

    /// Removes everything: the work is done, or not worth keeping. What cannot be removed now, the next claim removes.
    pub fn finish(self) {
        // Mostly all that is left is an empty folder for checkpoints. Once the lock's name is gone, another process may
        // have a claim in the folder: from then on only an empty folder may be removed.
        for folder in [self.checkpoint(), self.entry()] {
            if fs::remove_dir(&folder).is_err() && folder.exists() {
                let _ = self.disk.remove_folder(&folder);
            }
        }
        let _ = self.disk.remove_file(&self.folder.join("lock"));
        let _ = fs::remove_dir(&self.folder);
    }

    /// Gives the claim up and keeps the checkpoints, if there are any.
    pub fn leave(self) {
        let _ = self.disk.remove_folder(&self.entry());
        let empty = fs::read_dir(self.checkpoint()).is_ok_and(|mut files| files.next().is_none());
        if empty {
            self.finish();
        }
    }

    fn clear(&self) -> Result<()> {
        for old in super::children(&self.folder) {
            if old.file_name().is_some_and(|name| name.to_string_lossy().starts_with("entry-")) {
                self.disk.remove_folder(&old)?;
            }
        }
        Ok(())
    }
}

fn is_same_file(file: &File, path: &Path) -> bool {
    let (Ok(a), Ok(b)) = (file.metadata(), fs::metadata(path)) else { return false };
    a.ino() == b.ino() && a.dev() == b.dev()
}
