//! What a trained classifier judges, `judged.json` beside its weights: who wants its word on other alerts makes stamps like these.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::stamps::StampsFacts;
use super::{Result, facts};

/// Its file.
pub const FILE: &str = "judged.json";

/// What a classifier judges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Whether it judges sequences of an object's detections, else single stamps.
    pub sequences: bool,
    /// Word of the views over which it averages.
    pub views: String,
    /// What was done to the stamps.
    pub stamps: StampsFacts,
}

impl Judged {
    /// Reads it from the classifier in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        facts::read(folder.join(FILE))
    }

    /// Writes it into `folder`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        facts::write(folder.join(FILE), self)
    }
}
