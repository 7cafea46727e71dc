//! `classify`: class probabilities from feature vectors. Classifiers themselves are in [`crate::classifiers`].

use std::collections::BTreeMap;

use crate::artifacts::features::Features;
use crate::artifacts::predictions::{Prediction, Predictions, PredictionsFacts};
use crate::artifacts::scores::{self, Metric};
use crate::artifacts::split;
use crate::classifiers::{CLASSIFIERS, ClassifierError, Labelled, Task, classifier};
use crate::keys;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::{Params, Value};
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind, Variant, Variants};

/// Key that chooses the classifier.
const CLASSIFIER: &str = "classifier";

keys! {
    /// Keys of [`Classify`].
    pub struct ClassifyKeys {
        /// Train on augmented copies too, where the features have them.
        copies: bool = true;
    }
}

/// Fits a classifier on the labelled training rows and judges the labelled validation and test rows.
pub struct Classify;

impl StageKind for Classify {
    fn name(&self) -> &'static str {
        "classify"
    }
    fn summary(&self) -> &'static str {
        "Fits a classifier on the labelled training rows and gives class probabilities of the validation and test rows."
    }
    fn version(&self) -> u32 {
        1
    }
    fn ports(&self) -> &'static [Port] {
        &[Port {
            name: "features",
            accepts: &[ArtifactType::Features],
            required: true,
            help: "Vectors with their labels and splits.",
        }]
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Predictions
    }
    fn keys(&self) -> Vec<Key> {
        ClassifyKeys::keys()
    }
    fn variants(&self) -> Option<Variants> {
        let variant = |c: &&dyn crate::classifiers::Classifier| Variant {
            name: c.name(),
            summary: c.summary(),
            source: c.source(),
            keys: c.keys(),
        };
        Some(Variants { key: CLASSIFIER, list: CLASSIFIERS.iter().map(variant).collect() })
    }
    fn randomness(&self, params: &Params) -> Randomness {
        let Some(Value::Text(name)) = params.get(CLASSIFIER) else { return Randomness::None };
        let random = classifier(name).is_some_and(super::super::classifiers::Classifier::is_random);
        if random { Randomness::PerReplicate } else { Randomness::None }
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: ClassifyKeys = job.keys()?;
        let name = job.word(CLASSIFIER);
        let kind = classifier(name).ok_or_else(|| StageError::failed(format!("there is no classifier `{name}`")))?;
        let features = Features::open(job.input("features")?)?;
        let table = LabelledTable::new(&features, keys.copies)?;
        let present = table.classes_to_learn()?;
        let validation = table.labelled(&table.validation, &present);
        let task = Task {
            training: table.labelled(&table.training, &present),
            validation,
            classes: present.len(),
            seed: job.seed,
            cancelled: &|| job.pulse.cancelled(),
        };
        job.progress(
            0,
            0,
            &format!("{name}: {} training rows of {} features", table.training.len(), task.training.columns()),
        )?;
        let fitted = kind.fit(job.params, &task)?;
        let judged: Vec<usize> = table.validation.iter().chain(&table.test).copied().collect();
        let vectors: Vec<&[f32]> = judged.iter().map(|row| features.values.row(*row)).collect();
        let probabilities = fitted.probabilities(&vectors)?;
        table.predictions(name, &judged, &present, probabilities).write(job.out)?;
        Ok(scores::write_metrics(job.out, &metrics(name, &fitted.facts(), task.training.rows.len()))?)
    }
}

/// What fitting found, as metrics of the training split.
fn metrics(name: &str, facts: &[(&'static str, f64)], n: usize) -> Vec<Metric> {
    let metric = |(fact, value): &(&'static str, f64)| Metric {
        series: name.into(),
        split: split::TRAIN.into(),
        metric: (*fact).into(),
        class: String::new(),
        value: Some(*value),
        n,
        interval: None,
    };
    facts.iter().map(metric).collect()
}

impl From<ClassifierError> for StageError {
    fn from(error: ClassifierError) -> Self {
        if error == ClassifierError::Interrupted { Self::Interrupted } else { Self::failed(error.to_string()) }
    }
}

/// The labelled rows of the features by split, with checked values.
struct LabelledTable<'a> {
    features: &'a Features,
    /// Class of each row; `None`: unlabelled.
    labels: Vec<Option<usize>>,
    /// Rows to fit on.
    training: Vec<usize>,
    validation: Vec<usize>,
    test: Vec<usize>,
    /// Labelled training rows per class, copies left out.
    train_counts: Vec<usize>,
}

impl<'a> LabelledTable<'a> {
    fn new(features: &'a Features, copies: bool) -> Result<Self, StageError> {
        let classes = &features.facts.classes;
        let number: BTreeMap<&str, usize> = classes.iter().enumerate().map(|(i, class)| (class.as_str(), i)).collect();
        let labels: Vec<Option<usize>> =
            features.index.texts("label").iter().map(|label| number.get(label.as_str()).copied()).collect();
        let splits = features.index.texts("split");
        let originals: Vec<bool> = features.index.texts("copy").iter().map(|copy| copy == "0").collect();
        let rows = |part: &str, copies: bool| -> Vec<usize> {
            let chosen = |row: &usize| labels[*row].is_some() && splits[*row] == part && (copies || originals[*row]);
            (0..labels.len()).filter(chosen).collect()
        };
        let mut train_counts = vec![0; classes.len()];
        for class in rows(split::TRAIN, false).into_iter().filter_map(|row| labels[row]) {
            train_counts[class] += 1;
        }
        let (training, validation, test) =
            (rows(split::TRAIN, copies), rows(split::VALIDATION, false), rows(split::TEST, false));
        let table = Self { features, labels, training, validation, test, train_counts };
        table.check()?;
        Ok(table)
    }

    fn check(&self) -> Result<(), StageError> {
        if self.features.facts.names.is_empty() {
            return Err(StageError::failed("the features have no columns"));
        }
        if self.validation.is_empty() && self.test.is_empty() {
            let what = "there are no labelled rows in the validation and test splits, so nothing to judge";
            return Err(StageError::with_hint(what, "give labels, or splits that leave some alerts for them"));
        }
        for row in self.training.iter().chain(&self.validation).chain(&self.test) {
            if let Some(column) = self.features.values.row(*row).iter().position(|x| !x.is_finite()) {
                let candid = &self.features.index.texts("candid")[*row];
                let what =
                    format!("feature `{}` of candid {candid} is not a number", self.features.facts.names[column]);
                return Err(StageError::with_hint(what, "choose what replaces missing values in `preprocess`"));
            }
        }
        Ok(())
    }

    /// Classes with training rows: the others cannot be learnt, and get probability 0.
    fn classes_to_learn(&self) -> Result<Vec<usize>, StageError> {
        let classes = &self.features.facts.classes;
        let present: Vec<usize> = (0..classes.len())
            .filter(|class| self.training.iter().any(|row| self.labels[*row] == Some(*class)))
            .collect();
        match present.as_slice() {
            [] => Err(StageError::with_hint(
                "no row of the training split has a label",
                "give `load` a label table, or check the splits of `preprocess`",
            )),
            [class] => Err(StageError::with_hint(
                format!("all {} labelled training rows are of one class, {}", self.training.len(), classes[*class]),
                "a classifier needs at least two classes in the training split",
            )),
            _ => Ok(present),
        }
    }

    /// The rows whose class is among `present`, their classes numbered as there.
    fn labelled(&self, rows: &[usize], present: &[usize]) -> Labelled<'a> {
        let mut labelled = Labelled::default();
        for row in rows {
            let Some(label) = self.labels[*row].and_then(|class| present.iter().position(|p| *p == class)) else {
                continue;
            };
            labelled.rows.push(self.features.values.row(*row));
            labelled.labels.push(label);
        }
        labelled
    }

    fn predictions(&self, name: &str, rows: &[usize], present: &[usize], found: Vec<Vec<f64>>) -> Predictions {
        let index = &self.features.index;
        let (objects, splits) = (index.texts("objectId"), index.texts("split"));
        let candids = index.ints("candid").unwrap_or_default();
        let classes = self.features.facts.classes.clone();
        let prediction = |(row, found): (&usize, Vec<f64>)| {
            let mut probabilities = vec![0.0; classes.len()];
            present.iter().zip(found).for_each(|(class, p)| probabilities[*class] = p);
            Prediction {
                candid: candids[*row],
                object_id: objects[*row].clone(),
                label: self.labels[*row].unwrap_or_default(),
                split: splits[*row].clone(),
                probabilities,
            }
        };
        let rows = rows.iter().zip(found).map(prediction).collect();
        let facts = PredictionsFacts { classes, classifier: name.into(), train_counts: self.train_counts.clone() };
        Predictions { facts, rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::features::{FeatureRow, FeaturesFacts};
    use crate::stage::{Device, Silent};
    use std::path::Path;

    /// Rows `(label, split, copy, value)`.
    type Row = (&'static str, &'static str, i64, f32);

    fn write(folder: &Path, rows: &[Row]) {
        let facts =
            FeaturesFacts { names: vec!["x".into(), "zero".into()], classes: ["a", "b", "c"].map(String::from).into() };
        let identity = |(i, row): (usize, &Row)| FeatureRow {
            candid: 1000 + i as i64,
            object_id: format!("Z{i}"),
            label: row.0.into(),
            split: row.1.into(),
            copy: row.2,
        };
        let identities: Vec<FeatureRow> = rows.iter().enumerate().map(identity).collect();
        let vectors: Vec<[f32; 2]> = rows.iter().map(|row| [row.3, 0.0]).collect();
        Features::write(folder, &facts, identities.iter().zip(vectors.iter().map(<[f32; 2]>::as_slice))).unwrap();
    }

    fn run(rows: &[Row], classifier_name: &str) -> Result<(Predictions, Vec<Metric>), StageError> {
        let (input, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(input.path(), rows);
        let mut params = Params::from([(CLASSIFIER, Value::Text(classifier_name.into()))]);
        let keys = Classify.keys().into_iter().chain(classifier(classifier_name).unwrap().keys());
        params.extend(keys.map(|key| (key.name, key.default.unwrap())));
        params.extend([("k", Value::List(vec![Value::Int(1)]))].into_iter().filter(|_| classifier_name == "knn"));
        let job = Job {
            params: &params,
            seed: 1,
            inputs: BTreeMap::from([("features".into(), input.path().into())]),
            files: BTreeMap::new(),
            home: input.path(),
            out: out.path(),
            checkpoint: input.path(),
            device: Device::Cpu,
            gpus: &[],
            threads: 1,
            pulse: &Silent,
        };
        Classify.run(&job)?;
        Ok((Predictions::open(out.path())?, scores::read_metrics(out.path())?))
    }

    const ROWS: &[Row] = &[
        ("a", "train", 0, -1.0),
        ("a", "train", 0, -1.5),
        ("a", "train", 1, -1.2),
        ("b", "train", 0, 1.0),
        ("b", "train", 0, 2.0),
        ("", "train", 0, f32::NAN),
        ("b", "validation", 0, 1.1),
        ("", "test", 0, f32::NAN),
        ("a", "test", 0, -1.3),
        ("c", "test", 0, 0.2),
    ];

    #[test]
    fn every_classifier_judges_the_labelled_validation_and_test_rows() {
        for classifier in CLASSIFIERS {
            let (predictions, _) = run(ROWS, classifier.name()).unwrap();
            assert_eq!(predictions.facts.train_counts, [2, 2, 0]);
            assert_eq!(predictions.facts.classifier, classifier.name());
            let candids: Vec<i64> = predictions.rows.iter().map(|row| row.candid).collect();
            assert_eq!(candids, [1006, 1008, 1009]);
            assert!(predictions.rows.iter().all(|row| row.probabilities[2] == 0.0), "class c has no training rows");
            if classifier.name() != "majority" {
                assert_eq!(predictions.rows[0].predicted(), 1);
                assert_eq!(predictions.rows[1].predicted(), 0);
            }
        }
    }

    #[test]
    fn convergence_is_reported() {
        let (_, metrics) = run(ROWS, "logistic").unwrap();
        let converged = metrics.iter().find(|m| m.metric == "converged").unwrap();
        assert_eq!((converged.value, converged.split.as_str(), converged.n), (Some(1.0), "train", 5));
    }

    #[test]
    fn only_the_forest_has_a_seed_in_its_key() {
        let randomness = |name: &str| Classify.randomness(&Params::from([(CLASSIFIER, Value::Text(name.into()))]));
        assert_eq!(randomness("random_forest"), Randomness::PerReplicate);
        assert_eq!(randomness("logistic"), Randomness::None);
    }

    #[test]
    fn data_that_cannot_be_learnt_from_are_explained() {
        let message = |rows: &[Row]| run(rows, "logistic").map(|_| ()).unwrap_err().to_string();
        let one_class: Vec<Row> = ROWS.iter().copied().filter(|row| row.0 != "b" || row.1 != "train").collect();
        assert!(
            message(&one_class).contains("3 labelled training rows are of one class, a"),
            "{}",
            message(&one_class)
        );
        let no_labels: Vec<Row> = ROWS.iter().copied().filter(|row| row.0.is_empty() || row.1 != "train").collect();
        assert!(message(&no_labels).contains("no row of the training split has a label"));
        let nothing_to_judge: Vec<Row> = ROWS.iter().copied().filter(|row| row.1 == "train").collect();
        assert!(message(&nothing_to_judge).contains("nothing to judge"));
        let mut missing = ROWS.to_vec();
        missing[3].3 = f32::NAN;
        assert!(message(&missing).contains("feature `x` of candid 1003 is not a number"));
    }
}
