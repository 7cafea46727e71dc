//! k nearest neighbours, found exactly: by angle with weights as DINO has them, or by distance with equal votes.

use std::cmp::Ordering;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::choice::choose;
use super::scale::Scale;
use super::written::{self, Shape, ensure, ensure_classes};
use super::{Classifier, ClassifierError, Fitted, Task, read};
use crate::spec::keys::{Key, KeyType, Keys};
use crate::spec::value::{Params, Value};
use crate::{choice, keys};

/// Rows that are judged at a time.
const CHUNK: usize = 64;

choice! {
    /// What makes a neighbour near.
    pub enum Nearness {
        /// Largest cosine of the angle; votes weigh `exp(cosine / temperature)`.
        Cosine = "cosine",
        /// Smallest Euclidean distance; votes are equal.
        Euclidean = "euclidean",
    }
}

keys! {
    /// Keys of [`NearestNeighbours`].
    pub struct NearestKeys {
        /// Number of neighbours; of several the one with the lowest log loss on the validation split.
        k: Vec<usize> = vec![20], range(1, 100_000);
        /// "cosine": nearest in angle, votes weigh exp(cosine / temperature); "euclidean": nearest in distance, equal votes.
        nearness: Nearness = Nearness::Cosine;
        /// Temperature of the weights by angle.
        temperature: f64 = 0.07, range(1e-3, 1e3);
        /// Standardise the features with the mean and deviation of the training rows, so that none counts more for its unit.
        standardise: bool = true;
    }
}

/// Votes of the nearest training rows.
#[derive(Clone, Copy, Debug)]
pub struct NearestNeighbours;

impl Classifier for NearestNeighbours {
    fn name(&self) -> &'static str {
        "knn"
    }
    fn summary(&self) -> &'static str {
        "Votes of the k nearest training rows, by angle or by distance."
    }
    fn source(&self) -> &'static str {
        "by angle: DINO eval_knn.py, Wu et al. 2018 (arXiv:1805.01978); by distance: scikit-learn KNeighborsClassifier"
    }
    fn keys(&self) -> Vec<Key> {
        NearestKeys::keys()
    }
    fn fit(&self, params: &Params, task: &Task) -> Result<Box<dyn Fitted>, ClassifierError> {
        let keys: NearestKeys = read(params)?;
        Ok(Box::new(choose("k", &keys.k, task, |k| Neighbours::fit(&keys, k, task))?))
    }
    fn read(&self, text: &str, shape: Shape) -> Result<Box<dyn Fitted>, ClassifierError> {
        Ok(Box::new(Neighbours::read(written::parse(text)?, shape)?))
    }
}

/// The training rows as they are kept.
#[derive(Serialize, Deserialize)]
struct Written {
    scale: Scale,
    /// `[row, feature]`, one after the other.
    points: Vec<f64>,
    labels: Vec<usize>,
    classes: usize,
    nearness: String,
    temperature: f64,
    k: usize,
}

/// The training rows.
struct Neighbours {
    scale: Scale,
    /// `[feature, row]`, of length 1 for the angle.
    points: Mat<f64>,
    /// Half the squared length of each.
    half_squares: Vec<f64>,
    labels: Vec<usize>,
    classes: usize,
    nearness: Nearness,
    temperature: f64,
    k: usize,
}

impl Neighbours {
    fn fit(keys: &NearestKeys, k: usize, task: &Task) -> Result<Self, ClassifierError> {
        task.keep_going()?;
        let training = &task.training;
        if k > training.rows.len() {
            return Err(ClassifierError::TooManyNeighbours { k, rows: training.rows.len() });
        }
        let scale = if keys.standardise { Scale::fit(&training.rows) } else { Scale::identity(training.columns()) };
        let points = points(&scale, keys.nearness, &training.rows);
        Ok(Self {
            scale,
            half_squares: half_squares(&points),
            points,
            labels: training.labels.clone(),
            classes: task.classes,
            nearness: keys.nearness,
            temperature: keys.temperature,
            k,
        })
    }

    fn read(kept: Written, shape: Shape) -> Result<Self, ClassifierError> {
        let Written { scale, points, labels, classes, nearness, temperature, k } = kept;
        ensure_classes(classes, shape)?;
        scale.check(shape.features)?;
        let rows = labels.len();
        ensure(rows.checked_mul(shape.features) == Some(points.len()), || {
            format!("{} numbers are no {rows} rows of {} features", points.len(), shape.features)
        })?;
        ensure(labels.iter().all(|label| *label < classes), || format!("a label is not below {classes}"))?;
        ensure((1..=rows).contains(&k), || format!("it asks for {k} neighbours among {rows} rows"))?;
        ensure(temperature > 0.0, || format!("its temperature is {temperature}"))?;
        let word = Value::Text(nearness.clone());
        let unknown = || ClassifierError::Unreadable { what: format!("`{nearness}` is no nearness") };
        let nearness = Nearness::read(&word).ok_or_else(unknown)?;
        let points = MatRef::from_column_major_slice(&points, shape.features, rows).to_owned();
        Ok(Self { scale, half_squares: half_squares(&points), points, labels, classes, nearness, temperature, k })
    }

    /// Votes of the neighbours of a row, given its products with all training rows.
    fn vote(&self, products: impl Iterator<Item = f64>) -> Vec<f64> {
        // The squared distance is |q|^2 - 2 (product - |p|^2 / 2): the bracket orders distances, nearest largest.
        let near = |(product, half): (f64, &f64)| match self.nearness {
            Nearness::Cosine => product,
            Nearness::Euclidean => product - half,
        };
        let mut found: Vec<(f64, usize)> =
            products.zip(&self.half_squares).map(near).enumerate().map(|(row, near)| (near, row)).collect();
        found.select_nth_unstable_by(self.k - 1, nearest_first);
        found.truncate(self.k);
        found.sort_unstable_by(nearest_first);
        let weight = |near: f64| match self.nearness {
            Nearness::Cosine => ((near - found[0].0) / self.temperature).exp(),
            Nearness::Euclidean => 1.0,
        };
        let mut votes = vec![0.0; self.classes];
        for (near, row) in &found {
            votes[self.labels[*row]] += weight(*near);
        }
        let all: f64 = votes.iter().sum();
        votes.into_iter().map(|votes| votes / all).collect()
    }
}

impl Fitted for Neighbours {
    fn probabilities(&self, rows: &[&[f32]]) -> Result<Vec<Vec<f64>>, ClassifierError> {
        let chunk = |rows: &[&[f32]]| -> Vec<Vec<f64>> {
            let queries = points(&self.scale, self.nearness, rows);
            let mut products = Mat::zeros(self.points.ncols(), rows.len());
            matmul(&mut products, Accum::Replace, self.points.transpose(), &queries, 1.0, Par::Seq);
            products.col_iter().map(|products| self.vote(products.iter().copied())).collect()
        };
        Ok(rows.par_chunks(CHUNK).flat_map_iter(chunk).collect())
    }

    fn written(&self) -> Result<String, ClassifierError> {
        written::write(&Written {
            scale: self.scale.clone(),
            points: self.points.col_iter().flat_map(|point| point.iter().copied().collect::<Vec<f64>>()).collect(),
            labels: self.labels.clone(),
            classes: self.classes,
            nearness: self.nearness.word().into(),
            temperature: self.temperature,
            k: self.k,
        })
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        vec![("k", self.k as f64)]
    }
}

/// Largest first; of equals the earlier training row.
fn nearest_first(a: &(f64, usize), b: &(f64, usize)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

fn half_squares(points: &Mat<f64>) -> Vec<f64> {
    points.col_iter().map(|point| 0.5 * point.iter().map(|x| x * x).sum::<f64>()).collect()
}

/// `[feature, row]`.
fn points(scale: &Scale, nearness: Nearness, rows: &[&[f32]]) -> Mat<f64> {
    let columns = rows.first().map_or(0, |row| row.len());
    let mut points: Vec<f64> = Vec::with_capacity(rows.len() * columns);
    for row in rows {
        let point: Vec<f64> = scale.apply(row).collect();
        let length = point.iter().map(|x| x * x).sum::<f64>().sqrt();
        let unit = if nearness == Nearness::Cosine && length > 0.0 { length } else { 1.0 };
        points.extend(point.into_iter().map(|x| x / unit));
    }
    MatRef::from_column_major_slice(&points, columns, rows.len()).to_owned()
}
