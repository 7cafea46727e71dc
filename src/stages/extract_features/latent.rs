//! Latent codes from a model's folder: the one place here that knows that there are networks.

use std::path::Path;

use super::super::train_autoencoder::{self, INFERENCE_BATCH, ImageRows};
use super::super::train_sequence_autoencoder;
use super::super::views::{View, Views};
use super::likeness::{self, cosine};
use super::source::Source;
use crate::artifacts::scores::Metric;
use crate::metrics::images::squared_distance;
use crate::models;
use crate::nn::{Kernels, Model};
use crate::stage::{Job, StageError};

/// Codes of all rows of `source`, `[row, latent]`, by the model in `folder`: the mean over `views` of each stamp. With more
/// than one view, `measured` gets how alike their codes are.
pub(super) fn latent_codes(
    folder: &Path,
    source: &Source,
    views: Views,
    job: &Job,
    measured: &mut Vec<Metric>,
) -> Result<Vec<f32>, StageError> {
    let (first, others) = views.list().split_at(1);
    let seen = |view: View, number: usize| codes(folder, source, view, job, (number, views.list().len()));
    let own = seen(first[0], 0)?;
    if others.is_empty() {
        return Ok(own);
    }
    let rows = source.rows();
    let latent = own.len() / rows.len();
    let mut sums: Vec<f64> = own.iter().map(|value| f64::from(*value)).collect();
    let mut alike = vec![0.0; rows.len()];
    for (number, view) in others.iter().enumerate() {
        let codes = seen(*view, number + 1)?;
        sums.iter_mut().zip(&codes).for_each(|(sum, value)| *sum += f64::from(*value));
        let pairs = own.chunks_exact(latent).zip(codes.chunks_exact(latent));
        alike
            .iter_mut()
            .zip(pairs)
            .for_each(|(alike, (own, other))| *alike += cosine(own, other) / others.len() as f64);
    }
    let model = Model::<Kernels>::card(folder)?.model;
    measured.extend(likeness::metrics(("view_similarity", cosine), &model, &rows, &own, &alike));
    Ok(sums.into_iter().map(|sum| (sum / views.list().len() as f64) as f32).collect())
}

/// `Σ (x − x̂)²` of each channel of each row, `[row, channel]`, `x̂` what the model in `folder` makes of the stamp `x`.
pub(super) fn reconstruction_errors(folder: &Path, source: &Source, job: &Job) -> Result<Vec<f32>, StageError> {
    let model = train_autoencoder::reconstructing(folder)?;
    let (images, rows) = source.image_rows();
    let plane = images.row_len() / source.channels().len();
    let mut errors = Vec::with_capacity(rows.len() * source.channels().len());
    for rows in rows.chunks(INFERENCE_BATCH) {
        model.outputs(&ImageRows::new(images, rows), INFERENCE_BATCH, |_, made| {
            for (made, row) in made.chunks_exact(images.row_len()).zip(rows) {
                let planes = made.chunks_exact(plane).zip(images.row(*row).chunks_exact(plane));
                errors.extend(planes.map(|(made, image)| squared_distance(made, image) as f32));
            }
            Ok(())
        })?;
        job.progress(errors.len() as u64, 0, "reconstructions")?;
    }
    Ok(errors)
}

/// Codes of all rows in one view, which is so many of all: a network of sequences makes one code of an object's detections, a
/// network of stamps one of the stamp, or of an object's last stamp.
fn codes(
    folder: &Path,
    source: &Source,
    view: View,
    job: &Job,
    (number, views): (usize, usize),
) -> Result<Vec<f32>, StageError> {
    let sequential = models::is_sequential(folder)?;
    match source {
        Source::Sequences { sequences, .. } if sequential => {
            job.progress(number as u64, views as u64, "views")?;
            train_sequence_autoencoder::encode(folder, sequences, view)
        }
        Source::Stamps(_) if sequential => Err(StageError::with_hint(
            "the model makes codes of sequences, but the input holds single stamps",
            "connect `sequences` in place of `stamps`",
        )),
        source => {
            let (images, rows) = source.image_rows();
            let mut codes = Vec::new();
            let mut done = number * rows.len();
            train_autoencoder::encode(folder, images, &rows, view, |batch, n| {
                codes.extend_from_slice(batch);
                done += n;
                job.progress(done as u64, (views * rows.len()) as u64, "codes")
            })?;
            Ok(codes)
        }
    }
}
