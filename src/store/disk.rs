//! Every operation of the store on the disk, so that a test can make any of them fail, or cut the power after it.
//! Knows nothing of keys and entries.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::{Result, at};

#[cfg(test)]
use super::fate::{Blow, Fate, refusal};

/// The disk. In a test it may have a fate.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    #[cfg(test)]
    pub(super) fate: Option<std::sync::Arc<Fate>>,
}

/// Outside of tests nothing strikes.
#[cfg(not(test))]
#[cfg_attr(not(test), expect(clippy::unused_self, reason = "only a test has a fate"))]
impl Disk {
    fn change<T>(&self, _: &'static str, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        operation()
    }

    fn put(&self, _: &'static str, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    pub(super) fn arrived(&self, _: &'static str, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        Ok(bytes)
    }

    fn keep(&self, _: &File) {}

    /// Nanoseconds since 1970 of the last change of anything about a file; no program can set it back.
    pub fn changed(&self, meta: &Metadata) -> u64 {
        time(meta.ctime(), meta.ctime_nsec())
    }
}

#[cfg(test)]
impl Disk {
    fn blow(&self, name: &'static str) -> Option<Blow> {
        self.fate.as_ref().and_then(|fate| fate.next(name))
    }

    fn change<T>(&self, name: &'static str, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.blow(name) {
            None => operation(),
            Some(Blow::Unheard) => operation().and_then(|_| Err(refusal())),
            Some(_) => Err(refusal()),
        }
    }

    fn put(&self, name: &'static str, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        match self.blow(name) {
            None => file.write_all(bytes),
            Some(Blow::Refused) => Err(refusal()),
            Some(Blow::Torn) => file.write_all(&bytes[..bytes.len() / 2]).and(Err(refusal())),
            Some(Blow::Unheard) => file.write_all(bytes).and(Err(refusal())),
        }
    }

    pub(super) fn arrived(&self, name: &'static str, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        match self.blow(name) {
            None => Ok(bytes),
            Some(Blow::Torn) => {
                bytes.truncate(bytes.len() / 2);
                Ok(bytes)
            }
            Some(_) => Err(refusal()),
        }
    }

    fn keep(&self, file: &File) {
        if let (Some(fate), Ok(meta)) = (&self.fate, file.metadata()) {
            fate.keep(&meta);
        }
    }

    /// Nanoseconds since 1970 of the last change of anything about a file; no program can set it back.
    pub fn changed(&self, meta: &Metadata) -> u64 {
        let forged = self.fate.as_ref().and_then(|fate| fate.changed(meta));
        forged.unwrap_or_else(|| time(meta.ctime(), meta.ctime_nsec()))
    }
}

/// Nanoseconds since 1970.
fn time(seconds: i64, nanos: i64) -> u64 {
    (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(nanos as u64)
}

/// A lock that belongs to an opening of a file: neither a second opening in this process nor another process shares it,
/// and closing a second one does not end it.
fn byte_lock(file: &File, byte: u64, kind: i32) -> io::Result<()> {
    let range = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte as libc::off_t,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&range)).map(drop).map_err(io::Error::from)
}

impl Disk {
    /// Makes a folder; whether it was not there.
    pub fn make_folder(&self, path: &Path) -> Result<bool> {
        let made = self.change("make folder", || match fs::create_dir(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
            Err(error) => Err(error),
        });
        at(path, "cannot make the folder", made)
    }

    /// Makes a folder and those above it.
    pub fn make_folders(&self, path: &Path) -> Result<()> {
        at(path, "cannot make the folder", self.change("make folders", || fs::create_dir_all(path)))
    }

    /// Opens a file for writing, made if it is not there; `None` when its folder has just gone.
    pub fn open_lock(&self, path: &Path) -> Result<Option<File>> {
        let open = || File::options().create(true).truncate(false).write(true).open(path);
        match self.change("open lock", open) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => at(path, "cannot open the lock", opened).map(Some),
        }
    }

    /// Locks one byte of a file, which needs not be there, for this opening of the file; false while another has it.
    pub fn lock_byte(&self, file: &File, byte: u64) -> io::Result<bool> {
        match self.change("lock byte", || byte_lock(file, byte, libc::F_WRLCK)) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Frees it.
    pub fn free_byte(&self, file: &File, byte: u64) -> io::Result<()> {
        self.change("free byte", || byte_lock(file, byte, libc::F_UNLCK))
    }

    /// Opens a file for reading.
    pub fn open(&self, path: &Path) -> Result<File> {
        at(path, "cannot open", self.change("open", || File::open(path)))
    }

    /// All that a file holds.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path).and_then(|bytes| self.arrived("read", bytes))
    }

    /// Size and times of a file.
    pub fn stat(&self, path: &Path) -> io::Result<Metadata> {
        self.change("stat", || fs::metadata(path))
    }

    /// Folders and files in a folder, ordered by name.
    pub fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut list =
            self.change("list", || fs::read_dir(path)?.map(|e| Ok(e?.path())).collect::<io::Result<Vec<_>>>())?;
        list.sort();
        Ok(list)
    }

    /// Writes a new file; `durable`: it is on the disk when this returns.
    pub fn write(&self, path: &Path, bytes: &[u8], durable: bool) -> Result<()> {
        let write = || {
            let mut file = self.change("create", || File::create(path))?;
            self.put("write", &mut file, bytes)?;
            if durable { self.settle("sync written", &file) } else { Ok(()) }
        };
        at(path, "cannot write", write())
    }

    /// Adds to the end of a file in one operation, so that lines of several processes do not mix.
    pub fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let open = || OpenOptions::new().create(true).append(true).open(path);
        let append = || self.put("append", &mut self.change("open to append", open)?, bytes);
        at(path, "cannot write", append())
    }

    /// Gives a file or folder another name.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        at(to, "cannot rename into place", self.change("rename", || fs::rename(from, to)))
    }

    /// Puts a link with another target in the place of one.
    pub fn link_anew(&self, link: &Path, target: &Path) -> Result<()> {
        let anew = || fs::remove_file(link).and_then(|()| symlink(target, link));
        at(link, "cannot link", self.change("link anew", anew))
    }

    /// Waits until a file or folder is on the disk.
    pub fn sync(&self, path: &Path, file: &File) -> Result<()> {
        at(path, "cannot sync", self.settle("sync", file))
    }

    fn settle(&self, name: &'static str, file: &File) -> io::Result<()> {
        self.change(name, || file.sync_all())?;
        self.keep(file);
        Ok(())
    }

    /// Waits until the names in a folder are on the disk.
    pub fn sync_folder(&self, path: &Path) -> Result<()> {
        self.sync(path, &self.open(path)?)
    }

    /// Gives a file that has other names, too, bytes of its own under this one.
    pub fn part(&self, path: &Path) -> Result<()> {
        let aside = path.with_file_name(".its-own-bytes");
        let part = || fs::copy(path, &aside).and_then(|_| fs::rename(&aside, path));
        at(path, "cannot copy", self.change("part", part))
    }

    /// Makes a file read-only.
    pub fn protect(&self, path: &Path, file: &File, mut permissions: fs::Permissions) -> Result<()> {
        permissions.set_readonly(true);
        at(path, "cannot make read-only", self.change("protect", || file.set_permissions(permissions)))
    }

    /// Removes a file.
    pub fn remove_file(&self, path: &Path) -> Result<()> {
        at(path, "cannot remove", self.change("remove file", || fs::remove_file(path)))
    }

    /// Removes an empty folder.
    pub fn remove_empty(&self, path: &Path) -> Result<()> {
        at(path, "cannot remove", self.change("remove empty folder", || fs::remove_dir(path)))
    }

    /// Removes a folder with everything in it.
    pub fn remove_folder(&self, path: &Path) -> Result<()> {
        at(path, "cannot remove", self.change("remove folder", || fs::remove_dir_all(path)))
    }
}
