//! Metrics as a tidy table `metrics.csv`: the narrow waist between what stages measure and what reports print. Any
//! artifact may hold one; a `scores` artifact is one, with `confusion.csv` and `differences.csv` beside it. A metric that is undefined is empty, not 0.

use std::collections::BTreeMap;
use std::path::Path;

use super::Result;
use super::table::{RowWriter, Table, number};
use crate::metrics::statistics::ratio_interval;

/// Name of the table in an artifact's folder.
pub const METRICS: &str = "metrics.csv";
/// Name of the confusion table: counts by series, split, true and predicted class.
pub const CONFUSION: &str = "confusion.csv";
/// Name of the table of paired differences between series.
pub const DIFFERENCES: &str = "differences.csv";

/// Test of a difference of shares of the same rows, see [`crate::metrics::paired_shares`].
pub const PAIRED_SCORE: &str = "paired score test over objects";
/// Test of any other difference, see [`crate::metrics::bootstrap`].
pub const PAIRED_BOOTSTRAP: &str = "paired bootstrap over objects";
/// Exact test of accuracy, see [`crate::metrics::mcnemar`].
pub const MCNEMAR: &str = "McNemar exact";
/// The same where an object has several rows.
pub const SIGN_TEST: &str = "sign test over objects, exact";

/// One measured number.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// What was measured: the name of an input of `compare`, or of a baseline such as `majority class`, `pca`.
    pub series: String,
    /// Split.
    pub split: String,
    /// Word of the metric.
    pub metric: String,
    /// Class that it is about, empty for all together.
    pub class: String,
    /// The value; `None` where it is undefined.
    pub value: Option<f64>,
    /// Number of rows (alerts or objects) behind it.
    pub n: usize,
    /// 95 % interval, where there is one.
    pub interval: Option<(f64, f64)>,
}

impl Metric {
    /// About all classes together, without an interval.
    pub fn new(series: &str, split: &str, metric: &str, value: Option<f64>, n: usize) -> Self {
        let (series, split, metric, class) = (series.into(), split.into(), metric.into(), String::new());
        Self { series, split, metric, class, value, n, interval: None }
    }

    /// The mean of the values that are defined, with its 95 % interval over `objects`, those that the values are of: several
    /// values of one object are one piece of evidence.
    pub fn mean<'a>(
        series: &str,
        split: &str,
        metric: &str,
        values: &[f64],
        objects: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut parts: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        let (mut sum, mut n) = (0.0_f64, 0);
        for (value, object) in values.iter().zip(objects).filter(|(value, _)| value.is_finite()) {
            let part = parts.entry(object).or_default();
            *part = (part.0 + *value, part.1 + 1.0);
            (sum, n) = (sum + *value, n + 1);
        }
        let interval = ratio_interval(&parts.into_values().collect::<Vec<_>>());
        Self { interval, ..Self::new(series, split, metric, (n > 0).then(|| sum / n as f64), n) }
    }

    /// The same about one class.
    #[must_use]
    pub fn of(self, class: &str) -> Self {
        Self { class: class.into(), ..self }
    }
}

/// Counts of true against predicted classes.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionCell {
    /// As in [`Metric`].
    pub series: String,
    /// Split.
    pub split: String,
    /// True class.
    pub truth: String,
    /// Predicted class.
    pub predicted: String,
    /// Number of rows.
    pub count: usize,
}

/// A paired difference `series - baseline` on the same rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// As in [`Metric`].
    pub series: String,
    /// The series that it is compared with.
    pub baseline: String,
    /// Split.
    pub split: String,
    /// Word of the metric.
    pub metric: String,
    /// Mean difference.
    pub value: Option<f64>,
    /// Number of paired rows.
    pub n: usize,
    /// 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// Two-sided p-value.
    pub p_value: Option<f64>,
    /// Name of the test.
    pub test: String,
}

impl Difference {
    /// Whether it is the exact test of accuracy, which stands beside the difference with its interval.
    pub fn is_exact(&self) -> bool {
        [MCNEMAR, SIGN_TEST].contains(&self.test.as_str())
    }
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, number)
}

fn optional(values: &[f64], row: usize) -> Option<f64> {
    values.get(row).copied().filter(|v| v.is_finite())
}

/// Writes `metrics.csv` into `folder`.
pub fn write_metrics(folder: &Path, metrics: &[Metric]) -> Result<()> {
    let header = ["series", "split", "metric", "class", "value", "n", "ci_low", "ci_high"];
    let mut table = RowWriter::create(folder.join(METRICS), &header)?;
    for m in metrics {
        let names = [m.series.clone(), m.split.clone(), m.metric.clone(), m.class.clone()];
        let numbers = [cell(m.value), m.n.to_string(), cell(m.interval.map(|i| i.0)), cell(m.interval.map(|i| i.1))];
        table.push(names.into_iter().chain(numbers))?;
    }
    table.finish()
}

/// Reads `metrics.csv` of `folder`; empty when the artifact has none.
pub fn read_metrics(folder: &Path) -> Result<Vec<Metric>> {
    let path = folder.join(METRICS);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let table = Table::read(path)?;
    let texts = |name| table.texts(name);
    let (series, split, metric, class) = (texts("series"), texts("split"), texts("metric"), texts("class"));
    let numbers = |name| table.numbers(name).unwrap_or_default();
    let (value, n, low, high) = (numbers("value"), numbers("n"), numbers("ci_low"), numbers("ci_high"));
    let row = |i: usize| Metric {
        series: series[i].clone(),
        split: split[i].clone(),
        metric: metric[i].clone(),
        class: class[i].clone(),
        value: optional(&value, i),
        // A user's program may have left the column out.
        n: n.get(i).map_or(0, |n| *n as usize),
        interval: optional(&low, i).zip(optional(&high, i)),
    };
    Ok((0..table.rows()).map(row).collect())
}

/// Writes `confusion.csv` into `folder`.
pub fn write_confusion(folder: &Path, cells: &[ConfusionCell]) -> Result<()> {
    let mut table = RowWriter::create(folder.join(CONFUSION), &["series", "split", "true", "predicted", "count"])?;
    for c in cells {
        let names = [c.series.clone(), c.split.clone(), c.truth.clone(), c.predicted.clone()];
        table.push(names.into_iter().chain([c.count.to_string()]))?;
    }
    table.finish()
}

/// Reads `confusion.csv` of `folder`; empty when the artifact has none.
pub fn read_confusion(folder: &Path) -> Result<Vec<ConfusionCell>> {
    let path = folder.join(CONFUSION);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let table = Table::read(path)?;
    let texts = |name| table.texts(name);
    let (series, split, truth, predicted) = (texts("series"), texts("split"), texts("true"), texts("predicted"));
    let count = table.ints("count").unwrap_or_default();
    let row = |i: usize| ConfusionCell {
        series: series[i].clone(),
        split: split[i].clone(),
        truth: truth[i].clone(),
        predicted: predicted[i].clone(),
        count: count[i] as usize,
    };
    Ok((0..table.rows()).map(row).collect())
}

/// Writes `differences.csv` into `folder`.
pub fn write_differences(folder: &Path, differences: &[Difference]) -> Result<()> {
    let header = ["series", "baseline", "split", "metric", "difference", "n", "ci_low", "ci_high", "p_value", "test"];
    let mut table = RowWriter::create(folder.join(DIFFERENCES), &header)?;
    for d in differences {
        let names = [d.series.clone(), d.baseline.clone(), d.split.clone(), d.metric.clone()];
        let (low, high) = (cell(d.interval.map(|i| i.0)), cell(d.interval.map(|i| i.1)));
        let numbers = [cell(d.value), d.n.to_string(), low, high, cell(d.p_value), d.test.clone()];
        table.push(names.into_iter().chain(numbers))?;
    }
    table.finish()
}

/// Reads `differences.csv` of `folder`; empty when the artifact has none.
pub fn read_differences(folder: &Path) -> Result<Vec<Difference>> {
    let path = folder.join(DIFFERENCES);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let table = Table::read(path)?;
    let [series, baseline, split, metric, test] =
        ["series", "baseline", "split", "metric", "test"].map(|name| table.texts(name));
    let [value, n, low, high, p_value] =
        ["difference", "n", "ci_low", "ci_high", "p_value"].map(|name| table.numbers(name).unwrap_or_default());
    let row = |i: usize| Difference {
        series: series[i].clone(),
        baseline: baseline[i].clone(),
        split: split[i].clone(),
        metric: metric[i].clone(),
        value: optional(&value, i),
        n: n.get(i).map_or(0, |n| *n as usize),
        interval: optional(&low, i).zip(optional(&high, i)),
        p_value: optional(&p_value, i),
        test: test[i].clone(),
    };
    Ok((0..table.rows()).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_metrics_stay_empty() {
        let folder = tempfile::tempdir().unwrap();
        let metric = |value, interval| Metric {
            series: "images".into(),
            split: "test".into(),
            metric: "auc".into(),
            class: "SN".into(),
            value,
            n: 10,
            interval,
        };
        let metrics = [metric(None, None), metric(Some(0.5), Some((0.4, 0.6)))];
        write_metrics(folder.path(), &metrics).unwrap();
        assert!(std::fs::read_to_string(folder.path().join(METRICS)).unwrap().contains("SN,,10,,"));
        assert_eq!(read_metrics(folder.path()).unwrap(), metrics);
    }

    /// Five objects, one of which has no value; whether each is seen once or three times alike, they tell the same of the mean.
    #[test]
    fn alerts_of_one_object_are_one_piece_of_evidence() {
        let of = |times: usize| {
            let each = [("a", 1.0), ("b", 2.0), ("c", 4.0), ("d", 1.5), ("e", f64::NAN)];
            let rows: Vec<(&str, f64)> = each.into_iter().flat_map(|row| std::iter::repeat_n(row, times)).collect();
            let values: Vec<f64> = rows.iter().map(|row| row.1).collect();
            Metric::mean("cae", "test", "mse", &values, rows.iter().map(|row| row.0))
        };
        let (once, thrice) = (of(1), of(3));
        assert_eq!((once.value, once.n, thrice.value, thrice.n), (Some(2.125), 4, Some(2.125), 12));
        let (one, three) = (once.interval.unwrap(), thrice.interval.unwrap());
        assert!((one.0 - three.0).abs() < 1e-12 && (one.1 - three.1).abs() < 1e-12, "{one:?} and {three:?}");
    }

    #[test]
    fn differences_read_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_differences(folder.path()).unwrap(), []);
        let text = |text: &str| text.to_string();
        let difference = |value, interval, p_value| Difference {
            series: text("codes"),
            baseline: text("metadata"),
            split: text("test"),
            metric: text("accuracy"),
            value,
            n: 106,
            interval,
            p_value,
            test: text("McNemar exact"),
        };
        let differences = [difference(Some(-0.5), Some((-0.75, -0.25)), Some(0.125)), difference(None, None, None)];
        write_differences(folder.path(), &differences).unwrap();
        assert_eq!(read_differences(folder.path()).unwrap(), differences);
    }

    #[test]
    fn a_table_of_a_users_program_may_lack_columns() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(METRICS), "metric,value\nlines,12\n").unwrap();
        let metrics = read_metrics(folder.path()).unwrap();
        assert_eq!((metrics[0].metric.as_str(), metrics[0].value, metrics[0].n), ("lines", Some(12.0), 0));
    }
}
