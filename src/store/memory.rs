//! Remembered digests of the user's files, by path, size, time and inode: a shortcut, never the truth. A file that
//! changed within the last two seconds is not remembered, since a second change might leave its time as it is.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::digest;
use super::{Result, at};

/// Younger files than this are hashed again next time.
const RACY: Duration = Duration::from_secs(2);

/// Digests by path and stamp.
#[derive(Debug)]
pub struct Memory {
    file: Option<PathBuf>,
    known: Mutex<HashMap<String, String>>,
}

impl Memory {
    /// The memory of the cache in `root`; without `keep` nothing is written.
    pub fn open(root: &Path, keep: bool) -> Self {
        let file = root.join("digests");
        let text = fs::read_to_string(&file).unwrap_or_default();
        // Lines may be torn by a kill: those that do not end in a digest are left out.
        let known = text.lines().filter_map(|line| line.rsplit_once('\t')).filter(|(_, d)| d.len() == 64);
        let known = known.map(|(stamp, digest)| (stamp.to_string(), digest.to_string())).collect();
        Self { file: keep.then_some(file), known: Mutex::new(known) }
    }

    /// Digest of a file's contents, from memory if its stamp is known.
    pub fn digest(&self, path: &Path) -> Result<String> {
        let meta = at(path, "cannot read", fs::metadata(path))?;
        let stamp = stamp(path, &meta);
        if let Ok(known) = self.known.lock()
            && let Some(digest) = known.get(&stamp)
        {
            return Ok(digest.clone());
        }
        let digest = digest::of_file(path)?;
        self.remember(&stamp, &digest, &meta);
        Ok(digest)
    }

    fn remember(&self, stamp: &str, digest: &str, meta: &fs::Metadata) {
        let age = meta.modified().ok().and_then(|t| SystemTime::now().duration_since(t).ok()).unwrap_or_default();
        if age < RACY {
            return;
        }
        if let Ok(mut known) = self.known.lock() {
            known.insert(stamp.into(), digest.into());
        }
        if let Some(file) = &self.file {
            // One write of a whole line: other processes append too. Losing it costs a hash, nothing else.
            let line = format!("{stamp}\t{digest}\n");
            let _ =
                OpenOptions::new().create(true).append(true).open(file).and_then(|mut f| f.write_all(line.as_bytes()));
        }
    }
}

fn stamp(path: &Path, meta: &fs::Metadata) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = path.to_string_lossy().replace(['\n', '\t'], "?");
    format!("{name}\t{}\t{}\t{}", meta.len(), digest::modified(meta), meta.ino())
}
