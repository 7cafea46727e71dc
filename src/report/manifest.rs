//! `manifest.json`: where the numbers come from, what they were made of, and the digest of every file that was written.
//! By it a second run sees that there is nothing to write.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ReportError;
use crate::artifacts::facts;
use crate::store::key::Digest;

/// Raised when tables, figures or the page change for the same record.
const VERSION: u32 = 3;
/// Its name.
const FILE: &str = "manifest.json";

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// Version and digest of everything that the files depend on.
    record: String,
    /// Files and the digests of their contents; `arms.csv` is left out, since it tells what the last run did.
    files: Vec<(String, String)>,
    /// Versions, commit, host, command line.
    provenance: serde_json::Value,
}

/// Writes the manifest of the files that were written; `identity` is the digest of what they were made from.
pub fn write(
    identity: &Digest,
    provenance: &serde_json::Value,
    results: &Path,
    written: &[PathBuf],
) -> Result<(), ReportError> {
    let name = |path: &PathBuf| path.strip_prefix(results).unwrap_or(path).to_string_lossy().into_owned();
    let files = written.iter().map(|path| (name(path), digest(path))).filter(|(name, _)| name != "arms.csv");
    let record = stamped(identity);
    let manifest = Manifest { record, files: files.collect(), provenance: provenance.clone() };
    Ok(facts::write(results.join(FILE), &manifest)?)
}

/// What `results` holds of what would be made from `identity`.
pub fn compare(identity: &Digest, results: &Path) -> State {
    let Ok(manifest) = facts::read::<Manifest>(results.join(FILE)) else { return State::Other };
    if manifest.record != stamped(identity) {
        return State::Other;
    }
    let damaged = manifest.files.iter().filter(|(name, was)| digest(&results.join(name)) != *was);
    let damaged: Vec<PathBuf> = damaged.map(|(name, _)| results.join(name)).collect();
    if damaged.is_empty() { State::Current } else { State::Damaged(damaged) }
}

/// The file whose results a folder holds, if that was told.
pub fn owner(results: &Path) -> Option<String> {
    let manifest = facts::read::<Manifest>(results.join(FILE)).ok()?;
    Some(manifest.provenance.get("file")?.as_str()?.to_string())
}

/// Every file that the last writing left in `results`, the manifest and `arms.csv` too; none when there is no manifest.
pub fn files(results: &Path) -> Vec<PathBuf> {
    let Ok(manifest) = facts::read::<Manifest>(results.join(FILE)) else { return Vec::new() };
    let names = manifest.files.into_iter().map(|(name, _)| name).chain([FILE.into(), "arms.csv".into()]);
    names.map(|name| results.join(name)).collect()
}

/// What a folder of results holds.
#[derive(Debug, PartialEq, Eq)]
pub enum State {
    /// What would be made now.
    Current,
    /// That too, but somebody changed or removed these files.
    Damaged(Vec<PathBuf>),
    /// Nothing, or what was made from other entries.
    Other,
}

/// The identity with the version of what is made from it.
fn stamped(identity: &Digest) -> String {
    format!("{VERSION}:{identity}")
}

/// Digest of a file; empty when it cannot be read.
fn digest(path: &Path) -> String {
    std::fs::read(path).map(|bytes| blake3::hash(&bytes).to_hex().to_string()).unwrap_or_default()
}
