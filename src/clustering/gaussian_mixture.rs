//! A mixture of Gaussians with diagonal or full covariances, fitted by expectation and maximisation (Dempster et al. 1977;
//! Bishop 2006, section 9.2.2) from k-means++ seeds, the best of several starts. In log space, with a floor added to each
//! variance, as scikit-learn does.

use rayon::prelude::*;

use super::covariance::{Covariance, Diagonal, Full};
use super::seeds::seeds;
use super::{Clusterer, ClusteringError, Clusters, Task, largest, nearest};
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use crate::{choice, keys};

/// Rows whose sums are made together; fixed, so that threads change no bit.
const CHUNK: usize = 512;

choice! {
    /// How components spread.
    pub enum Spread {
        /// A variance for each column.
        Diagonal = "diagonal",
        /// A whole matrix.
        Full = "full",
    }
}

keys! {
    /// Keys of [`MixtureMethod`].
    pub struct MixtureKeys {
        /// "diagonal": a variance for each feature; "full": a whole covariance matrix, which needs many more rows than features.
        covariance: Spread = Spread::Diagonal;
        /// What is added to each variance, so that no component shrinks to a point.
        floor: f64 = 1e-6, range(1e-12, 1e12);
        /// Most steps of each start.
        steps: usize = 200, range(1, 1_000_000);
        /// Gain of mean log-likelihood per row below which it ends.
        tolerance: f64 = 1e-3, range(0, 1e6);
    }
}

/// The method `gaussian_mixture`.
#[derive(Clone, Copy, Debug)]
pub struct MixtureMethod;

impl Clusterer for MixtureMethod {
    fn name(&self) -> &'static str {
        "gaussian_mixture"
    }
    fn summary(&self) -> &'static str {
        "Mixture of Gaussians, fitted by expectation and maximisation; each row belongs to every cluster with a probability."
    }
    fn source(&self) -> &'static str {
        "Dempster et al. 1977; Bishop 2006, section 9.2.2; as scikit-learn GaussianMixture"
    }
    fn keys(&self) -> Vec<Key> {
        MixtureKeys::keys()
    }
    fn fit(&self, params: &Params, task: &Task) -> Result<Box<dyn Clusters>, ClusteringError> {
        let MixtureKeys { covariance, floor, steps, tolerance } =
            MixtureKeys::read(params).ok_or(ClusteringError::Parameters)?;
        let fit = Fit { floor, steps, tolerance };
        Ok(match covariance {
            Spread::Diagonal => Box::new(Found::<Diagonal>::new(task, &fit)?),
            Spread::Full => Box::new(Found::<Full>::new(task, &fit)?),
        })
    }
}

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// What is added to each variance.
    pub floor: f64,
    /// Steps of each start at most.
    pub steps: usize,
    /// Gain of mean log-likelihood per row below which it ends.
    pub tolerance: f64,
}

/// A mixture.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture<C = Diagonal> {
    /// Share of each component.
    pub shares: Vec<f64>,
    /// `[component][column]`.
    pub means: Vec<Vec<f64>>,
    /// Of each component; the variances `[component][column]` of a diagonal mixture.
    pub covariances: Vec<C>,
}

/// Sums over rows of one component: responsibility, and that times the values and their products around a fixed point.
#[derive(Clone)]
struct Sums {
    weight: f64,
    values: Vec<f64>,
    products: Vec<f64>,
}

impl<C: Covariance> GaussianMixture<C> {
    /// Fits the rows of `task`, which must be of one length; the start that ends with the largest likelihood is kept.
    pub fn fit(task: &Task, fit: &Fit) -> Result<Self, ClusteringError> {
        let start = |seeds: &[usize]| Self::around(task.rows, seeds, fit.floor).improved(task.rows, fit);
        Ok(task.best(|random| start(&seeds(task.rows, task.clusters, random)))?.0)
    }

    /// The mixture of rows that each belong to the nearest seed.
    fn around(rows: &[Vec<f64>], seeds: &[usize], floor: f64) -> Self {
        let centres: Vec<Vec<f64>> = seeds.iter().map(|row| rows[*row].clone()).collect();
        let one_hot = |row: &Vec<f64>| {
            let mut gamma = vec![0.0; centres.len()];
            gamma[nearest(row, &centres).0] = 1.0;
            (gamma, 0.0)
        };
        Self::maximised(rows, seeds.len(), floor, one_hot).0
    }

    /// After steps of expectation and maximisation, with the mean log-likelihood before the last.
    pub fn improved(mut self, rows: &[Vec<f64>], fit: &Fit) -> (Self, f64) {
        let mut before = f64::NEG_INFINITY;
        for _ in 0..fit.steps {
            let (next, likelihood) = Self::maximised(rows, self.shares.len(), fit.floor, |row| self.expected(row));
            self = next;
            if (likelihood - before).abs() < fit.tolerance {
                return (self, likelihood);
            }
            before = likelihood;
        }
        (self, before)
    }

    /// The mixture of rows that belong to components as `expected` says, and the mean of the logarithms that it gives.
    fn maximised(
        rows: &[Vec<f64>],
        clusters: usize,
        floor: f64,
        expected: impl Fn(&Vec<f64>) -> (Vec<f64>, f64) + Sync,
    ) -> (Self, f64) {
        let columns = rows[0].len();
        let origin = mean(rows, columns);
        let empty = Sums { weight: 0.0, values: vec![0.0; columns], products: vec![0.0; C::sums(columns)] };
        let sum = |chunk: &[Vec<f64>]| {
            let (mut sums, mut total) = (vec![empty.clone(); clusters], 0.0);
            for row in chunk {
                let (gamma, likelihood) = expected(row);
                total += likelihood;
                let apart: Vec<f64> = row.iter().zip(&origin).map(|(x, origin)| x - origin).collect();
                sums.iter_mut().zip(gamma).for_each(|(sums, gamma)| sums.add::<C>(&apart, gamma));
            }
            (sums, total)
        };
        let parts: Vec<(Vec<Sums>, f64)> = rows.par_chunks(CHUNK).map(sum).collect();
        let (mut sums, mut total) = (vec![empty.clone(); clusters], 0.0);
        for (part, likelihood) in parts {
            total += likelihood;
            sums.iter_mut().zip(part).for_each(|(sums, part)| sums.join(&part));
        }
        let shares = sums.iter().map(|sums| sums.weight / rows.len() as f64).collect();
        let (means, covariances) = sums.iter().map(|sums| sums.moments(&origin, floor)).unzip();
        (Self { shares, means, covariances }, total / rows.len() as f64)
    }

    /// Responsibility of each component for a row, and the row's log-likelihood.
    pub fn expected(&self, row: &[f64]) -> (Vec<f64>, f64) {
        let score = |c: usize| self.shares[c].ln() + self.covariances[c].log_density(row, &self.means[c]);
        let scores: Vec<f64> = (0..self.shares.len()).map(score).collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
        let all = largest + sum.ln();
        (scores.iter().map(|score| (score - all).exp()).collect(), all)
    }

    /// The component of largest responsibility, the first of equals.
    pub fn cluster(&self, row: &[f64]) -> usize {
        largest(&self.expected(row).0)
    }

    /// Mean log-likelihood per row.
    pub fn likelihood(&self, rows: &[Vec<f64>]) -> f64 {
        let each: Vec<f64> = rows.par_iter().map(|row| self.expected(row).1).collect();
        each.iter().sum::<f64>() / rows.len() as f64
    }
}

/// A mixture with its log-likelihood per row.
struct Found<C>(GaussianMixture<C>, f64);

impl<C: Covariance> Found<C> {
    fn new(task: &Task, fit: &Fit) -> Result<Self, ClusteringError> {
        let mixture = GaussianMixture::<C>::fit(task, fit)?;
        let likelihood = mixture.likelihood(task.rows);
        Ok(Self(mixture, likelihood))
    }
}

impl<C: Covariance> Clusters for Found<C> {
    fn memberships(&self, row: &[f64]) -> Vec<f64> {
        self.0.expected(row).0
    }
    fn facts(&self) -> Vec<(&'static str, f64)> {
        vec![("log_likelihood", self.1)]
    }
}

impl Sums {
    fn add<C: Covariance>(&mut self, apart: &[f64], gamma: f64) {
        self.weight += gamma;
        self.values.iter_mut().zip(apart).for_each(|(sum, x)| *sum += gamma * x);
        C::add(&mut self.products, apart, gamma);
    }

    fn join(&mut self, other: &Self) {
        self.weight += other.weight;
        self.values.iter_mut().zip(&other.values).for_each(|(own, other)| *own += other);
        self.products.iter_mut().zip(&other.products).for_each(|(own, other)| *own += other);
    }

    /// Mean and spread; a component without rows keeps the origin.
    fn moments<C: Covariance>(&self, origin: &[f64], floor: f64) -> (Vec<f64>, C) {
        let weight = self.weight + 10.0 * f64::EPSILON;
        let shifts: Vec<f64> = self.values.iter().map(|value| value / weight).collect();
        let covariance = C::new(&self.products, weight, &shifts, floor);
        (shifts.iter().zip(origin).map(|(shift, origin)| shift + origin).collect(), covariance)
    }
}

fn mean(rows: &[Vec<f64>], columns: usize) -> Vec<f64> {
    let sum = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>();
    (0..columns).map(|column| sum(column) / rows.len() as f64).collect()
}
