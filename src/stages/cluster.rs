//! `cluster`: vectors to clusters that are found without labels, and how these compare with the labels afterwards. The
//! methods are in [`crate::clustering`].

use rayon::prelude::*;

use crate::artifacts::assignments::{Assignment, Assignments};
use crate::artifacts::scores::{Metric, write_metrics};
use crate::artifacts::split::{self, TRAIN};
use crate::classifiers::scale::Scale;
use crate::clustering::{CLUSTERERS, Clusterer, ClusteringError, Clusters, Task, clusterer, largest};
use crate::keys;
use crate::metrics::clusters::{CLUSTER_METRICS, Counts};
use crate::metrics::silhouette::silhouette;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind, Variant, Variants};

use super::vectors::Vectors;

/// Key that chooses the method.
const METHOD: &str = "method";

keys! {
    /// Keys of [`Cluster`].
    pub struct ClusterKeys {
        /// Number of clusters. Purity rises with it whatever the features are, so it stands beside every purity.
        clusters: usize = 10, range(1, 10_000);
        /// Starts from random rows (k-means++), of which the one that ends best is kept: with the smallest inertia, or the largest likelihood.
        restarts: usize = 10, range(1, 10_000);
        /// Standardise the features with the mean and deviation of the training rows, so that none counts more for its unit; the silhouette is measured on what was clustered.
        standardise: bool = false;
    }
}

/// Finds clusters in the training rows and assigns all rows to them.
pub struct Cluster;

impl StageKind for Cluster {
    fn name(&self) -> &'static str {
        "cluster"
    }
    fn summary(&self) -> &'static str {
        "Finds clusters in the training rows without their labels, assigns all rows, and measures how clusters and labels agree."
    }
    fn version(&self) -> u32 {
        1
    }
    fn ports(&self) -> &'static [Port] {
        &[Port {
            name: "features",
            accepts: &[ArtifactType::Features],
            required: true,
            help: "Vectors; labels are looked at afterwards only. Augmented copies are left out.",
        }]
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Assignments
    }
    fn keys(&self) -> Vec<Key> {
        ClusterKeys::keys()
    }
    fn variants(&self) -> Option<Variants> {
        let variant =
            |c: &&dyn Clusterer| Variant { name: c.name(), summary: c.summary(), source: c.source(), keys: c.keys() };
        Some(Variants { key: METHOD, list: CLUSTERERS.iter().map(variant).collect() })
    }
    fn randomness(&self, _: &Params) -> Randomness {
        Randomness::PerReplicate
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: ClusterKeys = job.keys()?;
        let name = job.word(METHOD);
        let method = clusterer(name).ok_or_else(|| StageError::failed(format!("there is no method `{name}`")))?;
        let vectors = Vectors::open(job.input("features")?)?;
        let rows: Vec<usize> = split::ALL.iter().flat_map(|split| vectors.originals(split)).collect();
        vectors.check(&rows)?;
        let learned = vectors.originals(TRAIN).len();
        let points = points(&vectors, &rows, learned, keys.standardise);
        let note = format!("{name}: {learned} training rows of {} features", vectors.features.facts.names.len());
        job.progress(0, 0, &note)?;
        let task = Task {
            rows: &points[..learned],
            clusters: keys.clusters,
            restarts: keys.restarts,
            seed: job.seed,
            cancelled: &|| job.pulse.cancelled(),
        };
        let found = method.fit(job.params, &task)?;
        let gamma: Vec<Vec<f64>> = points.par_iter().map(|point| found.memberships(point)).collect();
        let assignments = assignments(&vectors, &rows, gamma, keys.clusters);
        assignments.write(job.out)?;
        Ok(write_metrics(job.out, &metrics(job, name, &vectors, (&rows, &points), &assignments, &*found)?)?)
    }
}

impl From<ClusteringError> for StageError {
    fn from(error: ClusteringError) -> Self {
        match error {
            ClusteringError::Interrupted => Self::Interrupted,
            ClusteringError::TooFew { .. } => {
                Self::with_hint(error.to_string(), "lower `clusters`, or give the training split more alerts")
            }
            other => Self::failed(other.to_string()),
        }
    }
}

/// The vectors of `rows`, of which so many, the first, are of the training split.
fn points(vectors: &Vectors, rows: &[usize], learned: usize, standardise: bool) -> Vec<Vec<f64>> {
    let values = vectors.values(rows);
    let columns = vectors.features.facts.names.len();
    let scale = if standardise { Scale::fit(&values[..learned]) } else { Scale::identity(columns) };
    values.into_iter().map(|row| scale.apply(row).collect()).collect()
}

fn assignments(vectors: &Vectors, rows: &[usize], gamma: Vec<Vec<f64>>, clusters: usize) -> Assignments {
    let assignment = |(row, gamma): (&usize, Vec<f64>)| Assignment {
        candid: vectors.candid(*row),
        object_id: vectors.object(*row).into(),
        label: vectors.label(*row).into(),
        split: vectors.split(*row).into(),
        cluster: largest(&gamma),
        measured: Vec::new(),
        gamma,
    };
    Assignments { clusters, measured: Vec::new(), rows: rows.iter().zip(gamma).map(assignment).collect() }
}

/// Clusters against labels, and the silhouette, split by split; then what fitting found.
fn metrics(
    job: &Job,
    series: &str,
    vectors: &Vectors,
    (rows, points): (&[usize], &[Vec<f64>]),
    assignments: &Assignments,
    found: &dyn Clusters,
) -> Result<Vec<Metric>, StageError> {
    let mut metrics = Vec::new();
    for (done, split) in split::ALL.into_iter().enumerate() {
        job.progress(done as u64, split::ALL.len() as u64, "silhouette")?;
        let here: Vec<usize> = (0..rows.len()).filter(|at| vectors.split(rows[*at]) == split).collect();
        let labelled = here.iter().filter_map(|at| Some((assignments.rows[*at].cluster, vectors.labels[rows[*at]]?)));
        let counts = Counts::new(labelled, assignments.clusters, vectors.classes().len());
        metrics.extend(against_labels(series, split, &counts));
        let (points, clusters): (Vec<Vec<f64>>, Vec<usize>) =
            here.iter().map(|at| (points[*at].clone(), assignments.rows[*at].cluster)).unzip();
        metrics.push(Metric::new(series, split, "silhouette", silhouette(&points, &clusters), points.len()));
    }
    let learned: Vec<&Assignment> = assignments.rows.iter().filter(|row| row.split == TRAIN).collect();
    let is_dead = |cluster: &usize| learned.iter().all(|row| row.cluster != *cluster);
    let dead = (0..assignments.clusters).filter(is_dead).count();
    metrics.push(Metric::new(series, TRAIN, "dead_clusters", Some(dead as f64), learned.len()));
    metrics.extend(found.facts().into_iter().map(|(name, value)| {
        Metric::new(series, TRAIN, name, Some(value), learned.len()) // of the training rows
    }));
    Ok(metrics)
}

/// Each metric of clusters against labels, with their number before.
pub(super) fn against_labels(series: &str, split: &str, counts: &Counts) -> Vec<Metric> {
    let n = counts.rows();
    let number = Metric::new(series, split, "clusters", Some(counts.table.len() as f64), n);
    let measured = CLUSTER_METRICS.iter().map(|m| Metric::new(series, split, m.name, (m.measure)(counts), n));
    std::iter::once(number).chain(measured).collect()
}

#[cfg(test)]
mod tests;
