//! One entry: an artifact with the facts that prove it complete and say where it came from.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::digest::{self, FileRecord, Times};
use super::disk::Disk;
use super::key::{Change, Digest, Key, Parts};
use super::{Result, StoreError, at};

/// Name of the file that proves an entry complete.
pub const META: &str = "meta.json";
/// Name of the artifact's folder in an entry.
pub const OUT: &str = "out";
/// How kinds of entries end that hold what a stage has made of one file.
pub const PORTION: &str = "-portion";

/// All that is known of an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Its key.
    pub key: Key,
    /// Kind of the stage.
    pub kind: String,
    /// Digest of what the artifact contains.
    pub digest: Digest,
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
    /// Of what a stage called `stage` has just computed from these parts, having begun at `begun`. Files and digest come when it
    /// is committed.
    pub fn of(kind: &str, stage: &str, parts: Parts, begun: Instant) -> Self {
        Self {
            key: parts.key(),
            kind: kind.into(),
            digest: Digest([0; 32]),
            parts,
            files: Vec::new(),
            stage: stage.into(),
            seconds: begun.elapsed().as_secs_f64(),
            created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            version: env!("CARGO_PKG_VERSION").into(),
            cause: Vec::new(),
        }
    }

    /// Of the entry in `folder`, if it is complete.
    pub fn read(folder: &Path) -> Option<Self> {
        Self::read_on(&Disk::default(), folder)
    }

    pub(super) fn read_on(disk: &Disk, folder: &Path) -> Option<Self> {
        serde_json::from_slice(&disk.read(&folder.join(META)).ok()?).ok()
    }

    /// With digests of the files in `out`, which are made read-only; and when each of them changed last. `linked` is that of
    /// [`digest::seal_folder`].
    pub(super) fn seal(
        mut self,
        disk: &Disk,
        out: &Path,
        durable: bool,
        linked: impl Fn(&Path) -> std::io::Result<Option<(FileRecord, u64)>>,
    ) -> Result<(Self, Times)> {
        let (files, times) = digest::seal_folder(disk, out, durable, linked)?;
        self.files = files;
        self.digest = digest::of_records(&self.files);
        Ok((self, times))
    }

    pub(super) fn write(&self, disk: &Disk, folder: &Path, durable: bool) -> Result<()> {
        let path = folder.join(META);
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from);
        disk.write(&path, at(&path, "cannot write", text)?.as_bytes(), durable)?;
        if durable { disk.sync_folder(folder) } else { Ok(()) }
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|f| f.size).sum()
    }

    /// Kinds and keys of the entries that hold some of its files.
    pub fn holders(&self) -> impl Iterator<Item = (&str, Key)> {
        let holders = self.files.iter().filter_map(|file| file.held_by.as_deref()?.split_once('/'));
        holders.filter_map(|(kind, key)| Some((kind, Key::parse(key)?)))
    }

    /// Hashes every file in `folder` again; names the first that differs.
    pub fn verify(&self, folder: &Path) -> std::result::Result<(), String> {
        self.verify_on(&Disk::default(), folder).map(|_| ())
    }

    /// Gives the times at which files and folders changed last.
    pub(super) fn verify_on(&self, disk: &Disk, folder: &Path) -> std::result::Result<Times, String> {
        if self.parts.key() != self.key || digest::of_records(&self.files) != self.digest || self.files.is_empty() {
            return Err(format!("{META} does not hold what was written"));
        }
        let out = folder.join(OUT);
        let mut times = Vec::with_capacity(self.files.len());
        for record in &self.files {
            let path = out.join(&record.name);
            let failed = |source| format!("{}: {source}", record.name);
            // First the time: a change after it is seen by it, a change before it by the digest.
            times.push(disk.stat(&path).map(|meta| disk.changed(&meta)).map_err(failed)?);
            match digest::of_file_on(disk, &path) {
                Ok((digest, _)) if digest == record.digest => {}
                Ok(_) => return Err(format!("{} does not hold what was written", record.name)),
                Err(StoreError { source, .. }) => return Err(failed(source)),
            }
        }
        let mut listing = digest::list(disk, &out).map_err(|StoreError { source, .. }| format!("{OUT}: {source}"))?;
        let folders = std::mem::take(&mut listing.folders);
        let known: HashSet<&str> = self.files.iter().map(|record| record.name.as_str()).collect();
        let mut names = listing.files().into_iter().map(|path| digest::name_below(&out, &path));
        match names.find(|name| !known.contains(name.as_str())) {
            Some(name) => Err(format!("{name} was not written by the stage")),
            None => Ok(Times { files: times, folders }),
        }
    }
}

/// What a run needs to know of a complete entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its folder.
    pub folder: PathBuf,
    /// Its key.
    pub key: Key,
    /// Kind of the stage.
    pub kind: Box<str>,
    /// Digest of what the artifact contains.
    pub digest: Digest,
    /// Name of the stage when it was computed.
    pub stage: Box<str>,
    /// Seconds that it took.
    pub seconds: f64,
    /// When it was computed, seconds since 1970.
    pub created: u64,
    /// Bytes of all files.
    pub size: u64,
}

impl Entry {
    /// The entry in `folder`, with these facts.
    pub fn of(folder: &Path, meta: &Meta) -> Self {
        Self {
            folder: folder.into(),
            key: meta.key,
            kind: meta.kind.as_str().into(),
            digest: meta.digest,
            stage: meta.stage.as_str().into(),
            seconds: meta.seconds,
            created: meta.created,
            size: meta.size(),
        }
    }

    /// Folder of the artifact.
    pub fn out(&self) -> PathBuf {
        self.folder.join(OUT)
    }

    /// All that is known of it.
    pub fn meta(&self) -> Option<Meta> {
        Meta::read(&self.folder)
    }
}
