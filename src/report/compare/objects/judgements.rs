//! What the stages of an experiment judged, row by row, from their predictions. Knows which rows belong together, neither arms
//! nor statistics.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use rayon::prelude::*;

use crate::artifacts::predictions::{Prediction, Predictions};
use crate::metrics::{Judged, MEANS_OVER_ROWS, Metric};
use crate::report::record::{Record, StepRecord};
use crate::stage::ArtifactType;

/// What one row of predictions is worth.
pub(super) struct Row {
    /// Number of its object, or of its candid where an object has several: rows of two arms with the same number are paired.
    pub(super) number: usize,
    /// Number of the object of which it is evidence.
    pub(super) object: usize,
    /// True class.
    pub(super) label: usize,
    /// Its part of each of [`MEANS_OVER_ROWS`].
    pub(super) values: Vec<f64>,
}

/// The rows of one split of one predictions artifact, in the order of their numbers.
struct Sheet<'a> {
    rows: Vec<Row>,
    classes: &'a [String],
}

impl<'a> Sheet<'a> {
    fn of(split: &Split<'a>, numbers: &HashMap<Identity<'a>, usize>) -> Self {
        let judged = |(prediction, row): (&&'a Prediction, Identity<'a>)| {
            // An alert without an object stands for itself.
            let object = if row.0.is_empty() { row } else { (row.0, 0) };
            let judged = Judged::new(prediction.label, &prediction.probabilities);
            let value = |metric: &&Metric| metric.whole(&[judged], split.classes.len()).unwrap_or_default();
            let values = MEANS_OVER_ROWS.iter().map(value).collect();
            Row { number: numbers[&row], object: numbers[&object], label: prediction.label, values }
        };
        let mut rows: Vec<Row> = split.rows.iter().zip(split.identities()).map(judged).collect();
        rows.sort_by_key(|row| row.number);
        Self { rows, classes: split.classes }
    }

    fn has(&self, row: &Row) -> bool {
        self.rows.binary_search_by_key(&row.number, |row| row.number).is_ok()
    }
}

/// An object and 0, or an object and a candid.
type Identity<'a> = (&'a str, i64);

/// The rows of one split as they were read.
struct Split<'a> {
    rows: Vec<&'a Prediction>,
    classes: &'a [String],
    /// Whether each object has one row: then rows go by object, so that arms that end with other detections of an object can
    /// be paired.
    single: bool,
}

impl<'a> Split<'a> {
    fn of(predictions: &'a Predictions, split: &str) -> Self {
        let rows: Vec<&Prediction> = predictions.rows.iter().filter(|row| row.split == split).collect();
        let objects: HashSet<&str> = rows.iter().map(|row| row.object_id.as_str()).filter(|o| !o.is_empty()).collect();
        Self { single: objects.len() == rows.len(), rows, classes: &predictions.facts.classes }
    }

    fn identities(&self) -> impl Iterator<Item = Identity<'a>> {
        self.rows.iter().map(|row| (row.object_id.as_str(), if self.single { 0 } else { row.candid }))
    }
}

/// All predictions of some records that can be read, by the key of their stage; what cannot is said where metrics are read.
pub(super) struct Read(BTreeMap<String, Predictions>);

impl Read {
    pub(super) fn all(records: &[Record]) -> Self {
        let steps = records.iter().flat_map(|record| &record.steps);
        let folders: BTreeMap<&String, &PathBuf> = steps
            .filter(|step| step.artifact.serves_as(ArtifactType::Predictions))
            .filter_map(|step| Some((&step.key, step.folder.as_ref()?)))
            .collect();
        let open = |(key, folder): (&String, &PathBuf)| Some((key.clone(), Predictions::open(folder).ok()?));
        Self(folders.into_par_iter().filter_map(open).collect())
    }
}

/// The sheets of one split, by the key of their stage.
pub(super) struct Sheets<'a> {
    sheets: HashMap<&'a str, Sheet<'a>>,
    /// How many numbers there are.
    pub(super) numbers: usize,
}

/// Steps of an arm by stage and replicate.
pub(super) type Steps<'a> = HashMap<(&'a str, usize), &'a StepRecord>;

/// The rows behind one series of one stage in one arm and replicate.
pub(super) struct Judgement<'a> {
    /// In the order of their numbers.
    pub(super) rows: Vec<&'a Row>,
    /// Labels of the classes in order.
    pub(super) classes: &'a [String],
}

impl<'a> Sheets<'a> {
    /// Numbers follow the names of the objects, so that a difference does not depend on what else is compared.
    pub(super) fn new(read: &'a Read, split: &str) -> Self {
        let splits: Vec<(&str, Split)> =
            read.0.iter().map(|(key, predictions)| (key.as_str(), Split::of(predictions, split))).collect();
        let known = splits.iter().flat_map(|(_, split)| split.identities()).flat_map(|row| [row, (row.0, 0)]);
        let mut known: Vec<Identity> = known.collect::<HashSet<_>>().into_iter().collect();
        known.sort_unstable();
        let numbers: HashMap<Identity, usize> = known.into_iter().zip(0..).collect();
        let sheets = splits.into_par_iter().map(|(key, split)| (key, Sheet::of(&split, &numbers))).collect();
        Self { sheets, numbers: numbers.len() }
    }

    /// What `series` of `step` judged: a stage's own predictions, or, of `compare`, those of the input of that name on the
    /// rows that all its inputs have.
    pub(super) fn judgement(&self, steps: &Steps, step: &StepRecord, series: &str) -> Option<Judgement<'_>> {
        if let Some(own) = self.sheets.get(step.key.as_str()) {
            return Some(Judgement { rows: own.rows.iter().collect(), classes: own.classes });
        }
        let of = |stage: &String| {
            let beside = steps.get(&(stage.as_str(), step.replicate))?;
            self.sheets.get(beside.key.as_str())
        };
        let inputs: Vec<&Sheet> = step.inputs.values().map(of).collect::<Option<_>>()?;
        let own = of(step.inputs.get(series)?)?;
        let rows = own.rows.iter().filter(|row| inputs.iter().all(|input| input.has(row)));
        Some(Judgement { rows: rows.collect(), classes: own.classes })
    }
}

impl Judgement<'_> {
    /// Whether a metric of these rows is `value`, as some table says: then they are the rows behind that number.
    pub(super) fn gives(&self, metric: usize, value: f64) -> bool {
        let ours = self.rows.iter().map(|row| row.values[metric]).sum::<f64>() / self.rows.len() as f64;
        (ours - value).abs() <= 1e-9 * value.abs().max(1.0)
    }

    /// The row with that number.
    pub(super) fn find(&self, number: usize) -> Option<&Row> {
        self.rows.binary_search_by_key(&number, |row| row.number).ok().map(|place| self.rows[place])
    }
}
