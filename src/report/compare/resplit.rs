//! What the replicates of an arm share. Where each divides the same objects anew (`resample = true` of `preprocess`), they train
//! and are judged on partly the same ones, and are not independent. Knows `splits.csv`, but no statistics.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::{Arm, Measure};
use crate::artifacts::split::TRAIN;
use crate::artifacts::table::Table;
use crate::report::record::{Record, StepRecord};
use crate::stage::ArtifactType;

/// The table in which `preprocess` counts the objects of each split.
const COUNTS: &str = "splits.csv";

/// Experiment, arm and stage.
type Place<'a> = [&'a str; 3];

/// Every stage with those behind it, and what was divided anew.
pub(super) struct Splits<'a> {
    /// Stages behind each stage.
    behind: HashMap<Place<'a>, Vec<&'a str>>,
    /// Objects by split, of stages whose replicates have splits of their own; those of the first one, for all are alike.
    anew: HashMap<Place<'a>, BTreeMap<String, f64>>,
}

impl<'a> Splits<'a> {
    pub(super) fn new(records: &'a [Record]) -> Self {
        let (mut behind, mut results): (HashMap<_, _>, HashMap<Place, Vec<&StepRecord>>) = <_>::default();
        for record in records {
            for step in &record.steps {
                let place = [&record.experiment, &step.arm, &step.stage].map(String::as_str);
                behind.entry(place).or_insert_with(|| step.inputs.values().map(String::as_str).collect());
                if step.artifact == ArtifactType::Stamps && !step.is_missing() {
                    results.entry(place).or_default().push(step);
                }
            }
        }
        let several = results.into_iter().filter(|(_, steps)| steps.iter().any(|step| step.key != steps[0].key));
        let anew = several.filter_map(|(place, steps)| Some((place, objects(steps[0].folder.as_deref()?)?)));
        Self { behind, anew: anew.collect() }
    }

    /// Objects of the split that `measure` is of over training objects, where the replicates of `arm` divide them anew, else 0.
    pub(super) fn shared(&self, arm: &Arm, measure: &Measure) -> f64 {
        self.behind([&arm.experiment.experiment, &arm.record.name, &measure.stage].map(String::as_str), &measure.split)
    }

    /// The largest of the stage at `place` and all behind it.
    fn behind(&self, place: Place, split: &str) -> f64 {
        let own = self.anew.get(&place).map_or(0.0, |objects| {
            let of = |split| objects.get(split).copied().unwrap_or(0.0);
            of(split) / of(TRAIN)
        });
        let stages = self.behind.get(&place).into_iter().flatten();
        stages.map(|stage| self.behind([place[0], place[1], stage], split)).fold(own, f64::max)
    }
}

/// Objects of all classes by split; `None` where the artifact does not say, for it divides nothing.
fn objects(folder: &Path) -> Option<BTreeMap<String, f64>> {
    let table = Table::read(folder.join(COUNTS)).ok()?;
    let mut objects = BTreeMap::new();
    for (split, n) in table.texts("split").into_iter().zip(table.numbers("objects")?) {
        *objects.entry(split).or_insert(0.0) += n;
    }
    Some(objects)
}

#[cfg(test)]
mod tests {
    use super::super::{Comparison, ComparisonOptions, ComparisonRow, comparison};
    use super::Record;
    use crate::metrics::paired_objects::{ObjectSum, differences};
    use crate::report::fake;
    use crate::report::notes::notes;

    /// The made-up experiment with a split for each replicate: `preprocess` of replicate k has a key of its own.
    #[test]
    fn splits_of_their_own_widen_intervals_and_raise_p() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = fake::record(folder.path());
        let options = ComparisonOptions { metrics: vec!["accuracy".into()], ..ComparisonOptions::default() };
        // So that there is a note on test objects.
        let objects = differences(&[vec![ObjectSum { rows: 1, sum: 1.0 }; 9]])[0];
        let of = |record: &Record| {
            let mut of = comparison(std::slice::from_ref(record), &options);
            of.rows.iter_mut().for_each(|row| row.objects = objects);
            of
        };
        let one = of(&record);
        for step in record.steps.iter_mut().filter(|step| step.stage == "stamps") {
            step.key = format!("stamps-{}", step.replicate);
            let counts = "class,split,alerts,objects\nAGN,train,90,50\nAGN,test,20,10\nSN,train,30,30\nSN,test,6,6\n";
            std::fs::write(step.folder.as_ref().unwrap().join("splits.csv"), counts).unwrap();
        }
        for step in record.steps.iter_mut().filter(|step| step.stage == "scores") {
            step.inputs.insert("features".into(), "codes".into());
        }
        for step in record.steps.iter_mut().filter(|step| step.stage == "codes") {
            step.inputs.insert("stamps".into(), "stamps".into());
        }
        let several = of(&record);
        let row = |of: &Comparison| {
            let at = |row: &&ComparisonRow| row.arm == "latent=64" && row.measure.series == "images";
            of.rows.iter().find(at).unwrap().clone()
        };
        let (one, several) = ((row(&one), notes(&one)), (row(&several), notes(&several)));
        assert_eq!((one.0.summary.unwrap().shared, several.0.summary.unwrap().shared), (0.0, 0.2));
        let (one_delta, delta) = (one.0.delta.unwrap(), several.0.delta.unwrap());
        let half = |interval: Option<(f64, f64)>| interval.map(|(low, high)| (high - low) / 2.0).unwrap();
        // sqrt((1/5 + 16/80) / (1/5))
        for (wide, narrow) in [(several.0.summary, one.0.summary), (Some(delta.summary), Some(one_delta.summary))] {
            assert!((half(wide.unwrap().interval) / half(narrow.unwrap().interval) - 2_f64.sqrt()).abs() < 1e-9);
        }
        assert!(delta.t_test > one_delta.t_test && delta.sign_flip.is_none() && one_delta.sign_flip.is_some());
        let says = |notes: &[String], what: &str| notes.iter().any(|note| note.contains(what));
        assert!(
            says(&several.1, "Nadeau and Bengio") && says(&several.1, "how far seed and split do"),
            "{:?}",
            several.1
        );
        assert!(!says(&one.1, "Nadeau") && says(&one.1, "how far the seed does") && says(&one.1, "sign-flip p"));
        assert!(!says(&several.1, "sign-flip"));
    }
}
