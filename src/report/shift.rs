//! Metrics of one result against those of another: which numbers changed. Knows only metrics.

use serde::Serialize;

use super::words::rank;
use crate::artifacts::scores::Metric;
use crate::artifacts::split;

/// A number that changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// What was measured.
    pub series: String,
    /// Split.
    pub split: String,
    /// Word of the metric.
    pub metric: String,
    /// Class that it is about, empty for all together.
    pub class: String,
    /// The number before; `None` where there was none.
    pub old: Option<f64>,
    /// The number now; `None` where there is none.
    pub new: Option<f64>,
}

/// Numbers that differ between two results: of the test split first, then in the order of importance.
pub fn shifts(old: &[Metric], new: &[Metric]) -> Vec<Shift> {
    let is_same = |a: &Metric, b: &Metric| {
        a.series == b.series && a.split == b.split && a.metric == b.metric && a.class == b.class
    };
    let shift = |of: &Metric, old: Option<f64>, new: Option<f64>| Shift {
        series: of.series.clone(),
        split: of.split.clone(),
        metric: of.metric.clone(),
        class: of.class.clone(),
        old,
        new,
    };
    let value = |list: &[Metric], of: &Metric| list.iter().find(|m| is_same(m, of)).and_then(|m| m.value);
    let mut list: Vec<Shift> = old.iter().map(|m| shift(m, m.value, value(new, m))).collect();
    let only_new = new.iter().filter(|m| !old.iter().any(|o| is_same(o, m)));
    list.extend(only_new.map(|m| shift(m, None, m.value)));
    list.retain(|s| s.old != s.new);
    list.sort_by_key(|s| (s.split != split::TEST, rank(&s.metric), !s.class.is_empty()));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(split: &str, metric: &str, value: f64) -> Metric {
        let text = String::from;
        Metric {
            series: text("s"),
            split: text(split),
            metric: text(metric),
            class: String::new(),
            value: Some(value),
            n: 1,
            interval: None,
        }
    }

    #[test]
    fn changed_numbers_are_told_test_first() {
        let old = [metric("validation", "accuracy", 0.5), metric("test", "accuracy", 0.5), metric("test", "f1", 0.1)];
        let new = [metric("validation", "accuracy", 0.6), metric("test", "accuracy", 0.7), metric("test", "f1", 0.1)];
        let list = shifts(&old, &[&new[..], &[metric("test", "brier", 0.2)]].concat());
        let shown: Vec<_> = list.iter().map(|s| (s.split.as_str(), s.metric.as_str(), s.old, s.new)).collect();
        assert!(shown.contains(&("test", "brier", None, Some(0.2))));
        assert!(shown.contains(&("test", "accuracy", Some(0.5), Some(0.7))));
        assert_eq!((shown.len(), shown[2]), (3, ("validation", "accuracy", Some(0.5), Some(0.6))));
    }
}
