//! Effect of each setting averaged over the others: in a grid of several axes every pair of arms that differ in one setting
//! alone tells of that setting, whatever the other settings are. Knows no table.

use std::collections::{BTreeMap, BTreeSet};

use super::points::are_the_same;
use super::{Arm, Measure, OfMeasure, Point};
use crate::metrics::statistics::{PairedDifference, paired_difference};

/// What one value of a setting does, against the baseline's value.
#[derive(Clone, Debug)]
pub struct Effect {
    /// What was measured.
    pub measure: Measure,
    /// The setting, `stage.key`.
    pub setting: String,
    /// The baseline's value.
    pub from: String,
    /// The other value.
    pub to: String,
    /// Pairs of arms that differ in this setting alone.
    pub pairs: usize,
    /// Mean difference over these pairs, replicate by replicate; corrected for nothing.
    pub difference: PairedDifference,
}

/// Effects of all settings on a measure, for those that at least two pairs of arms tell of: a single pair says what the table of
/// arms says. Of errors in pixels pairs of the baseline's scale tell: those of another have another unit.
pub(super) fn effects(of: &OfMeasure, baseline: usize) -> Vec<Effect> {
    let mut found = Vec::new();
    for (setting, from) in &of.arms[baseline].record.settings {
        for (to, pairs) in pairs(of, baseline, setting, from) {
            let same = |(arm, partner): &(usize, usize)| are_the_same(&of.points[*arm], &of.points[*partner]);
            if pairs.len() < 2 || pairs.iter().all(same) {
                continue;
            }
            let (ours, theirs) = by_replicate(&pairs, &of.points);
            let shared =
                pairs.iter().map(|(arm, partner)| of.shared[*arm].max(of.shared[*partner])).fold(0.0, f64::max);
            if let Some(difference) = paired_difference(&ours, &theirs, shared) {
                let (setting, from, pairs) = (setting.clone(), from.clone(), pairs.len());
                found.push(Effect { measure: of.measure.clone(), setting, from, to, pairs, difference });
            }
        }
    }
    found
}

/// By the other value of `setting`: the arms that have it, each with the arm that has `from` instead and is the same otherwise.
fn pairs(of: &OfMeasure, baseline: usize, setting: &str, from: &str) -> BTreeMap<String, Vec<(usize, usize)>> {
    let base = &of.arms[baseline];
    let same = |a: &Arm, b: &Arm| {
        let others = |arm: &Arm| -> Vec<(String, String)> {
            let settings = arm.record.settings.iter().filter(|(key, _)| *key != setting);
            settings.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        others(a) == others(b)
    };
    let is_here = |(index, arm): &(usize, &Arm)| {
        arm.experiment.experiment == base.experiment.experiment && of.scales[*index] == of.scales[baseline]
    };
    let here = || of.arms.iter().enumerate().filter(is_here);
    let mut pairs: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
    for (index, arm) in here() {
        let Some(to) = arm.record.settings.get(setting).filter(|to| *to != from) else { continue };
        let is_partner =
            |other: &Arm| other.record.settings.get(setting).is_some_and(|v| v == from) && same(arm, other);
        if let Some((partner, _)) = here().find(|(_, other)| is_partner(other)) {
            pairs.entry(to.clone()).or_default().push((index, partner));
        }
    }
    pairs
}

/// Means of the first and of the second arms of the pairs, in each replicate in which all of them have a result; where none of
/// them varies, replicates count once.
fn by_replicate(pairs: &[(usize, usize)], points: &[Vec<Point>]) -> (Vec<f64>, Vec<f64>) {
    let replicates: BTreeSet<usize> = pairs.iter().flat_map(|(arm, _)| &points[*arm]).map(|p| p.replicate).collect();
    let at = |arm: usize, replicate: usize| points[arm].iter().find(|point| point.replicate == replicate);
    let mut seen = BTreeSet::new();
    let means = |replicate: usize| {
        let both: Option<Vec<(&Point, &Point)>> =
            pairs.iter().map(|(arm, partner)| Some((at(*arm, replicate)?, at(*partner, replicate)?))).collect();
        let both = both?;
        let draws: Vec<_> = both.iter().map(|(a, b)| (a.draw, b.draw)).collect();
        let mean = |of: fn(&(&Point, &Point)) -> f64| both.iter().map(of).sum::<f64>() / both.len() as f64;
        seen.insert(draws).then(|| (mean(|pair| pair.0.value), mean(|pair| pair.1.value)))
    };
    replicates.into_iter().filter_map(means).unzip()
}

#[cfg(test)]
mod tests {
    use super::super::super::record::{ArmRecord, Record};
    use super::super::scale::Scale;
    use super::*;

    /// A grid of 2 x 3 arms whose values are a sum of effects, one of them missing.
    #[test]
    fn a_sum_of_effects_is_taken_apart() {
        let values = [("a", 0.0), ("b", 1.0)];
        let others = [("x", 0.0), ("y", 0.25), ("z", -0.5)];
        let mut arms = Vec::new();
        let mut points: Vec<Vec<Point>> = Vec::new();
        for (first, add) in values {
            for (second, more) in others {
                let settings = [("s.one", first), ("s.two", second)].map(|(k, v)| (k.to_string(), v.to_string()));
                arms.push(ArmRecord { name: format!("{first}{second}"), settings: settings.into() });
                // Each replicate has its luck, and the arm noise that cancels over the replicates.
                let noise = if first == "b" && second == "z" { 0.01 } else { 0.0 };
                let value = |r: usize| add + more + 0.1 * r as f64 + noise * (r as f64 - 1.0);
                let point = |r| Point {
                    replicate: r,
                    draw: Some(r),
                    numbers: format!("{first}{second}{r}"),
                    value: value(r),
                    rows: 9,
                    interval: None,
                };
                points.push((0..3).map(point).collect());
            }
        }
        let record = Record { arms, ..Record::default() };
        let arms: Vec<Arm> =
            record.arms.iter().map(|arm| Arm { name: arm.name.clone(), experiment: &record, record: arm }).collect();
        let text = String::new;
        let measure =
            Measure { stage: text(), series: text(), split: text(), metric: "accuracy".into(), class: text() };
        let scales = vec![Scale::new(); 6];
        let mut of = OfMeasure { measure: &measure, arms: &arms, points, shared: vec![0.0; 6], scales };
        let found = effects(&of, 0);
        let shown: Vec<(&str, &str, usize, usize)> =
            found.iter().map(|e| (e.setting.as_str(), e.to.as_str(), e.pairs, e.difference.summary.n)).collect();
        assert_eq!(shown, [("s.one", "b", 3, 3), ("s.two", "y", 2, 3), ("s.two", "z", 2, 3)]);
        for (effect, expected) in found.iter().zip([1.0, 0.25, -0.5]) {
            assert!((effect.difference.summary.mean - expected).abs() < 1e-12, "{effect:?}");
        }
        let (low, high) = found[0].difference.summary.interval.unwrap();
        assert!(low < 1.0 && 1.0 < high && high - low < 0.1);
        // Without the results of one arm its pairs tell nothing.
        let last = std::mem::take(&mut of.points[5]);
        assert!(effects(&of, 0).iter().all(|e| e.setting == "s.two" && e.to == "y"));
        // Arms `b` have pixels of another scale, so each of the others has one pair left: no averages.
        of.points[5] = last;
        of.scales[3..].fill(Scale::from([("normalise", "l2")]));
        assert!(effects(&of, 0).is_empty());
        // Where those with `z` have it, what `b` does is told by the other two pairs.
        for (arm, scale) in of.scales.iter_mut().enumerate() {
            *scale = if arm % 3 == 2 { Scale::from([("normalise", "l2")]) } else { Scale::new() };
        }
        let shown: Vec<(String, usize)> = effects(&of, 0).into_iter().map(|e| (e.to, e.pairs)).collect();
        assert_eq!(shown, [("b".to_string(), 2), ("y".to_string(), 2)]);
    }
}
