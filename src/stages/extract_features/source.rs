//! Stamps or sequences seen as rows with an identity, an image and metadata.

use crate::artifacts::array::Array;
use crate::artifacts::features::FeatureRow;
use crate::artifacts::sequences::Sequences;
use crate::artifacts::split;
use crate::artifacts::stamps::{Stamps, StampsFacts};
use crate::stage::{Job, StageError};

/// What vectors are made from.
pub(super) enum Source {
    /// One row per stamp.
    Stamps(Stamps),
    /// One row per object, seen through its last detection.
    Sequences {
        /// The detections.
        sequences: Sequences,
        /// Row of the last detection of each object.
        last: Vec<usize>,
    },
}

impl Source {
    /// The input that is connected.
    pub(super) fn open(job: &Job) -> Result<Self, StageError> {
        let inputs = (job.optional_input("stamps"), job.optional_input("sequences"));
        let source = match inputs {
            (Some(folder), None) => Self::Stamps(Stamps::open(folder)?),
            (None, Some(folder)) => {
                let sequences = Sequences::open(folder)?;
                let last: Option<Vec<usize>> =
                    sequences.spans().iter().map(|(first, length)| (first + length).checked_sub(1)).collect();
                let last = last.ok_or_else(|| StageError::failed("an object has no detections"))?;
                Self::Sequences { sequences, last }
            }
            (None, None) => return Err(StageError::failed("neither `stamps` nor `sequences` is connected")),
            (Some(_), Some(_)) => {
                return Err(StageError::with_hint(
                    "both `stamps` and `sequences` are connected",
                    "connect one of them",
                ));
            }
        };
        if source.rows().is_empty() {
            return Err(StageError::failed("the input has no rows"));
        }
        Ok(source)
    }

    /// Identity of each row.
    pub(super) fn rows(&self) -> Vec<FeatureRow> {
        let (table, detections, last) = match self {
            Self::Stamps(stamps) => (&stamps.index, &stamps.index, None),
            Self::Sequences { sequences, last } => (&sequences.objects, &sequences.detections, Some(last)),
        };
        let candids = detections.ints("candid").unwrap_or_default();
        let copies = table.ints("copy").unwrap_or_default();
        let (objects, labels, splits) = (table.texts("objectId"), table.texts("label"), table.texts("split"));
        let row = |row: usize| FeatureRow {
            candid: candids[last.map_or(row, |last| last[row])],
            object_id: objects[row].clone(),
            label: labels[row].clone(),
            split: splits[row].clone(),
            copy: copies.get(row).copied().unwrap_or(0),
        };
        (0..table.rows()).map(row).collect()
    }

    /// What was done to the stamps.
    pub(super) fn facts(&self) -> &StampsFacts {
        match self {
            Self::Stamps(stamps) => &stamps.facts,
            Self::Sequences { sequences, .. } => &sequences.facts.stamps,
        }
    }

    /// Names of the channels of an image.
    pub(super) fn channels(&self) -> &[String] {
        &self.facts().channels
    }

    /// Number of pixels of a row.
    pub(super) fn pixels(&self) -> usize {
        self.images().row_len()
    }

    /// Pixels `[channel, y, x]` of a row.
    pub(super) fn image(&self, row: usize) -> &[f32] {
        match self {
            Self::Stamps(stamps) => stamps.images.row(row),
            Self::Sequences { sequences, last } => sequences.images.row(last[row]),
        }
    }

    /// The array of images, and the row of it that shows each row.
    pub(super) fn image_rows(&self) -> (&Array, Vec<usize>) {
        match self {
            Self::Stamps(stamps) => (&stamps.images, (0..stamps.images.rows()).collect()),
            Self::Sequences { sequences, last } => (&sequences.images, last.clone()),
        }
    }

    /// The array of metadata whose rows lie beside those of the images; of sequences there is none.
    pub(super) fn metadata_rows(&self) -> Option<&Array> {
        match self {
            Self::Stamps(stamps) => Some(&stamps.metadata).filter(|metadata| metadata.row_len() > 0),
            Self::Sequences { .. } => None,
        }
    }

    fn images(&self) -> &Array {
        match self {
            Self::Stamps(stamps) => &stamps.images,
            Self::Sequences { sequences, .. } => &sequences.images,
        }
    }

    /// Rows of the training split.
    pub(super) fn training_rows(&self) -> Vec<usize> {
        match self {
            Self::Stamps(stamps) => stamps.rows_of(split::TRAIN),
            Self::Sequences { sequences, .. } => sequences.objects_of(split::TRAIN),
        }
    }

    /// Names of the metadata columns: of a sequence the static ones, then the dynamic ones.
    pub(super) fn metadata_names(&self) -> Vec<String> {
        match self {
            Self::Stamps(stamps) => stamps.facts.metadata.iter().map(|column| column.name.clone()).collect(),
            Self::Sequences { sequences, .. } => {
                sequences.facts.fixed.iter().chain(&sequences.facts.dynamic).cloned().collect()
            }
        }
    }

    /// Metadata of a row, as named above.
    pub(super) fn metadata(&self, row: usize) -> Vec<f32> {
        match self {
            Self::Stamps(stamps) => stamps.metadata.row(row).to_vec(),
            Self::Sequences { sequences, last } => {
                sequences.fixed.row(row).iter().chain(sequences.dynamic.row(last[row])).copied().collect()
            }
        }
    }
}
