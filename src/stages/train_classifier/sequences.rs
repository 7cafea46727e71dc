//! Labelled objects as rows for a network: the stamps of their first detections, dynamic columns, times, static columns,
//! number of detections, class; padded with zeros to the longest.

use std::path::Path;

use super::labels::Identity;
use crate::artifacts::sequences::{Sequences, SequencesFacts};
use crate::nn::{Column, Rows};
use crate::spec::keys::Keys;
use crate::stage::{Job, StageError};
use crate::stages::views::View;

crate::keys! {
    /// Keys of every network that judges sequences.
    pub(super) struct LengthKeys {
        /// Detections of an object that are judged: the first ones; left out: all. Objects with fewer are judged by what they have.
        length: Option<usize> = None, at_least(1);
    }
}

/// Sequences of which the first detections are judged.
pub(super) struct Sequenced {
    sequences: Sequences,
    /// First detection and number of those judged, of each object.
    pub(super) spans: Vec<(usize, usize)>,
    /// Largest such number.
    pub(super) steps: usize,
    /// log10(1 + days since the object's first detection), of each detection.
    times: Vec<f32>,
}

impl Sequenced {
    /// Opens the artifact in `folder`, cut to the `length` that the job asks for.
    pub(super) fn open(folder: &Path, job: &Job) -> Result<Self, StageError> {
        let most = LengthKeys::read(job.params).and_then(|keys| keys.length).unwrap_or(usize::MAX);
        let sequences = Sequences::open(folder)?;
        let days = sequences.detections.numbers("days").unwrap_or_default();
        let mut times = Vec::with_capacity(days.len());
        for (first, length) in sequences.spans() {
            let mut since = 0.0;
            for days in &days[first..first + length] {
                since += days;
                times.push((1.0 + since).log10() as f32);
            }
        }
        let spans: Vec<_> = sequences.spans().into_iter().map(|(first, length)| (first, length.min(most))).collect();
        let steps = spans.iter().map(|span| span.1).max().unwrap_or(0);
        if steps == 0 || spans.iter().any(|span| span.1 == 0) {
            return Err(StageError::failed("the sequences are empty, or one of them has no detections"));
        }
        Ok(Self { sequences, spans, steps, times })
    }

    /// What the arrays hold.
    pub(super) fn facts(&self) -> &SequencesFacts {
        &self.sequences.facts
    }

    /// Number of detections of an object that are judged.
    pub(super) fn length(&self, row: usize) -> usize {
        self.spans[row].1
    }

    /// Who the objects are, by the last detection that is judged.
    pub(super) fn identities(&self) -> Vec<Identity> {
        let candids = self.sequences.detections.ints("candid").unwrap_or_default();
        let objects = &self.sequences.objects;
        let (ids, labels, splits) = (objects.texts("objectId"), objects.texts("label"), objects.texts("split"));
        let identity = |(row, (first, length)): (usize, &(usize, usize))| Identity {
            candid: candids[first + length - 1],
            object_id: ids[row].clone(),
            label: labels[row].clone(),
            split: splits[row].clone(),
            copy: 0,
        };
        self.spans.iter().enumerate().map(identity).collect()
    }
}

/// Some objects.
pub(super) struct SequenceRows<'a> {
    data: &'a Sequenced,
    classes: &'a [Option<usize>],
    rows: &'a [usize],
    view: View,
    /// Detections that are shown at most.
    most: usize,
}

impl<'a> SequenceRows<'a> {
    /// The objects at `rows`; `classes` are those of all objects.
    pub(super) fn new(data: &'a Sequenced, classes: &'a [Option<usize>], rows: &'a [usize]) -> Self {
        Self { data, classes, rows, view: View::ALL[0], most: usize::MAX }
    }

    /// The same objects, each stamp seen so.
    pub(super) fn seen(self, view: View) -> Self {
        Self { view, ..self }
    }

    /// Their first detections alone.
    pub(super) fn first(self, most: usize) -> Self {
        Self { most, ..self }
    }
}

impl Rows for SequenceRows<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn columns(&self) -> Vec<Column> {
        let (sequences, steps) = (&self.data.sequences, self.data.steps);
        vec![
            Column { name: "stamps", width: steps * sequences.images.row_len() },
            Column { name: "dynamic", width: steps * sequences.dynamic.row_len() },
            Column { name: "times", width: steps },
            Column { name: "static", width: sequences.fixed.row_len() },
            Column { name: "length", width: 1 },
            Column { name: "class", width: 1 },
        ]
    }

    /// The class of a row without one is 0: nothing reads it, as such rows are never trained on.
    fn copy_row(&self, row: usize, column: usize, into: &mut [f32]) {
        let (row, sequences) = (self.rows[row], &self.data.sequences);
        let (first, length) = self.data.spans[row];
        let length = length.min(self.most);
        let mut fill = |values: &[f32], width: usize| {
            into[..length * width].copy_from_slice(&values[first * width..(first + length) * width]);
        };
        match column {
            0 => {
                let images = sequences.images.span(first, length);
                self.view.copy(images, sequences.facts.stamps.side, &mut into[..images.len()]);
            }
            1 => fill(sequences.dynamic.values(), sequences.dynamic.row_len()),
            2 => fill(&self.data.times, 1),
            3 => into.copy_from_slice(sequences.fixed.row(row)),
            4 => into.fill(length as f32),
            _ => into.fill(self.classes[row].unwrap_or_default() as f32),
        }
    }

    fn class(&self, row: usize) -> Option<usize> {
        self.classes[self.rows[row]]
    }
}
