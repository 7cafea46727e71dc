//! Latent codes from a model's folder: the one place here that knows that there are networks.

use std::path::Path;

use super::super::train_autoencoder::{self, INFERENCE_BATCH, ImageRows};
use super::super::train_sequence_autoencoder;
use super::super::views::{View, Views};
use super::likeness::{self, cosine};
use super::source::Source;
use crate::artifacts::judged::Judged;
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
    let rows = source.rows();
    let mut alike = vec![0.0; rows.len()];
    let others = views.list().len() - 1;
    let mut number = 0;
    let seen = |view: View| {
        number += 1;
        codes(folder, source, view, job, (number - 1, views.list().len()))
    };
    let (own, mean) = mean_codes(views, seen, |own, codes| {
        let latent = own.len() / rows.len();
        let pairs = own.chunks_exact(latent).zip(codes.chunks_exact(latent));
        alike.iter_mut().zip(pairs).for_each(|(alike, (own, other))| *alike += cosine(own, other) / others as f64);
    })?;
    let Some(mean) = mean else { return Ok(own) };
    let model = Model::<Kernels>::card(folder)?.model;
    measured.extend(likeness::metrics(("view_similarity", cosine), &model, &rows, &own, &alike));
    Ok(mean)
}

/// Codes of stamps as they are and, if there is more than one of `views`, their mean over these, `[row, latent]` both. `codes`
/// makes those in one view; `other` sees the first beside each of the others.
pub(in crate::stages) fn mean_codes(
    views: Views,
    mut codes: impl FnMut(View) -> Result<Vec<f32>, StageError>,
    mut other: impl FnMut(&[f32], &[f32]),
) -> Result<(Vec<f32>, Option<Vec<f32>>), StageError> {
    let (first, others) = views.list().split_at(1);
    let own = codes(first[0])?;
    if others.is_empty() {
        return Ok((own, None));
    }
    let mut sums: Vec<f64> = own.iter().map(|value| f64::from(*value)).collect();
    for view in others {
        let codes = codes(*view)?;
        sums.iter_mut().zip(&codes).for_each(|(sum, value)| *sum += f64::from(*value));
        other(&own, &codes);
    }
    let mean = sums.into_iter().map(|sum| (sum / views.list().len() as f64) as f32).collect();
    Ok((own, Some(mean)))
}

/// These rows, and the last of them again until all batches are whole: products of matrices round otherwise in batches of other
/// sizes, and no vector may depend on how many others there are.
pub(in crate::stages) fn whole_batches(mut rows: Vec<usize>) -> Vec<usize> {
    if let Some(last) = rows.last().copied() {
        rows.resize(rows.len().next_multiple_of(INFERENCE_BATCH), last);
    }
    rows
}

/// `Σ (x − x̂)²` of each channel of each row, `[row, channel]`, `x̂` what the model in `folder` makes of the stamp `x`.
pub(super) fn reconstruction_errors(folder: &Path, source: &Source, job: &Job) -> Result<Vec<f32>, StageError> {
    let model = train_autoencoder::reconstructing(folder)?;
    let (images, rows) = source.image_rows();
    let (channels, count) = (source.channels().len(), rows.len());
    let mut errors = Vec::with_capacity(count * channels);
    for rows in whole_batches(rows).chunks(INFERENCE_BATCH) {
        model.outputs(&ImageRows::new(images, rows), INFERENCE_BATCH, |_, made| {
            for (made, row) in made.chunks_exact(images.row_len()).zip(rows) {
                errors.extend(channel_errors(made, images.row(*row), channels));
            }
            Ok(())
        })?;
        job.progress(errors.len() as u64, 0, "reconstructions")?;
    }
    errors.truncate(count * channels);
    Ok(errors)
}

/// `Σ (x − x̂)²` of each channel of an image `x`, where `x̂` was made of it.
pub(in crate::stages) fn channel_errors<'a>(
    made: &'a [f32],
    image: &'a [f32],
    channels: usize,
) -> impl Iterator<Item = f32> + 'a {
    let plane = image.len() / channels;
    let planes = made.chunks_exact(plane).zip(image.chunks_exact(plane));
    planes.map(|(made, image)| squared_distance(made, image) as f32)
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
            let model = models::load::<Kernels>(folder)?;
            if model.network.columns().iter().any(|column| column.name == "metadata") {
                check_metadata(folder, source)?;
            }
            let (images, rows) = source.image_rows();
            let (mut codes, count) = (Vec::new(), rows.len());
            let mut done = number * count;
            let rows = whole_batches(rows);
            train_autoencoder::encode(&model, (images, source.metadata_rows()), &rows, view, |batch, n| {
                codes.extend_from_slice(batch);
                done += n;
                job.progress(done.min((number + 1) * count) as u64, (views * count) as u64, "codes")
            })?;
            codes.truncate(codes.len() / rows.len() * count);
            Ok(codes)
        }
    }
}

/// The network in `folder` sees metadata: these must be the columns that it learned from, in their order.
fn check_metadata(folder: &Path, source: &Source) -> Result<(), StageError> {
    if matches!(source, Source::Sequences { .. }) {
        let what = "the model sees the metadata of single stamps, but the input holds sequences";
        return Err(StageError::with_hint(what, "connect `stamps` in place of `sequences`"));
    }
    let learned = Judged::open(folder)?.stamps.metadata.into_iter().map(|column| column.name).collect::<Vec<_>>();
    let there = source.metadata_names();
    if learned == there {
        return Ok(());
    }
    let named = |columns: &[String]| if columns.is_empty() { "none".into() } else { columns.join(", ") };
    let what = format!("the model learned from the metadata {}; the stamps have {}", named(&learned), named(&there));
    Err(StageError::with_hint(
        what,
        "give `preprocess` the same `metadata`, or connect the stamps that it learned from",
    ))
}
