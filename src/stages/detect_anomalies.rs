//! `detect_anomalies`: how far each vector is from what is called normal, and how well that tells other classes. What is
//! normal is learned from normal rows of the training split alone.

mod scores;

use crate::artifacts::scores::{Metric, write_metrics};
use crate::artifacts::split::{ALL, TEST, TRAIN, VALIDATION};
use crate::artifacts::table::{RowWriter, number};
use crate::keys;
use crate::metrics::auc::area;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind, Variant, Variants};

use super::vectors::Vectors;
use scores::{Around, MahalanobisKeys, ReconstructionKeys, Score};

/// Key that chooses the score, and its values.
const SCORE: &str = "score";
const MAHALANOBIS: &str = "mahalanobis";
const RECONSTRUCTION: &str = "reconstruction";
const SUM: &str = "sum";

keys! {
    /// Keys of [`DetectAnomalies`].
    pub struct AnomalyKeys {
        /// Classes that are normal; all others are anomalies. Must name one at least.
        normal: Vec<String> = vec![];
    }
}

/// Scores how odd vectors are.
pub struct DetectAnomalies;

impl StageKind for DetectAnomalies {
    fn name(&self) -> &'static str {
        "detect_anomalies"
    }
    fn summary(&self) -> &'static str {
        "Scores how far each row is from the normal classes, learned from their training rows alone, and measures how well that tells the others."
    }
    fn version(&self) -> u32 {
        2
    }
    fn ports(&self) -> &'static [Port] {
        &[Port {
            name: "features",
            accepts: &[ArtifactType::Features],
            required: true,
            help: "Vectors with labels and splits. Augmented copies are left out.",
        }]
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Scores
    }
    fn keys(&self) -> Vec<Key> {
        AnomalyKeys::keys()
    }
    fn variants(&self) -> Option<Variants> {
        let distance = Variant {
            name: MAHALANOBIS,
            summary: "Squared Mahalanobis distance from the nearest mean, with one covariance for all.",
            source: "Lee et al. 2018, arXiv:1807.03888, eqs. 1 and 2",
            keys: MahalanobisKeys::keys(),
        };
        let error = Variant {
            name: RECONSTRUCTION,
            summary: "Squared error of the reconstruction from principal components of the normal rows.",
            source: "as a linear autoencoder; principal components: crate faer",
            keys: ReconstructionKeys::keys(),
        };
        let sum = Variant {
            name: SUM,
            summary: "Sum of the features as they are, such as the errors of a network's reconstruction (`columns = [\"error\"]` of extract_features); nothing is learned here, and what the network learned from is not asked.",
            source: "as Hawkins et al. 2002 (DaWaK), replicator networks",
            keys: Vec::new(),
        };
        Some(Variants { key: SCORE, list: vec![distance, error, sum] })
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        let names = AnomalyKeys::read(params).map_or(1, |keys| keys.normal.len());
        if names == 0 { vec![("normal", "names no class".into())] } else { Vec::new() }
    }
    fn randomness(&self, params: &Params) -> Randomness {
        let draws = MahalanobisKeys::read(params).is_some_and(|keys| keys.around == Around::Cluster);
        if draws { Randomness::PerReplicate } else { Randomness::None }
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let vectors = Vectors::open(job.input("features")?)?;
        let is_normal = normal_classes(&vectors, &job.keys::<AnomalyKeys>()?.normal)?;
        let rows: Vec<usize> = ALL.iter().flat_map(|split| vectors.originals(split)).collect();
        vectors.check(&rows)?;
        let mut learned = vectors.originals(TRAIN);
        learned.retain(|row| vectors.labels[*row].is_some_and(|class| is_normal[class]));
        if learned.is_empty() {
            let hint = "give `normal` a class that has labelled rows there";
            return Err(StageError::with_hint("no row of the training split is of a normal class", hint));
        }
        job.progress(0, 0, &format!("{} normal training rows", learned.len()))?;
        let score = Score::fit(job, job.word(SCORE), &vectors, &learned)?;
        let found: Vec<f64> = vectors.values(&rows).into_iter().map(|row| score.of(row)).collect();
        write(job, &vectors, &is_normal, &rows, &found)?;
        let mut metrics = Vec::new();
        for split in [VALIDATION, TEST] {
            metrics.extend(areas(job.word(SCORE), split, &vectors, &is_normal, (&rows, &found)));
        }
        metrics.push(Metric::new(job.word(SCORE), TRAIN, "normal_rows", Some(learned.len() as f64), learned.len()));
        Ok(write_metrics(job.out, &metrics)?)
    }
}

/// Whether each class is normal.
fn normal_classes(vectors: &Vectors, normal: &[String]) -> Result<Vec<bool>, StageError> {
    let classes = vectors.classes();
    if let Some(unknown) = normal.iter().find(|name| !classes.contains(name)) {
        let hint = format!("the classes are: {}", classes.join(", "));
        return Err(StageError::with_hint(format!("`normal` names a class `{unknown}` that there is not"), hint));
    }
    Ok(classes.iter().map(|class| normal.contains(class)).collect())
}

/// `anomalies.csv`: every row with its score; the higher, the odder. `normal` is empty where there is no label.
fn write(job: &Job, vectors: &Vectors, is_normal: &[bool], rows: &[usize], found: &[f64]) -> Result<(), StageError> {
    let header = ["candid", "objectId", "label", "split", "normal", "score"];
    let mut table = RowWriter::create(job.out.join("anomalies.csv"), &header)?;
    for (row, score) in rows.iter().zip(found) {
        let normal = vectors.labels[*row].map_or(String::new(), |class| is_normal[class].to_string());
        let [object, label, split] = [vectors.object(*row), vectors.label(*row), vectors.split(*row)].map(String::from);
        table.push([vectors.candid(*row).to_string(), object, label, split, normal, number(*score)])?;
    }
    Ok(table.finish()?)
}

/// Area under the ROC curve of one split: all anomalies against the normal rows, then each anomalous class.
fn areas(
    series: &str,
    split: &str,
    vectors: &Vectors,
    is_normal: &[bool],
    (rows, found): (&[usize], &[f64]),
) -> Vec<Metric> {
    let here = rows.iter().zip(found).filter(|(row, _)| vectors.split(**row) == split);
    let labelled: Vec<(usize, f64)> = here.filter_map(|(row, score)| Some((vectors.labels[*row]?, *score))).collect();
    let area_of = |is_counted: &dyn Fn(usize) -> bool, class: &str| {
        let scores: Vec<(f64, bool)> = labelled
            .iter()
            .filter(|(class, _)| is_normal[*class] || is_counted(*class))
            .map(|(class, score)| (*score, !is_normal[*class]))
            .collect();
        let n = scores.len();
        Metric { class: class.into(), ..Metric::new(series, split, "auroc", area(scores), n) }
    };
    let anomalous = (0..is_normal.len()).filter(|class| !is_normal[*class]);
    let of_class = |class: usize| area_of(&|other| other == class, &vectors.classes()[class]);
    std::iter::once(area_of(&|_| true, "")).chain(anomalous.map(of_class)).collect()
}

#[cfg(test)]
mod tests;
