//! Digests of files and folders (BLAKE3).

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::disk::Disk;
use super::key::Digest;
use super::{Result, at};

/// One file of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Path below the artifact's folder, with `/`.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Time of its last change, nanoseconds since 1970; only a shortcut for checking.
    pub modified: u64,
    /// BLAKE3 of its contents.
    pub digest: Digest,
}

/// Smaller files are read; larger ones are mapped into memory and hashed in parallel.
const SMALL: u64 = 1 << 17;

/// BLAKE3 of a file's contents.
pub fn of_file(path: &Path) -> Result<Digest> {
    let hash = || {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        of_open(path, file, size)
    };
    at(path, "cannot read", hash())
}

/// BLAKE3 of an open file of this size.
fn of_open(path: &Path, file: File, size: u64) -> std::io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    if size <= SMALL {
        let mut bytes = Vec::with_capacity(size as usize + 1);
        // Not more than it had when it was looked at: a file that grows is found out by its stamp.
        file.take(size + 1).read_to_end(&mut bytes)?;
        hasher.update(&bytes);
    } else {
        hasher.update_mmap_rayon(path)?;
    }
    Ok(Digest(*hasher.finalize().as_bytes()))
}

/// Nanoseconds since 1970 of the last change.
pub fn modified(meta: &fs::Metadata) -> u64 {
    let since = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |d| d.as_nanos() as u64)
}

/// Every file below `folder`, ordered by name, hashed and made read-only; `durable`: all are on the disk then.
pub fn seal_folder(disk: &Disk, folder: &Path, durable: bool) -> Result<Vec<FileRecord>> {
    let mut records = Vec::new();
    for path in files_below(folder)? {
        let file = disk.open(&path)?;
        if durable {
            disk.sync(&path, &file)?;
        }
        let meta = at(&path, "cannot read", file.metadata())?;
        disk.protect(&path, &file, meta.permissions())?;
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let digest = at(&path, "cannot read", of_open(&path, file, meta.len()))?;
        records.push(FileRecord { name, size: meta.len(), modified: modified(&meta), digest });
    }
    if durable {
        for entry in WalkDir::new(folder).into_iter().filter_map(std::result::Result::ok) {
            if entry.file_type().is_dir() {
                disk.sync_folder(entry.path())?;
            }
        }
    }
    Ok(records)
}

/// Regular files below `folder`, ordered by name.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = at(folder, "cannot list", entry.map_err(std::io::Error::from))?;
        if entry.file_type().is_file() || (entry.file_type().is_symlink() && entry.path().is_file()) {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// Digest of an artifact: names, sizes and contents of its files.
pub fn of_records(records: &[FileRecord]) -> Digest {
    let mut sorted: Vec<&FileRecord> = records.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hasher = blake3::Hasher::new_derive_key("estampa 2026-11 contents of an artifact");
    for record in sorted {
        hasher.update(&(record.name.len() as u64).to_le_bytes());
        hasher.update(record.name.as_bytes());
        hasher.update(record.digest.to_string().as_bytes());
    }
    Digest(*hasher.finalize().as_bytes())
}

/// Lets the files below be removed on systems where a read-only file cannot.
#[expect(clippy::permissions_set_readonly_false, reason = "only before removing the files")]
pub fn make_writable(folder: &Path) {
    for path in files_below(folder).unwrap_or_default() {
        if let Ok(meta) = fs::metadata(&path) {
            let mut permissions = meta.permissions();
            permissions.set_readonly(false);
            let _ = fs::set_permissions(&path, permissions);
        }
    }
}
