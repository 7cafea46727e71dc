//! The network behind codes, in the folder `encoder` beside what was made of them: copied, and known again by its digest.
//! Knows no layer.

use std::path::{Path, PathBuf};

use crate::artifacts::ArtifactError;
use crate::nn::{CARD, WEIGHTS};
use crate::stage::StageError;

/// The folder.
const FOLDER: &str = "encoder";

/// Copies the network in `from` into the artifact in `out`; its digest.
pub(super) fn keep(from: &Path, out: &Path) -> Result<String, StageError> {
    let to = out.join(FOLDER);
    std::fs::create_dir(&to).map_err(|fault| ArtifactError::new(&to, fault))?;
    for name in [CARD, WEIGHTS] {
        let path = to.join(name);
        std::fs::write(&path, read(&from.join(name))?).map_err(|fault| ArtifactError::new(&path, fault))?;
    }
    digest(&to)
}

/// The folder of the network that the artifact in `folder` holds, which must be the one with this digest.
pub(super) fn open(folder: &Path, expected: &str) -> Result<PathBuf, StageError> {
    let folder = folder.join(FOLDER);
    if digest(&folder)? == expected {
        return Ok(folder);
    }
    let what = format!("the network in {} is not the one that made the codes", folder.display());
    Err(StageError::with_hint(
        what,
        "let `extract_features` and `classify` run again: `estampa run TARGET --force STAGE`",
    ))
}

fn digest(folder: &Path) -> Result<String, StageError> {
    let mut hasher = blake3::Hasher::new();
    for name in [CARD, WEIGHTS] {
        let bytes = read(&folder.join(name))?;
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, StageError> {
    Ok(std::fs::read(path).map_err(|fault| ArtifactError::new(path, fault))?)
}
