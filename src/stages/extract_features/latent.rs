//! Latent codes from a model's folder: the one place here that knows that there are networks.

use std::path::Path;

use super::super::training::{ArrayRows, check_device};
use super::source::Source;
use crate::models;
use crate::nn::{Backend, Kernels};
use crate::stage::{Device, Job, StageError};

/// Rows at a time.
const BATCH: usize = 256;

/// Codes of all rows of `source`, `[row, latent]`, by the model in `folder`.
pub(super) fn latent_codes(folder: &Path, source: &Source, job: &Job) -> Result<Vec<f32>, StageError> {
    check_device(job)?;
    match job.device {
        Device::Cpu => codes::<Kernels>(folder, source),
        #[cfg(feature = "cuda")]
        Device::Cuda(_) => codes::<crate::nn::OnCuda>(folder, source),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => Err(StageError::failed("this program was built without CUDA")),
    }
}

fn codes<B: Backend>(folder: &Path, source: &Source) -> Result<Vec<f32>, StageError> {
    let model = models::load::<B>(folder)?;
    let (array, rows) = source.image_rows();
    Ok(model.encode(&ArrayRows { name: "stamps", array, rows: &rows }, BATCH)?)
}
