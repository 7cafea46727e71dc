//! `manifest.json`: where the numbers come from, what they were made of, and the digest of every file that was written.
//! By it a second run sees that there is nothing to write.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ReportError;
use super::record::{Record, StepRecord};
use crate::artifacts::facts;

/// Raised when tables, figures or the page change for the same record.
const VERSION: u32 = 1;
/// Its name.
const FILE: &str = "manifest.json";

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// Digest of everything in the record that the files depend on.
    record: String,
    /// Files and the digests of their contents; `arms.csv` is left out, since it tells what the last run did.
    files: Vec<(String, String)>,
    /// Versions, commit, host, command line.
    provenance: serde_json::Value,
}

/// Writes the manifest of the files that were written.
pub fn write(record: &Record, results: &Path, written: &[PathBuf]) -> Result<(), ReportError> {
    let name = |path: &PathBuf| path.strip_prefix(results).unwrap_or(path).to_string_lossy().into_owned();
    let files = written.iter().map(|path| (name(path), digest(path))).filter(|(name, _)| name != "arms.csv");
    let manifest = Manifest { record: identity(record), files: files.collect(), provenance: record.provenance.clone() };
    Ok(facts::write(results.join(FILE), &manifest)?)
}

/// Whether `results` holds, unchanged, what this record gives.
pub fn is_current(record: &Record, results: &Path) -> bool {
    let Ok(manifest) = facts::read::<Manifest>(results.join(FILE)) else { return false };
    manifest.record == identity(record) && manifest.files.iter().all(|(name, was)| digest(&results.join(name)) == *was)
}

/// Digest of a file; empty when it cannot be read.
fn digest(path: &Path) -> String {
    std::fs::read(path).map(|bytes| blake3::hash(&bytes).to_hex().to_string()).unwrap_or_default()
}

/// Digest of the record without times, places, and the word for what the last run did.
fn identity(record: &Record) -> String {
    let step = |step: &StepRecord| StepRecord {
        state: if step.is_missing() { step.state.clone() } else { String::new() },
        seconds: None,
        folder: None,
        ..step.clone()
    };
    let lasting = Record {
        provenance: serde_json::Value::Null,
        steps: record.steps.iter().map(step).collect(),
        ..record.clone()
    };
    let text = serde_json::to_string(&(VERSION, env!("CARGO_PKG_VERSION"), lasting)).unwrap_or_default();
    blake3::hash(text.as_bytes()).to_hex().to_string()
}
