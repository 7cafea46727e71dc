//! Gradient boosting of trees on binned features: each round adds a tree for each class, grown leaf by leaf where the
//! second-order gain is largest. As scikit-learn's HistGradientBoostingClassifier, in f64.

mod bins;
mod tree;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::majority::frequencies;
use super::written::{self, Shape, ensure, ensure_classes};
use super::{Classifier, ClassifierError, Fitted, Labelled, Task, read, softmax};
use crate::keys;
use crate::metrics::Judged;
use crate::metrics::log_loss::log_loss;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use bins::Binned;
use tree::{Growth, Slope, Tree};

keys! {
    /// Keys of [`GradientBoosting`].
    pub struct BoostingKeys {
        /// Rounds, each with a tree for every class (one tree when there are two classes).
        rounds: usize = 100, range(1, 100_000);
        /// Share of each tree's step that is taken.
        rate: f64 = 0.1, range(1e-6, 1);
        /// Most leaves of a tree.
        leaves: usize = 31, range(2, 100_000);
        /// Most levels of splits in a tree; left out: any.
        depth: Option<usize> = None, range(1, 10_000);
        /// Fewest training rows in a leaf.
        min_rows: usize = 20, at_least(1);
        /// L2 penalty on the values of leaves.
        l2: f64 = 0.0, at_least(0);
        /// Rounds without a lower log loss on the validation split after which it stops and goes back to the lowest; left out: all rounds, and the validation split is not looked at.
        patience: Option<usize> = None, range(1, 100_000);
    }
}

/// Trees that each lower the log loss of those before.
#[derive(Clone, Copy, Debug)]
pub struct GradientBoosting;

impl Classifier for GradientBoosting {
    fn name(&self) -> &'static str {
        "gradient_boosting"
    }
    fn summary(&self) -> &'static str {
        "Gradient boosting: trees on binned features, grown leaf by leaf, that each lower the log loss of those before."
    }
    fn source(&self) -> &'static str {
        "Friedman 2001; second-order gain: Chen & Guestrin 2016; histograms and leaves: Ke et al. 2017; as scikit-learn HistGradientBoostingClassifier"
    }
    fn keys(&self) -> Vec<Key> {
        BoostingKeys::keys()
    }
    fn fit(&self, params: &Params, task: &Task) -> Result<Box<dyn Fitted>, ClassifierError> {
        let keys: BoostingKeys = read(params)?;
        if keys.patience.is_some() && task.validation.rows.is_empty() {
            return Err(ClassifierError::NoValidation { key: "patience" });
        }
        Ok(Box::new(Boosted::fit(&keys, task)?))
    }
    fn read(&self, text: &str, shape: Shape) -> Result<Box<dyn Fitted>, ClassifierError> {
        let boosted: Boosted = written::parse(text)?;
        ensure_classes(boosted.classes, shape)?;
        ensure_classes(boosted.start.len(), shape)?;
        let trees = boosted.trees();
        ensure(boosted.rounds.iter().all(|round| round.len() == trees), || {
            format!("a round has not the {trees} trees that {} classes take", shape.classes)
        })?;
        boosted.rounds.iter().flatten().try_for_each(|tree| tree.check(shape.features))?;
        Ok(Box::new(boosted))
    }
}

/// Scores before the first round, and trees `[round][tree]`.
#[derive(Serialize, Deserialize)]
struct Boosted {
    start: Vec<f64>,
    rounds: Vec<Vec<Tree>>,
    classes: usize,
}

impl Boosted {
    fn fit(keys: &BoostingKeys, task: &Task) -> Result<Self, ClassifierError> {
        let (training, classes) = (&task.training, task.classes);
        let binned = Binned::new(&training.rows);
        let shares = frequencies(&training.counts(classes));
        let start: Vec<f64> = shares.iter().map(|share| share.max(f64::EPSILON).ln()).collect();
        let growth =
            Growth { leaves: keys.leaves, depth: keys.depth, min_rows: keys.min_rows, l2: keys.l2, rate: keys.rate };
        let mut boosted = Self { start, rounds: Vec::new(), classes };
        let mut learned = Scores::new(&boosted, training.rows.len());
        let mut held = Scores::new(&boosted, task.validation.rows.len());
        let (mut lowest, mut best) = (f64::INFINITY, 0);
        for round in 1..=keys.rounds {
            task.keep_going()?;
            let slopes = learned.slopes(&training.labels, classes);
            let trees: Vec<Tree> = slopes.par_iter().map(|slopes| Tree::grow(&binned, slopes, &growth)).collect();
            learned.add(&boosted, &trees, &training.rows);
            boosted.rounds.push(trees);
            let Some(patience) = keys.patience else { continue };
            held.add(&boosted, &boosted.rounds[round - 1], &task.validation.rows);
            let loss = held.loss(&task.validation);
            if loss < lowest {
                (lowest, best) = (loss, round);
            }
            if round - best >= patience {
                break;
            }
        }
        if keys.patience.is_some() {
            boosted.rounds.truncate(best);
        }
        Ok(boosted)
    }

    /// Trees of a round.
    fn trees(&self) -> usize {
        if self.classes == 2 { 1 } else { self.classes }
    }

    /// The class that the tree at this place is about: with two classes there is one tree, about the second.
    fn class(&self, tree: usize) -> usize {
        if self.classes == 2 { 1 } else { tree }
    }
}

impl Fitted for Boosted {
    fn probabilities(&self, rows: &[&[f32]]) -> Result<Vec<Vec<f64>>, ClassifierError> {
        let mut scores = Scores::new(self, rows.len());
        for trees in &self.rounds {
            scores.add(self, trees, rows);
        }
        Ok(scores.0.iter().map(|scores| softmax(scores)).collect())
    }

    fn written(&self) -> Result<String, ClassifierError> {
        written::write(self)
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        vec![("rounds", self.rounds.len() as f64)]
    }
}

/// Scores `[row][class]`, whose softmax are probabilities.
struct Scores(Vec<Vec<f64>>);

impl Scores {
    fn new(boosted: &Boosted, rows: usize) -> Self {
        Self(vec![boosted.start.clone(); rows])
    }

    /// Adds what the trees of one round say.
    fn add(&mut self, boosted: &Boosted, trees: &[Tree], rows: &[&[f32]]) {
        self.0.par_iter_mut().zip(rows).for_each(|(scores, row)| {
            for (place, tree) in trees.iter().enumerate() {
                scores[boosted.class(place)] += tree.value(row);
            }
        });
    }

    /// First and second derivative of each row's log loss by the score of each class that has trees, `[tree][row]`.
    fn slopes(&self, labels: &[usize], classes: usize) -> Vec<Vec<Slope>> {
        let found: Vec<Vec<f64>> = self.0.par_iter().map(|scores| softmax(scores)).collect();
        let of = |class: usize| {
            let slope = |(p, label): (&Vec<f64>, &usize)| {
                let p = p[class];
                Slope { first: p - if *label == class { 1.0 } else { 0.0 }, second: p * (1.0 - p) }
            };
            found.iter().zip(labels).map(slope).collect()
        };
        if classes == 2 { vec![of(1)] } else { (0..classes).map(of).collect() }
    }

    fn loss(&self, rows: &Labelled) -> f64 {
        let found: Vec<Vec<f64>> = self.0.iter().map(|scores| softmax(scores)).collect();
        let judged: Vec<Judged> = rows.labels.iter().zip(&found).map(|(label, p)| Judged::new(*label, p)).collect();
        log_loss(&judged).unwrap_or(f64::INFINITY)
    }
}
