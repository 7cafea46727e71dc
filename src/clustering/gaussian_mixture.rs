//! A mixture of Gaussians with diagonal covariances, fitted by expectation and maximisation (Dempster et al. 1977; Bishop
//! 2006, section 9.2.2) from k-means++ seeds (Arthur and Vassilvitskii 2007), the best of several starts. In log space, with
//! a floor added to each variance, as scikit-learn does.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use thiserror::Error;

/// Rows whose sums are made together; fixed, so that threads change no bit.
const CHUNK: usize = 512;

/// Why a mixture cannot be fitted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MixtureError {
    /// Too few rows.
    #[error("{clusters} clusters need at least as many rows; there are {rows}")]
    TooFew {
        /// Asked for.
        clusters: usize,
        /// Rows to fit on.
        rows: usize,
    },
    /// None asked for.
    #[error("a mixture needs at least one cluster")]
    NoClusters,
    /// A missing value.
    #[error("row {row} holds a value that is not a finite number")]
    NotFinite {
        /// Row among those given.
        row: usize,
    },
}

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Number of components.
    pub clusters: usize,
    /// What is added to each variance.
    pub floor: f64,
    /// Starts, of which the one that ends with the largest likelihood is kept.
    pub restarts: usize,
    /// Steps of each at most.
    pub steps: usize,
    /// Gain of mean log-likelihood per row below which it ends.
    pub tolerance: f64,
    /// Where the draws come from.
    pub seed: u64,
}

/// A mixture.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture {
    /// Share of each component.
    pub shares: Vec<f64>,
    /// `[component][column]`.
    pub means: Vec<Vec<f64>>,
    /// `[component][column]`.
    pub variances: Vec<Vec<f64>>,
}

/// Sums over rows of one component: responsibility, and that times the values and their squares around a fixed point.
#[derive(Clone)]
struct Sums {
    weight: f64,
    values: Vec<f64>,
    squares: Vec<f64>,
}

impl GaussianMixture {
    /// Fits `rows`, which must be of one length.
    pub fn fit(rows: &[Vec<f64>], fit: &Fit) -> Result<Self, MixtureError> {
        if fit.clusters == 0 {
            return Err(MixtureError::NoClusters);
        }
        if fit.clusters > rows.len() {
            return Err(MixtureError::TooFew { clusters: fit.clusters, rows: rows.len() });
        }
        if let Some(row) = rows.iter().position(|row| row.iter().any(|value| !value.is_finite())) {
            return Err(MixtureError::NotFinite { row });
        }
        let (mut best, mut highest) = (None, f64::NEG_INFINITY);
        for restart in 0..fit.restarts.max(1) {
            let mut random = ChaCha8Rng::seed_from_u64(fit.seed);
            random.set_stream(restart as u64);
            let start = Self::around(rows, &seeds(rows, fit.clusters, &mut random), fit.floor);
            let (mixture, likelihood) = start.improved(rows, fit);
            if best.is_none() || likelihood > highest {
                (best, highest) = (Some(mixture), likelihood);
            }
        }
        best.ok_or(MixtureError::NoClusters)
    }

    /// The mixture of rows that each belong to the nearest seed.
    fn around(rows: &[Vec<f64>], seeds: &[usize], floor: f64) -> Self {
        let centre = |row: &Vec<f64>| {
            let nearer = |a: &usize, b: &usize| apart(row, &rows[seeds[*a]]).total_cmp(&apart(row, &rows[seeds[*b]]));
            (0..seeds.len()).min_by(nearer).unwrap_or(0)
        };
        let one_hot = |row: &Vec<f64>| {
            let mut gamma = vec![0.0; seeds.len()];
            gamma[centre(row)] = 1.0;
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
        let empty = Sums { weight: 0.0, values: vec![0.0; columns], squares: vec![0.0; columns] };
        let sum = |chunk: &[Vec<f64>]| {
            let (mut sums, mut total) = (vec![empty.clone(); clusters], 0.0);
            for row in chunk {
                let (gamma, likelihood) = expected(row);
                total += likelihood;
                sums.iter_mut().zip(gamma).for_each(|(sums, gamma)| sums.add(row, &origin, gamma));
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
        let (means, variances) = sums.iter().map(|sums| sums.moments(&origin, floor)).unzip();
        (Self { shares, means, variances }, total / rows.len() as f64)
    }

    /// Responsibility of each component for a row, and the row's log-likelihood.
    pub fn expected(&self, row: &[f64]) -> (Vec<f64>, f64) {
        let scores: Vec<f64> = (0..self.shares.len()).map(|c| self.score(row, c)).collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
        let all = largest + sum.ln();
        (scores.iter().map(|score| (score - all).exp()).collect(), all)
    }

    /// `ln π_c N(x; μ_c, σ_c²)`.
    fn score(&self, row: &[f64], component: usize) -> f64 {
        let (means, variances) = (&self.means[component], &self.variances[component]);
        let term = |((x, mean), variance): ((&f64, &f64), &f64)| {
            (std::f64::consts::TAU * variance).ln() + (x - mean).powi(2) / variance
        };
        self.shares[component].ln() - 0.5 * row.iter().zip(means).zip(variances).map(term).sum::<f64>()
    }

    /// The component of largest responsibility, the first of equals.
    pub fn cluster(&self, row: &[f64]) -> usize {
        largest(&self.expected(row).0)
    }
}

/// Place of the largest value, the first of equals.
pub fn largest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}

impl Sums {
    fn add(&mut self, row: &[f64], origin: &[f64], gamma: f64) {
        self.weight += gamma;
        for (column, (x, origin)) in row.iter().zip(origin).enumerate() {
            self.values[column] += gamma * (x - origin);
            self.squares[column] += gamma * (x - origin).powi(2);
        }
    }

    fn join(&mut self, other: &Self) {
        self.weight += other.weight;
        self.values.iter_mut().zip(&other.values).for_each(|(own, other)| *own += other);
        self.squares.iter_mut().zip(&other.squares).for_each(|(own, other)| *own += other);
    }

    /// Mean and variance of each column; a component without rows keeps the origin.
    fn moments(&self, origin: &[f64], floor: f64) -> (Vec<f64>, Vec<f64>) {
        let weight = self.weight + 10.0 * f64::EPSILON;
        let shifts: Vec<f64> = self.values.iter().map(|value| value / weight).collect();
        let variance = |(square, shift): (&f64, &f64)| (square / weight - shift * shift).max(0.0) + floor;
        let variances = self.squares.iter().zip(&shifts).map(variance).collect();
        (shifts.iter().zip(origin).map(|(shift, origin)| shift + origin).collect(), variances)
    }
}

fn mean(rows: &[Vec<f64>], columns: usize) -> Vec<f64> {
    let sum = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>();
    (0..columns).map(|column| sum(column) / rows.len() as f64).collect()
}

fn apart(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Rows to start from: the first at random, each next with a chance that grows as its squared distance from those before.
fn seeds(rows: &[Vec<f64>], clusters: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut seeds = vec![random.random_range(0..rows.len())];
    let mut nearest: Vec<f64> = rows.iter().map(|row| apart(row, &rows[seeds[0]])).collect();
    while seeds.len() < clusters {
        let mut left = random.random::<f64>() * nearest.iter().sum::<f64>();
        let passed = |distance: &f64| {
            left -= distance;
            left < 0.0
        };
        let chosen = nearest.iter().position(passed);
        // all rows that are left lie on a seed: any that is none will do
        let chosen = chosen.or_else(|| (0..rows.len()).find(|row| !seeds.contains(row))).unwrap_or(0);
        seeds.push(chosen);
        nearest.iter_mut().zip(rows).for_each(|(old, row)| *old = old.min(apart(row, &rows[chosen])));
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three clouds of fixed points in two columns.
    fn clouds(rows: usize) -> Vec<Vec<f64>> {
        let wave = |i: usize, phase: f64| (1.3 * i as f64 + phase).sin() + 0.5 * (0.37 * (i * i) as f64 + phase).cos();
        let row = |i: usize| {
            let (x, y) = [(0.0, 0.0), (4.0, 1.0), (1.0, 5.0)][i % 3];
            vec![x + wave(i, 0.0), y + 0.6 * wave(i, 1.0)]
        };
        (0..rows).map(row).collect()
    }

    const FIT: Fit = Fit { clusters: 3, floor: 1e-3, restarts: 3, steps: 200, tolerance: 1e-6, seed: 5 };

    fn likelihood(mixture: &GaussianMixture, rows: &[Vec<f64>]) -> f64 {
        rows.iter().map(|row| mixture.expected(row).1).sum::<f64>() / rows.len() as f64
    }

    /// ```python
    /// import numpy as np; from sklearn.mixture import GaussianMixture
    /// i = np.arange(90); wave = lambda p: np.sin(1.3*i + p) + 0.5*np.cos(0.37*i*i + p)
    /// c = np.array([(0, 0), (4, 1), (1, 5)])[i % 3]; x = c + np.stack([wave(0.), 0.6*wave(1.)], 1)
    /// g = GaussianMixture(3, covariance_type="diag", reg_covar=1e-3, tol=0, max_iter=7, weights_init=[.5, .3, .2],
    ///     means_init=[(1, 1), (2, 2), (3, 4)], precisions_init=np.ones((3, 2))).fit(x)
    /// print(g.score(x)); print(g.weights_, g.means_, g.covariances_)
    /// ```
    const SCIKIT_LEARN: [f64; 15] = [
        0.333_260_947_800_707_3,
        0.333_405_718_865_974_25,
        0.333_333_333_333_318_44,
        0.020_793_630_089_888_913,
        -0.008_962_699_041_812_09,
        4.126_959_267_703_129,
        1.015_536_615_645_071_8,
        1.033_109_610_477_390_5,
        4.974_863_647_576_068,
        0.630_008_228_033_535_6,
        0.265_883_376_103_418_06,
        0.677_427_801_581_116_5,
        0.252_850_573_258_347_8,
        0.633_849_506_414_287_6,
        0.160_571_257_221_422_51,
    ];

    #[test]
    fn seven_steps_from_one_start_equal_scikit_learn() {
        let rows = clouds(90);
        let start = GaussianMixture {
            shares: vec![0.5, 0.3, 0.2],
            means: vec![vec![1.0, 1.0], vec![2.0, 2.0], vec![3.0, 4.0]],
            variances: vec![vec![1.0; 2]; 3],
        };
        let (found, _) = start.improved(&rows, &Fit { steps: 7, tolerance: 0.0, ..FIT });
        assert!((likelihood(&found, &rows) + 2.956_088_636_757_696_6).abs() < 1e-9, "{}", likelihood(&found, &rows));
        let values = [found.shares, found.means.concat(), found.variances.concat()].concat();
        let close = values.iter().zip(SCIKIT_LEARN).all(|(own, theirs)| (own - theirs).abs() < 1e-9);
        assert!(close, "{values:?}");
    }

    #[test]
    fn clouds_are_found_from_any_seed_with_any_threads() {
        let rows = clouds(1800);
        let found = GaussianMixture::fit(&rows, &FIT).unwrap();
        let clusters: Vec<usize> = rows.iter().map(|row| found.cluster(row)).collect();
        let same = (0..rows.len()).filter(|i| clusters[*i] == clusters[*i % 3]).count();
        assert!(same > 1750 && clusters[0] != clusters[1] && clusters[1] != clusters[2], "{same}");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(|| GaussianMixture::fit(&rows, &FIT)).unwrap(), found);
        let other = GaussianMixture::fit(&rows, &Fit { seed: 6, ..FIT }).unwrap();
        assert!((likelihood(&other, &rows) - likelihood(&found, &rows)).abs() < 1e-3);
    }

    #[test]
    fn more_steps_and_more_starts_never_lose() {
        let rows = clouds(300);
        let of = |steps, restarts| {
            // without the floor, which is no part of the likelihood
            let fit = Fit { steps, restarts, tolerance: 0.0, floor: 1e-12, ..FIT };
            likelihood(&GaussianMixture::fit(&rows, &fit).unwrap(), &rows)
        };
        let by_steps = [1, 2, 5, 20].map(|steps| of(steps, 1));
        assert!(by_steps.windows(2).all(|pair| pair[1] >= pair[0] - 1e-9), "{by_steps:?}");
        assert!(of(20, 8) >= of(20, 1) - 1e-6);
    }

    #[test]
    fn equal_rows_keep_the_floor_and_faults_are_named() {
        let rows = vec![vec![1.0, 2.0]; 4];
        let found = GaussianMixture::fit(&rows, &Fit { clusters: 2, ..FIT }).unwrap();
        assert!(found.variances.iter().flatten().all(|variance| *variance >= 1e-3), "{found:?}");
        assert!(likelihood(&found, &rows).is_finite());
        let of = |rows: &[Vec<f64>], clusters| GaussianMixture::fit(rows, &Fit { clusters, ..FIT }).unwrap_err();
        assert_eq!(of(&rows, 5), MixtureError::TooFew { clusters: 5, rows: 4 });
        assert_eq!(of(&rows, 0), MixtureError::NoClusters);
        assert_eq!(of(&[vec![0.0], vec![f64::NAN]], 1), MixtureError::NotFinite { row: 1 });
    }
}
