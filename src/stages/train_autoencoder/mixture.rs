//! Between the stages of `vade`: the mixture of Gaussians that is fitted to codes, as the start of the network's prior, and
//! back. Only training rows are fitted.

use super::variational::VadeKeys;
use super::{INFERENCE_BATCH, Training};
use crate::artifacts::split::{self, TRAIN};
use crate::clustering::Task;
use crate::clustering::gaussian_mixture::{Fit, GaussianMixture};
use crate::models::MIXTURE;
use crate::nn::{Backend, Model, NnError};
use crate::stage::StageError;

/// Steps of expectation and maximisation at most, and the gain of mean log-likelihood below which they end (scikit-learn's).
const STEPS: usize = 200;
const TOLERANCE: f64 = 1e-3;

/// Codes of stamps: rows of the artifact without copies, split by split, and one vector for each.
pub(super) struct Codes {
    pub(super) rows: Vec<usize>,
    pub(super) values: Vec<Vec<f64>>,
    /// How many of them, the first, are of the training split.
    pub(super) training: usize,
}

impl Codes {
    /// What `code` makes of all rows.
    pub(super) fn new(
        training: &Training,
        code: impl FnOnce(&[usize]) -> Result<Vec<Vec<f64>>, StageError>,
    ) -> Result<Self, StageError> {
        let rows: Vec<usize> = split::ALL.iter().flat_map(|split| training.stamps.originals(split)).collect();
        let values = code(&rows)?;
        Ok(Self { rows, values, training: training.stamps.originals(TRAIN).len() })
    }
}

/// Mean codes by `model`.
pub(super) fn means<B: Backend>(training: &Training, model: &Model<B>) -> Result<Codes, StageError> {
    Codes::new(training, |rows| {
        let values = model.encode(&training.images(rows), INFERENCE_BATCH)?;
        let latent = values.len() / rows.len().max(1);
        Ok(values.chunks_exact(latent.max(1)).map(|row| row.iter().map(|value| f64::from(*value)).collect()).collect())
    })
}

/// A mixture fitted to the training rows of `codes`.
pub(super) fn fit(training: &Training, codes: &Codes, keys: &VadeKeys) -> Result<GaussianMixture, StageError> {
    let task = Task {
        rows: &codes.values[..codes.training],
        clusters: keys.clusters,
        restarts: keys.restarts,
        seed: training.job.seed,
        cancelled: &|| training.job.pulse.cancelled(),
    };
    let fit = Fit { floor: keys.min_variance, steps: STEPS, tolerance: TOLERANCE };
    Ok(GaussianMixture::fit(&task, &fit)?)
}

/// Gives a network centres and variances of `start`; its shares stay equal, as in Astorga et al. 2018.
pub(super) fn begin<B: Backend>(
    model: &mut Model<B>,
    start: &GaussianMixture,
    keys: &VadeKeys,
) -> Result<(), StageError> {
    let floor = keys.min_variance;
    let spread = |variance: &f64| (variance - floor).max(1e-6).ln() as f32;
    let [_, centres, spreads] = MIXTURE;
    let arrays = [
        (centres, start.means.iter().flatten().map(|mean| *mean as f32).collect()),
        (spreads, start.covariances.iter().flatten().map(spread).collect::<Vec<f32>>()),
    ];
    for (name, values) in arrays {
        if !model.weights.set_named(name, values).map_err(NnError::device)? {
            return Err(StageError::failed(format!("the network has no `{name}` of that size")));
        }
    }
    Ok(())
}

/// The prior of a network.
pub(super) fn prior<B: Backend>(model: &Model<B>, floor: f64) -> Result<GaussianMixture, StageError> {
    let array = |name: &str| {
        let values = model.weights.named(name).ok_or_else(|| StageError::failed(format!("no array `{name}`")))?;
        Ok::<Vec<f64>, StageError>(values.into_iter().map(f64::from).collect())
    };
    let [logits, centres, spreads] = MIXTURE;
    let logits = array(logits)?;
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    let (centres, spreads) = (array(centres)?, array(spreads)?);
    let latent = centres.len() / logits.len();
    let variances: Vec<f64> = spreads.iter().map(|spread| floor + spread.exp()).collect();
    Ok(GaussianMixture {
        shares: powers.iter().map(|power| power / sum).collect(),
        means: centres.chunks_exact(latent).map(<[f64]>::to_vec).collect(),
        covariances: variances.chunks_exact(latent).map(<[f64]>::to_vec).collect(),
    })
}
