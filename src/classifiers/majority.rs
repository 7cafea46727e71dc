//! The classifier that looks at nothing: what any other must beat.

use serde::{Deserialize, Serialize};

use super::written::{self, Shape, are_shares, ensure, ensure_classes};
use super::{Classifier, ClassifierError, Fitted, Task};
use crate::spec::keys::{Key, Keys, NoKeys};
use crate::spec::value::Params;

/// Predicts the frequencies of the training rows for every row.
#[derive(Clone, Copy, Debug)]
pub struct Majority;

/// Share of each class, `n_c / n`.
pub fn frequencies(counts: &[usize]) -> Vec<f64> {
    let all: usize = counts.iter().sum();
    counts.iter().map(|count| *count as f64 / all.max(1) as f64).collect()
}

impl Classifier for Majority {
    fn name(&self) -> &'static str {
        "majority"
    }
    fn summary(&self) -> &'static str {
        "Predicts the class frequencies of the training rows, whatever the features."
    }
    fn source(&self) -> &'static str {
        "scikit-learn DummyClassifier, strategy=\"prior\""
    }
    fn keys(&self) -> Vec<Key> {
        NoKeys::keys()
    }
    fn fit(&self, _: &Params, task: &Task) -> Result<Box<dyn Fitted>, ClassifierError> {
        Ok(Box::new(Frequencies(frequencies(&task.training.counts(task.classes)))))
    }
    fn read(&self, text: &str, shape: Shape) -> Result<Box<dyn Fitted>, ClassifierError> {
        let shares: Frequencies = written::parse(text)?;
        ensure_classes(shares.0.len(), shape)?;
        ensure(are_shares(&shares.0), || "its frequencies are no shares of one whole".into())?;
        Ok(Box::new(shares))
    }
}

#[derive(Serialize, Deserialize)]
struct Frequencies(Vec<f64>);

impl Fitted for Frequencies {
    fn probabilities(&self, rows: &[&[f32]]) -> Result<Vec<Vec<f64>>, ClassifierError> {
        Ok(vec![self.0.clone(); rows.len()])
    }

    fn written(&self) -> Result<String, ClassifierError> {
        written::write(self)
    }
}
