//! Random forest: trees that each see rows drawn anew, and at each split a few features drawn anew; what it says is the
//! mean of the class shares in their leaves. As scikit-learn's RandomForestClassifier.

mod columns;
mod tree;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::written::{self, Shape, ensure, ensure_classes};
use super::{Classifier, ClassifierError, Fitted, Labelled, Task, read};
use crate::keys;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use columns::Columns;
use tree::{Growth, Table, Tree};

/// Rows that one tree judges before the next does: a tree is fetched into the processor's caches once for all of them.
const CHUNK: usize = 1024;

keys! {
    /// Keys of [`RandomForest`].
    pub struct ForestKeys {
        /// Number of trees.
        trees: usize = 100, range(1, 100_000);
        /// Most levels of splits in a tree; left out: until its leaves are pure.
        depth: Option<usize> = None, range(1, 500);
        /// Fewest training rows that are split further; a row that was drawn twice counts once.
        split: usize = 2, at_least(2);
        /// Features tried at each split; left out: the square root of their number.
        tries: Option<usize> = None, at_least(1);
        /// Draw as many rows of every class for a tree as the rarest class has; otherwise as many as there are, of all.
        balanced: bool = false;
    }
}

/// Mean over trees.
#[derive(Clone, Copy, Debug)]
pub struct RandomForest;

impl Classifier for RandomForest {
    fn name(&self) -> &'static str {
        "random_forest"
    }
    fn summary(&self) -> &'static str {
        "Random forest: mean of trees, each grown on rows drawn anew, with a few features drawn anew at each split."
    }
    fn source(&self) -> &'static str {
        "Breiman 2001, Machine Learning 45, 5; as scikit-learn RandomForestClassifier; balanced: Chen, Liaw & Breiman 2004"
    }
    fn keys(&self) -> Vec<Key> {
        ForestKeys::keys()
    }
    fn is_random(&self) -> bool {
        true
    }
    fn fit(&self, params: &Params, task: &Task) -> Result<Box<dyn Fitted>, ClassifierError> {
        Ok(Box::new(Forest::fit(&read(params)?, task)?))
    }
    fn read(&self, text: &str, shape: Shape) -> Result<Box<dyn Fitted>, ClassifierError> {
        let forest: Forest = written::parse(text)?;
        ensure_classes(forest.classes, shape)?;
        ensure(!forest.trees.is_empty(), || "it has no trees".into())?;
        forest.trees.iter().try_for_each(|tree| tree.check(shape))?;
        Ok(Box::new(forest))
    }
}

#[derive(Serialize, Deserialize)]
struct Forest {
    trees: Vec<Tree>,
    classes: usize,
}

impl Forest {
    fn fit(keys: &ForestKeys, task: &Task) -> Result<Self, ClassifierError> {
        let training = &task.training;
        let columns = Columns::new(&training.rows);
        let table = Table { columns: &columns, labels: &training.labels, classes: task.classes };
        let tries = keys.tries.unwrap_or(training.columns().isqrt());
        let growth = Growth { depth: keys.depth, split: keys.split, tries };
        let grow = |number: usize| {
            task.keep_going()?;
            let mut random = ChaCha8Rng::seed_from_u64(task.seed);
            random.set_stream(number as u64);
            let drawn = draw(training, task.classes, keys.balanced, &mut random);
            Ok(Tree::grow(&table, &drawn, &growth, random))
        };
        let trees: Result<Vec<Tree>, ClassifierError> = (0..keys.trees).into_par_iter().map(grow).collect();
        Ok(Self { trees: trees?, classes: task.classes })
    }
}

impl Fitted for Forest {
    fn probabilities(&self, rows: &[&[f32]]) -> Result<Vec<Vec<f64>>, ClassifierError> {
        let judge = |rows: &[&[f32]]| {
            let mut sums = vec![vec![0.0; self.classes]; rows.len()];
            for tree in &self.trees {
                rows.iter().zip(&mut sums).for_each(|(row, sums)| tree.add(row, sums));
            }
            sums.iter_mut().flatten().for_each(|sum| *sum /= self.trees.len() as f64);
            sums
        };
        Ok(rows.par_chunks(CHUNK).flat_map_iter(judge).collect())
    }

    fn written(&self) -> Result<String, ClassifierError> {
        written::write(self)
    }
}

/// How often each row is drawn, with replacement.
fn draw(training: &Labelled, classes: usize, balanced: bool, random: &mut ChaCha8Rng) -> Vec<u32> {
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

#[cfg(test)]
mod tests;
