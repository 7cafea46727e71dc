//! What flows along edges: one file per artifact type, with its file format. Everything is readable without this program:
//! arrays `.npy`, tables `.csv`, facts `.json`. Knows no cache and no stage.

pub mod alerts;
pub mod array;
pub mod assignments;
pub mod candidates;
pub mod contrast;
pub mod facts;
pub mod features;
pub mod fitted;
pub mod judged;
pub mod light_curves;
pub mod map;
pub mod predictions;
pub mod scores;
pub mod sequences;
pub mod stamps;
pub mod table;
pub mod texts;

use std::path::{Path, PathBuf};

use thiserror::Error;

/// An artifact that cannot be read or written.
#[derive(Debug, Error)]
#[error("{}: {what}", path.display())]
pub struct ArtifactError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

impl ArtifactError {
    /// About the file at `path`.
    pub fn new(path: impl AsRef<Path>, what: impl ToString) -> Self {
        Self { path: path.as_ref().to_path_buf(), what: what.to_string() }
    }
}

/// Result of reading or writing an artifact.
pub type Result<T> = std::result::Result<T, ArtifactError>;

/// The three parts of a data set, as they are written in tables.
pub mod split {
    /// Fits everything.
    pub const TRAIN: &str = "train";
    /// Chooses among models and stops training.
    pub const VALIDATION: &str = "validation";
    /// Chooses nothing.
    pub const TEST: &str = "test";
    /// All three, in that order.
    pub const ALL: [&str; 3] = [TRAIN, VALIDATION, TEST];
}
