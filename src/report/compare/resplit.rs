//! What the replicates of an arm share. Where each divides the same objects anew (`resample = true` of `preprocess`), they train
//! and are judged on partly the same ones, and are not independent. Knows `splits.csv`, but no statistics.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::stages::Stages;
use super::{Arm, Measure};
use crate::artifacts::split::TRAIN;
use crate::artifacts::table::Table;
use crate::report::record::StepRecord;
use crate::stage::ArtifactType;

/// The table in which `preprocess` counts the objects of each class in each split.
const COUNTS: &str = "splits.csv";

/// What was divided anew for each replicate: the objects of the first one, for all are alike, by its folder.
pub(super) struct Splits<'a>(HashMap<&'a Path, Objects>);

impl<'a> Splits<'a> {
    pub(super) fn new(stages: &Stages<'a>) -> Self {
        let anew = stages.all().filter(|steps| steps.iter().any(|step| step.key != steps[0].key));
        let folders = anew.filter_map(first_stamps);
        Self(folders.filter_map(|folder| Some((folder, Objects::read(folder)?))).collect())
    }

    /// Objects tested over objects trained on, as far as `measure` is about them, where the replicates of `arm` divide them anew,
    /// else 0; the largest of the stages behind it.
    pub(super) fn shared(&self, stages: &Stages<'a>, arm: &Arm, measure: &Measure) -> f64 {
        let behind = stages.up_to(arm, &measure.stage).into_iter();
        let objects = behind.filter_map(|steps| self.0.get(first_stamps(steps)?));
        objects.map(|objects| objects.ratio(&measure.split, &measure.class)).fold(0.0, f64::max)
    }
}

/// Folder of the first of a stage's results that are stamps.
fn first_stamps<'a>(steps: &[&'a StepRecord]) -> Option<&'a Path> {
    steps.iter().filter(|step| step.artifact == ArtifactType::Stamps).find_map(|step| step.folder.as_deref())
}

/// Objects of each class, or of none, by split.
struct Objects(BTreeMap<String, BTreeMap<String, f64>>);

impl Objects {
    /// `None` where the artifact does not say, for it divides nothing.
    fn read(folder: &Path) -> Option<Self> {
        let table = Table::read(folder.join(COUNTS)).ok()?;
        let mut objects: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        let names = table.texts("class").into_iter().zip(table.texts("split"));
        for ((class, split), n) in names.zip(table.numbers("objects")?) {
            *objects.entry(class).or_default().entry(split).or_default() += n;
        }
        Some(Self(objects))
    }

    /// Objects of `split` over objects of the training split: those of `class`, of which alone its numbers are. What is of no
    /// class is of all, and scatters with the one that has the largest ratio; objects without a label, which are mostly trained on
    /// and never judged, do not count beside labelled ones.
    fn ratio(&self, split: &str, class: &str) -> f64 {
        let ratio = |objects: &BTreeMap<String, f64>| {
            let of = |split: &str| objects.get(split).copied().filter(|n| *n > 0.0);
            Some(of(split)? / of(TRAIN)?)
        };
        if let Some(own) = self.0.get(class).filter(|_| !class.is_empty()).and_then(ratio) {
            return own;
        }
        let is_labelled = |class: &&String| !class.is_empty();
        let labelled = self.0.keys().any(|class| is_labelled(&class));
        let counted = self.0.iter().filter(|(class, _)| !labelled || is_labelled(class));
        counted.filter_map(|(_, objects)| ratio(objects)).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Comparison, ComparisonOptions, ComparisonRow, comparison};
    use super::*;
    use crate::metrics::paired_objects::{ObjectSum, differences};
    use crate::report::fake;
    use crate::report::notes::notes;
    use crate::report::record::Record;

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
            let counts = "class,split,alerts,objects\nAGN,train,90,50\nAGN,test,20,10\n,train,900,800\n";
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
        // sqrt((1/5 + 10/50) / (1/5))
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

    /// As `split = "count"` makes them: as many of the rare class in the test split as of the others.
    #[test]
    fn numbers_of_a_class_share_what_its_objects_do() {
        let folder = tempfile::tempdir().unwrap();
        let counts = "class,split,alerts,objects\nAGN,test,20,12\nAGN,train,900,600\nSN,test,12,12\nSN,train,8,8\n\
                      bogus,train,7,7\n,train,999,999\n,test,500,500\n";
        std::fs::write(folder.path().join(COUNTS), counts).unwrap();
        let objects = Objects::read(folder.path()).unwrap();
        let ratios = ["AGN", "SN", "", "bogus", "3"].map(|class| objects.ratio("test", class));
        assert_eq!(ratios, [0.02, 1.5, 1.5, 1.5, 1.5], "of its own, else the largest of those that are tested");
        assert_eq!(objects.ratio("", ""), 0.0, "numbers of no split");
        std::fs::write(folder.path().join(COUNTS), "class,split,objects\n,train,80\n,test,16\n").unwrap();
        assert_eq!(Objects::read(folder.path()).unwrap().ratio("test", ""), 0.2, "nothing is labelled");
    }
}
