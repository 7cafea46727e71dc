//! How far a vector is from normal ones. Knows no label but the classes that normal rows are of.

use crate::classifiers::scale::Scale;
use crate::clustering::Task;
use crate::clustering::covariance::{Covariance, Full};
use crate::clustering::kmeans::KMeans;
use crate::projections::pca::Pca;
use crate::stage::{Job, StageError};
use crate::{choice, keys};

use super::super::vectors::Vectors;
use super::{RECONSTRUCTION, SUM};

/// Steps of k-means, and its starts.
const STEPS: usize = 300;
const RESTARTS: usize = 10;

choice! {
    /// What means distances are taken from.
    pub(super) enum Around {
        /// One for each normal class.
        Class = "class",
        /// Centres of k-means among the normal rows.
        Cluster = "cluster",
    }
}

keys! {
    /// Keys of the score `mahalanobis`.
    pub(super) struct MahalanobisKeys {
        /// Distance from the nearest mean of a normal "class", or of a "cluster" that k-means finds among the normal rows.
        around: Around = Around::Class;
        /// Number of clusters, with `around = "cluster"`.
        clusters: usize = 5, range(1, 10_000);
        /// What is added to each variance of the standardised features, so that those which follow from others do no harm.
        ridge: f64 = 1e-6, range(1e-12, 1e6);
    }
}

keys! {
    /// Keys of the score `reconstruction`.
    pub(super) struct ReconstructionKeys {
        /// Number of principal components.
        components: usize = 16, range(1, 4096);
    }
}

/// A score that was fitted to normal rows; the higher, the odder.
pub(super) enum Score {
    Distance { scale: Scale, means: Vec<Vec<f64>>, covariance: Full },
    Error(Pca),
    Sum,
}

impl Score {
    /// Learns from the rows `learned`, all of them normal.
    pub(super) fn fit(job: &Job, score: &str, vectors: &Vectors, learned: &[usize]) -> Result<Self, StageError> {
        if score == SUM {
            return Ok(Self::Sum);
        }
        let rows = vectors.values(learned);
        if score == RECONSTRUCTION {
            let ReconstructionKeys { components } = job.keys()?;
            let pca = Pca::fit(rows.iter().copied(), components);
            return pca.map(Self::Error).map_err(|fault| StageError::failed(fault.to_string()));
        }
        let keys: MahalanobisKeys = job.keys()?;
        let scale = Scale::fit(&rows);
        let points: Vec<Vec<f64>> = rows.iter().map(|row| scale.apply(row).collect()).collect();
        let (groups, means) = match keys.around {
            Around::Class => by_class(&points, learned.iter().map(|row| vectors.labels[*row]).collect()),
            Around::Cluster => by_cluster(job, &points, keys.clusters)?,
        };
        let columns = points[0].len();
        let mut sums = vec![0.0; Full::sums(columns)];
        for (point, group) in points.iter().zip(groups) {
            let apart: Vec<f64> = point.iter().zip(&means[group]).map(|(x, mean)| x - mean).collect();
            Full::add(&mut sums, &apart, 1.0);
        }
        let covariance = Full::new(&sums, points.len() as f64, &vec![0.0; columns], keys.ridge);
        Ok(Self::Distance { scale, means, covariance })
    }

    /// The score of a vector.
    pub(super) fn of(&self, row: &[f32]) -> f64 {
        match self {
            Self::Distance { scale, means, covariance } => {
                let point: Vec<f64> = scale.apply(row).collect();
                means.iter().map(|mean| covariance.distance(&point, mean)).fold(f64::INFINITY, f64::min)
            }
            Self::Error(pca) => {
                let made = pca.reconstruct(&pca.transform(row));
                made.iter().zip(row).map(|(made, x)| f64::from(made - x).powi(2)).sum()
            }
            Self::Sum => row.iter().map(|x| f64::from(*x)).sum(),
        }
    }
}

/// The group of each point and the mean of each group, a group for each class that there is.
fn by_class(points: &[Vec<f64>], classes: Vec<Option<usize>>) -> (Vec<usize>, Vec<Vec<f64>>) {
    let mut present = classes.clone();
    present.sort_unstable();
    present.dedup();
    let groups: Vec<usize> = classes.iter().map(|class| present.partition_point(|other| other < class)).collect();
    let mean = |group: usize| {
        let own: Vec<&Vec<f64>> = points.iter().zip(&groups).filter(|(_, g)| **g == group).map(|(p, _)| p).collect();
        (0..points[0].len()).map(|column| own.iter().map(|p| p[column]).sum::<f64>() / own.len() as f64).collect()
    };
    let means = (0..present.len()).map(mean).collect();
    (groups, means)
}

fn by_cluster(job: &Job, points: &[Vec<f64>], clusters: usize) -> Result<(Vec<usize>, Vec<Vec<f64>>), StageError> {
    let task =
        Task { rows: points, clusters, restarts: RESTARTS, seed: job.seed, cancelled: &|| job.pulse.cancelled() };
    let found = KMeans::fit(&task, STEPS)?;
    Ok((points.iter().map(|point| found.cluster(point)).collect(), found.centres))
}
