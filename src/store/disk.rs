//! Every operation of the store on the disk, so that a test can make any of them fail, or cut the power after it.
//! Knows nothing of keys and entries.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::{Result, at};

#[cfg(test)]
use super::fate::Fate;

/// The disk. In a test it may have a fate.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    #[cfg(test)]
    pub(super) fate: Option<std::sync::Arc<Fate>>,
}

impl Disk {
    /// Where a test makes an operation fail.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only a test has a fate"))]
    fn allow(&self) -> io::Result<()> {
        #[cfg(test)]
        if let Some(fate) = &self.fate {
            return fate.next();
        }
        Ok(())
    }

    /// Makes a folder; whether it was not there.
    pub fn make_folder(&self, path: &Path) -> Result<bool> {
        let made = self.allow().and_then(|()| match fs::create_dir(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
            Err(error) => Err(error),
        });
        at(path, "cannot make the folder", made)
    }

    /// Makes a folder and those above it.
    pub fn make_folders(&self, path: &Path) -> Result<()> {
        at(path, "cannot make the folder", self.allow().and_then(|()| fs::create_dir_all(path)))
    }

    /// Opens a file for writing, made if it is not there; `None` when its folder has just gone.
    pub fn open_lock(&self, path: &Path) -> Result<Option<File>> {
        let open = || File::options().create(true).truncate(false).write(true).open(path);
        match self.allow().and_then(|()| open()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => at(path, "cannot open the lock", opened).map(Some),
        }
    }

    /// Opens a file for reading.
    pub fn open(&self, path: &Path) -> Result<File> {
        at(path, "cannot open", self.allow().and_then(|()| File::open(path)))
    }

    /// Writes a new file; `durable`: it is on the disk when this returns.
    pub fn write(&self, path: &Path, bytes: &[u8], durable: bool) -> Result<()> {
        let write = || {
            let mut file = File::create(path)?;
            if let Err(error) = self.allow() {
                // As a full disk or a kill leaves it.
                let _ = file.write_all(&bytes[..bytes.len() / 2]);
                return Err(error);
            }
            file.write_all(bytes)?;
            if durable { file.sync_all() } else { Ok(()) }
        };
        at(path, "cannot write", self.allow().and_then(|()| write()))
    }

    /// Adds to the end of a file in one operation, so that lines of several processes do not mix.
    pub fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let write = || {
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            if let Err(error) = self.allow() {
                let _ = file.write_all(&bytes[..bytes.len() / 2]);
                return Err(error);
            }
            file.write_all(bytes)
        };
        at(path, "cannot write", self.allow().and_then(|()| write()))
    }

    /// Gives a file or folder another name.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        at(to, "cannot rename into place", self.allow().and_then(|()| fs::rename(from, to)))
    }

    /// Waits until a file or folder is on the disk.
    pub fn sync(&self, path: &Path, file: &File) -> Result<()> {
        at(path, "cannot sync", self.allow().and_then(|()| file.sync_all()))
    }

    /// Waits until the names in a folder are on the disk.
    pub fn sync_folder(&self, path: &Path) -> Result<()> {
        self.sync(path, &self.open(path)?)
    }

    /// Makes a file read-only.
    pub fn protect(&self, path: &Path, file: &File, mut permissions: fs::Permissions) -> Result<()> {
        permissions.set_readonly(true);
        at(path, "cannot make read-only", self.allow().and_then(|()| file.set_permissions(permissions)))
    }

    /// Removes a file.
    pub fn remove_file(&self, path: &Path) -> Result<()> {
        at(path, "cannot remove", self.allow().and_then(|()| fs::remove_file(path)))
    }

    /// Removes a folder with everything in it.
    pub fn remove_folder(&self, path: &Path) -> Result<()> {
        at(path, "cannot remove", self.allow().and_then(|()| fs::remove_dir_all(path)))
    }
}
