//! Detections of each object in time order, packed without padding: `stamps.npy` `[detection, channel, y, x]`,
//! `dynamic.npy` `[detection, column]` (time gap first), `static.npy` `[object, column]`, `detections.csv`,
//! `objects.csv` (label, split, first detection, length), `sequences.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::array::{Array, ArrayWriter};
use super::stamps::StampsFacts;
use super::table::{RowWriter, Table, number};
use super::{ArtifactError, Result, facts};

/// What the arrays hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SequencesFacts {
    /// What was done to the stamps.
    pub stamps: StampsFacts,
    /// Names of the dynamic columns: one value per detection, standardised on the training split.
    pub dynamic: Vec<String>,
    /// Names of the static columns: one value per object, standardised likewise.
    #[serde(rename = "static")]
    pub fixed: Vec<String>,
    /// Longest sequence.
    pub longest: usize,
}

/// Reads a sequences artifact.
pub struct Sequences {
    /// What the arrays hold.
    pub facts: SequencesFacts,
    /// One row per object: `objectId`, `label`, `split`, `first` (row of its first detection), `length`.
    pub objects: Table,
    /// One row per detection: `candid`, `objectId`, `jd`, `fid`, `days` since the object's previous one (0 for the first).
    pub detections: Table,
    /// `[detection, channel, side, side]`.
    pub images: Array,
    /// `[detection, dynamic column]`.
    pub dynamic: Array,
    /// `[object, static column]`.
    pub fixed: Array,
}

impl Sequences {
    /// Opens the artifact in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let sequences = Self {
            facts: facts::read(folder.join("sequences.json"))?,
            objects: Table::read(folder.join("objects.csv"))?,
            detections: Table::read(folder.join("detections.csv"))?,
            images: Array::open(folder.join("stamps.npy"))?,
            dynamic: Array::open(folder.join("dynamic.npy"))?,
            fixed: Array::open(folder.join("static.npy"))?,
        };
        let (objects, detections) = (sequences.objects.rows(), sequences.detections.rows());
        let agree = sequences.images.rows() == detections
            && sequences.dynamic.rows() == detections
            && sequences.fixed.rows() == objects;
        if agree { Ok(sequences) } else { Err(ArtifactError::new(folder, "tables and arrays differ in length")) }
    }

    /// First detection and length of each object.
    pub fn spans(&self) -> Vec<(usize, usize)> {
        let column = |name| self.objects.ints(name).unwrap_or_default().iter().map(|v| *v as usize);
        column("first").zip(column("length")).collect()
    }

    /// Objects of the given split, in order.
    pub fn objects_of(&self, split: &str) -> Vec<usize> {
        self.objects.packed("split").iter().enumerate().filter(|(_, s)| *s == split).map(|(row, _)| row).collect()
    }
}

/// Identity of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceObject {
    /// Name.
    pub object_id: String,
    /// Class, or empty.
    pub label: String,
    /// `train`, `validation` or `test`.
    pub split: String,
}

/// One detection of an object.
#[derive(Clone, Debug)]
pub struct Detection<'a> {
    /// Identifier.
    pub candid: i64,
    /// Julian date, days.
    pub jd: f64,
    /// Filter: 1 g, 2 r, 3 i.
    pub fid: i64,
    /// Days since the previous detection, 0 for the first.
    pub days: f64,
    /// `[channel, side, side]`.
    pub image: &'a [f32],
    /// Dynamic columns.
    pub dynamic: &'a [f32],
}

/// Writes a sequences artifact object by object.
pub struct SequencesWriter {
    objects: RowWriter,
    detections: RowWriter,
    images: ArrayWriter,
    dynamic: ArrayWriter,
    fixed: ArrayWriter,
}

impl SequencesWriter {
    /// Starts the artifact in `folder`.
    pub fn create(folder: &Path, facts: &SequencesFacts) -> Result<Self> {
        facts::write(folder.join("sequences.json"), facts)?;
        let shape = [facts.stamps.channels.len(), facts.stamps.side, facts.stamps.side];
        Ok(Self {
            objects: RowWriter::create(folder.join("objects.csv"), &["objectId", "label", "split", "first", "length"])?,
            detections: RowWriter::create(folder.join("detections.csv"), &["candid", "objectId", "jd", "fid", "days"])?,
            images: ArrayWriter::create(folder.join("stamps.npy"), &shape)?,
            dynamic: ArrayWriter::create(folder.join("dynamic.npy"), &[facts.dynamic.len()])?,
            fixed: ArrayWriter::create(folder.join("static.npy"), &[facts.fixed.len()])?,
        })
    }

    /// Appends an object with its detections in time order.
    pub fn push(&mut self, object: &SequenceObject, fixed: &[f32], detections: &[Detection]) -> Result<()> {
        let span = [self.images.rows().to_string(), detections.len().to_string()];
        let identity = [object.object_id.clone(), object.label.clone(), object.split.clone()];
        self.objects.push(identity.into_iter().chain(span))?;
        self.fixed.push(fixed)?;
        for d in detections {
            let cells =
                [d.candid.to_string(), object.object_id.clone(), number(d.jd), d.fid.to_string(), number(d.days)];
            self.detections.push(cells)?;
            self.images.push(d.image)?;
            self.dynamic.push(d.dynamic)?;
        }
        Ok(())
    }

    /// Completes the files.
    pub fn finish(self) -> Result<()> {
        self.objects.finish()?;
        self.detections.finish()?;
        self.images.finish()?;
        self.dynamic.finish()?;
        self.fixed.finish()
    }
}
