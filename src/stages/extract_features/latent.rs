//! Latent codes from a model's folder: the one place here that knows that there are networks.

use std::path::Path;

use super::super::{train_autoencoder, train_sequence_autoencoder};
use super::source::Source;
use crate::models;
use crate::stage::{Job, StageError};

/// Codes of all rows of `source`, `[row, latent]`, by the model in `folder`: a network of sequences makes one code of an
/// object's detections, a network of stamps one of the stamp, or of an object's last stamp.
pub(super) fn latent_codes(folder: &Path, source: &Source, job: &Job) -> Result<Vec<f32>, StageError> {
    let sequential = models::is_sequential(folder)?;
    match source {
        Source::Sequences { sequences, .. } if sequential => train_sequence_autoencoder::encode(folder, sequences),
        Source::Stamps(_) if sequential => Err(StageError::with_hint(
            "the model makes codes of sequences, but the input holds single stamps",
            "connect `sequences` in place of `stamps`",
        )),
        source => {
            let (images, rows) = source.image_rows();
            let mut codes = Vec::new();
            let total = rows.len() as u64;
            let mut done = 0;
            train_autoencoder::encode(folder, images, rows, |batch, n| {
                codes.extend_from_slice(batch);
                done += n as u64;
                job.progress(done, total, "codes")
            })?;
            Ok(codes)
        }
    }
}
