//! The lock of a whole cache: whoever uses entries holds it with others, whoever removes some holds it alone. The system
//! frees it when the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use super::disk::Disk;
use super::{Result, StoreError, at};

/// Name of the file.
pub const FILE: &str = "lock";

/// The lock, held.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "it is the open file that holds the lock")] File);

impl Hold {
    /// Together with others: entries stay until it is dropped. Waits while another process removes entries. `None` for a
    /// cache that may only be read and where nobody has ever held the lock.
    pub fn shared(disk: &Disk, root: &Path) -> Result<Option<Self>> {
        let (file, path) = match open(disk, root) {
            Err(error) if is_forbidden(&error) => match File::open(&error.path) {
                Ok(file) => (file, error.path),
                Err(_) => return Ok(None),
            },
            opened => opened?,
        };
        at(&path, "cannot lock", file.lock_shared()).map(|()| Some(Self(file)))
    }

    /// Alone, or `None` while another process uses the cache.
    pub fn alone(disk: &Disk, root: &Path) -> Result<Option<Self>> {
        let (file, path) = open(disk, root)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => at(&path, "cannot lock", Err(error)),
        }
    }
}

fn is_forbidden(error: &StoreError) -> bool {
    matches!(error.source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

fn open(disk: &Disk, root: &Path) -> Result<(File, std::path::PathBuf)> {
    let path = root.join(FILE);
    let missing = || Err(std::io::Error::from(ErrorKind::NotFound));
    match disk.open_lock(&path)? {
        Some(file) => Ok((file, path)),
        None => at(&path, "cannot open the lock", missing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_use_a_cache_or_one_removes_from_it() {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let first = Hold::shared(&disk, root.path()).unwrap();
        let second = Hold::shared(&disk, root.path()).unwrap();
        assert!(first.is_some() && second.is_some());
        assert!(Hold::alone(&disk, root.path()).unwrap().is_none());
        drop(first);
        assert!(Hold::alone(&disk, root.path()).unwrap().is_none());
        drop(second);
        assert!(Hold::alone(&disk, root.path()).unwrap().is_some());
    }
}
