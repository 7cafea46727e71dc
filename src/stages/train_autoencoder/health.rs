//! Whether a variational autoencoder uses its code: active units, divergence, and how sure the decoder says it is. Writes
//! `units.csv`.

use super::{INFERENCE_BATCH, Training};
use crate::artifacts::scores::Metric;
use crate::artifacts::split;
use crate::artifacts::table::{RowWriter, number};
use crate::nn::{Backend, Model, Posterior};
use crate::stage::StageError;

/// Variance of a unit's mean over stamps from which on it is active (Burda et al. 2016, section 5.2).
const ACTIVE: f64 = 0.01;

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Of one unit: variance of its mean over stamps, and divergence of its codes from a standard normal, `½ mean (μ² + σ² − 1 −
/// ln σ²)`.
fn unit(posterior: &Posterior, latent: usize, at: usize) -> Option<(f64, f64)> {
    let of = |values: &[f32]| -> Vec<f64> { values.iter().skip(at).step_by(latent).map(|v| f64::from(*v)).collect() };
    let (means, logs) = (of(&posterior.mean), of(&posterior.log_variance));
    let centre = mean(&means)?;
    let variance = mean(&means.iter().map(|m| (m - centre).powi(2)).collect::<Vec<_>>())?;
    let terms: Vec<f64> = means.iter().zip(&logs).map(|(m, log)| 0.5 * (m * m + log.exp() - 1.0 - log)).collect();
    Some((variance, mean(&terms)?))
}

/// Active units and mean divergence of each split; `units.csv` has each unit of each split.
pub(super) fn measure<B: Backend>(training: &Training, model: &Model<B>) -> Result<Vec<Metric>, StageError> {
    let series = model.card.model.as_str();
    let latent = training.job.keys::<super::ConvKeys>()?.latent;
    let mut table = RowWriter::create(training.job.out.join("units.csv"), &["split", "unit", "variance", "kl"])?;
    let mut metrics = Vec::new();
    for split in split::ALL {
        let rows = training.stamps.originals(split);
        let posterior = model.posterior(&training.images(&rows), INFERENCE_BATCH)?.unwrap_or_default();
        let units: Vec<(f64, f64)> = (0..latent).filter_map(|at| unit(&posterior, latent, at)).collect();
        for (at, (variance, divergence)) in units.iter().enumerate() {
            table.push([split.into(), at.to_string(), number(*variance), number(*divergence)])?;
        }
        let defined = |value: f64| (!units.is_empty()).then_some(value);
        let active = units.iter().filter(|(variance, _)| *variance > ACTIVE).count();
        let divergence = units.iter().map(|(_, divergence)| divergence).sum();
        metrics.push(Metric::new(series, split, "active_units", defined(active as f64), rows.len()));
        metrics.push(Metric::new(series, split, "kl_to_normal", defined(divergence), rows.len()));
        let mut variances = Vec::new();
        for codes in posterior.mean.chunks(INFERENCE_BATCH * latent) {
            let said = model.decode(codes)?.and_then(|decoded| decoded.log_variance).unwrap_or_default();
            variances.extend(said.into_iter().map(|log| f64::from(log).exp()));
        }
        metrics.push(Metric::new(series, split, "pixel_variance", mean(&variances), variances.len()));
    }
    table.finish()?;
    Ok(metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_always_says_the_same_is_not_active() {
        let posterior = Posterior { mean: vec![1.0, 0.0, -1.0, 0.0], log_variance: vec![0.0, 0.0, 0.0, 0.0] };
        assert_eq!(unit(&posterior, 2, 0), Some((1.0, 0.5)));
        assert_eq!(unit(&posterior, 2, 1), Some((0.0, 0.0)));
        assert_eq!(unit(&Posterior::default(), 2, 0), None);
    }
}
