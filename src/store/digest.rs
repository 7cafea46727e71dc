//! Digests of files and folders (BLAKE3).

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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

/// When each file of an artifact changed last, in the order of its records, and the state of its folders: what is added to one
/// or taken away changes it.
#[derive(Clone, Debug, Default)]
pub struct Times {
    pub(super) files: Vec<u64>,
    pub(super) folders: Vec<FolderState>,
}

/// A folder of an artifact before it was listed.
#[derive(Clone, Debug)]
pub(super) struct FolderState {
    /// Path below the artifact's folder that ends with `.`, as that of no file does.
    pub(super) name: String,
    /// What the system calls its size.
    pub(super) size: u64,
    /// When it changed last.
    pub(super) time: u64,
}

/// Every file below `folder`, ordered by name, hashed and made read-only; `durable`: all are on the disk then. `linked`
/// knows what a link means whose file another entry holds, and when that file changed last; it is not hashed again, and `linked`
/// sees to it that it is on the disk, too. It may write the link anew, and for one that does not last it is an error.
pub(super) fn seal_folder(
    disk: &Disk,
    folder: &Path,
    durable: bool,
    linked: impl Fn(&Path) -> io::Result<Option<(FileRecord, u64)>>,
) -> Result<(Vec<FileRecord>, Times)> {
    let mut listing = list(disk, folder)?;
    let mut held = HashMap::new();
    for link in &listing.links {
        held.extend(at(link, "cannot be kept", linked(link))?.map(|file| (link.clone(), file)));
    }
    if !listing.links.is_empty() {
        // Some may have been written anew.
        listing = list(disk, folder)?;
    }
    let mut parted = false;
    let (mut records, mut times) = (Vec::new(), Times { files: Vec::new(), folders: listing.folders });
    for path in listing.paths {
        let is_link = listing.links.contains(&path);
        if let Some((record, time)) = held.remove(&path) {
            records.push(FileRecord { name: name_below(folder, &path), ..record });
            times.files.push(time);
            continue;
        }
        // A link to a folder of the artifact, whose files come by themselves.
        if !path.is_file() {
            continue;
        }
        let (mut file, mut meta) = open(disk, &path)?;
        if !is_link && meta.nlink() > 1 && !meta.permissions().readonly() {
            // It may be a file of the user, who would find it read-only, and would change the artifact with it.
            disk.part(&path)?;
            parted = true;
            (file, meta) = open(disk, &path)?;
        }
        if durable {
            disk.sync(&path, &file)?;
        }
        // What a link leads to is the user's.
        if !is_link {
            disk.protect(&path, &file, meta.permissions())?;
        }
        let meta = at(&path, "cannot read", file.metadata())?;
        let (digest, size) = of_open_file(disk, &path, file, meta.len())?;
        records.push(FileRecord { name: name_below(folder, &path), size, digest, held_by: None });
        times.files.push(disk.changed(&meta));
    }
    if parted {
        times.folders = list(disk, folder)?.folders;
    }
    if durable {
        times.folders.iter().try_for_each(|state| disk.sync_folder(&folder.join(&state.name)))?;
    }
    Ok((records, times))
}

fn open(disk: &Disk, path: &Path) -> Result<(File, Metadata)> {
    let file = disk.open(path)?;
    let meta = at(path, "cannot read", file.metadata())?;
    Ok((file, meta))
}

/// The path below `folder`, with `/`.
pub(super) fn name_below(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// Regular files below `folder` and links to some, ordered by name.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    list(&Disk::default(), folder).map(Listing::files)
}

/// What is below a folder.
pub(super) struct Listing {
    /// Regular files and links, ordered by name.
    paths: Vec<PathBuf>,
    /// The links among them.
    links: BTreeSet<PathBuf>,
    /// Folders, that one first.
    pub(super) folders: Vec<FolderState>,
}

impl Listing {
    /// Regular files and links to some.
    pub(super) fn files(self) -> Vec<PathBuf> {
        self.paths.into_iter().filter(|path| path.is_file()).collect()
    }
}

/// Lists a folder and those below it.
pub(super) fn list(disk: &Disk, folder: &Path) -> Result<Listing> {
    let mut listing = Listing { paths: Vec::new(), links: BTreeSet::new(), folders: Vec::new() };
    at(folder, "cannot list", listing.add(disk, folder, ".".into()))?;
    Ok(listing)
}

impl Listing {
    /// Adds the folder of this name, which ends with `.`.
    fn add(&mut self, disk: &Disk, folder: &Path, name: String) -> io::Result<()> {
        let meta = disk.stat(folder)?;
        self.folders.push(FolderState { size: meta.len(), time: disk.changed(&meta), name: name.clone() });
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (kind, path) = (entry.file_type()?, entry.path());
            if kind.is_dir() {
                let inner = entry.file_name().to_string_lossy().replace('\\', "/");
                self.add(disk, &path, format!("{}{inner}/.", &name[..name.len() - 1]))?;
            } else if kind.is_symlink() {
                self.links.insert(path.clone());
                self.paths.push(path);
            } else if kind.is_file() {
                self.paths.push(path);
            }
        }
        Ok(())
    }
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
