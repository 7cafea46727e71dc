//! Multinomial logistic regression with an L2 penalty: the linear probe of a representation.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::choice::choose;
use super::lbfgs::{Minimum, Stop, minimise};
use super::scale::Scale;
use super::written::{self, Shape, ensure, ensure_classes};
use super::{Classifier, ClassifierError, Fitted, Task, log_sum_exp, read, softmax};
use crate::keys;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;

/// Rows that one thread works on at a time; sums over these chunks are made in order.
const CHUNK: usize = 256;

keys! {
    /// Keys of [`Logistic`].
    pub struct LogisticKeys {
        /// L2 penalty on the weights, not on the intercepts (1 / C of scikit-learn); of several the one with the lowest log loss on the validation split.
        l2: Vec<f64> = vec![1.0], at_least(0);
        /// Whether every class weighs the same in the loss, however many rows it has.
        balanced: bool = false;
        /// Standardise the features with the mean and deviation of the training rows.
        standardise: bool = true;
        /// Largest component of the gradient of the mean loss at which it has converged.
        tolerance: f64 = 1e-6, range(1e-12, 1);
        /// Most iterations.
        max_iterations: usize = 1000, range(1, 1_000_000);
    }
}

/// Minimises `\frac{1}{\sum_i w_i} (\sum_i w_i (-\ln p_{i y_i}) + \frac{\lambda}{2} \lVert W \rVert^2)` with
/// `p_i = \mathrm{softmax}(W x_i + b)`, by L-BFGS in f64.
#[derive(Clone, Copy, Debug)]
pub struct Logistic;

impl Classifier for Logistic {
    fn name(&self) -> &'static str {
        "logistic"
    }
    fn summary(&self) -> &'static str {
        "Multinomial logistic regression with an L2 penalty (a linear probe)."
    }
    fn source(&self) -> &'static str {
        "scikit-learn LogisticRegression; L-BFGS: Nocedal & Wright 2006, algorithm 7.5"
    }
    fn keys(&self) -> Vec<Key> {
        LogisticKeys::keys()
    }
    fn fit(&self, params: &Params, task: &Task) -> Result<Box<dyn Fitted>, ClassifierError> {
        let keys: LogisticKeys = read(params)?;
        Ok(Box::new(choose("l2", &keys.l2, task, |l2| Linear::fit(&keys, l2, task))?))
    }
    fn read(&self, text: &str, shape: Shape) -> Result<Box<dyn Fitted>, ClassifierError> {
        let linear: Linear = written::parse(text)?;
        ensure_classes(linear.classes, shape)?;
        linear.scale.check(shape.features)?;
        let (found, expected) = (linear.weights.len(), shape.classes * (shape.features + 1));
        ensure(found == expected, || format!("it has {found} weights and intercepts, {expected} are expected"))?;
        Ok(Box::new(linear))
    }
}

/// Weights on standardised features.
#[derive(Serialize, Deserialize)]
struct Linear {
    scale: Scale,
    /// `[class, feature]`, then the intercepts `[class]`.
    weights: Vec<f64>,
    classes: usize,
    l2: f64,
    loss: f64,
    iterations: usize,
    converged: bool,
}

impl Linear {
    fn fit(keys: &LogisticKeys, l2: f64, task: &Task) -> Result<Self, ClassifierError> {
        let (columns, classes) = (task.training.columns(), task.classes);
        let scale = if keys.standardise { Scale::fit(&task.training.rows) } else { Scale::identity(columns) };
        let objective = Objective { task, scale: &scale, weights: row_weights(task, keys.balanced), l2 };
        let stop = Stop { tolerance: keys.tolerance, iterations: keys.max_iterations };
        let start = vec![0.0; classes * (columns + 1)];
        let Minimum { point, iterations, converged } = minimise(start, stop, |x| objective.evaluate(x))?;
        if !point.value.is_finite() {
            return Err(ClassifierError::NotANumber { iterations });
        }
        Ok(Self { scale, weights: point.x, classes, l2, loss: point.value, iterations, converged })
    }
}

impl Fitted for Linear {
    fn probabilities(&self, rows: &[&[f32]]) -> Result<Vec<Vec<f64>>, ClassifierError> {
        let chunk = |rows: &[&[f32]]| -> Vec<Vec<f64>> {
            let logits = logits(standardised(&self.scale, rows).as_ref(), &self.weights, self.classes);
            (0..rows.len()).map(|row| softmax(&logits.row(row).iter().copied().collect::<Vec<f64>>())).collect()
        };
        Ok(rows.par_chunks(CHUNK).flat_map_iter(chunk).collect())
    }

    fn written(&self) -> Result<String, ClassifierError> {
        written::write(self)
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        let converged = if self.converged { 1.0 } else { 0.0 };
        vec![
            ("l2", self.l2),
            ("converged", converged),
            ("iterations", self.iterations as f64),
            ("objective", self.loss),
        ]
    }
}

/// 1 for each row, or `n / (K n_c)`: then each class weighs `n / K` together.
fn row_weights(task: &Task, balanced: bool) -> Vec<f64> {
    let labels = &task.training.labels;
    if !balanced {
        return vec![1.0; labels.len()];
    }
    let counts = task.training.counts(task.classes);
    labels.iter().map(|label| labels.len() as f64 / (task.classes * counts[*label]) as f64).collect()
}

struct Objective<'a> {
    task: &'a Task<'a>,
    scale: &'a Scale,
    weights: Vec<f64>,
    l2: f64,
}

impl Objective<'_> {
    /// Value and gradient at `x`: the weights `[class, feature]`, then the intercepts.
    fn evaluate(&self, x: &[f64]) -> Result<(f64, Vec<f64>), ClassifierError> {
        self.task.keep_going()?;
        let rows = &self.task.training.rows;
        let parts: Vec<(f64, Vec<f64>)> = (0..rows.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| self.part(x, chunk * CHUNK..((chunk + 1) * CHUNK).min(rows.len())))
            .collect();
        let penalised = x.len() - self.task.classes;
        let mut value = 0.5 * self.l2 * x[..penalised].iter().map(|w| w * w).sum::<f64>();
        let mut gradient: Vec<f64> =
            x.iter().enumerate().map(|(i, w)| if i < penalised { self.l2 * w } else { 0.0 }).collect();
        for (loss, slope) in parts {
            value += loss;
            gradient.iter_mut().zip(slope).for_each(|(sum, g)| *sum += g);
        }
        let total: f64 = self.weights.iter().sum();
        for g in &mut gradient {
            *g /= total;
        }
        Ok((value / total, gradient))
    }

    /// Weighted loss of some rows and its gradient.
    fn part(&self, x: &[f64], rows: std::ops::Range<usize>) -> (f64, Vec<f64>) {
        let (labels, weights) = (&self.task.training.labels[rows.clone()], &self.weights[rows.clone()]);
        let (columns, classes) = (self.task.training.columns(), self.task.classes);
        let features = standardised(self.scale, &self.task.training.rows[rows]);
        let mut errors = logits(features.as_ref(), x, classes);
        let mut loss = 0.0;
        let mut gradient = vec![0.0; x.len()];
        for (row, (label, weight)) in labels.iter().zip(weights).enumerate() {
            let scores: Vec<f64> = errors.row(row).iter().copied().collect();
            loss += weight * (log_sum_exp(&scores) - scores[*label]);
            for (class, p) in softmax(&scores).into_iter().enumerate() {
                let error = weight * (p - if class == *label { 1.0 } else { 0.0 });
                errors[(row, class)] = error;
                gradient[classes * columns + class] += error;
            }
        }
        let slope = MatMut::from_row_major_slice_mut(&mut gradient[..classes * columns], classes, columns);
        matmul(slope, Accum::Replace, errors.transpose(), features.as_ref(), 1.0, Par::Seq);
        (loss, gradient)
    }
}

/// `[row, feature]`.
fn standardised(scale: &Scale, rows: &[&[f32]]) -> Mat<f64> {
    let columns = rows.first().map_or(0, |row| row.len());
    let mut features = Mat::zeros(rows.len(), columns);
    for (i, row) in rows.iter().enumerate() {
        scale.apply(row).enumerate().for_each(|(j, x)| features[(i, j)] = x);
    }
    features
}

/// `[row, class]`.
fn logits(features: MatRef<f64>, weights: &[f64], classes: usize) -> Mat<f64> {
    let (slopes, intercepts) = weights.split_at(classes * features.ncols());
    let slopes = MatRef::from_row_major_slice(slopes, classes, features.ncols());
    let mut logits = Mat::from_fn(features.nrows(), classes, |_, class| intercepts[class]);
    matmul(&mut logits, Accum::Add, features, slopes.transpose(), 1.0, Par::Seq);
    logits
}
