//! A claim on a key: one process at a time computes it. The system frees the lock when the process ends, however it
//! ends, so nobody ever has to clear one.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::entry::OUT;
use super::{Result, at};

/// The right to compute a key, with the folder to do it in.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    /// Name of the entry being made: a new one for each claim, so that a program which outlived its killed run cannot
    /// write into the entry of the run after it.
    entry: String,
    _lock: File,
}

impl Claim {
    /// Takes the lock in `folder` and empties the unfinished entry there (checkpoints stay), or `None` while another
    /// process holds it.
    pub(super) fn try_new(folder: &Path) -> Result<Option<Self>> {
        at(folder, "cannot make the folder", fs::create_dir_all(folder))?;
        let path = folder.join("lock");
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = match open {
            // The process that held the lock has just removed the folder.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            open => at(&path, "cannot open the lock", open)?,
        };
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
        let claim = Self { folder: folder.to_path_buf(), entry, _lock: lock };
        claim.clear()?;
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

    /// Removes everything: the work is done, or not worth keeping.
    pub fn finish(self) {
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Gives the claim up and keeps the checkpoints, if there are any.
    pub fn leave(self) {
        let _ = fs::remove_dir_all(self.entry());
        let empty = fs::read_dir(self.checkpoint()).is_ok_and(|mut files| files.next().is_none());
        if empty {
            self.finish();
        }
    }

    fn clear(&self) -> Result<()> {
        for old in super::children(&self.folder) {
            if old.file_name().is_some_and(|name| name.to_string_lossy().starts_with("entry-")) {
                at(&old, "cannot empty the folder", fs::remove_dir_all(&old))?;
            }
        }
        for folder in [self.out(), self.checkpoint()] {
            at(&folder, "cannot make the folder", fs::create_dir_all(&folder))?;
        }
        Ok(())
    }
}

fn is_same_file(file: &File, path: &Path) -> bool {
    let (Ok(a), Ok(b)) = (file.metadata(), fs::metadata(path)) else { return false };
    a.ino() == b.ino() && a.dev() == b.dev()
}
