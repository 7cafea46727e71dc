//! What `vade` says of each stamp, and how its clusters compare with labels that training did not see: `assignments.csv`,
//! `centres.npy`, metrics of each split, beside the same mixture on the codes of the VAE and on principal components.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::mixture::{self, Codes};
use super::variational::VadeKeys;
use super::{ConvKeys, INFERENCE_BATCH, Training};
use crate::artifacts::array::ArrayWriter;
use crate::artifacts::assignments::{Assignment, Assignments};
use crate::artifacts::scores::Metric;
use crate::artifacts::split::{self, TRAIN};
use crate::clustering::gaussian_mixture::GaussianMixture;
use crate::clustering::largest;
use crate::metrics::clusters::Counts;
use crate::nn::{Backend, Model};
use crate::projections::pca::Pca;
use crate::stage::StageError;
use crate::stages::cluster::against_labels;

/// Equal parts of rows by rising variance, as in figure 9 of Astorga et al. 2018.
const DECILES: usize = 10;
/// Stream of the seed that codes are drawn from, apart from those of training.
const STREAM: u64 = u64::MAX;

/// The labels that clusters are compared with.
pub(super) struct Clusters<'a> {
    training: &'a Training<'a>,
    keys: &'a VadeKeys,
    classes: usize,
    /// Class of each row of the artifact, where it has a label.
    labels: Vec<Option<usize>>,
    splits: Vec<String>,
}

/// What is said of one stamp.
struct Said {
    /// Row of the artifact.
    row: usize,
    gamma: Vec<f64>,
    /// `σ²(z)` at the mean code.
    variance: Option<f64>,
    error: f64,
}

impl<'a> Clusters<'a> {
    pub(super) fn new(training: &'a Training<'a>, keys: &'a VadeKeys) -> Result<Self, StageError> {
        let rows = training.stamps.originals(TRAIN).len();
        if keys.clusters > rows {
            return Err(StageError::with_hint(
                format!(
                    "{} clusters need at least as many stamps in the training split; there are {rows}",
                    keys.clusters
                ),
                "lower `clusters`, or give the training split more alerts",
            ));
        }
        let classes = &training.stamps.facts.classes;
        let class = |label: &String| classes.iter().position(|known| known == label);
        let labels = training.stamps.index.texts("label").iter().map(class).collect();
        let splits = training.stamps.index.texts("split");
        Ok(Self { training, keys, classes: classes.len(), labels, splits })
    }

    /// Asks the network about all stamps, writes what it says, and measures that.
    pub(super) fn measure<B: Backend>(&self, model: &Model<B>) -> Result<Vec<Metric>, StageError> {
        let prior = mixture::prior(model, self.keys.min_variance)?;
        let said = self.ask(model, &prior)?;
        self.write(&said)?;
        self.write_centres(model, &prior)?;
        let series = model.card.model.as_str();
        let assigned: Vec<(usize, usize)> = said.iter().map(|said| (said.row, largest(&said.gamma))).collect();
        let mut metrics = self.compare(series, &assigned);
        for split in split::ALL {
            metrics.extend(self.by_variance(series, split, &said));
        }
        let rows = self.training.stamps.originals(TRAIN).len();
        let entropy: f64 = -prior.shares.iter().filter(|share| **share > 0.0).map(|p| p * p.ln()).sum::<f64>();
        let dead = prior.shares.iter().filter(|share| **share * (rows as f64) < 1.0).count();
        metrics.push(Metric::new(series, TRAIN, "effective_clusters", Some(entropy.exp()), rows));
        metrics.push(Metric::new(series, TRAIN, "dead_clusters", Some(dead as f64), rows));
        Ok(metrics)
    }

    /// The same mixture fitted to the codes of the first stage, and to principal components of as many dimensions.
    pub(super) fn baselines(&self, codes: &Codes, fitted: &GaussianMixture) -> Result<Vec<Metric>, StageError> {
        let mut metrics = self.compare("vae_mixture", &assigned(codes, fitted));
        let images = &self.training.stamps.images;
        let learned = self.training.stamps.originals(TRAIN);
        let components = self.training.job.keys::<ConvKeys>()?.latent;
        let Ok(pca) = Pca::fit(learned.iter().map(|row| images.row(*row)), components) else { return Ok(metrics) }; // fewer rows than components
        let codes =
            Codes::new(self.training, |rows| Ok(rows.iter().map(|row| pca.transform(images.row(*row))).collect()))?;
        let fitted = mixture::fit(self.training, &codes, self.keys)?;
        metrics.extend(self.compare("pca_mixture", &assigned(&codes, &fitted)));
        Ok(metrics)
    }

    /// Clusters against labels, split by split; their number is always beside.
    fn compare(&self, series: &str, assigned: &[(usize, usize)]) -> Vec<Metric> {
        let of = |split| {
            let counts = self.counts(assigned.iter().filter(|(row, _)| self.splits[*row] == split));
            against_labels(series, split, &counts)
        };
        split::ALL.into_iter().flat_map(of).collect()
    }

    fn counts<'b>(&self, assigned: impl Iterator<Item = &'b (usize, usize)>) -> Counts {
        let labelled = assigned.filter_map(|(row, cluster)| Some((*cluster, self.labels[*row]?)));
        Counts::new(labelled, self.keys.clusters, self.classes)
    }

    /// Share of labelled rows that are of the most frequent class of their cluster, in ten equal parts by rising `σ²(z)`.
    fn by_variance(&self, series: &str, split: &str, said: &[Said]) -> Vec<Metric> {
        let of = |said: &Said| {
            let right = (largest(&said.gamma), self.labels[said.row]?);
            (self.splits[said.row] == split).then_some((said.variance?, right))
        };
        let mut rows: Vec<(f64, (usize, usize))> = said.iter().filter_map(of).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let majorities = Counts::new(rows.iter().map(|row| row.1), self.keys.clusters, self.classes).majorities();
        let part = |decile: usize| {
            let (from, to) = (rows.len() * decile / DECILES, rows.len() * (decile + 1) / DECILES);
            let right =
                rows[from..to].iter().filter(|(_, (cluster, class))| majorities[*cluster] == Some(*class)).count();
            let share = (to > from).then(|| right as f64 / (to - from) as f64);
            let class = format!("decile {}", decile + 1);
            Metric { class, ..Metric::new(series, split, "purity_by_variance", share, to - from) }
        };
        if rows.is_empty() { Vec::new() } else { (0..DECILES).map(part).collect() }
    }

    /// What the network says of all stamps without copies.
    fn ask<B: Backend>(&self, model: &Model<B>, prior: &GaussianMixture) -> Result<Vec<Said>, StageError> {
        let stamps = self.training.stamps;
        let (latent, width) = (prior.means[0].len(), stamps.images.row_len());
        let rows: Vec<usize> = split::ALL.iter().flat_map(|split| stamps.originals(split)).collect();
        let mut random = ChaCha8Rng::seed_from_u64(self.training.job.seed);
        random.set_stream(STREAM);
        let mut all = Vec::with_capacity(rows.len());
        for rows in rows.chunks(INFERENCE_BATCH) {
            let posterior = model.posterior(&self.training.images(rows), INFERENCE_BATCH)?.unwrap_or_default();
            let decoded = model.decode(&posterior.mean)?.unwrap_or_default();
            for (at, &row) in rows.iter().enumerate() {
                let [mean, log_variance] =
                    [&posterior.mean, &posterior.log_variance].map(|values| &values[at * latent..][..latent]);
                let gamma = averaged(prior, mean, log_variance, self.keys.draws, &mut random);
                let pairs = decoded.images[at * width..][..width].iter().zip(stamps.images.row(row));
                let error = pairs.map(|(made, is)| f64::from(made - is).powi(2)).sum();
                let variance = decoded.log_variance.as_ref().map(|logs| f64::from(logs[at]).exp());
                all.push(Said { row, gamma, variance, error });
            }
        }
        Ok(all)
    }

    /// `assignments.csv`.
    fn write(&self, said: &[Said]) -> Result<(), StageError> {
        let index = &self.training.stamps.index;
        let candids = index.ints("candid").unwrap_or_default();
        let [objects, labels] = ["objectId", "label"].map(|name| index.texts(name));
        let row = |Said { row, gamma, variance, error }: &Said| Assignment {
            candid: candids[*row],
            object_id: objects[*row].clone(),
            label: labels[*row].clone(),
            split: self.splits[*row].clone(),
            cluster: largest(gamma),
            measured: vec![Some(*error), *variance],
            gamma: gamma.clone(),
        };
        let measured = ["squared_error", "pixel_variance"].map(String::from).into();
        let rows = said.iter().map(row).collect();
        Ok(Assignments { clusters: self.keys.clusters, measured, rows }.write(self.training.job.out)?)
    }

    /// `centres.npy`, `[cluster, channel, y, x]`: the stamps that the centres stand for.
    fn write_centres<B: Backend>(&self, model: &Model<B>, prior: &GaussianMixture) -> Result<(), StageError> {
        let facts = &self.training.stamps.facts;
        let shape = [facts.channels.len(), facts.side, facts.side];
        let mut writer = ArrayWriter::create(self.training.job.out.join("centres.npy"), &shape)?;
        for centre in &prior.means {
            let codes: Vec<f32> = centre.iter().map(|value| *value as f32).collect();
            writer.push(&model.decode(&codes)?.unwrap_or_default().images)?;
        }
        Ok(writer.finish()?)
    }
}

/// The cluster of each row.
fn assigned(codes: &Codes, mixture: &GaussianMixture) -> Vec<(usize, usize)> {
    codes.rows.iter().zip(&codes.values).map(|(row, code)| (*row, mixture.cluster(code))).collect()
}

/// Probabilities of the clusters for one stamp, averaged over draws of its code (Astorga et al. 2018, section IV).
fn averaged(
    prior: &GaussianMixture,
    mean: &[f32],
    log_variance: &[f32],
    draws: usize,
    random: &mut ChaCha8Rng,
) -> Vec<f64> {
    let mut sums = vec![0.0; prior.shares.len()];
    for _ in 0..draws {
        let unit = |(mean, log): (&f32, &f32)| {
            let noise: f64 = StandardNormal.sample(random);
            f64::from(*mean) + (0.5 * f64::from(*log)).exp() * noise
        };
        let code: Vec<f64> = mean.iter().zip(log_variance).map(unit).collect();
        sums.iter_mut().zip(prior.expected(&code).0).for_each(|(sum, gamma)| *sum += gamma);
    }
    sums.iter().map(|sum| sum / draws as f64).collect()
}
