//! Stamps ready for a network: `stamps.npy` `[row, channel, y, x]`, `metadata.npy` `[row, column]`, `index.csv` (identity,
//! time, label, split), `stamps.json` (what was done to them), optionally `clean.npy` (noise-free, scaled like the noisy
//! ones).

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::array::{Array, ArrayWriter};
use super::table::{RowWriter, Table, number};
use super::{ArtifactError, Result, facts};

/// Columns of `index.csv`. `copy` is 0 for an alert and 1, 2, .. for its augmented copies (training split only).
pub const INDEX: [&str; 7] = ["candid", "objectId", "jd", "fid", "label", "split", "copy"];

/// One metadata column: clipped to the limits, then `(x - mean) / std` with the training split's statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetadataColumn {
    /// Field of the alert, or a derived one such as `gal_lat`.
    pub name: String,
    /// Lower clip, if any.
    pub low: Option<f64>,
    /// Upper clip, if any.
    pub high: Option<f64>,
    /// Mean over the training split after clipping.
    pub mean: f64,
    /// Standard deviation over the training split after clipping.
    pub std: f64,
}

/// What was done to the stamps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StampsFacts {
    /// Names of the channels in order.
    pub channels: Vec<String>,
    /// Side in pixels.
    pub side: usize,
    /// Word of the normalisation.
    pub normalise: String,
    /// Metadata columns in order.
    pub metadata: Vec<MetadataColumn>,
    /// Class labels in order (index = class number); unlabelled rows have an empty label.
    pub classes: Vec<String>,
    /// The other keys of `preprocess` that pixels and metadata depend on, with their values: for who makes more stamps like these.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recipe: BTreeMap<String, String>,
}

/// Identity of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct StampRow {
    /// Detection.
    pub candid: i64,
    /// Object.
    pub object_id: String,
    /// Julian date, days.
    pub jd: f64,
    /// Filter: 1 g, 2 r, 3 i.
    pub fid: i64,
    /// Class, or empty.
    pub label: String,
    /// `train`, `validation` or `test`.
    pub split: String,
    /// 0, or the number of the augmented copy.
    pub copy: i64,
}

/// Reads a stamps artifact.
pub struct Stamps {
    /// What was done to them.
    pub facts: StampsFacts,
    /// One row per stamp: [`INDEX`].
    pub index: Table,
    /// `[row, channel, side, side]`.
    pub images: Array,
    /// `[row, metadata column]`.
    pub metadata: Array,
    /// Noise-free images, when they were simulated.
    pub clean: Option<Array>,
}

impl Stamps {
    /// Opens the artifact in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let index = Table::read(folder.join("index.csv"))?;
        let clean = folder.join("clean.npy");
        let stamps = Self {
            facts: facts::read(folder.join("stamps.json"))?,
            images: Array::open(folder.join("stamps.npy"))?,
            metadata: Array::open(folder.join("metadata.npy"))?,
            clean: if clean.exists() { Some(Array::open(clean)?) } else { None },
            index,
        };
        let rows = stamps.index.rows();
        if stamps.images.rows() != rows || stamps.metadata.rows() != rows {
            return Err(ArtifactError::new(folder, format!("arrays do not have the {rows} rows of index.csv")));
        }
        Ok(stamps)
    }

    /// Rows of the given split that are no augmented copies, in order.
    pub fn originals(&self, split: &str) -> Vec<usize> {
        let copies = self.index.ints("copy").unwrap_or_default();
        self.rows_of(split).into_iter().filter(|row| copies.get(*row).is_none_or(|copy| *copy == 0)).collect()
    }

    /// At most so many of [`Self::originals`], in turns of their labels; sorted by label.
    pub fn examples(&self, split: &str, most: usize) -> Vec<usize> {
        let labels = self.index.packed("label");
        let mut turn: BTreeMap<&str, usize> = BTreeMap::new();
        let mut order: Vec<(usize, &str, usize)> = Vec::new();
        for row in self.originals(split) {
            let label = &labels[row];
            let nth = turn.entry(label).or_default();
            order.push((*nth, label, row));
            *nth += 1;
        }
        order.sort_unstable();
        let mut chosen: Vec<(&str, usize)> = order.into_iter().take(most).map(|(_, label, row)| (label, row)).collect();
        chosen.sort_unstable();
        chosen.into_iter().map(|(_, row)| row).collect()
    }

    /// Rows of the given split, in order.
    pub fn rows_of(&self, split: &str) -> Vec<usize> {
        self.index.packed("split").iter().enumerate().filter(|(_, s)| *s == split).map(|(row, _)| row).collect()
    }
}

/// Writes a stamps artifact row by row.
pub struct StampsWriter {
    index: RowWriter,
    images: ArrayWriter,
    metadata: ArrayWriter,
    clean: Option<ArrayWriter>,
    folder: std::path::PathBuf,
}

impl StampsWriter {
    /// Starts the artifact in `folder`; `clean`: noise-free images come with every row.
    pub fn create(folder: &Path, facts: &StampsFacts, clean: bool) -> Result<Self> {
        facts::write(folder.join("stamps.json"), facts)?;
        let shape = [facts.channels.len(), facts.side, facts.side];
        Ok(Self {
            index: RowWriter::create(folder.join("index.csv"), &INDEX)?,
            images: ArrayWriter::create(folder.join("stamps.npy"), &shape)?,
            metadata: ArrayWriter::create(folder.join("metadata.npy"), &[facts.metadata.len()])?,
            clean: if clean { Some(ArrayWriter::create(folder.join("clean.npy"), &shape)?) } else { None },
            folder: folder.to_path_buf(),
        })
    }

    /// Appends a row.
    pub fn push(&mut self, row: &StampRow, image: &[f32], metadata: &[f32], clean: Option<&[f32]>) -> Result<()> {
        self.index.push([
            row.candid.to_string(),
            row.object_id.clone(),
            number(row.jd),
            row.fid.to_string(),
            row.label.clone(),
            row.split.clone(),
            row.copy.to_string(),
        ])?;
        self.images.push(image)?;
        self.metadata.push(metadata)?;
        match (&mut self.clean, clean) {
            (Some(writer), Some(image)) => writer.push(image),
            (None, None) => Ok(()),
            _ => Err(ArtifactError::new(&self.folder, "noise-free images must come with all rows or with none")),
        }
    }

    /// Completes the files.
    pub fn finish(self) -> Result<()> {
        self.index.finish()?;
        self.images.finish()?;
        self.metadata.finish()?;
        self.clean.map_or(Ok(()), ArrayWriter::finish)
    }
}
