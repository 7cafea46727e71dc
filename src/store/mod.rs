//! `cache/` on disk: entries addressed by key, complete or absent. The only folder that writes there.
//! Knows no stage, no experiment and no astronomy.
//!
//! ```text
//! cache/entries/KIND/KEY/meta.json   proof of completeness, written before the folder gets this name
//! cache/entries/KIND/KEY/out/        the artifact
//! cache/unfinished/KEY/lock          held by the process that computes KEY; the system frees it when that process dies
//! cache/unfinished/KEY/entry-*/      the entry being made
//! cache/unfinished/KEY/checkpoint/   what survives a kill
//! cache/damaged/                     entries that no longer hold what they held, moved aside
//! cache/digests                      remembered digests of the user's files
//! ```

pub mod digest;
pub mod entry;
pub mod key;
pub mod lock;
pub mod memory;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use thiserror::Error;

use entry::{Entry, Meta};
use key::Key;
use lock::Claim;

/// The cache cannot be used.
#[derive(Debug, Error)]
#[error("cache {}: {doing}: {source}", path.display())]
pub struct StoreError {
    /// File or folder.
    pub path: PathBuf,
    /// What was tried.
    pub doing: &'static str,
    /// What the system said.
    pub source: io::Error,
}

/// Result of a store operation.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Adds the path and what was tried to an error of the system.
pub(crate) fn at<T>(path: &Path, doing: &'static str, result: io::Result<T>) -> Result<T> {
    result.map_err(|source| StoreError { path: path.to_path_buf(), doing, source })
}

/// A cache on disk.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The cache in `root`, made if it is not there.
    pub fn open(root: &Path) -> Result<Self> {
        for folder in ["entries", "unfinished"] {
            let path = root.join(folder);
            at(&path, "cannot make the folder", fs::create_dir_all(&path))?;
        }
        Ok(Self { root: root.to_path_buf() })
    }

    /// The cache in `root` for reading only: nothing is made.
    pub fn view(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn place(&self, kind: &str, key: &Key) -> PathBuf {
        self.root.join("entries").join(kind).join(key.text())
    }

    /// The complete entry of `key`, whose files still have the size and time with which they were written; a file
    /// whose time differs is hashed again. A damaged entry is no entry.
    pub fn lookup(&self, kind: &str, key: &Key) -> Option<Entry> {
        let entry = Entry::read(&self.place(kind, key))?;
        (entry.meta.key == *key && entry.is_intact()).then_some(entry)
    }

    /// The entry of `key` even if it is damaged.
    pub fn lookup_any(&self, kind: &str, key: &Key) -> Option<Entry> {
        Entry::read(&self.place(kind, key))
    }

    /// Claims `key` for computing, or `None` while another process does.
    pub fn claim(&self, key: &Key) -> Result<Option<Claim>> {
        Claim::try_new(&self.root.join("unfinished").join(key.text()))
    }

    /// Makes what the claim holds the entry of its key: hashes and syncs the files, writes `meta.json`, renames.
    pub fn commit(&self, claim: &Claim, draft: Meta) -> Result<Entry> {
        let meta = draft.seal(&claim.out())?;
        let place = self.place(&meta.kind, &meta.key);
        if let Some(parent) = place.parent() {
            at(parent, "cannot make the folder", fs::create_dir_all(parent))?;
        }
        self.set_aside(&place)?;
        meta.write(&claim.entry())?;
        at(&place, "cannot rename the entry into place", fs::rename(claim.entry(), &place))?;
        if let Some(parent) = place.parent() {
            digest::sync_folder(parent)?;
        }
        Entry::read(&place).ok_or_else(|| StoreError {
            path: place,
            doing: "cannot read back what was written",
            source: io::Error::from(io::ErrorKind::InvalidData),
        })
    }

    /// Moves a damaged or outdated entry out of the way, if there is one; nothing complete is overwritten.
    pub fn set_aside(&self, place: &Path) -> Result<bool> {
        if !place.exists() {
            return Ok(false);
        }
        let folder = self.root.join("damaged");
        at(&folder, "cannot make the folder", fs::create_dir_all(&folder))?;
        let name = place.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let free = (0..u32::MAX).map(|n| folder.join(format!("{name}.{n}"))).find(|p| !p.exists());
        let aside = free.unwrap_or_else(|| folder.join(&name));
        at(place, "cannot move the damaged entry aside", fs::rename(place, aside))?;
        Ok(true)
    }

    /// Forgets the entry of `key` by moving it aside.
    pub fn forget(&self, kind: &str, key: &Key) -> Result<bool> {
        self.set_aside(&self.place(kind, key))
    }

    /// Removes an entry for good.
    pub fn remove(&self, entry: &Entry) -> Result<()> {
        digest::make_writable(&entry.folder);
        // meta.json goes first: what is left of a removal that is interrupted is no entry.
        let meta = entry.folder.join(entry::META);
        at(&meta, "cannot remove", fs::remove_file(&meta))?;
        at(&entry.folder, "cannot remove", fs::remove_dir_all(&entry.folder))
    }

    /// Removes what was moved aside.
    pub fn clear_damaged(&self) -> Result<()> {
        let folder = self.root.join("damaged");
        if !folder.exists() {
            return Ok(());
        }
        digest::make_writable(&folder);
        at(&folder, "cannot remove", fs::remove_dir_all(&folder))
    }

    /// Every complete entry of a kind (all kinds when empty), ordered by kind and key.
    pub fn entries(&self, kind: &str) -> Vec<Entry> {
        let root = self.root.join("entries");
        let kinds = if kind.is_empty() { children(&root) } else { vec![root.join(kind)] };
        kinds.iter().flat_map(|folder| children(folder)).filter_map(|place| Entry::read(&place)).collect()
    }

    /// Folders of work that was interrupted, with the time of their last change.
    pub fn unfinished(&self) -> Vec<(PathBuf, SystemTime)> {
        let time = |p: &PathBuf| fs::metadata(p).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        children(&self.root.join("unfinished")).into_iter().map(|p| (p.clone(), time(&p))).collect()
    }
}

/// Folders and files in `folder`, ordered by name; none when it cannot be read.
pub(crate) fn children(folder: &Path) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().filter_map(|e| e.ok().map(|e| e.path())).collect();
    list.sort();
    list
}
