//! Measures of class probabilities against true classes: one file each, and the list that `compare`, the documentation and
//! the tests loop over. Undefined is `None`, never 0. Knows no file and no stage.

pub mod accuracy;
pub mod auc;
pub mod balanced_accuracy;
pub mod bootstrap;
pub mod brier;
pub mod calibration;
pub mod clustering_accuracy;
pub mod clusters;
pub mod confusion;
pub mod equal_error_rate;
pub mod f1;
pub mod fnr;
pub mod images;
pub mod kolmogorov_smirnov;
pub mod log_loss;
pub mod mcnemar;
pub mod nmi;
pub mod paired_objects;
pub mod paired_shares;
pub mod precision;
pub mod published;
pub mod purity;
pub mod rand_index;
pub mod rates;
pub mod recall;
pub mod shares;
pub mod silhouette;
pub mod statistics;
pub mod top2_accuracy;

/// Every metric, in the order in which tables show them. A new one is one file and one line.
pub static METRICS: &[&Metric] = &[
    &accuracy::ACCURACY,
    &balanced_accuracy::BALANCED_ACCURACY,
    &f1::MACRO_F1,
    &auc::MACRO_AUC,
    &top2_accuracy::TOP2_ACCURACY,
    &log_loss::LOG_LOSS,
    &brier::BRIER,
    &calibration::CALIBRATION_ERROR,
    &recall::RECALL,
    &precision::PRECISION,
    &f1::F1,
    &auc::AUC,
    &fnr::FNR_AT_1E2,
    &fnr::FNR_AT_1E3,
    &equal_error_rate::EQUAL_ERROR_RATE,
];

/// Those that are a mean over rows, so that a difference between two classifiers is a mean of differences row by row.
pub static MEANS_OVER_ROWS: &[&Metric] =
    &[&accuracy::ACCURACY, &top2_accuracy::TOP2_ACCURACY, &log_loss::LOG_LOSS, &brier::BRIER];

/// The metric called `name`.
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().copied().find(|metric| metric.name == name)
}

/// A row that was judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged<'a> {
    /// True class.
    pub label: usize,
    /// Most probable class.
    pub predicted: usize,
    /// Probability of each class.
    pub probabilities: &'a [f64],
}

impl<'a> Judged<'a> {
    /// With the most probable class, the first of equals, as the predicted one.
    pub fn new(label: usize, probabilities: &'a [f64]) -> Self {
        Self { label, predicted: ranking(probabilities)[0], probabilities }
    }
}

/// Classes by falling probability, the first of equals first.
pub(crate) fn ranking(probabilities: &[f64]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..probabilities.len()).collect();
    classes.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
    classes
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Larger is better.
    Higher,
    /// Smaller is better.
    Lower,
}

/// What a metric looks at.
#[derive(Clone, Copy, Debug)]
pub enum Measure {
    /// All rows together, and the number of classes.
    Whole(fn(&[Judged], usize) -> Option<f64>),
    /// All rows together, as a mean over the classes that occur, and the number of classes: where few objects are of a class,
    /// resamples often lack it and are of another number.
    OverClasses(fn(&[Judged], usize) -> Option<f64>),
    /// All rows together, by a number that the scatter of few rows makes larger: that of resampled rows is larger still, so
    /// draws give neither an interval of it nor one of a difference.
    Biased(fn(&[Judged]) -> Option<f64>),
    /// All rows, about one class.
    OfClass(fn(&[Judged], usize) -> Option<f64>),
    /// Share of all rows for which it holds.
    Share(fn(&Judged) -> bool),
    /// Share of the rows that count for a class, those that give not `None`.
    ShareOfClass(fn(&Judged, usize) -> Option<bool>),
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its word in tables.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// LaTeX.
    pub formula: &'static str,
    /// Where it is defined.
    pub source: &'static str,
    /// Which way is good.
    pub better: Better,
    /// How it is measured.
    pub measure: Measure,
}

impl Metric {
    /// Its values: one for all rows together (class `None`), or one for each class.
    pub fn values(&self, rows: &[Judged], classes: usize) -> Vec<(Option<usize>, Option<f64>)> {
        match self.measure {
            Measure::OfClass(measure) => (0..classes).map(|class| (Some(class), measure(rows, class))).collect(),
            Measure::ShareOfClass(holds) => {
                (0..classes).map(|class| (Some(class), share_of(rows, |row| holds(row, class)))).collect()
            }
            Measure::Whole(_) | Measure::OverClasses(_) | Measure::Biased(_) | Measure::Share(_) => {
                vec![(None, self.whole(rows, classes))]
            }
        }
    }

    /// Its value for all rows together; `None` for a metric of single classes, too.
    pub fn whole(&self, rows: &[Judged], classes: usize) -> Option<f64> {
        match self.measure {
            Measure::Whole(measure) | Measure::OverClasses(measure) => measure(rows, classes),
            Measure::Biased(measure) => measure(rows),
            Measure::Share(holds) => share_of(rows, |row| Some(holds(row))),
            Measure::OfClass(_) | Measure::ShareOfClass(_) => None,
        }
    }

    /// Of a metric that is a share: for each row whether it holds, `None` where the row does not count.
    pub fn outcomes(&self, rows: &[Judged], class: Option<usize>) -> Option<Vec<Option<bool>>> {
        match (self.measure, class) {
            (Measure::Share(holds), _) => Some(rows.iter().map(|row| Some(holds(row))).collect()),
            (Measure::ShareOfClass(holds), Some(class)) => Some(rows.iter().map(|row| holds(row, class)).collect()),
            _ => None,
        }
    }
}

/// Share of the rows that count for which it holds.
fn share_of(rows: &[Judged], outcome: impl Fn(&Judged) -> Option<bool>) -> Option<f64> {
    let counted = || rows.iter().filter_map(&outcome);
    share(counted().filter(|holds| *holds).count(), counted().count())
}

/// `part / whole`, undefined for nothing.
fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Mean of the values that are defined, undefined when none is.
fn mean_of_defined(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let defined: Vec<f64> = values.flatten().collect();
    (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
}

#[cfg(test)]
pub(crate) mod samples {
    //! Rows whose numbers a script can make too.
    use super::Judged;

    /// ```python
    /// def sample(n):
    ///     y = np.array([(i*i + i//7) % 4 for i in range(n)])
    ///     s = np.array([[1 + (i*7 + c*c*3 + i*c) % 13 + (8 if c == y[i] and i % 3 else 0) + c/8 for c in range(4)] for i in range(n)])
    ///     return y, s / s.sum(1, keepdims=True)
    /// ```
    pub(crate) fn sample(n: usize) -> (Vec<usize>, Vec<Vec<f64>>) {
        let labels: Vec<usize> = (0..n).map(|i| (i * i + i / 7) % 4).collect();
        let score = |i: usize, c: usize| {
            1 + (i * 7 + c * c * 3 + i * c) % 13 + if c == labels[i] && !i.is_multiple_of(3) { 8 } else { 0 }
        };
        let row = |i: usize| {
            let scores: Vec<f64> = (0..4).map(|c| score(i, c) as f64 + c as f64 / 8.0).collect();
            let sum: f64 = scores.iter().sum();
            scores.into_iter().map(|s| s / sum).collect()
        };
        let probabilities = (0..n).map(row).collect();
        (labels, probabilities)
    }

    /// The rows of a sample.
    pub(crate) fn judged<'a>(labels: &[usize], probabilities: &'a [Vec<f64>]) -> Vec<Judged<'a>> {
        labels.iter().zip(probabilities).map(|(label, p)| Judged::new(*label, p)).collect()
    }
}

#[cfg(test)]
mod nominal;
#[cfg(test)]
mod tests;
