//! `cache/` on disk: entries addressed by key, complete or absent. The only folder that writes there.
//! Knows no stage, no experiment and no astronomy.
//!
//! ```text
//! cache/entries/KIND/KEY/meta.json   proof of completeness, written before the folder gets this name
//! cache/entries/KIND/KEY/out/        the artifact
//! cache/unfinished/KEY-*/            the entry being made, a new name for each claim
//! cache/unfinished/KEY/checkpoint/   what survives a kill
//! cache/claims                       an empty file; its bytes are locked by the processes that compute their keys
//! cache/damaged/                     entries that no longer hold what they held, moved aside
//! cache/index                        one line for each entry: a shortcut, never the truth
//! cache/snapshots/                   what idle runs looked at: a shortcut, never the truth
//! cache/digests                      remembered digests of the user's files: a shortcut, never the truth
//! cache/runs/EXPERIMENT/TIME-ID.json what each run used that differed from the one before it
//! cache/pins/EXPERIMENT.json         runs whose entries stay
//! cache/lock                         held by all who use entries together, alone by who removes some
//! ```

pub mod digest;
pub mod disk;
pub mod entry;
#[cfg(test)]
mod fate;
pub mod hold;
pub mod index;
pub mod key;
mod links;
pub mod lock;
pub mod memory;
pub mod mount;
pub mod runs;
pub mod snapshot;
pub mod sweep;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use thiserror::Error;

use disk::Disk;
use entry::{Entry, Meta};
use hold::Hold;
use index::Index;
use key::Key;
use lock::{Claim, Claims};

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

/// Entries that took at least this long, in seconds, are synced to the disk at once; of the others the system takes
/// care within seconds, and after a power cut they are hashed before they are believed.
const WORTH_A_SYNC: f64 = 1.0;

/// Folder of the entries.
const ENTRIES: &str = "entries";
/// Folder of those that were moved aside.
const DAMAGED: &str = "damaged";

/// What is there for a key.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Absent,
    /// An entry that is not what was written: which file.
    Damaged(String),
    /// A complete entry.
    Intact(Entry),
}

/// A cache on disk.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    index: Arc<Index>,
    disk: Disk,
    claims: Arc<Claims>,
    writable: bool,
    /// While a store that may write is open, nobody removes an entry.
    _hold: Option<Arc<Hold>>,
}

impl Store {
    /// The cache in `root`, made if it is not there.
    pub fn open(root: &Path) -> Result<Self> {
        Self::open_on(root, Disk::default(), &index::boot())
    }

    fn open_on(root: &Path, disk: Disk, boot: &str) -> Result<Self> {
        let mut is_new = false;
        for folder in [ENTRIES, lock::FOLDER] {
            let path = root.join(folder);
            if !path.is_dir() {
                disk.make_folders(&path)?;
                is_new = true;
            }
        }
        mount::check(&disk, root, is_new)?;
        let hold = Hold::shared(&disk, root)?.map(Arc::new);
        let store = Self { writable: true, _hold: hold, ..Self::view_on(root, disk, boot) };
        store.claims.clear();
        Ok(store)
    }

    /// The cache in `root` for reading only: nothing is made.
    pub fn view(root: &Path) -> Self {
        Self::view_on(root, Disk::default(), &index::boot())
    }

    fn view_on(root: &Path, disk: Disk, boot: &str) -> Self {
        let index = Arc::new(Index::read(&disk, root, boot));
        let claims = Claims::new(&disk, root);
        Self { root: root.to_path_buf(), index, disk, claims, writable: false, _hold: None }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the entry of `key`, which needs not be there.
    pub fn place(&self, kind: &str, key: &Key) -> PathBuf {
        // One allocation: a run with nothing to do calls this once for each step.
        let mut path = String::with_capacity(self.root.as_os_str().len() + kind.len() + 52);
        if let Some(root) = self.root.to_str() {
            let _ = std::fmt::Write::write_fmt(&mut path, format_args!("{root}/{ENTRIES}/{kind}/{key}"));
            return path.into();
        }
        self.root.join(ENTRIES).join(kind).join(key.to_string())
    }

    /// What is there for `key`: by the index while sizes and times are as written, else by hashing everything.
    pub fn find(&self, kind: &str, key: &Key) -> Found {
        let folder = self.place(kind, key);
        if let Some(entry) = self.index.find(&self.disk, key, kind, &folder) {
            return Found::Intact(entry);
        }
        match Meta::read_on(&self.disk, &folder) {
            None if self.disk.stat(&folder).is_ok() => Found::Damaged(entry::META.into()),
            None => Found::Absent,
            Some(meta) if meta.key != *key || meta.kind != kind => Found::Damaged(entry::META.into()),
            Some(meta) => self.examine(&folder, &meta),
        }
    }

    /// Hashes an entry; if it is intact, the index will know it next time.
    fn examine(&self, folder: &Path, meta: &Meta) -> Found {
        let times = match meta.verify_on(&self.disk, folder) {
            Ok(times) => times,
            Err(what) => return Found::Damaged(what),
        };
        if self.writable {
            self.index.add(&self.disk, meta, &times, self.index.is_old(meta));
        }
        Found::Intact(Entry::of(folder, meta))
    }

    /// The complete entry of `key`.
    pub fn lookup(&self, kind: &str, key: &Key) -> Option<Entry> {
        if let Found::Intact(entry) = self.find(kind, key) { Some(entry) } else { None }
    }

    /// Claims `key` for computing, or `None` while another process does.
    pub fn claim(&self, key: &Key) -> Result<Option<Claim>> {
        self.claims.claim(key)
    }

    /// Makes what the claim holds the entry of its key: hashes the files, writes `meta.json`, renames. `None` when there
    /// are no files.
    pub fn commit(&self, claim: &Claim, draft: Meta) -> Result<Option<Entry>> {
        let durable = draft.seconds >= WORTH_A_SYNC;
        let place = self.place(&draft.kind, &draft.key);
        let (meta, times) =
            draft.seal(&self.disk, &claim.out(), durable, |link| self.linked(&claim.out(), link, durable))?;
        if meta.files.is_empty() {
            return Ok(None);
        }
        if let Some(same) = self.same(&place, &meta) {
            return Ok(Some(same));
        }
        let parent = place.parent().unwrap_or(&self.root);
        self.set_aside(&place)?;
        meta.write(&self.disk, &claim.entry(), durable)?;
        if self.disk.rename(&claim.entry(), &place).is_err() {
            // The first of its kind, or a real error, which comes again.
            self.disk.make_folders(parent)?;
            self.disk.rename(&claim.entry(), &place)?;
        }
        if durable {
            self.disk.sync_folder(parent)?;
        }
        self.index.add(&self.disk, &meta, &times, durable);
        Ok(Some(Entry::of(&place, &meta)))
    }

    /// Puts a file of the entry in `place` on the disk, and what leads to it.
    fn sync_file_of(&self, place: &Path, name: &str) -> Result<()> {
        let file = place.join(entry::OUT).join(name);
        self.disk.sync(&file, &self.disk.open(&file)?)?;
        let folders = file.ancestors().skip(1).take_while(|folder| folder.starts_with(place));
        folders.chain(place.parent()).try_for_each(|folder| self.disk.sync_folder(folder))
    }

    /// What is in its place already, if that holds the same: others may be reading it, so it stays there.
    fn same(&self, place: &Path, meta: &Meta) -> Option<Entry> {
        let old = Meta::read_on(&self.disk, place).filter(|old| old.key == meta.key && old.digest == meta.digest)?;
        let times = old.verify_on(&self.disk, place).ok()?;
        self.index.add(&self.disk, &old, &times, false);
        Some(Entry::of(place, &old))
    }

    /// Moves a damaged or outdated entry out of the way, if there is one; nothing complete is overwritten.
    pub fn set_aside(&self, place: &Path) -> Result<bool> {
        self.move_aside(place).map(|aside| aside.is_some())
    }

    /// Where it is now, if it was there.
    fn move_aside(&self, place: &Path) -> Result<Option<PathBuf>> {
        match self.disk.stat(place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => at(place, "cannot read", found)?,
        };
        let folder = self.root.join(DAMAGED);
        self.disk.make_folders(&folder)?;
        let name = place.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let free = (0..u32::MAX).map(|n| folder.join(format!("{name}.{n}"))).find(|p| !p.exists());
        let aside = free.unwrap_or_else(|| folder.join(&name));
        self.disk.rename(place, &aside)?;
        Ok(Some(aside))
    }

    /// Whether what a step took from `entry` is there still, and was neither changed nor replaced meanwhile.
    pub fn is_still(&self, entry: &Entry) -> bool {
        if self.place(&entry.kind, &entry.key) != entry.folder {
            // An audit, of which nothing is kept, has its inputs from another cache.
            return Meta::read_on(&self.disk, &entry.folder).is_some_and(|meta| meta.digest == entry.digest);
        }
        let now = self.lookup(&entry.kind, &entry.key);
        now.is_some_and(|now| (now.digest, now.created) == (entry.digest, entry.created))
    }

    /// Forgets the entry of `key` by moving it aside.
    pub fn forget(&self, kind: &str, key: &Key) -> Result<bool> {
        self.set_aside(&self.place(kind, key))
    }

    /// Removes an entry for good. What is left of a removal that is interrupted is no entry.
    pub fn remove(&self, folder: &Path) -> Result<()> {
        match self.move_aside(folder) {
            Ok(None) => Ok(()),
            Ok(Some(aside)) => self.disk.remove_folder(&aside),
            // On a full disk there may be no room for another name.
            Err(_) => {
                self.disk.remove_file(&folder.join(entry::META))?;
                self.disk.remove_folder(folder)
            }
        }
    }

    /// Removes what was moved aside.
    pub fn clear_damaged(&self) -> Result<()> {
        let folder = self.root.join(DAMAGED);
        if folder.exists() { self.disk.remove_folder(&folder) } else { Ok(()) }
    }

    /// Holds the cache alone, or `None` while a run uses it.
    pub fn hold_alone(&self) -> Result<Option<Hold>> {
        Hold::alone(&self.disk, &self.root)
    }

    /// Every complete entry of a kind (all kinds when empty), ordered by kind and key.
    pub fn entries(&self, kind: &str) -> Vec<(PathBuf, Meta)> {
        let root = self.root.join(ENTRIES);
        let list = |folder: &Path| self.disk.list(folder).unwrap_or_default();
        let kinds = if kind.is_empty() { list(&root) } else { vec![root.join(kind)] };
        let places = kinds.iter().flat_map(|folder| list(folder));
        places.filter_map(|place| Meta::read_on(&self.disk, &place).map(|meta| (place, meta))).collect()
    }

    /// Stage name, key, seconds and time of every entry of a kind that the index knows.
    pub fn history(&self, kind: &str) -> Vec<(&str, Key, f64, u64)> {
        self.index.history(kind)
    }

    /// All that is known of the entry of `key`, whether or not its files are intact.
    pub fn meta(&self, kind: &str, key: &Key) -> Option<Meta> {
        Meta::read_on(&self.disk, &self.place(kind, key))
    }

    /// Folders of work that was interrupted, with the time of their last change.
    pub fn unfinished(&self) -> Vec<(PathBuf, SystemTime)> {
        let time = |p: &PathBuf| fs::metadata(p).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        self.disk
            .list(&self.root.join(lock::FOLDER))
            .unwrap_or_default()
            .into_iter()
            .map(|p| (p.clone(), time(&p)))
            .collect()
    }
}

#[cfg(test)]
mod tests;

/// Folders and files in `folder`, ordered by name; none when it cannot be read.
pub(crate) fn children(folder: &Path) -> Vec<PathBuf> {
    Disk::default().list(folder).unwrap_or_default()
}
