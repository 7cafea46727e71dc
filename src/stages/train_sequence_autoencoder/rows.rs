//! The detections of chosen objects as rows for the network: padded with zeros to the longest sequence.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::artifacts::sequences::Sequences;
use crate::artifacts::split::TRAIN;
use crate::models;
use crate::nn::{Column, Kernels, Rows};
use crate::stage::StageError;
use crate::stages::views::View;

use super::INFERENCE_BATCH;

/// Mean and deviation of each code over the training split's detections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Scale {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Scale {
    /// `codes [detection, code]` less the mean, in units of the deviation.
    pub(super) fn standardise(&self, codes: &mut [f32]) {
        for row in codes.chunks_exact_mut(self.mean.len().max(1)) {
            for ((value, mean), deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *value = (*value - mean) / deviation;
            }
        }
    }

    /// The rows of a weight `[code, input]` in units of the deviation.
    pub(super) fn divide_rows(&self, weight: &mut [f32]) {
        let inputs = weight.len() / self.deviation.len().max(1);
        for (row, deviation) in weight.chunks_exact_mut(inputs.max(1)).zip(&self.deviation) {
            for value in row {
                *value /= deviation;
            }
        }
    }
}

/// Standardised codes of every detection by a frozen autoencoder, `[detection, code]`. In memory: some tens of values for
/// each stamp.
pub(super) struct Codes {
    values: Vec<f32>,
    pub(super) scale: Scale,
}

impl Codes {
    /// Codes of the stamps, each seen so, by the model in `folder`; the scale is measured on the training split unless given.
    pub(super) fn new(
        folder: &Path,
        sequences: &Sequences,
        view: View,
        scale: Option<Scale>,
    ) -> Result<Self, StageError> {
        let model = models::load::<Kernels>(folder)?;
        let mut values = model.encode(&Images { sequences, view }, INFERENCE_BATCH)?;
        let width = values.len() / sequences.images.rows().max(1);
        let scale = scale.unwrap_or_else(|| measure(&values, width, sequences));
        scale.standardise(&mut values);
        Ok(Self { values, scale })
    }

    /// Codes per detection.
    pub(super) fn width(&self) -> usize {
        self.scale.mean.len()
    }
}

fn measure(values: &[f32], width: usize, sequences: &Sequences) -> Scale {
    let spans = sequences.spans();
    let detections = || sequences.objects_of(TRAIN).into_iter().flat_map(|o| spans[o].0..spans[o].0 + spans[o].1);
    let n = detections().count().max(1) as f64;
    let of = |code: usize| detections().map(move |row| f64::from(values[row * width + code]));
    let mean: Vec<f64> = (0..width).map(|code| of(code).sum::<f64>() / n).collect();
    let variance = |code: usize| of(code).map(|value| (value - mean[code]).powi(2)).sum::<f64>() / n;
    let deviation = (0..width).map(|code| variance(code).sqrt().max(1e-6) as f32).collect();
    Scale { mean: mean.iter().map(|mean| *mean as f32).collect(), deviation }
}

/// Every detection's stamp, seen so.
struct Images<'a> {
    sequences: &'a Sequences,
    view: View,
}

impl Rows for Images<'_> {
    fn len(&self) -> usize {
        self.sequences.images.rows()
    }
    fn columns(&self) -> Vec<Column> {
        vec![Column { name: "stamps", width: self.sequences.images.row_len() }]
    }
    fn copy_row(&self, row: usize, _: usize, into: &mut [f32]) {
        self.view.copy(self.sequences.images.row(row), self.sequences.facts.stamps.side, into);
    }
}

/// Some objects with all their detections.
pub(super) struct SequenceRows<'a> {
    sequences: &'a Sequences,
    /// What is shown of a detection.
    parts: Vec<Part<'a>>,
    objects: Vec<usize>,
    spans: Vec<(usize, usize)>,
    view: View,
}

/// One column.
#[derive(Clone, Copy)]
enum Part<'a> {
    Stamps,
    Codes(&'a Codes),
    Dynamic,
}

impl<'a> SequenceRows<'a> {
    /// The objects at `objects`, as a network sees them that `reads` such columns; with `codes` if there are any.
    pub(super) fn new(
        sequences: &'a Sequences,
        codes: Option<&'a Codes>,
        reads: &[Column],
        objects: Vec<usize>,
    ) -> Self {
        let stamps = reads.iter().any(|column| column.name == "stamps").then_some(Part::Stamps);
        let parts = [stamps, codes.map(Part::Codes), Some(Part::Dynamic)].into_iter().flatten().collect();
        Self { sequences, parts, objects, spans: sequences.spans(), view: View::ALL[0] }
    }

    /// The same objects, each stamp seen so.
    pub(super) fn seen(self, view: View) -> Self {
        Self { view, ..self }
    }

    /// Detections of the longest sequence.
    pub(super) fn steps(&self) -> usize {
        self.sequences.facts.longest
    }

    /// Name of a column, and how many values each detection has.
    fn column(&self, part: Part) -> (&'static str, usize) {
        match part {
            Part::Stamps => ("stamps", self.sequences.images.row_len()),
            Part::Codes(codes) => ("codes", codes.width()),
            Part::Dynamic => ("dynamic", self.sequences.dynamic.row_len()),
        }
    }

    /// The values of so many detections from `first` on.
    fn values(&self, part: Part<'a>, first: usize, length: usize) -> &'a [f32] {
        match part {
            Part::Stamps => self.sequences.images.span(first, length),
            Part::Codes(codes) => &codes.values[first * codes.width()..(first + length) * codes.width()],
            Part::Dynamic => self.sequences.dynamic.span(first, length),
        }
    }
}

impl Rows for SequenceRows<'_> {
    fn len(&self) -> usize {
        self.objects.len()
    }

    fn columns(&self) -> Vec<Column> {
        let column = |part: &Part| {
            let (name, width) = self.column(*part);
            Column { name, width: self.steps() * width }
        };
        self.parts.iter().map(column).chain([Column { name: "length", width: 1 }]).collect()
    }

    fn copy_row(&self, row: usize, column: usize, into: &mut [f32]) {
        let (first, length) = self.spans[self.objects[row]];
        let Some(part) = self.parts.get(column) else { return into.fill(length as f32) };
        let values = self.values(*part, first, length);
        let into = &mut into[..values.len()];
        match part {
            Part::Stamps => self.view.copy(values, self.sequences.facts.stamps.side, into),
            _ => into.copy_from_slice(values), // codes are those of the view already
        }
    }
}
