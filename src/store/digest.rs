//! Digests of files and folders (BLAKE3).

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

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
    /// BLAKE3 of its contents.
    pub digest: Digest,
    /// Entry that holds the bytes, `KIND/KEY`, when this is a link to a file of another entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
}

/// Smaller files are read at once; larger ones piece by piece, each hashed in parallel.
const SMALL: u64 = 1 << 17;
/// Bytes of a piece.
const PIECE: usize = 8 << 20;

/// Reads until `piece` is full or the file ends; how much that is.
fn fill(file: &mut File, piece: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < piece.len() {
        match file.read(&mut piece[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// BLAKE3 of a file's contents.
pub fn of_file(path: &Path) -> Result<Digest> {
    of_file_on(&Disk::default(), path).map(|(digest, _)| digest)
}

/// BLAKE3 of a file's contents, and how many bytes there were.
pub(super) fn of_file_on(disk: &Disk, path: &Path) -> Result<(Digest, u64)> {
    let file = disk.open(path)?;
    let size = at(path, "cannot read", file.metadata())?.len();
    of_open_file(disk, path, file, size)
}

/// The same of a file of this size that is open.
fn of_open_file(disk: &Disk, path: &Path, mut file: File, size: u64) -> Result<(Digest, u64)> {
    let mut hash = || {
        let mut hasher = blake3::Hasher::new();
        if size <= SMALL {
            let mut bytes = Vec::with_capacity(size as usize);
            file.read_to_end(&mut bytes)?;
            hasher.update(&disk.arrived("read to hash", bytes)?);
        } else {
            // Not mapped: what is mapped counts as memory of this process, and a night has gigabytes.
            let mut piece = vec![0; PIECE.min(size as usize)];
            loop {
                let read = fill(&mut file, &mut piece)?;
                hasher.update_rayon(&piece[..read]);
                if read < piece.len() {
                    break;
                }
            }
        }
        // Files that the system makes up have more than they say, others never less.
        let ended = || io::Error::other("it became shorter while it was read");
        if hasher.count() < size { Err(ended()) } else { Ok((Digest(*hasher.finalize().as_bytes()), hasher.count())) }
    };
    at(path, "cannot read", hash())
}

/// The files of an artifact, and of each the time of its last change.
pub(super) type Sealed = (Vec<FileRecord>, Vec<u64>);

/// Every file below `folder`, ordered by name, hashed and made read-only; `durable`: all are on the disk then. `linked`
/// knows what a link directly in the folder means that leads to a file of another entry once the folder is in its place, and
/// when that file changed last; it is not hashed again, and `linked` sees to it that it is on the disk, too.
pub(super) fn seal_folder(
    disk: &Disk,
    folder: &Path,
    durable: bool,
    linked: impl Fn(&Path) -> io::Result<Option<(FileRecord, u64)>>,
) -> Result<Sealed> {
    let (mut records, mut times) = (Vec::new(), Vec::new());
    let name = |path: &Path| path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/");
    for path in paths_below(folder)? {
        if let Ok(target) = path.read_link() {
            let is_deeper = path.parent() != Some(folder);
            let other = if is_deeper { Ok(None) } else { linked(&target) };
            if let Some((record, time)) = at(&path, "cannot be kept", other)? {
                records.push(FileRecord { name: name(&path), ..record });
                times.push(time);
                continue;
            }
            if !lasts(folder, &path, &target) {
                let what = format!("it links to {}, {}", target.display(), ADVICE);
                return at(&path, "cannot be kept", Err(io::Error::other(what)));
            }
        }
        // A link to a folder of the artifact, whose files come by themselves.
        if !path.is_file() {
            continue;
        }
        let file = disk.open(&path)?;
        if durable {
            disk.sync(&path, &file)?;
        }
        let meta = at(&path, "cannot read", file.metadata())?;
        // What a link leads to is the user's.
        if !path.is_symlink() {
            disk.protect(&path, &file, meta.permissions())?;
        }
        let meta = at(&path, "cannot read", file.metadata())?;
        let (digest, size) = of_open_file(disk, &path, file, meta.len())?;
        records.push(FileRecord { name: name(&path), size, digest, held_by: None });
        times.push(disk.changed(&meta));
    }
    if durable {
        for entry in WalkDir::new(folder).into_iter().filter_map(std::result::Result::ok) {
            if entry.file_type().is_dir() {
                disk.sync_folder(entry.path())?;
            }
        }
    }
    Ok((records, times))
}

/// What is wrong with a link that does not last.
const ADVICE: &str = "which is no file once the stage is done; put the file itself there (`cp -rL`)";

/// Whether the link `path` leads to something from wherever `folder` will be: from there to a place in it, or by a whole path
/// to a file elsewhere.
fn lasts(folder: &Path, path: &Path, target: &Path) -> bool {
    if target.is_absolute() {
        return path.is_file() && !std::path::absolute(folder).is_ok_and(|folder| target.starts_with(folder));
    }
    let start = path.parent().and_then(|parent| parent.strip_prefix(folder).ok()).map_or(0, |path| path.iter().count());
    let depth = target.components().try_fold(start, |depth, step| match step {
        Component::ParentDir => depth.checked_sub(1),
        Component::Normal(_) => Some(depth + 1),
        _ => Some(depth),
    });
    depth.is_some() && path.exists()
}

/// Regular files below `folder` and links to some, ordered by name.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(paths_below(folder)?.into_iter().filter(|path| path.is_file()).collect())
}

/// Regular files and links below `folder`, ordered by name.
fn paths_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = at(folder, "cannot list", entry.map_err(io::Error::from))?;
        if entry.file_type().is_file() || entry.file_type().is_symlink() {
            paths.push(entry.into_path());
        }
    }
    Ok(paths)
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
