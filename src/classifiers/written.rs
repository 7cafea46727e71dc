//! A fitted classifier as JSON, every number with all its bits, and what is asked of such text before it judges: it may be
//! damaged or anybody's. Memory is for what is there; nothing it claims is believed. Knows no file.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ClassifierError;

/// What a fitted classifier is for.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Numbers in a vector.
    pub features: usize,
    /// Classes that it tells.
    pub classes: usize,
}

/// As text.
pub(super) fn write<T: Serialize>(fitted: &T) -> Result<String, ClassifierError> {
    serde_json::to_string(fitted).map_err(|fault| ClassifierError::Unreadable { what: fault.to_string() })
}

/// From text, not yet checked.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ClassifierError> {
    serde_json::from_str(text).map_err(|fault| ClassifierError::Unreadable { what: fault.to_string() })
}

/// Refuses what does not hold.
pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), ClassifierError> {
    if holds { Ok(()) } else { Err(ClassifierError::Unreadable { what: otherwise() }) }
}

/// Refuses what does not tell so many classes.
pub(super) fn ensure_classes(classes: usize, shape: Shape) -> Result<(), ClassifierError> {
    ensure(classes == shape.classes, || format!("it tells {classes} classes, {} are expected", shape.classes))
}

/// Whether these are shares of one whole.
pub(super) fn are_shares(values: &[f64]) -> bool {
    values.iter().all(|share| *share >= 0.0) && (values.iter().sum::<f64>() - 1.0).abs() < 1e-6
}
