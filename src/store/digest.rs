//! Digests of files and folders (BLAKE3), and syncing them to disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

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
    pub digest: String,
}

/// BLAKE3 of a file's contents, memory-mapped and in parallel when it is large.
pub fn of_file(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    at(path, "cannot read", hasher.update_mmap_rayon(path))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Nanoseconds since 1970 of the last change.
pub fn modified(meta: &fs::Metadata) -> u64 {
    let since = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |d| d.as_nanos() as u64)
}

/// Every file below `folder`, ordered by name, hashed, synced and made read-only.
pub fn seal_folder(folder: &Path) -> Result<Vec<FileRecord>> {
    let mut records = Vec::new();
    for path in files_below(folder)? {
        let file = at(&path, "cannot open", File::open(&path))?;
        at(&path, "cannot sync", file.sync_all())?;
        let meta = at(&path, "cannot read", file.metadata())?;
        let mut permissions = meta.permissions();
        permissions.set_readonly(true);
        at(&path, "cannot make read-only", fs::set_permissions(&path, permissions))?;
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        records.push(FileRecord { name, size: meta.len(), modified: modified(&meta), digest: of_file(&path)? });
    }
    for entry in WalkDir::new(folder).into_iter().filter_map(std::result::Result::ok) {
        if entry.file_type().is_dir() {
            sync_folder(entry.path())?;
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
pub fn of_records(records: &[FileRecord]) -> String {
    let mut sorted: Vec<&FileRecord> = records.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hasher = blake3::Hasher::new_derive_key("estampa 2026-11 contents of an artifact");
    for record in sorted {
        hasher.update(&(record.name.len() as u64).to_le_bytes());
        hasher.update(record.name.as_bytes());
        hasher.update(record.digest.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Makes renames in a folder survive a power loss.
pub fn sync_folder(folder: &Path) -> Result<()> {
    let handle = at(folder, "cannot open", File::open(folder))?;
    at(folder, "cannot sync", handle.sync_all())
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
