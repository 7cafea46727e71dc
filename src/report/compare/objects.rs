//! Differences between an arm and the baseline arm over the objects that both judged, from their predictions. The statistics
//! are [`crate::metrics::paired_objects`]; here is which rows belong together. Knows no table.

use std::collections::{BTreeMap, BTreeSet};

use super::{Arm, ComparisonRow, Known};
use crate::artifacts::predictions::{Prediction, Predictions};
use crate::metrics::paired_objects::{self, ObjectSum, ObjectsDifference};
use crate::metrics::{Judged, MEANS_OVER_ROWS};
use crate::report::record::{Record, StepRecord};
use crate::stage::ArtifactType;

/// Predictions of several records, each read once.
#[derive(Default)]
pub(super) struct Judgements {
    read: BTreeMap<String, Option<Predictions>>,
}

/// Rows of one split by object, or by candid where an object has several.
type Rows<'a> = BTreeMap<(&'a str, i64), &'a Prediction>;

/// The rows behind one series of one stage in one arm and replicate.
struct Judgement<'a> {
    rows: Rows<'a>,
    classes: &'a [String],
}

impl Judgements {
    /// Reads all predictions of `records` that can be read; what cannot is said where metrics are read.
    pub(super) fn read(records: &[Record]) -> Self {
        let mut read = BTreeMap::new();
        for step in records.iter().flat_map(|record| &record.steps) {
            let Some(folder) = step.folder.as_ref().filter(|_| step.artifact.serves_as(ArtifactType::Predictions))
            else {
                continue;
            };
            read.entry(step.key.clone()).or_insert_with(|| Predictions::open(folder).ok());
        }
        Self { read }
    }

    fn of(&self, step: &StepRecord) -> Option<&Predictions> {
        self.read.get(&step.key)?.as_ref()
    }

    /// What `series` of `step` judged in `split`: a stage's own predictions, or, of `compare`, those of the input of that
    /// name on the rows that all its inputs have.
    fn judgement<'a>(
        &'a self,
        record: &'a Record,
        step: &'a StepRecord,
        series: &str,
        split: &str,
    ) -> Option<Judgement<'a>> {
        if let Some(own) = self.of(step) {
            return Some(Judgement { rows: rows(own, split), classes: &own.facts.classes });
        }
        let beside = |stage: &String| {
            record.steps.iter().find(|s| s.stage == *stage && s.arm == step.arm && s.replicate == step.replicate)
        };
        let inputs: Option<Vec<&Predictions>> = step.inputs.values().map(|stage| self.of(beside(stage)?)).collect();
        let own = self.of(beside(step.inputs.get(series)?)?)?;
        let mut rows = rows(own, split);
        for other in inputs? {
            let theirs = self::rows(other, split);
            rows.retain(|row, _| theirs.contains_key(row));
        }
        Some(Judgement { rows, classes: &own.facts.classes })
    }
}

/// By object where each has one row, so that arms that end with other detections of an object can be paired.
fn rows<'a>(predictions: &'a Predictions, split: &str) -> Rows<'a> {
    let here = || predictions.rows.iter().filter(|row| row.split == split);
    // Alerts without an object stand for themselves.
    let objects: BTreeSet<&str> =
        here().map(|row| row.object_id.as_str()).filter(|object| !object.is_empty()).collect();
    let single = objects.len() == here().count();
    here().map(|row| ((row.object_id.as_str(), if single { 0 } else { row.candid }), row)).collect()
}

impl Judgement<'_> {
    /// The value of each of [`MEANS_OVER_ROWS`] on all rows.
    fn values(&self) -> Vec<Option<f64>> {
        let rows: Vec<Judged> = self.rows.values().map(|row| judged(row)).collect();
        MEANS_OVER_ROWS.iter().map(|metric| metric.whole(&rows, self.classes.len())).collect()
    }

    /// Whether `metric` of these rows is `value`, as some table says: then they are the rows behind that number.
    fn gives(&self, metric: &str, value: f64) -> bool {
        let position = MEANS_OVER_ROWS.iter().position(|known| known.name == metric);
        let ours = position.and_then(|position| self.values()[position]);
        ours.is_some_and(|ours| (ours - value).abs() <= 1e-9 * value.abs().max(1.0))
    }
}

fn judged(row: &Prediction) -> Judged<'_> {
    Judged::new(row.label, &row.probabilities)
}

/// The differences `arm - baseline` in [`MEANS_OVER_ROWS`] by name, over the rows that both have of each pair of replicates;
/// empty when there are none.
fn differences(pairs: &[(Judgement, Judgement)]) -> BTreeMap<&'static str, ObjectsDifference> {
    let mut objects: BTreeMap<(&str, i64), ObjectSum> = BTreeMap::new();
    for (arm, baseline) in pairs.iter().filter(|(arm, baseline)| arm.classes == baseline.classes) {
        for (row, ours) in &arm.rows {
            let Some(theirs) = baseline.rows.get(row).filter(|theirs| theirs.label == ours.label) else { continue };
            // An alert without an object stands for itself.
            let object = if row.0.is_empty() { *row } else { (row.0, 0) };
            let nothing = || ObjectSum { rows: 0, sums: vec![0.0; MEANS_OVER_ROWS.len()] };
            let object = objects.entry(object).or_insert_with(nothing);
            object.rows += 1;
            for (sum, metric) in object.sums.iter_mut().zip(MEANS_OVER_ROWS) {
                let value = |row| metric.whole(&[judged(row)], arm.classes.len()).unwrap_or_default();
                *sum += value(ours) - value(theirs);
            }
        }
    }
    let objects: Vec<ObjectSum> = objects.into_values().collect();
    MEANS_OVER_ROWS.iter().map(|metric| metric.name).zip(paired_objects::differences(&objects)).collect()
}

/// Fills in the difference over objects of every arm in every measure that is a mean over rows, where the predictions give
/// exactly the numbers of the table.
pub(super) fn attach(rows: &mut [ComparisonRow], arms: &[Arm], baseline: &Arm, known: &Known, read: &Judgements) {
    let mut found: BTreeMap<(String, String, String, String), BTreeMap<&'static str, ObjectsDifference>> =
        BTreeMap::new();
    for row in rows.iter_mut().filter(|row| row.measure.class.is_empty() && row.delta.is_some()) {
        if !MEANS_OVER_ROWS.iter().any(|metric| metric.name == row.measure.metric) {
            continue;
        }
        let Some(arm) = arms.iter().find(|arm| arm.name == row.arm) else { continue };
        let m = &row.measure;
        let place = (row.arm.clone(), m.stage.clone(), m.series.clone(), m.split.clone());
        let found = found.entry(place).or_insert_with(|| differences(&pairs(row, arm, baseline, known, read)));
        row.objects = found.get(m.metric.as_str()).copied();
    }
}

/// What both judged, for each distinct pair of results.
fn pairs<'a>(
    row: &ComparisonRow,
    arm: &'a Arm,
    baseline: &'a Arm,
    known: &Known,
    read: &'a Judgements,
) -> Vec<(Judgement<'a>, Judgement<'a>)> {
    let measure = &row.measure;
    let judged = |arm: &'a Arm| -> BTreeMap<usize, (String, Judgement<'a>)> {
        let judged = known.points(arm, measure).into_iter().filter_map(|point| {
            let is_it = |step: &&StepRecord| {
                step.stage == measure.stage && step.arm == arm.record.name && step.replicate == point.replicate
            };
            let step = arm.experiment.steps.iter().find(is_it)?;
            let judgement = read.judgement(arm.experiment, step, &measure.series, &measure.split)?;
            judgement.gives(&measure.metric, point.value).then_some((point.replicate, (point.key, judgement)))
        });
        judged.collect()
    };
    let (ours, mut theirs, mut seen) = (judged(arm), judged(baseline), BTreeSet::new());
    let paired = ours.into_iter().filter_map(|(replicate, (key, ours))| {
        let (base, theirs) = theirs.remove(&replicate)?;
        seen.insert((key, base)).then_some((ours, theirs))
    });
    paired.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::artifacts::predictions::PredictionsFacts;
    use crate::artifacts::scores::{Metric, write_metrics};
    use crate::report::{ArmRecord, ComparisonOptions, comparison};

    /// Predictions for 30 objects of which the arm judges every `wrong`-th wrongly.
    fn predictions(wrong: usize, shift: usize) -> Predictions {
        let row = |i: usize| Prediction {
            // Each arm ends with another detection of the object.
            candid: (100 * shift + i) as i64,
            object_id: format!("ZTF{i:02}"),
            label: i % 2,
            split: if i < 24 { "test".into() } else { "validation".into() },
            probabilities: if (i + shift).is_multiple_of(wrong) == i.is_multiple_of(2) {
                vec![0.25, 0.75]
            } else {
                vec![0.75, 0.25]
            },
        };
        let facts = PredictionsFacts {
            classes: vec!["a".into(), "b".into()],
            classifier: "x".into(),
            train_counts: vec![1, 1],
            labels: None,
            temperature: None,
        };
        Predictions { facts, rows: (0..30).map(row).collect() }
    }

    /// Arms of two replicates with a stage `probe` and its `scores`, whose accuracy is off by `lie`.
    fn record(folder: &Path, lie: f64) -> Record {
        let mut steps = Vec::new();
        for (arm, wrong) in [("base", 3), ("other", 8)] {
            for replicate in 0..2 {
                let probe = predictions(wrong, replicate);
                let test: Vec<&Prediction> = probe.rows.iter().filter(|row| row.split == "test").collect();
                let right = test.iter().filter(|row| row.predicted() == row.label).count() as f64 / test.len() as f64;
                let accuracy = Metric {
                    series: "probe".into(),
                    split: "test".into(),
                    metric: "accuracy".into(),
                    class: String::new(),
                    value: Some(right + lie),
                    n: test.len(),
                    interval: None,
                };
                for (stage, artifact) in [("probe", ArtifactType::Predictions), ("scores", ArtifactType::Scores)] {
                    let out = folder.join(format!("{stage}-{arm}-{replicate}"));
                    std::fs::create_dir_all(&out).unwrap();
                    match artifact {
                        ArtifactType::Scores => write_metrics(&out, std::slice::from_ref(&accuracy)).unwrap(),
                        _ => probe.write(&out).unwrap(),
                    }
                    let inputs =
                        if stage == "scores" { [("probe".into(), "probe".into())].into() } else { BTreeMap::new() };
                    let (key, kind) = (format!("{stage}-{arm}-{replicate}"), stage.to_string());
                    let (arm, stage, state) = (arm.to_string(), stage.to_string(), "ran".to_string());
                    let (seconds, folder) = (None, Some(out));
                    steps.push(StepRecord {
                        arm,
                        replicate,
                        stage,
                        kind,
                        artifact,
                        key,
                        state,
                        seconds,
                        folder,
                        inputs,
                    });
                }
            }
        }
        let arms = ["base", "other"].map(|name| ArmRecord { name: name.into(), ..ArmRecord::default() }).into();
        Record {
            experiment: "x".into(),
            baseline: Some("base".into()),
            replicates: 2,
            arms,
            steps,
            ..Record::default()
        }
    }

    fn of_other(record: Record) -> (Option<ObjectsDifference>, Option<f64>) {
        let compared = comparison(&[record], &ComparisonOptions::default());
        let row = compared.rows.iter().find(|row| row.arm == "other" && row.measure.metric == "accuracy").unwrap();
        (row.objects, row.objects_p_holm)
    }

    #[test]
    fn replicates_are_paired_object_by_object() {
        let folder = tempfile::tempdir().unwrap();
        let (objects, holm) = of_other(record(folder.path(), 0.0));
        let objects = objects.unwrap();
        // Of objects 0..24 base errs where 3 divides i or i + 1, other where 8 does: 16 against 6 rows of 48.
        assert_eq!(objects.objects, 24);
        assert!((objects.mean - 10.0 / 48.0).abs() < 1e-12, "{objects:?}");
        assert_eq!(holm, Some(objects.permutation), "one arm needs no correction");
        let (low, high) = objects.interval.unwrap();
        assert!(low > 0.0 && high < 0.45 && objects.permutation < 0.05, "{objects:?}");
    }

    #[test]
    fn predictions_that_do_not_give_the_number_of_the_table_are_not_used() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(of_other(record(folder.path(), 0.01)), (None, None));
    }

    #[test]
    fn a_failed_replicate_leaves_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = record(folder.path(), 0.0);
        for step in record.steps.iter_mut().filter(|step| step.arm == "other" && step.replicate == 1) {
            step.folder = None;
        }
        let (objects, _) = of_other(record);
        assert!((objects.unwrap().mean - 5.0 / 24.0).abs() < 1e-12);
    }
}
