//! Choice among candidate settings by the log loss on the validation rows. The rows to be judged take no part.

use super::{ClassifierError, Fitted, Task};
use crate::metrics::Judged;
use crate::metrics::log_loss::log_loss;

/// Fits each candidate and keeps the one with the lowest validation log loss, the first of equals. One candidate is given,
/// not chosen: the validation rows are not looked at.
pub fn choose<T: Copy, F: Fitted>(
    key: &'static str,
    candidates: &[T],
    task: &Task,
    fit: impl Fn(T) -> Result<F, ClassifierError>,
) -> Result<F, ClassifierError> {
    if candidates.len() > 1 && task.validation.rows.is_empty() {
        return Err(ClassifierError::NothingToChooseWith { key, candidates: candidates.len() });
    }
    let mut best: Option<(f64, F)> = None;
    for candidate in candidates {
        let fitted = fit(*candidate)?;
        let loss = if candidates.len() > 1 { validation_loss(&fitted, task)? } else { 0.0 };
        if best.as_ref().is_none_or(|(lowest, _)| loss < *lowest) {
            best = Some((loss, fitted));
        }
    }
    best.map(|(_, fitted)| fitted).ok_or(ClassifierError::NoCandidates { key })
}

fn validation_loss(fitted: &impl Fitted, task: &Task) -> Result<f64, ClassifierError> {
    let probabilities = fitted.probabilities(&task.validation.rows)?;
    let rows: Vec<Judged> =
        task.validation.labels.iter().zip(&probabilities).map(|(label, p)| Judged::new(*label, p)).collect();
    Ok(log_loss(&rows).unwrap_or(f64::INFINITY))
}
