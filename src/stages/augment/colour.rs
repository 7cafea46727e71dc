//! The colour shift of Krizhevsky et al. 2012, section 4.1: principal components of the channels over training pixels.
//! Draws nothing.

use faer::{Mat, Side};
use rayon::prelude::*;

use crate::artifacts::stamps::Stamps;
use crate::stage::StageError;

/// Rows whose sums are added up together; fixed, so that the result does not depend on the number of threads.
const CHUNK: usize = 256;

/// Principal colours: eigenvectors of the channels' covariance, each times its eigenvalue.
#[derive(Clone, Debug)]
pub struct Colours {
    components: Vec<Vec<f64>>,
    deviation: f64,
}

impl Colours {
    /// Measured on the pixels of the given rows; amplitudes are drawn with this deviation.
    ///
    /// # Errors
    /// When the covariance has no eigenvectors, which takes pixels that are not finite.
    pub fn of(stamps: &Stamps, rows: &[usize], deviation: f64) -> Result<Self, StageError> {
        let channels = stamps.facts.channels.len();
        let covariance = covariance(stamps, rows, channels);
        let matrix = Mat::from_fn(channels, channels, |i, j| covariance[i][j]);
        let eigen = matrix
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_| StageError::failed("the channels' covariance has no eigenvectors: pixels are not finite"))?;
        let component = |k: usize| (0..channels).map(|c| eigen.U()[(c, k)] * eigen.S()[k]).collect();
        Ok(Self { components: (0..channels).map(component).collect(), deviation })
    }

    /// What is added to each channel: the sum of the components times `draws`, in units of the deviation.
    pub fn shift(&self, draws: &[f64]) -> Vec<f32> {
        let sum = |c: usize| {
            self.components.iter().zip(draws).map(|(component, a)| component[c] * (a * self.deviation)).sum::<f64>()
        };
        (0..self.components.len()).map(|c| sum(c) as f32).collect()
    }
}

fn covariance(stamps: &Stamps, rows: &[usize], channels: usize) -> Vec<Vec<f64>> {
    let sums: Vec<Moments> = rows
        .par_chunks(CHUNK)
        .map(|chunk| Moments::of(chunk.iter().map(|r| stamps.images.row(*r)), channels))
        .collect();
    let total = sums.iter().fold(Moments::zero(channels), Moments::plus);
    let mean: Vec<f64> = total.first.iter().map(|sum| sum / total.pixels.max(1.0)).collect();
    let entry = |i: usize, j: usize| total.second[i * channels + j] / total.pixels.max(1.0) - mean[i] * mean[j];
    (0..channels).map(|i| (0..channels).map(|j| entry(i, j)).collect()).collect()
}

/// Sums over pixels of the channels and of their products.
struct Moments {
    pixels: f64,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Moments {
    fn zero(channels: usize) -> Self {
        Self { pixels: 0.0, first: vec![0.0; channels], second: vec![0.0; channels * channels] }
    }

    fn of<'a>(images: impl Iterator<Item = &'a [f32]>, channels: usize) -> Self {
        let mut sums = Self::zero(channels);
        for image in images {
            let area = image.len() / channels;
            sums.pixels += area as f64;
            for p in 0..area {
                for i in 0..channels {
                    let a = f64::from(image[i * area + p]);
                    sums.first[i] += a;
                    for j in 0..channels {
                        sums.second[i * channels + j] += a * f64::from(image[j * area + p]);
                    }
                }
            }
        }
        sums
    }

    fn plus(mut self, other: &Self) -> Self {
        self.pixels += other.pixels;
        self.first.iter_mut().zip(&other.first).for_each(|(a, b)| *a += b);
        self.second.iter_mut().zip(&other.second).for_each(|(a, b)| *a += b);
        self
    }
}
