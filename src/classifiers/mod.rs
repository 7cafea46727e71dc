//! Classifiers of vectors: one file each, and the list that `classify`, the documentation and the tests loop over.
//! Knows no file, no stage and no split: it is handed rows to fit on, rows to choose with, and rows to judge.

pub mod choice;
pub mod gradient_boosting;
pub mod lbfgs;
pub mod logistic;
pub mod majority;
pub mod mlp;
pub mod nearest;
pub mod random_forest;
pub mod scale;
pub mod temperature;
pub mod written;

use thiserror::Error;

use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use written::Shape;

/// Every classifier; the first is the default. A new one is one file and one line.
pub static CLASSIFIERS: &[&dyn Classifier] = &[
    &logistic::Logistic,
    &nearest::NearestNeighbours,
    &random_forest::RandomForest,
    &gradient_boosting::GradientBoosting,
    &mlp::Mlp,
    &majority::Majority,
];

/// The classifier called `name`.
pub fn classifier(name: &str) -> Option<&'static dyn Classifier> {
    CLASSIFIERS.iter().copied().find(|classifier| classifier.name() == name)
}

/// Rows with their classes.
#[derive(Clone, Debug, Default)]
pub struct Labelled<'a> {
    /// Vectors of one length, finite.
    pub rows: Vec<&'a [f32]>,
    /// Class of each.
    pub labels: Vec<usize>,
}

impl Labelled<'_> {
    /// Numbers in a row.
    pub fn columns(&self) -> usize {
        self.rows.first().map_or(0, |row| row.len())
    }

    /// Rows of each class.
    pub fn counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for label in &self.labels {
            counts[*label] += 1;
        }
        counts
    }
}

/// What a classifier is fitted with.
pub struct Task<'a> {
    /// Fits everything. Holds at least two classes, and rows of every class below `classes`.
    pub training: Labelled<'a>,
    /// Chooses among candidate settings; may be empty, and may lack classes.
    pub validation: Labelled<'a>,
    /// Number of classes.
    pub classes: usize,
    /// Seed of its random numbers.
    pub seed: u64,
    /// Asked now and then: whether to give up.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl Task<'_> {
    fn keep_going(&self) -> Result<(), ClassifierError> {
        if (self.cancelled)() { Err(ClassifierError::Interrupted) } else { Ok(()) }
    }
}

/// A kind of classifier.
pub trait Classifier: Sync {
    /// Its word in TOML.
    fn name(&self) -> &'static str;
    /// One sentence.
    fn summary(&self) -> &'static str;
    /// Paper or crate.
    fn source(&self) -> &'static str;
    /// Its keys.
    fn keys(&self) -> Vec<Key>;
    /// Whether it draws random numbers.
    fn is_random(&self) -> bool {
        false
    }
    /// Fits it; the same result with any number of threads.
    fn fit(&self, params: &Params, task: &Task) -> Result<Box<dyn Fitted>, ClassifierError>;
    /// Reads what [`Fitted::written`] gave, for vectors and classes of this shape: it judges as what was written did, or is refused.
    fn read(&self, text: &str, shape: Shape) -> Result<Box<dyn Fitted>, ClassifierError>;
}

/// A fitted classifier.
pub trait Fitted {
    /// Probability of each class for each row, `[row][class]`; each row sums to 1.
    fn probabilities(&self, rows: &[&[f32]]) -> Result<Vec<Vec<f64>>, ClassifierError>;
    /// All that judging takes, as JSON; the same text with any number of threads.
    fn written(&self) -> Result<String, ClassifierError>;
    /// What fitting found, by name: convergence, chosen settings.
    fn facts(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// Why a classifier cannot be fitted or used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ClassifierError {
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// Checked parameters do not have the declared types.
    #[error("parameters do not have the declared types (a bug)")]
    Parameters,
    /// Nothing to choose with.
    #[error(
        "`{key}` has {candidates} values to choose from, but the validation split has no labelled rows; give one value"
    )]
    NothingToChooseWith {
        /// The key.
        key: &'static str,
        /// Number of values.
        candidates: usize,
    },
    /// Nothing to stop by.
    #[error("`{key}` needs labelled rows in the validation split; there are none")]
    NoValidation {
        /// The key.
        key: &'static str,
    },
    /// A network that cannot be trained or used.
    #[error("{0}")]
    Network(String),
    /// Nothing to choose from.
    #[error("`{key}` is empty; give one value, or several to choose from on the validation split")]
    NoCandidates {
        /// The key.
        key: &'static str,
    },
    /// More neighbours than rows.
    #[error("{k} neighbours are asked for, but there are only {rows} training rows; lower `k`")]
    TooManyNeighbours {
        /// Asked for.
        k: usize,
        /// There are.
        rows: usize,
    },
    /// A fitted classifier that was kept and does not make sense.
    #[error("the fitted classifier cannot be read: {what}")]
    Unreadable {
        /// What is wrong with it.
        what: String,
    },
    /// The objective is not a number.
    #[error("the loss is not a number after {iterations} iterations; are some features huge?")]
    NotANumber {
        /// Steps done.
        iterations: usize,
    },
}

fn read<K: Keys>(params: &Params) -> Result<K, ClassifierError> {
    K::read(params).ok_or(ClassifierError::Parameters)
}

fn log_sum_exp(scores: &[f64]) -> f64 {
    let highest = scores.iter().fold(f64::NEG_INFINITY, |highest, s| highest.max(*s));
    highest + scores.iter().map(|s| (s - highest).exp()).sum::<f64>().ln()
}

/// Probabilities of scores.
fn softmax(scores: &[f64]) -> Vec<f64> {
    let norm = log_sum_exp(scores);
    scores.iter().map(|s| (s - norm).exp()).collect()
}

#[cfg(test)]
mod tests;
