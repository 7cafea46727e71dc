//! Random forest, one class against the rest, on regression trees of the crate biosphere: the mean of 0 and 1 in a leaf is
//! a probability, and the split that lowers their variance most is the one that lowers Gini's impurity most.

use biosphere::{DecisionTree, DecisionTreeParameters, MaxFeatures};
use ndarray::{Array1, Array2, ShapeBuilder};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{Classifier, ClassifierError, Fitted, Labelled, Task, read};
use crate::keys;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;

/// Most levels of a tree, whatever the keys say: biosphere grows them by recursion.
const DEEPEST: usize = 500;

keys! {
    /// Keys of [`RandomForest`].
    pub struct ForestKeys {
        /// Number of trees for each class.
        trees: usize = 100, range(1, 100_000);
        /// Most levels of a tree; left out: until its leaves are pure.
        depth: Option<usize> = None, range(1, 500);
        /// Fewest training rows that are split further.
        split: usize = 2, at_least(2);
        /// Features tried at each split; left out: the square root of their number.
        tries: Option<usize> = None, at_least(1);
        /// Draw as many rows of every class for a tree as the rarest class has; otherwise as many as there are, of all.
        balanced: bool = false;
    }
}

/// Mean over trees, one set for each class, scaled to sum to 1.
#[derive(Clone, Copy, Debug)]
pub struct RandomForest;

impl Classifier for RandomForest {
    fn name(&self) -> &'static str {
        "random_forest"
    }
    fn summary(&self) -> &'static str {
        "Random forest of probability trees, one set of trees for each class against the rest."
    }
    fn source(&self) -> &'static str {
        "Breiman 2001, Machine Learning 45, 5; trees of the crate biosphere; balanced: Chen, Liaw & Breiman 2004"
    }
    fn keys(&self) -> Vec<Key> {
        ForestKeys::keys()
    }
    fn is_random(&self) -> bool {
        true
    }
    fn fit(&self, params: &Params, task: &Task) -> Result<Box<dyn Fitted>, ClassifierError> {
        let keys: ForestKeys = read(params)?;
        let rows = table(&task.training.rows);
        let orders: Vec<Vec<usize>> = (0..rows.ncols()).into_par_iter().map(|c| order(&rows, c)).collect();
        let targets: Vec<Array1<f64>> = (0..task.classes).map(|class| target(&task.training, class)).collect();
        let grow = |number: usize| {
            task.keep_going()?;
            let mut random = ChaCha8Rng::seed_from_u64(task.seed);
            random.set_stream(number as u64);
            let counts = draw(&task.training, task.classes, keys.balanced, &mut random);
            let drawn: Vec<Vec<usize>> = orders.iter().map(|order| repeat(order, &counts)).collect();
            let parameters = parameters(&keys, rows.ncols(), random.next_u64());
            Ok(targets.iter().map(|target| tree(&rows, target, drawn.clone(), &parameters)).collect())
        };
        let trees: Result<Vec<Vec<DecisionTree>>, ClassifierError> =
            (0..keys.trees).into_par_iter().map(grow).collect();
        Ok(Box::new(Forest { trees: trees?, classes: task.classes }))
    }
}

/// `[tree][class]`.
struct Forest {
    trees: Vec<Vec<DecisionTree>>,
    classes: usize,
}

impl Fitted for Forest {
    fn probabilities(&self, rows: &[&[f32]]) -> Result<Vec<Vec<f64>>, ClassifierError> {
        let rows = table(rows);
        let judge = |row: usize| {
            let row = rows.row(row);
            let sum = |class: usize| self.trees.iter().map(|trees| trees[class].predict_row(&row)).sum::<f64>();
            normalised((0..self.classes).map(sum).collect())
        };
        Ok((0..rows.nrows()).into_par_iter().map(judge).collect())
    }
}

/// Scaled to sum to 1; equal when no tree of any class says yes.
fn normalised(scores: Vec<f64>) -> Vec<f64> {
    let (all, classes) = (scores.iter().sum::<f64>(), scores.len() as f64);
    scores.into_iter().map(|score| if all > 0.0 { score / all } else { 1.0 / classes }).collect()
}

fn parameters(keys: &ForestKeys, columns: usize, seed: u64) -> DecisionTreeParameters {
    DecisionTreeParameters::default()
        .with_max_depth(Some(keys.depth.unwrap_or(DEEPEST)))
        .with_max_features(MaxFeatures::Value(keys.tries.unwrap_or(columns.isqrt()).clamp(1, columns)))
        // biosphere leaves nodes alone that have at most this many rows.
        .with_min_samples_split(keys.split - 1)
        .with_random_state(seed)
}

/// How often each row is drawn, with replacement.
fn draw(training: &Labelled, classes: usize, balanced: bool, random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut counts = vec![0; training.rows.len()];
    if !balanced {
        (0..counts.len()).for_each(|_| counts[random.random_range(0..training.rows.len())] += 1);
        return counts;
    }
    let rarest = training.counts(classes).into_iter().min().unwrap_or(0);
    for class in 0..classes {
        let rows: Vec<usize> = (0..counts.len()).filter(|row| training.labels[*row] == class).collect();
        (0..rarest).for_each(|_| counts[rows[random.random_range(0..rows.len())]] += 1);
    }
    counts
}

fn tree(
    rows: &Array2<f64>,
    target: &Array1<f64>,
    mut drawn: Vec<Vec<usize>>,
    parameters: &DecisionTreeParameters,
) -> DecisionTree {
    let mut tree = DecisionTree::new(parameters.clone());
    tree.fit_with_sorted_samples(&rows.view(), &target.view(), drawn.iter_mut().map(Vec::as_mut_slice).collect());
    tree
}

/// `[row, feature]`, features one after the other in memory: growing a tree walks along features.
fn table(rows: &[&[f32]]) -> Array2<f64> {
    let columns = rows.first().map_or(0, |row| row.len());
    Array2::from_shape_fn((rows.len(), columns).f(), |(row, column)| f64::from(rows[row][column]))
}

/// Rows by rising value of a feature.
fn order(rows: &Array2<f64>, column: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.nrows()).collect();
    order.sort_by(|a, b| rows[(*a, column)].total_cmp(&rows[(*b, column)]));
    order
}

/// Each row of `order` as often as it is drawn.
fn repeat(order: &[usize], counts: &[usize]) -> Vec<usize> {
    order.iter().flat_map(|row| std::iter::repeat_n(*row, counts[*row])).collect()
}

/// 1 for rows of the class, else 0.
fn target(training: &Labelled, class: usize) -> Array1<f64> {
    training.labels.iter().map(|label| if *label == class { 1.0 } else { 0.0 }).collect()
}
