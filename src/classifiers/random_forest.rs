//! Random forest: trees of the crate smartcore, grown in parallel, whose votes are the probabilities. smartcore's forest
//! gives no probabilities, so each tree is grown as a forest of one with its own seed.

use rand::seq::index::sample;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use smartcore::ensemble::random_forest_classifier::{RandomForestClassifier, RandomForestClassifierParameters};
use smartcore::error::Failed;
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::{Classifier, ClassifierError, Fitted, Task, read};
use crate::keys;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;

type Tree = RandomForestClassifier<f32, u32, DenseMatrix<f32>, Vec<u32>>;

keys! {
    /// Keys of [`RandomForest`].
    pub struct ForestKeys {
        /// Number of trees.
        trees: usize = 100, range(1, 100_000);
        /// Most levels of a tree; left out: until its leaves are pure.
        depth: Option<usize> = None, range(1, 60_000);
        /// Fewest training rows in a leaf.
        leaf: usize = 1, at_least(1);
        /// Features tried at each split; left out: the square root of their number.
        tries: Option<usize> = None, at_least(1);
        /// Grow each tree on as many rows of every class as the rarest class has, drawn anew for each tree.
        balanced: bool = false;
    }
}

/// Share of the trees that vote for each class.
#[derive(Clone, Copy, Debug)]
pub struct RandomForest;

impl Classifier for RandomForest {
    fn name(&self) -> &'static str {
        "random_forest"
    }
    fn summary(&self) -> &'static str {
        "Random forest; the probability of a class is the share of trees that vote for it."
    }
    fn source(&self) -> &'static str {
        "Breiman 2001, Machine Learning 45, 5; trees of the crate smartcore; balanced: Chen, Liaw & Breiman 2004"
    }
    fn keys(&self) -> Vec<Key> {
        ForestKeys::keys()
    }
    fn is_random(&self) -> bool {
        true
    }
    fn fit(&self, params: &Params, task: &Task) -> Result<Box<dyn Fitted>, ClassifierError> {
        let keys: ForestKeys = read(params)?;
        let all = if keys.balanced {
            None
        } else {
            Some((table(&task.training.rows)?, labels(task, 0..task.training.labels.len())))
        };
        let grow = |number| {
            task.keep_going()?;
            let mut random = ChaCha8Rng::seed_from_u64(task.seed);
            random.set_stream(number as u64);
            let parameters = parameters(&keys, task.training.columns(), random.next_u64());
            match &all {
                Some((rows, labels)) => Ok(Tree::fit(rows, labels, parameters)?),
                None => grow_balanced(task, &mut random, parameters),
            }
        };
        let trees: Result<Vec<Tree>, ClassifierError> = (0..keys.trees).into_par_iter().map(grow).collect();
        Ok(Box::new(Forest { trees: trees?, classes: task.classes }))
    }
}

/// Settings of a forest of one tree.
fn parameters(keys: &ForestKeys, columns: usize, seed: u64) -> RandomForestClassifierParameters {
    let tries = keys.tries.unwrap_or(columns.isqrt()).clamp(1, columns);
    let parameters = RandomForestClassifierParameters::default()
        .with_n_trees(1)
        .with_m(tries)
        .with_min_samples_leaf(keys.leaf)
        .with_seed(seed);
    match keys.depth {
        Some(depth) => parameters.with_max_depth(depth as u16),
        None => parameters,
    }
}

/// A tree on equally many rows of every class. smartcore then draws its bootstrap within each class.
fn grow_balanced(
    task: &Task,
    random: &mut ChaCha8Rng,
    parameters: RandomForestClassifierParameters,
) -> Result<Tree, ClassifierError> {
    let rarest = task.training.counts(task.classes).into_iter().min().unwrap_or(0);
    let mut chosen = Vec::with_capacity(rarest * task.classes);
    for class in 0..task.classes {
        let of_class: Vec<usize> =
            task.training.labels.iter().enumerate().filter(|(_, label)| **label == class).map(|(row, _)| row).collect();
        chosen.extend(sample(random, of_class.len(), rarest).into_iter().map(|i| of_class[i]));
    }
    let rows: Vec<&[f32]> = chosen.iter().map(|row| task.training.rows[*row]).collect();
    Ok(Tree::fit(&table(&rows)?, &labels(task, chosen), parameters)?)
}

/// Columns one after the other: growing a tree walks along columns.
fn table(rows: &[&[f32]]) -> Result<DenseMatrix<f32>, Failed> {
    let columns = rows.first().map_or(0, |row| row.len());
    let values = (0..columns).flat_map(|column| rows.iter().map(move |row| row[column])).collect();
    DenseMatrix::new(rows.len(), columns, values, true)
}

fn labels(task: &Task, rows: impl IntoIterator<Item = usize>) -> Vec<u32> {
    rows.into_iter().map(|row| task.training.labels[row] as u32).collect()
}

impl From<Failed> for ClassifierError {
    fn from(error: Failed) -> Self {
        Self::Forest(error.to_string())
    }
}

struct Forest {
    trees: Vec<Tree>,
    classes: usize,
}

impl Fitted for Forest {
    fn probabilities(&self, rows: &[&[f32]]) -> Result<Vec<Vec<f64>>, ClassifierError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut votes = vec![vec![0_usize; self.classes]; rows.len()];
        let rows = table(rows)?;
        let ballots: Result<Vec<Vec<u32>>, Failed> = self.trees.par_iter().map(|tree| tree.predict(&rows)).collect();
        for ballot in ballots? {
            votes.iter_mut().zip(ballot).for_each(|(votes, class)| votes[class as usize] += 1);
        }
        let share = |votes: Vec<usize>| votes.into_iter().map(|v| v as f64 / self.trees.len() as f64).collect();
        Ok(votes.into_iter().map(share).collect())
    }
}
