//! What a classifier learned from vectors, `fitted.json` beside its predictions: who wants its word on other alerts makes vectors
//! as the recipe says. Knows no classifier: what was fitted is text.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::features::FeaturesRecipe;
use super::{ArtifactError, Result, facts};

/// Its file.
pub const FILE: &str = "fitted.json";

/// A fitted classifier and what it is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FittedFacts {
    /// Word of the classifier.
    pub classifier: String,
    /// Names of the numbers in a vector.
    pub features: Vec<String>,
    /// Classes that it tells, in the order of its probabilities.
    pub classes: Vec<String>,
    /// How the vectors were made; `None`: nobody says.
    pub recipe: Option<FeaturesRecipe>,
    /// The classifier.
    pub fitted: Box<RawValue>,
}

impl FittedFacts {
    /// Reads it from `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        facts::read(folder.join(FILE))
    }

    /// Writes it into `folder`; on one line, for it may hold a million numbers.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let text = serde_json::to_string(self).map_err(|fault| ArtifactError::new(&path, fault))?;
        std::fs::write(&path, text + "\n").map_err(|fault| ArtifactError::new(&path, fault))
    }
}
