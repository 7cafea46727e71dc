//! Differences between an arm and the baseline arm over the objects that both judged, from their predictions. The statistics
//! are [`crate::metrics::paired_objects`]; here is which replicates and rows are paired. Knows no table.

mod judgements;

use std::collections::HashMap;

use judgements::{Judgement, Read, Sheets, Steps};

use super::points::{self, Known, Point};
use super::{Arm, ComparisonRow, Measure};
use crate::metrics::paired_objects::{ObjectSum, ObjectsDifference, differences};
use crate::metrics::paired_shares::{Pair, paired_shares};
use crate::metrics::{MEANS_OVER_ROWS, Measure as HowMeasured};
use crate::report::record::Record;

/// Fills in the difference over objects of every arm in every measure that is a mean over rows, where the predictions give
/// exactly the numbers of the table. `rows`: one for each arm, measure by measure.
pub(super) fn attach(
    rows: &mut [ComparisonRow],
    arms: &[Arm],
    base: usize,
    known: &Known,
    records: &[Record],
    split: &str,
) {
    let read = Read::all(records);
    let sheets = Sheets::new(&read, split);
    let mut judged: HashMap<(String, String), Vec<Judged>> = HashMap::new();
    let (mut places, mut all, mut intervals) = (Vec::new(), Vec::new(), Vec::new());
    for (block, rows) in rows.chunks(arms.len()).enumerate() {
        let measure = &rows[0].measure;
        let Some(metric) = position(measure, split) else { continue };
        let place = (measure.stage.clone(), measure.series.clone());
        let judged =
            judged.entry(place).or_insert_with(|| arms.iter().map(|arm| Judged::of(&sheets, arm, measure)).collect());
        let baseline = known.points(&arms[base], measure);
        for arm in (0..arms.len()).filter(|arm| rows[*arm].delta.is_some()) {
            let points = known.points(&arms[arm], measure);
            let pairs = pairs((&points, &judged[arm]), (&baseline, &judged[base]), metric);
            let (sums, shares): (Vec<ObjectSum>, Vec<Pair>) = sums(&pairs, metric, sheets.numbers).into_iter().unzip();
            let is_share = matches!(MEANS_OVER_ROWS[metric].measure, HowMeasured::Share(_));
            places.push(block * arms.len() + arm);
            all.push(sums);
            intervals.push(is_share.then(|| paired_shares(shares).map(|of| of.interval)));
        }
    }
    for ((place, difference), of_shares) in places.into_iter().zip(differences(&all)).zip(intervals) {
        let with =
            |found: ObjectsDifference| ObjectsDifference { interval: of_shares.unwrap_or(found.interval), ..found };
        rows[place].objects = difference.map(with);
    }
}

/// Which of [`MEANS_OVER_ROWS`] a measure is, over all rows of the split.
fn position(measure: &Measure, split: &str) -> Option<usize> {
    let metric = MEANS_OVER_ROWS.iter().position(|known| known.name == measure.metric)?;
    (measure.class.is_empty() && measure.split == split).then_some(metric)
}

/// What one series of one stage judged in an arm, by replicate.
struct Judged<'a>(HashMap<usize, Judgement<'a>>);

impl<'a> Judged<'a> {
    fn of(sheets: &'a Sheets, arm: &Arm<'a>, measure: &Measure) -> Self {
        let steps: Steps = arm
            .experiment
            .steps
            .iter()
            .filter(|step| step.arm == arm.record.name)
            .map(|step| ((step.stage.as_str(), step.replicate), step))
            .collect();
        let own = steps.iter().filter(|((stage, _), _)| *stage == measure.stage);
        Self(own.filter_map(|((_, k), step)| Some((*k, sheets.judgement(&steps, step, &measure.series)?))).collect())
    }

    /// The judgement behind a number of a table, if it gives that number.
    fn behind(&self, point: &Point, metric: usize) -> Option<&Judgement<'a>> {
        self.0.get(&point.replicate).filter(|judgement| judgement.gives(metric, point.value))
    }
}

/// What both judged, for each distinct pair of results.
fn pairs<'a>(
    ours: (&[Point], &'a Judged<'a>),
    theirs: (&[Point], &'a Judged<'a>),
    metric: usize,
) -> Vec<(&'a Judgement<'a>, &'a Judgement<'a>)> {
    let judgements = |(point, other): (&Point, &Point)| {
        let (arm, baseline) = (ours.1.behind(point, metric)?, theirs.1.behind(other, metric)?);
        (arm.classes == baseline.classes).then_some((arm, baseline))
    };
    points::pairs(ours.0, theirs.0).into_iter().filter_map(judgements).collect()
}

/// The differences `arm - baseline` in a metric, object by object, over the rows that both have with the same label; and how many
/// of these rows the one and the other has more of it.
fn sums(pairs: &[(&Judgement, &Judgement)], metric: usize, numbers: usize) -> Vec<(ObjectSum, Pair)> {
    let mut sums = vec![(ObjectSum { rows: 0, sum: 0.0 }, Pair::default()); numbers];
    for (arm, baseline) in pairs {
        for ours in &arm.rows {
            let Some(theirs) = baseline.find(ours.number).filter(|theirs| theirs.label == ours.label) else { continue };
            let (object, pair) = &mut sums[ours.object];
            let difference = ours.values[metric] - theirs.values[metric];
            object.rows += 1;
            object.sum += difference;
            pair.rows += 1;
            pair.first += usize::from(difference > 0.0);
            pair.second += usize::from(difference < 0.0);
        }
    }
    sums.retain(|(object, _)| object.rows > 0);
    sums
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::artifacts::predictions::PredictionsFacts;
    use crate::artifacts::predictions::{Prediction, Predictions};
    use crate::artifacts::scores::{Metric, write_metrics};
    use crate::metrics::paired_objects::ObjectsDifference;
    use crate::report::record::StepRecord;
    use crate::report::{ArmRecord, ComparisonOptions, comparison};
    use crate::stage::ArtifactType;
    use std::collections::BTreeMap;

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
                        scale: BTreeMap::new(),
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
