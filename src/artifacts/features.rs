//! One vector for each alert or object: `features.npy` `[row, feature]`, `index.csv` (`candid`, `objectId`, `label`,
//! `split`, `copy`), `features.json` (names of the features and classes, and how the vectors were made).

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::array::{Array, ArrayWriter};
use super::stamps::StampsFacts;
use super::table::{RowWriter, Table};
use super::{ArtifactError, Result, facts};

/// Columns of `index.csv`.
pub const INDEX: [&str; 5] = ["candid", "objectId", "label", "split", "copy"];

/// Names of what the array holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeaturesFacts {
    /// Names of the features in order, e.g. `latent_0`, `magpsf`.
    pub names: Vec<String>,
    /// Class labels in order; unlabelled rows have an empty label.
    pub classes: Vec<String>,
    /// How they were made; `None`: nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<FeaturesRecipe>,
}

/// How vectors were made, for who makes more like these. The network that made codes, if any, lies in a folder beside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeaturesRecipe {
    /// Whether each is of all detections of an object, else of a single stamp.
    pub sequences: bool,
    /// Words of what they are put together from, in order.
    pub columns: Vec<String>,
    /// Word of the views over which codes are averaged.
    pub views: String,
    /// Digest of the network, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// What was done to the stamps; of their metadata, what the vectors hold, in order.
    pub stamps: StampsFacts,
}

/// Identity of one row. `candid` is the (last) detection that the vector describes.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRow {
    /// Detection.
    pub candid: i64,
    /// Object.
    pub object_id: String,
    /// Class, or empty.
    pub label: String,
    /// `train`, `validation` or `test`.
    pub split: String,
    /// 0, or the number of the augmented copy.
    pub copy: i64,
}

/// Reads a features artifact.
pub struct Features {
    /// Names.
    pub facts: FeaturesFacts,
    /// One row per vector: [`INDEX`].
    pub index: Table,
    /// `[row, feature]`.
    pub values: Array,
}

impl Features {
    /// Opens the artifact in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let features = Self {
            facts: facts::read(folder.join("features.json"))?,
            index: Table::read(folder.join("index.csv"))?,
            values: Array::open(folder.join("features.npy"))?,
        };
        if features.index.rows() != features.values.rows() || features.values.row_len() != features.facts.names.len() {
            return Err(ArtifactError::new(folder, "index, names and array differ in length"));
        }
        Ok(features)
    }

    /// Writes a features artifact from vectors in memory.
    pub fn write<'a>(
        folder: &Path,
        facts: &FeaturesFacts,
        rows: impl IntoIterator<Item = (&'a FeatureRow, &'a [f32])>,
    ) -> Result<()> {
        let mut writer = FeaturesWriter::create(folder, facts)?;
        for (row, vector) in rows {
            writer.push(row, vector)?;
        }
        writer.finish()
    }
}

/// Writes a features artifact row by row.
pub struct FeaturesWriter {
    index: RowWriter,
    values: ArrayWriter,
}

impl FeaturesWriter {
    /// Starts the artifact in `folder`.
    pub fn create(folder: &Path, facts: &FeaturesFacts) -> Result<Self> {
        facts::write(folder.join("features.json"), facts)?;
        Ok(Self {
            index: RowWriter::create(folder.join("index.csv"), &INDEX)?,
            values: ArrayWriter::create(folder.join("features.npy"), &[facts.names.len()])?,
        })
    }

    /// Appends a row.
    pub fn push(&mut self, row: &FeatureRow, vector: &[f32]) -> Result<()> {
        let identity = [row.candid.to_string(), row.object_id.clone(), row.label.clone(), row.split.clone()];
        self.index.push(identity.into_iter().chain([row.copy.to_string()]))?;
        self.values.push(vector)
    }

    /// Completes the files.
    pub fn finish(self) -> Result<()> {
        self.index.finish()?;
        self.values.finish()
    }
}
