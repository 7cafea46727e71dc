//! What is judged: single stamps, or sequences of detections. Knows no network.

use super::labels::Identity;
use super::sequences::{SequenceRows, Sequenced};
use super::stamps::StampRows;
use crate::artifacts::stamps::{Stamps, StampsFacts};
use crate::nn::Rows;
use crate::stage::{Job, StageError};
use crate::stages::training::{Shown, open_wide};
use crate::stages::views::View;

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

    /// Opens the input `wide`, if it is connected: as what is judged, with a larger side.
    pub(super) fn open_wide(&self, job: &Job) -> Result<Option<Self>, StageError> {
        let wide = open_wide(job, |folder| match self {
            Self::Stamps(_) => Ok(Self::Stamps(Stamps::open(folder)?)),
            Self::Sequences(_) => Ok(Self::Sequences(Sequenced::open(folder, job)?)),
        })?;
        match &wide {
            Some(wide) if wide.places() != self.places() => Err(StageError::with_hint(
                "`wide` has other rows than what is judged",
                "make both from the same alerts, with the same settings but for the crop",
            )),
            _ => Ok(wide),
        }
    }

    /// Where each row lies in the array of images, and how many images it has.
    fn places(&self) -> Vec<(usize, usize)> {
        match self {
            Self::Stamps(stamps) => (0..stamps.images.rows()).map(|row| (row, 1)).collect(),
            Self::Sequences(sequences) => sequences.spans.clone(),
        }
    }

    /// What was done to the stamps.
    pub(super) fn facts(&self) -> &StampsFacts {
        match self {
            Self::Stamps(stamps) => &stamps.facts,
            Self::Sequences(sequences) => &sequences.facts().stamps,
        }
    }

    /// Some rows as they are, with what their stamps are.
    pub(super) fn shown<'a>(&'a self, classes: &'a [Option<usize>], rows: &'a [usize]) -> Shown<'a> {
        Shown { rows: self.rows(classes, rows, View::ALL[0]), facts: self.facts() }
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
