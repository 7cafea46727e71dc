//! One entry: an artifact with the facts that prove it complete and say where it came from.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::{self, FileRecord};
use super::key::{Change, Key, Parts};
use super::{Result, StoreError, at};

/// Name of the file that proves an entry complete.
pub const META: &str = "meta.json";
/// Name of the artifact's folder in an entry.
pub const OUT: &str = "out";

/// What is known of an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Its key.
    pub key: Key,
    /// Kind of the stage.
    pub kind: String,
    /// Digest of what the artifact contains.
    pub digest: String,
    /// What the key was made of.
    pub parts: Parts,
    /// Files of the artifact.
    pub files: Vec<FileRecord>,
    /// Name of the stage when it was computed.
    pub stage: String,
    /// Seconds that it took.
    pub seconds: f64,
    /// When it was computed, seconds since 1970.
    pub created: u64,
    /// Version of this program.
    pub version: String,
    /// Why it was computed: parts that differed from the nearest earlier entry; empty for the first of its kind.
    pub cause: Vec<Change>,
}

impl Meta {
    /// With digests of the files in `out`, which are synced and made read-only.
    pub(super) fn seal(mut self, out: &Path) -> Result<Self> {
        self.files = digest::seal_folder(out)?;
        self.digest = digest::of_records(&self.files);
        Ok(self)
    }

    /// Written and synced.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(META);
        let doing = "cannot write";
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from);
        let text = at(&path, doing, text)?;
        let mut file = at(&path, doing, File::create(&path))?;
        at(&path, doing, file.write_all(text.as_bytes()))?;
        at(&path, doing, file.sync_all())?;
        digest::sync_folder(folder)
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|f| f.size).sum()
    }
}

/// A complete entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its folder.
    pub folder: PathBuf,
    /// What is known of it.
    pub meta: Meta,
}

impl Entry {
    /// Reads the entry in `folder`, if it is complete.
    pub fn read(folder: &Path) -> Option<Self> {
        let text = fs::read(folder.join(META)).ok()?;
        Some(Self { folder: folder.to_path_buf(), meta: serde_json::from_slice(&text).ok()? })
    }

    /// Folder of the artifact.
    pub fn out(&self) -> PathBuf {
        self.folder.join(OUT)
    }

    /// Whether its files are as they were written: size and time, and the contents of those whose time differs.
    pub fn is_intact(&self) -> bool {
        let out = self.out();
        self.meta.files.iter().all(|record| {
            let path = out.join(&record.name);
            let Ok(meta) = fs::metadata(&path) else { return false };
            meta.len() == record.size
                && (digest::modified(&meta) == record.modified
                    || digest::of_file(&path).is_ok_and(|digest| digest == record.digest))
        })
    }

    /// Hashes every file again; names the first that differs.
    pub fn verify(&self) -> std::result::Result<(), String> {
        let out = self.out();
        for record in &self.meta.files {
            match digest::of_file(&out.join(&record.name)) {
                Ok(digest) if digest == record.digest => {}
                Ok(_) => return Err(format!("{} does not hold what was written", record.name)),
                Err(StoreError { source, .. }) => return Err(format!("{}: {source}", record.name)),
            }
        }
        Ok(())
    }
}
