//! `classify`: class probabilities from feature vectors. Classifiers themselves are in [`crate::classifiers`].

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::artifacts::fitted::FittedFacts;
use crate::artifacts::predictions::{LabelsTaken, Prediction, Predictions, PredictionsFacts};
use crate::artifacts::scores::{self, Metric};
use crate::artifacts::split::{TEST, TRAIN, VALIDATION};
use crate::classifiers::{CLASSIFIERS, Classifier, ClassifierError, Fitted, Labelled, Task, classifier};
use crate::keys;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::{Params, Value};
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind, Variant, Variants};

use super::calibration::{Calibrate, calibrated};
use super::encoder;
use super::few_labels::FewLabels;
use super::vectors::Vectors;

/// Key that chooses the classifier.
const CLASSIFIER: &str = "classifier";

/// What to do where labels are missing.
const UNLABELLED: &str = "give `load` a label table whose rows match its alerts (its line in the run says how many do), or splits \
    of `preprocess` that leave labelled alerts for each";

keys! {
    /// Keys of [`Classify`].
    pub struct ClassifyKeys {
        /// Train on augmented copies too, where the features have them.
        copies: bool = true;
        /// "temperature": divides the scores by the number that makes the log loss on the validation split smallest, so that probabilities are as sure as they are right (Guo et al. 2017); no prediction changes its class.
        calibrate: Calibrate = Calibrate::None, added_later();
    }
}

/// Fits a classifier on the labelled training rows and judges the labelled validation and test rows.
pub struct Classify;

impl StageKind for Classify {
    fn name(&self) -> &'static str {
        "classify"
    }
    fn summary(&self) -> &'static str {
        "Fits a classifier on the labelled training rows and gives class probabilities of the validation and test rows; `predict` lets it judge other alerts."
    }
    fn version(&self) -> u32 {
        3
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
        [ClassifyKeys::keys(), FewLabels::keys()].concat()
    }
    fn variants(&self) -> Option<Variants> {
        let variant =
            |c: &&dyn Classifier| Variant { name: c.name(), summary: c.summary(), source: c.source(), keys: c.keys() };
        Some(Variants { key: CLASSIFIER, list: CLASSIFIERS.iter().map(variant).collect() })
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        FewLabels::faults(params)
    }
    fn randomness(&self, params: &Params) -> Randomness {
        let Some(Value::Text(name)) = params.get(CLASSIFIER) else { return Randomness::None };
        let draws = FewLabels::read(params).is_some_and(|few| few.is_some());
        let random = draws || classifier(name).is_some_and(Classifier::is_random);
        if random { Randomness::PerReplicate } else { Randomness::None }
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: ClassifyKeys = job.keys()?;
        let name = job.word(CLASSIFIER);
        let kind = classifier(name).ok_or_else(|| StageError::failed(format!("there is no classifier `{name}`")))?;
        let vectors = Vectors::open(job.input("features")?)?;
        let table = LabelledTable::new(&vectors, keys.copies, &job.keys()?, job.seed)?;
        let task = Task {
            training: table.labelled(&table.training),
            validation: table.labelled(&table.choosing),
            classes: table.present.len(),
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
        let found = fitted.probabilities(&vectors.values(&judged))?;
        let held = judged.iter().zip(&found).filter(|(row, _)| table.choosing.binary_search(row).is_ok());
        let temperature = keys.calibrate.fit(held.filter_map(|(row, found)| Some((found, table.class(*row)?))))?;
        let facts = PredictionsFacts {
            classes: vectors.classes().to_vec(),
            classifier: name.into(),
            train_counts: table.train_counts.clone(),
            labels: table.taken.clone(),
            temperature: temperature.map(|temperature| temperature.0),
        };
        let found = found.into_iter().map(|found| calibrated(temperature, found));
        let rows = judged.iter().zip(found).map(|(row, found)| table.prediction(*row, found)).collect();
        Predictions { facts, rows }.write(job.out)?;
        table.keep(name, &*fitted, job)?;
        let facts = fitted.facts().into_iter().map(|(fact, value)| (TRAIN, fact, value, task.training.rows.len()));
        let warmth = temperature.map(|t| (VALIDATION, "temperature", t.0, task.validation.rows.len()));
        let metric = |(split, fact, value, n)| Metric::new(name, split, fact, Some(value), n);
        Ok(scores::write_metrics(job.out, &facts.chain(warmth).map(metric).collect::<Vec<_>>())?)
    }
}

impl From<ClassifierError> for StageError {
    fn from(error: ClassifierError) -> Self {
        if error == ClassifierError::Interrupted { Self::Interrupted } else { Self::failed(error.to_string()) }
    }
}

/// The labelled rows by split, with checked values.
struct LabelledTable<'a> {
    vectors: &'a Vectors,
    /// Rows to fit on.
    training: Vec<usize>,
    /// Validation rows to choose by, in order: as many of each class as there are to fit on, where these are not all.
    choosing: Vec<usize>,
    validation: Vec<usize>,
    test: Vec<usize>,
    /// Labelled training rows per class, copies left out.
    train_counts: Vec<usize>,
    /// Classes with rows to fit on: the others cannot be learnt, and get probability 0.
    present: Vec<usize>,
    /// What was taken of the labels, if not all.
    taken: Option<LabelsTaken>,
}

impl<'a> LabelledTable<'a> {
    fn new(vectors: &'a Vectors, copies: bool, few: &FewLabels, seed: u64) -> Result<Self, StageError> {
        let labelled = |rows: Vec<usize>| -> Vec<usize> {
            rows.into_iter().filter(|row| vectors.labels[*row].is_some()).collect()
        };
        let (originals, validation) = (labelled(vectors.originals(TRAIN)), labelled(vectors.originals(VALIDATION)));
        let by_class = |rows: &[usize]| -> Vec<Vec<usize>> {
            let of_class = |class| rows.iter().copied().filter(|row| vectors.labels[*row] == Some(class)).collect();
            (0..vectors.classes().len()).map(of_class).collect()
        };
        let (training_by_class, mut choosing) = (by_class(&originals), validation.clone());
        let mut training = if copies { labelled(vectors.of(TRAIN)) } else { originals };
        let mut taken = None;
        if few.is_some() {
            let found = few.take(&training_by_class, &by_class(&validation), vectors.classes(), seed);
            let candids: BTreeSet<i64> = found.training.iter().map(|row| vectors.candid(*row)).collect();
            training.retain(|row| candids.contains(&vectors.candid(*row))); // copies go with what they are copies of
            choosing = found.validation.into_iter().collect();
            taken = Some(found.facts);
        }
        let is_present = |class: &usize| training.iter().any(|row| vectors.labels[*row] == Some(*class));
        let table = Self {
            vectors,
            present: (0..vectors.classes().len()).filter(is_present).collect(),
            choosing,
            validation,
            test: labelled(vectors.originals(TEST)),
            train_counts: training_by_class.iter().map(Vec::len).collect(),
            training,
            taken,
        };
        table.check()?;
        Ok(table)
    }

    fn check(&self) -> Result<(), StageError> {
        if self.validation.is_empty() && self.test.is_empty() {
            let rows = self.vectors.originals(VALIDATION).len() + self.vectors.originals(TEST).len();
            let what =
                format!("none of the {rows} rows of the validation and test splits has a label, so nothing to judge");
            return Err(StageError::with_hint(what, UNLABELLED));
        }
        for rows in [&self.training, &self.validation, &self.test] {
            self.vectors.check(rows)?;
        }
        match self.present.as_slice() {
            [] => {
                let rows = self.vectors.originals(TRAIN).len();
                let what = format!("none of the {rows} rows of the training split has a label");
                Err(StageError::with_hint(what, UNLABELLED))
            }
            [class] => Err(StageError::with_hint(
                format!(
                    "all {} labelled training rows are of one class, {}",
                    self.training.len(),
                    self.vectors.classes()[*class]
                ),
                "a classifier needs at least two classes in the training split",
            )),
            _ => Ok(()),
        }
    }

    /// Writes the fitted classifier with all that it takes to make more vectors: these features and, if any, the network behind
    /// them.
    fn keep(&self, classifier: &str, fitted: &dyn Fitted, job: &Job) -> Result<(), StageError> {
        let facts = &self.vectors.features.facts;
        if let Some(digest) = facts.recipe.as_ref().and_then(|recipe| recipe.encoder.as_ref()) {
            encoder::keep(&encoder::open(job.input("features")?, digest)?, job.out)?;
        }
        let json = |text| RawValue::from_string(text).map_err(|fault| StageError::failed(fault.to_string()));
        let kept = FittedFacts {
            classifier: classifier.into(),
            features: facts.names.clone(),
            classes: self.present.iter().map(|class| facts.classes[*class].clone()).collect(),
            recipe: facts.recipe.clone(),
            fitted: json(fitted.written()?)?,
        };
        Ok(kept.write(job.out)?)
    }

    /// Class of a row by its place in `present`.
    fn class(&self, row: usize) -> Option<usize> {
        self.present.iter().position(|class| Some(*class) == self.vectors.labels[row])
    }

    /// The rows whose class can be learnt.
    fn labelled(&self, rows: &[usize]) -> Labelled<'a> {
        let (rows, labels): (Vec<usize>, Vec<usize>) =
            rows.iter().filter_map(|row| Some((*row, self.class(*row)?))).unzip();
        Labelled { rows: self.vectors.values(&rows), labels }
    }

    fn prediction(&self, row: usize, found: Vec<f64>) -> Prediction {
        let mut probabilities = vec![0.0; self.vectors.classes().len()];
        self.present.iter().zip(found).for_each(|(class, p)| probabilities[*class] = p);
        Prediction {
            candid: self.vectors.candid(row),
            object_id: self.vectors.object(row).into(),
            label: self.vectors.labels[row].unwrap_or_default(),
            split: self.vectors.split(row).into(),
            probabilities,
        }
    }
}

#[cfg(test)]
mod tests;
