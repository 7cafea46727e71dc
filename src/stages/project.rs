//! `project`: a map of feature vectors, for the eye. The methods themselves are in [`crate::projections`].

use crate::artifacts::features::Features;
use crate::artifacts::map::{Map, MapFacts, MapRow};
use crate::artifacts::scores::{Metric, write_metrics};
use crate::artifacts::split;
use crate::projections::points::{Norm, Points};
use crate::projections::quality::Quality;
use crate::projections::{PROJECTIONS, Place, Projection, ProjectionError, Task, projection};
use crate::spec::keys::{Key, Keys};
use crate::spec::value::{Params, Value};
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind, Variant, Variants};
use crate::{choice, keys};

/// Key that chooses the method.
const METHOD: &str = "method";
/// Steps between two reports of progress.
const REPORT: usize = 10;

choice! {
    /// A split whose rows are on the map.
    pub enum Shown {
        /// Fits everything.
        Train = "train",
        /// Chooses.
        Validation = "validation",
        /// Chooses nothing.
        Test = "test",
    }
}

keys! {
    /// Keys of [`Project`].
    pub struct ProjectKeys {
        /// Splits whose rows are on the map; augmented copies never are. Labels are never looked at.
        splits: Vec<Shown> = vec![Shown::Train, Shown::Validation, Shown::Test];
        /// How features are scaled first: "none", "l2" (each row divided by its length, so that only directions count) or "z-score" (each column with mean 0 and deviation 1 on the training rows, so that none counts more for its unit).
        norm: Norm = Norm::None;
        /// Neighbours that trustworthiness and continuity (Venna & Kaski 2001) look at; both are empty unless it is less than half the number of rows. They judge by straight lines between scaled features, whatever the method's `metric`, so that methods compare.
        k: usize = 12, range(1, 1000);
    }
}

/// Makes a map.
pub struct Project;

impl StageKind for Project {
    fn name(&self) -> &'static str {
        "project"
    }
    fn summary(&self) -> &'static str {
        "A map of feature vectors in two dimensions, with how true it is to them; for the eye, nothing is fitted on it."
    }
    fn source(&self) -> &'static str {
        "trustworthiness and continuity: Venna & Kaski 2001; Kaski et al. 2003 (doi:10.1186/1471-2105-4-48)"
    }
    fn version(&self) -> u32 {
        2
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
        ArtifactType::Map
    }
    fn keys(&self) -> Vec<Key> {
        ProjectKeys::keys()
    }
    fn variants(&self) -> Option<Variants> {
        let variant = |method: &&dyn Projection| Variant {
            name: method.name(),
            summary: method.summary(),
            source: method.source(),
            keys: method.keys(),
        };
        Some(Variants { key: METHOD, list: PROJECTIONS.iter().map(variant).collect() })
    }
    fn randomness(&self, params: &Params) -> Randomness {
        if chosen(params).is_some_and(Projection::is_random) { Randomness::PerReplicate } else { Randomness::None }
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        let mut faults = chosen(params).map_or_else(Vec::new, |method| method.check(params));
        if ProjectKeys::read(params).is_some_and(|keys| keys.splits.is_empty()) {
            faults.push(("splits", "names no split".into()));
        }
        faults
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: ProjectKeys = job.keys()?;
        let method = chosen(job.params)
            .ok_or_else(|| StageError::failed(format!("there is no method `{}`", job.word(METHOD))))?;
        let features = Features::open(job.input("features")?)?;
        let chosen = Chosen::of(&features, &keys.splits)?;
        let (points, training) = chosen.scaled(&features, keys.norm);
        let rows = points.rows();
        job.progress(0, 0, &format!("{}: {rows} rows of {} features", method.name(), points.columns()))?;
        let goes_on = |done: usize, of: usize| {
            !done.is_multiple_of(REPORT) || job.progress(done as u64, of as u64, method.name()).is_ok()
        };
        let task = Task { points: &points, training: &training, seed: job.seed, goes_on: &goes_on };
        let places = method.embed(job.params, &task).map_err(|error| chosen.explain(error, &features))?;
        job.progress(0, 0, "trustworthiness and continuity")?;
        let quality = Quality::of(&points, &places, keys.k);
        let facts = facts(method, job, &keys, &features, quality);
        write_metrics(job.out, &metrics(&facts, rows))?;
        Ok(Map { facts, rows: chosen.rows(&features, &places) }.write(job.out)?)
    }
}

fn chosen(params: &Params) -> Option<&'static dyn Projection> {
    let Some(Value::Text(name)) = params.get(METHOD) else { return None };
    projection(name)
}

fn facts(
    method: &dyn Projection,
    job: &Job,
    keys: &ProjectKeys,
    features: &Features,
    quality: Option<Quality>,
) -> MapFacts {
    let given = |key: Key| Some((key.name.to_string(), job.params.get(key.name).filter(|v| **v != Value::Nothing)?));
    let word = |value: &Value| if let Value::Text(word) = value { word.clone() } else { value.to_string() };
    MapFacts {
        method: method.name().into(),
        parameters: method.keys().into_iter().filter_map(given).map(|(name, value)| (name, word(value))).collect(),
        norm: keys.norm.word().into(),
        seed: method.is_random().then_some(job.seed),
        features: features.facts.names.clone(),
        classes: features.facts.classes.clone(),
        k: keys.k,
        trustworthiness: quality.map(|quality| quality.trustworthiness),
        continuity: quality.map(|quality| quality.continuity),
    }
}

/// They are of all rows of the map together, so they belong to no split.
fn metrics(facts: &MapFacts, n: usize) -> Vec<Metric> {
    let metric = |(name, value): (&str, Option<f64>)| Metric {
        series: String::new(),
        split: String::new(),
        metric: name.into(),
        class: String::new(),
        value,
        n,
        interval: None,
    };
    [("trustworthiness", facts.trustworthiness), ("continuity", facts.continuity)].map(metric).into()
}

/// Rows of the features.
struct Chosen {
    shown: Vec<usize>,
    /// For what is fitted, whether they are shown or not.
    training: Vec<usize>,
}

impl Chosen {
    /// Those of the splits that are no copies, with checked values.
    fn of(features: &Features, splits: &[Shown]) -> Result<Self, StageError> {
        let index = &features.index;
        let (copies, parts) = (index.texts("copy"), index.texts("split"));
        let rows = |wanted: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (0..parts.len()).filter(|row| copies[*row] == "0" && wanted(&parts[*row])).collect()
        };
        let is_shown = |part: &str| splits.iter().any(|split| split.word() == part);
        let chosen = Self { shown: rows(&is_shown), training: rows(&|part| part == split::TRAIN) };
        for row in chosen.shown.iter().chain(&chosen.training) {
            if let Some(column) = features.values.row(*row).iter().position(|x| !x.is_finite()) {
                let (name, candid) = (&features.facts.names[column], &index.texts("candid")[*row]);
                let what = format!("feature `{name}` of candid {candid} is not a finite number");
                return Err(StageError::with_hint(what, "choose what replaces missing values in `preprocess`"));
            }
        }
        if chosen.shown.len() < 2 {
            let error = ProjectionError::TooFew { rows: chosen.shown.len() };
            return Err(StageError::with_hint(error.to_string(), "name more of `splits`"));
        }
        Ok(chosen)
    }

    /// The points of the map, and those that a method may fit on.
    fn scaled(&self, features: &Features, norm: Norm) -> (Points, Points) {
        let points =
            |rows: &[usize]| Points::new(&rows.iter().map(|row| features.values.row(*row)).collect::<Vec<_>>());
        let (shown, training) = (points(&self.shown), points(&self.training));
        (shown.scaled(norm, &training), training.scaled(norm, &training))
    }

    fn rows(&self, features: &Features, places: &[Place]) -> Vec<MapRow> {
        let index = &features.index;
        let (objects, labels, splits) = (index.texts("objectId"), index.texts("label"), index.texts("split"));
        let candids = index.ints("candid").unwrap_or_default();
        let row = |(row, place): (&usize, &Place)| MapRow {
            candid: candids[*row],
            object_id: objects[*row].clone(),
            label: labels[*row].clone(),
            split: splits[*row].clone(),
            place: *place,
        };
        self.shown.iter().zip(places).map(row).collect()
    }

    fn explain(&self, error: ProjectionError, features: &Features) -> StageError {
        let hint = match &error {
            ProjectionError::Interrupted => return StageError::Interrupted,
            ProjectionError::NoAngle { row } => {
                let candid = &features.index.texts("candid")[self.shown[*row]];
                let what = format!("all features of candid {candid} are 0, so it has no angle to others");
                return StageError::with_hint(what, "take `metric = \"euclidean\"`");
            }
            ProjectionError::TooManyNeighbours { key, .. } => format!("lower `{key}`, or name more of `splits`"),
            ProjectionError::Pca(_) => "a map by principal components needs two features and two training rows".into(),
            ProjectionError::TooFew { .. } => "name more of `splits`".into(),
            ProjectionError::Parameters => return StageError::failed(error.to_string()),
        };
        StageError::with_hint(error.to_string(), hint)
    }
}

#[cfg(test)]
mod tests;
