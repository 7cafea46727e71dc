//! Small facts beside an array: a serde type as readable JSON.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ArtifactError, Result};

/// Writes `facts` as indented JSON.
pub fn write<T: Serialize>(path: impl AsRef<Path>, facts: &T) -> Result<()> {
    let path = path.as_ref();
    let mut text = serde_json::to_string_pretty(facts).map_err(|e| ArtifactError::new(path, e))?;
    text.push('\n');
    std::fs::write(path, text).map_err(|e| ArtifactError::new(path, e))
}

/// Reads them back.
pub fn read<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<T> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).map_err(|e| ArtifactError::new(path, e))?;
    serde_json::from_str(&text).map_err(|e| ArtifactError::new(path, e))
}
