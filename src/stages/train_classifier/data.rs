//! What is judged: single stamps, or sequences of detections. Knows no network.

use super::labels::Identity;
use super::sequences::{SequenceRows, Sequenced};
use super::stamps::{StampRows, View};
use crate::artifacts::stamps::Stamps;
use crate::nn::Rows;
use crate::stage::{Job, StageError};

/// The input that is connected.
pub(super) enum Data {
    /// One row for each stamp.
    Stamps(Stamps),
    /// One row for each object.
    Sequences(Sequenced),
}

impl Data {
    /// Opens it.
    pub(super) fn open(job: &Job) -> Result<Self, StageError> {
        match (job.optional_input("stamps"), job.optional_input("sequences")) {
            (Some(folder), None) => Ok(Self::Stamps(Stamps::open(folder)?)),
            (None, Some(folder)) => Ok(Self::Sequences(Sequenced::open(folder, job)?)),
            (None, None) => Err(StageError::with_hint(
                "neither `stamps` nor `sequences` is connected",
                "connect the one that the model judges",
            )),
            (Some(_), Some(_)) => {
                let what = "both `stamps` and `sequences` are connected";
                Err(StageError::with_hint(what, "connect the one that the model judges"))
            }
        }
    }

    /// Who the rows are.
    pub(super) fn identities(&self) -> Vec<Identity> {
        match self {
            Self::Stamps(stamps) => super::stamps::identities(stamps),
            Self::Sequences(sequences) => sequences.identities(),
        }
    }

    /// The labels that there are.
    pub(super) fn labels(&self) -> &[String] {
        match self {
            Self::Stamps(stamps) => &stamps.facts.classes,
            Self::Sequences(sequences) => &sequences.facts().stamps.classes,
        }
    }

    /// Some rows for a network, each seen so; `classes` are those of all rows.
    pub(super) fn rows<'a>(
        &'a self,
        classes: &'a [Option<usize>],
        rows: &'a [usize],
        view: View,
    ) -> Box<dyn Rows + 'a> {
        match self {
            Self::Stamps(stamps) => Box::new(StampRows::new(stamps, classes, rows).seen(view)),
            Self::Sequences(sequences) => Box::new(SequenceRows::new(sequences, classes, rows).seen(view)),
        }
    }
}
