//! The detections of chosen objects as rows for the network: padded with zeros to the longest sequence.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::artifacts::sequences::Sequences;
use crate::artifacts::split::TRAIN;
use crate::models;
use crate::nn::{Column, Kernels, Rows};
use crate::stage::StageError;

use super::INFERENCE_BATCH;

/// Mean and deviation of each code over the training split's detections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Scale {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

/// Standardised codes of every detection by a frozen autoencoder, `[detection, code]`. In memory: some tens of values for
/// each stamp.
pub(super) struct Codes {
    values: Vec<f32>,
    pub(super) scale: Scale,
}

impl Codes {
    /// Codes by the model in `folder`; the scale is measured on the training split unless given.
    pub(super) fn new(folder: &Path, sequences: &Sequences, scale: Option<Scale>) -> Result<Self, StageError> {
        let model = models::load::<Kernels>(folder)?;
        let mut values = model.encode(&Images(sequences), INFERENCE_BATCH)?;
        let width = values.len() / sequences.images.rows().max(1);
        let scale = scale.unwrap_or_else(|| measure(&values, width, sequences));
        for row in values.chunks_exact_mut(width.max(1)) {
            for ((value, mean), deviation) in row.iter_mut().zip(&scale.mean).zip(&scale.deviation) {
                *value = (*value - mean) / deviation;
            }
        }
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

/// Every detection's stamp.
struct Images<'a>(&'a Sequences);

impl Rows for Images<'_> {
    fn len(&self) -> usize {
        self.0.images.rows()
    }
    fn columns(&self) -> Vec<Column> {
        vec![Column { name: "stamps", width: self.0.images.row_len() }]
    }
    fn copy_row(&self, row: usize, _: usize, into: &mut [f32]) {
        into.copy_from_slice(self.0.images.row(row));
    }
}

/// Some objects with all their detections.
pub(super) struct SequenceRows<'a> {
    sequences: &'a Sequences,
    codes: Option<&'a Codes>,
    objects: Vec<usize>,
    spans: Vec<(usize, usize)>,
}

impl<'a> SequenceRows<'a> {
    /// The objects at `objects`; with codes in place of stamps if there are any.
    pub(super) fn new(sequences: &'a Sequences, codes: Option<&'a Codes>, objects: Vec<usize>) -> Self {
        Self { sequences, codes, objects, spans: sequences.spans() }
    }

    /// Detections of the longest sequence.
    pub(super) fn steps(&self) -> usize {
        self.sequences.facts.longest
    }

    /// The first column: codes or stamps, and how many values of it a detection has.
    fn picture(&self) -> (&'static str, &'a [f32], usize) {
        match self.codes {
            Some(codes) => ("codes", &codes.values, codes.width()),
            None => ("stamps", self.sequences.images.values(), self.sequences.images.row_len()),
        }
    }
}

impl Rows for SequenceRows<'_> {
    fn len(&self) -> usize {
        self.objects.len()
    }

    fn columns(&self) -> Vec<Column> {
        let steps = self.steps();
        let (name, _, width) = self.picture();
        let dynamic = self.sequences.dynamic.row_len();
        vec![
            Column { name, width: steps * width },
            Column { name: "dynamic", width: steps * dynamic },
            Column { name: "length", width: 1 },
        ]
    }

    fn copy_row(&self, row: usize, column: usize, into: &mut [f32]) {
        let (first, length) = self.spans[self.objects[row]];
        let (values, width) = match column {
            0 => (self.picture().1, self.picture().2),
            1 => (self.sequences.dynamic.values(), self.sequences.dynamic.row_len()),
            _ => {
                into.fill(length as f32);
                return;
            }
        };
        into[..length * width].copy_from_slice(&values[first * width..(first + length) * width]);
    }
}
