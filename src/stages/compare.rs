//! `compare`: metrics of several predictions on the same rows, with intervals, and their differences from a baseline.
//! What a metric is, and how it is resampled, is in [`crate::metrics`].

mod rows;
mod tables;

use std::collections::BTreeMap;

use crate::artifacts::predictions::Predictions;
use crate::artifacts::{scores, split};
use crate::spec::faults::suggest;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use crate::stage::{Around, ArtifactType, Job, Port, Randomness, StageError, StageKind};
use crate::{choice, keys};
use rows::{Series, align};

/// Name of the series that predicts the class frequencies of the training split.
pub const MAJORITY: &str = "majority class";

choice! {
    /// A split that is judged.
    pub enum Part {
        /// For choices.
        Validation = "validation",
        /// For the final numbers.
        Test = "test",
    }
}

impl Part {
    /// As in the artifacts.
    fn split(self) -> &'static str {
        match self {
            Self::Validation => split::VALIDATION,
            Self::Test => split::TEST,
        }
    }
}

choice! {
    /// What a row is.
    pub enum RowWord {
        /// An alert, by its candid.
        Alert = "alert",
        /// An object, of which each input has one row.
        Object = "object",
    }
}

impl RowWord {
    /// What it is found by.
    fn noun(self) -> &'static str {
        match self {
            Self::Alert => "candid",
            Self::Object => "object",
        }
    }
}

keys! {
    /// Keys of [`Compare`].
    pub struct CompareKeys {
        /// The input that the others are compared with, or "majority class"; left out: the first input by name.
        baseline: Option<String> = None;
        /// Splits to judge.
        splits: Vec<Part> = vec![Part::Validation, Part::Test];
        /// Resamples of the objects, for intervals and paired differences.
        draws: usize = 1000, range(100, 100_000);
        /// Compare on the rows that all inputs have; otherwise inputs with unequal rows are an error.
        common: bool = false;
        /// What a row is: an alert, or an object, of which each input must have one row. With "object" networks that see a single alert of an object stand beside those that see several.
        rows: RowWord = RowWord::Alert, added_later();
    }
}

/// Measures predictions side by side.
pub struct Compare;

impl StageKind for Compare {
    fn name(&self) -> &'static str {
        "compare"
    }
    fn summary(&self) -> &'static str {
        "Metrics of several predictions on the same rows with 95 % intervals, and paired differences from a baseline."
    }
    fn source(&self) -> &'static str {
        "bootstrap over objects: Efron & Tibshirani 1993; shares of rows: Korn & Graubard 1998, their differences: Tango 1998; McNemar 1947, exact"
    }
    fn version(&self) -> u32 {
        5
    }
    fn ports(&self) -> &'static [Port] {
        &[Port {
            name: "*",
            accepts: &[ArtifactType::Predictions],
            required: true,
            help: "Predictions; the name of the input is the name of the series.",
        }]
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Scores
    }
    fn keys(&self) -> Vec<Key> {
        CompareKeys::keys()
    }
    fn randomness(&self, _: &Params) -> Randomness {
        Randomness::Shared
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        let splits = CompareKeys::read(params).map_or(1, |keys| keys.splits.len());
        if splits == 0 { vec![("splits", "names no split".into())] } else { Vec::new() }
    }
    fn check_around(&self, params: &Params, around: &Around) -> Vec<(&'static str, String)> {
        let Some(keys) = CompareKeys::read(params) else { return Vec::new() };
        baseline(&keys, &around.inputs).err().into_iter().collect()
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: CompareKeys = job.keys()?;
        let mut inputs = BTreeMap::new();
        for (name, folder) in &job.inputs {
            inputs.insert(name.clone(), Predictions::open(folder)?);
        }
        let names: Vec<&str> = inputs.keys().map(String::as_str).collect();
        let baseline = baseline(&keys, &names).map_err(|(_, what)| StageError::failed(what))?;
        let (mut metrics, mut confusion, mut differences) = (Vec::new(), Vec::new(), Vec::new());
        for (done, part) in keys.splits.iter().enumerate() {
            job.progress(done as u64, keys.splits.len() as u64, part.word())?;
            let series = Series::all(&align(&inputs, part.split(), &keys)?, &inputs);
            let draws = tables::draw(&series, keys.draws, job.seed);
            metrics.extend(tables::metrics(&series, &draws));
            confusion.extend(tables::confusion(&series));
            differences.extend(tables::differences(&series, &draws, &baseline));
        }
        scores::write_metrics(job.out, &metrics)?;
        scores::write_confusion(job.out, &confusion)?;
        Ok(scores::write_differences(job.out, &differences)?)
    }
}

/// Name of the baseline series among inputs of these names; else the key that is wrong, and what.
fn baseline(keys: &CompareKeys, inputs: &[&str]) -> Result<String, (&'static str, String)> {
    if inputs.contains(&MAJORITY) {
        return Err(("inputs", format!("an input is called `{MAJORITY}`, the name of a series that is always added")));
    }
    let names: Vec<&str> = inputs.iter().copied().chain([MAJORITY]).collect();
    let first = inputs.iter().copied().min().unwrap_or(MAJORITY);
    let wanted = keys.baseline.as_deref().unwrap_or(first);
    if names.contains(&wanted) {
        return Ok(wanted.into());
    }
    let hint = suggest(wanted, &names).map(|hint| format!("; {hint}")).unwrap_or_default();
    Err(("baseline", format!("baseline `{wanted}` is no input{hint}")))
}

#[cfg(test)]
mod tests;
