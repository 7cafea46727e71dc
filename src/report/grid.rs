//! The comparison as plain grids of cells: one algorithm; the formats only say how a row looks.

mod series;

use super::compare::{Comparison, ComparisonRow, Effect, Measure};
use super::record::ArmRecord;
use super::words;
use crate::artifacts::table::number;
use crate::metrics::accuracy::ACCURACY;

/// Metrics side by side in one grid of values, and in one of differences: what fits onto a page.
const VALUES_WIDE: usize = 4;
const DIFFERENCES_WIDE: usize = 2;

/// Where a series has no such metric in any arm.
const NO_METRIC: &str = "\u{2013}";

/// Below this Holm-corrected p a difference is marked.
pub const SIGNIFICANT: f64 = 0.05;

/// One cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// Whether it is the best of its column.
    pub best: bool,
}

impl Cell {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), best: false }
    }
}

/// A table of texts.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    /// What it shows, one sentence; may be empty.
    pub caption: String,
    /// Names of the columns.
    pub header: Vec<String>,
    /// The cells, row by row.
    pub rows: Vec<Vec<Cell>>,
}

/// Every number, one row for each arm and measure, unrounded: what `comparison.csv` holds.
pub fn long(comparison: &Comparison) -> Grid {
    let header = [
        "arm",
        "stage",
        "series",
        "split",
        "metric",
        "class",
        "mean",
        "std",
        "n",
        "ci_low",
        "ci_high",
        "delta",
        "delta_ci_low",
        "delta_ci_high",
        "p_value",
        "p_holm",
        "p_sign_flip",
        "objects",
        "objects_ci_low",
        "objects_ci_high",
        "p_permutation",
        "p_permutation_holm",
        "p_mcnemar",
        "test",
        "best",
        "rows",
        "ci_over",
    ];
    let rows = comparison.rows.iter().map(|row| long_row(row).into_iter().map(Cell::plain).collect());
    Grid { caption: String::new(), header: header.map(String::from).into(), rows: rows.collect() }
}

fn long_row(row: &ComparisonRow) -> Vec<String> {
    let cell = |value: Option<f64>| value.map_or_else(String::new, number);
    let (m, summary, delta) = (&row.measure, row.summary, row.delta);
    let over_replicates = summary.and_then(|s| s.interval);
    let interval = over_replicates.or(row.own_interval);
    let delta_interval = delta.and_then(|d| d.summary.interval);
    let names = [&row.arm, &m.stage, &m.series, &m.split, &m.metric, &m.class].map(Clone::clone);
    let values = [cell(summary.map(|s| s.mean)), cell(summary.and_then(|s| s.std))];
    let counts = summary.map_or(0, |s| s.n).to_string();
    let numbers = [
        interval.map(|i| i.0),
        interval.map(|i| i.1),
        delta.map(|d| d.summary.mean),
        delta_interval.map(|i| i.0),
        delta_interval.map(|i| i.1),
        delta.and_then(|d| d.t_test),
        row.p_holm,
        delta.and_then(|d| d.sign_flip),
    ];
    let (over, over_interval) = (row.objects, row.objects.and_then(|o| o.interval));
    let over_objects = [
        over_interval.map(|i| i.0),
        over_interval.map(|i| i.1),
        over.map(|o| o.permutation),
        row.objects_p_holm,
        over.filter(|_| m.metric == ACCURACY.name).map(|o| o.sign),
    ];
    let objects = over.map_or_else(String::new, |o| o.objects.to_string());
    let test = match delta.filter(|d| d.t_test.is_some()).map(|d| d.summary.shared) {
        None => "",
        Some(0.0) => "paired t",
        Some(_) => "paired t, splits of the same objects",
    };
    let best = if row.best { "yes" } else { "" };
    let ci_over = match (over_replicates, interval) {
        (Some(_), _) => "replicates",
        (None, Some(_)) => "objects",
        (None, None) => "",
    };
    let ends = [test.into(), best.into(), row.rows.map_or_else(String::new, |n| n.to_string()), ci_over.into()];
    let numbers = numbers.map(cell).into_iter().chain([objects]).chain(over_objects.map(cell));
    names.into_iter().chain(values).chain([counts]).chain(numbers).chain(ends).collect()
}

/// Every effect of a setting, unrounded: what `effects.csv` holds; `None` when there are none.
pub fn effects(comparison: &Comparison) -> Option<Grid> {
    let names = ["stage", "series", "split", "metric", "setting", "from", "to", "pairs", "n"];
    let header = names.into_iter().chain(["delta", "delta_ci_low", "delta_ci_high", "p_value"]);
    let row = |effect: &Effect| {
        let (m, summary) = (&effect.measure, effect.difference.summary);
        let texts = [&m.stage, &m.series, &m.split, &m.metric, &effect.setting, &effect.from, &effect.to];
        let counts = [effect.pairs, summary.n].map(|n| n.to_string());
        let interval = summary.interval;
        let numbers = [Some(summary.mean), interval.map(|i| i.0), interval.map(|i| i.1), effect.difference.t_test];
        let numbers = numbers.map(|value| value.map_or_else(String::new, number));
        texts.into_iter().cloned().chain(counts).chain(numbers).map(Cell::plain).collect()
    };
    let rows: Vec<Vec<Cell>> = comparison.effects.iter().map(row).collect();
    (!rows.is_empty()).then(|| Grid { caption: String::new(), header: header.map(String::from).collect(), rows })
}

/// The settings that differ among the arms; `None` when there are none.
pub fn settings(comparison: &Comparison) -> Option<Grid> {
    let mut keys: Vec<&String> = comparison.arms.iter().flat_map(|arm| arm.settings.keys()).collect();
    keys.sort();
    keys.dedup();
    if keys.is_empty() {
        return None;
    }
    let header = std::iter::once("arm".to_string()).chain(keys.iter().map(ToString::to_string)).collect();
    let row = |arm: &ArmRecord| {
        let values = keys.iter().map(|key| Cell::plain(arm.settings.get(*key).cloned().unwrap_or_default()));
        std::iter::once(Cell::plain(arm.name.clone())).chain(values).collect()
    };
    let rows = comparison.arms.iter().map(row).collect();
    Some(Grid { caption: "Settings that differ.".into(), header, rows })
}

/// Grids for people: for each stage the values, then the differences from the baseline. Only numbers over all classes.
pub fn wide(comparison: &Comparison) -> Vec<Grid> {
    let mut grids = Vec::new();
    for (stage, split) in blocks(comparison) {
        let block = Block::new(comparison, &stage, &split);
        for metrics in block.metrics.chunks(VALUES_WIDE) {
            grids.push(block.values(metrics));
        }
        grids.extend(block.metrics.chunks(DIFFERENCES_WIDE).filter_map(|metrics| block.series(metrics)));
        if comparison.baseline.is_some() && comparison.arms.len() > 1 {
            grids.extend(block.metrics.chunks(DIFFERENCES_WIDE).filter_map(|metrics| block.differences(metrics)));
            grids.extend(block.objects());
            grids.extend(block.effects());
        }
    }
    grids
}

fn blocks(comparison: &Comparison) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    for measure in comparison.measures() {
        let block = (measure.stage.clone(), measure.split.clone());
        if measure.class.is_empty() && !blocks.contains(&block) {
            blocks.push(block);
        }
    }
    blocks
}

/// The numbers of one stage and split.
struct Block<'a> {
    comparison: &'a Comparison,
    stage: String,
    title: String,
    measures: Vec<&'a Measure>,
    series: Vec<&'a str>,
    metrics: Vec<&'a str>,
}

impl<'a> Block<'a> {
    fn new(comparison: &'a Comparison, stage: &str, split: &str) -> Self {
        let here = |m: &&Measure| m.stage == stage && m.split == split && m.class.is_empty();
        let measures: Vec<&Measure> = comparison.measures().into_iter().filter(here).collect();
        let (mut series, mut metrics): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for m in &measures {
            if !series.contains(&m.series.as_str()) {
                series.push(&m.series);
            }
            if !metrics.contains(&m.metric.as_str()) {
                metrics.push(&m.metric);
            }
        }
        metrics.sort_by_key(|metric| words::rank(metric));
        let split = if split.is_empty() { String::new() } else { format!(", {split} split") };
        Self { comparison, stage: stage.into(), title: format!("Stage {stage}{split}"), measures, series, metrics }
    }

    fn header(&self, last: impl Iterator<Item = String>) -> Vec<String> {
        let series = (self.series.len() > 1).then(|| "series".to_string());
        series.into_iter().chain(["arm".into()]).chain(last).collect()
    }

    /// Whether the arm has other series at this stage, but not this one: a network that it does not have is not missing.
    fn is_absent(&self, series: &str, arm: &str) -> bool {
        let has = |m: &&&Measure| self.comparison.row(arm, m).is_some_and(|row| row.summary.is_some());
        let mut known = self.measures.iter().filter(has).map(|m| m.series.as_str()).peekable();
        known.peek().is_some() && known.all(|other| other != series)
    }

    /// Whether the series is no matter of this arm: it has in all metrics what the baseline has.
    fn is_untouched(&self, series: &str, arm: &str) -> bool {
        let rows = self.measures.iter().filter(|m| m.series == series).filter_map(|m| self.comparison.row(arm, m));
        let mut known = rows.filter(|row| row.summary.is_some()).peekable();
        known.peek().is_some() && known.all(|row| row.untouched)
    }

    /// Whether any arm has the metric of this series: what is measured of other series alone is not missing.
    fn is_measured(&self, series: &str, metric: &str) -> bool {
        self.measures.iter().any(|m| m.series == series && m.metric == metric)
    }

    /// Rows in order: series by series that have one of `metrics`, arm by arm, in differences those that can differ; `cells`
    /// fills the columns after the names.
    fn rows(&self, skip: Option<&str>, metrics: &[&str], cells: impl Fn(&str, &str) -> Vec<Cell>) -> Vec<Vec<Cell>> {
        let mut rows = Vec::new();
        for series in self.series.iter().filter(|series| metrics.iter().any(|m| self.is_measured(series, m))) {
            let arms = self.comparison.arms.iter().filter(|arm| Some(arm.name.as_str()) != skip);
            let is_left_out = |arm: &ArmRecord| {
                self.is_absent(series, &arm.name) || skip.is_some() && self.is_untouched(series, &arm.name)
            };
            for arm in arms.filter(|arm| !is_left_out(arm)) {
                let first = (self.series.len() > 1).then(|| Cell::plain(*series));
                let names = first.into_iter().chain([Cell::plain(arm.name.clone())]);
                rows.push(names.chain(cells(series, &arm.name)).collect());
            }
        }
        rows
    }

    fn row(&self, series: &str, arm: &str, metric: &str) -> Option<&'a ComparisonRow> {
        let measure = self.measures.iter().find(|m| m.series == series && m.metric == metric)?;
        self.comparison.row(arm, measure)
    }

    fn values(&self, metrics: &[&str]) -> Grid {
        let cells = |series: &str, arm: &str| {
            let rows: Vec<Option<&ComparisonRow>> = metrics.iter().map(|m| self.row(series, arm, m)).collect();
            let replicates = counts(rows.iter().flatten().map(|row| row.summary.map_or(0, |s| s.n)));
            let judged = counts(rows.iter().filter_map(|row| row.and_then(|r| r.rows)));
            rows.iter().map(|row| value(*row)).chain([replicates, judged].map(Cell::plain)).collect()
        };
        let names = metrics.iter().map(|m| words::title(m)).chain(["n".into(), "rows".into()]);
        let own =
            |row: &&ComparisonRow| shown_interval(row).is_some() && metrics.contains(&row.measure.metric.as_str());
        let rows = || self.measures.iter().flat_map(|m| self.comparison.rows_of(m));
        let one = if rows().any(|row| own(&row)) { "; of one its 95 % interval over the objects" } else { "" };
        let resplit = rows().any(|row| row.summary.is_some_and(|s| s.shared > 0.0));
        let fewest = if resplit { "; rows are the fewest of a replicate" } else { "" };
        let caption = format!("{}: mean \u{b1} standard deviation over n replicates{one}{fewest}.", self.title);
        Grid { caption, header: self.header(names), rows: self.rows(None, metrics, cells) }
    }

    fn differences(&self, metrics: &[&str]) -> Option<Grid> {
        let baseline = self.comparison.baseline.as_deref()?;
        let here = |m: &&&Measure| metrics.contains(&m.metric.as_str());
        let mut rows = self.measures.iter().filter(here).flat_map(|m| self.comparison.rows_of(m));
        if rows.all(|row| row.delta.is_none() && !row.other_scale) {
            return None;
        }
        let cells = |series: &str, arm: &str| {
            let rows: Vec<Option<&ComparisonRow>> = metrics.iter().map(|m| self.row(series, arm, m)).collect();
            let pairs = rows.iter().filter_map(|row| Some((*row)?.delta?.summary.n)).max();
            let pairs = Cell::plain(pairs.map_or_else(|| "0".into(), |n| n.to_string()));
            rows.iter().map(|row| difference(*row)).chain([pairs]).collect()
        };
        let names = metrics.iter().map(|m| format!("\u{394} {}", words::title(m))).chain(["pairs".into()]);
        let caption =
            format!("{}: difference from {baseline} with its 95 % interval, paired over replicates.", self.title);
        let rows = self.rows(Some(baseline), metrics, cells);
        (!rows.is_empty()).then(|| Grid { caption, header: self.header(names), rows })
    }
}

impl Block<'_> {
    /// Differences over the test objects; `None` where no arm has one.
    fn objects(&self) -> Option<Grid> {
        let baseline = self.comparison.baseline.as_deref()?;
        let of = |series: &str, arm: &str, metric: &str| self.row(series, arm, metric)?.objects;
        let has = |metric: &&str| self.measures.iter().any(|m| m.metric == **metric && self.has_objects(m));
        let metrics: Vec<&str> = self.metrics.iter().copied().filter(has).take(DIFFERENCES_WIDE).collect();
        if metrics.is_empty() {
            return None;
        }
        let cells = |series: &str, arm: &str| {
            let known = metrics.iter().find_map(|metric| of(series, arm, metric));
            let text = |text: Option<String>| Cell::plain(text.unwrap_or_else(|| "missing".into()));
            let differences = metrics.iter().map(|metric| over_objects(self.row(series, arm, metric)));
            let mcnemar = of(series, arm, ACCURACY.name).map(|o| words::p_value(o.sign));
            differences.chain([text(mcnemar), text(known.map(|o| o.objects.to_string()))]).collect()
        };
        let names = metrics.iter().map(|m| format!("\u{394} {}", words::title(m)));
        let header = self.header(names.chain(["McNemar".into(), "objects".into()]));
        let caption = format!("{}: the same difference from {baseline}, paired over test objects.", self.title);
        let rows = self.rows(Some(baseline), &metrics, cells);
        (!rows.is_empty()).then_some(Grid { caption, header, rows })
    }

    fn has_objects(&self, measure: &Measure) -> bool {
        self.comparison.rows_of(measure).iter().any(|row| row.objects.is_some())
    }
}

impl Block<'_> {
    /// Effects of the settings on the first metrics; `None` where arms form no grid of several settings.
    fn effects(&self) -> Option<Grid> {
        let metrics: Vec<&str> = self.metrics.iter().copied().take(DIFFERENCES_WIDE).collect();
        let here = |effect: &&Effect| self.measures.contains(&&effect.measure);
        let effects: Vec<&Effect> = self.comparison.effects.iter().filter(here).collect();
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for first in effects.iter().filter(|effect| effect.measure.metric == metrics[0]) {
            let series = (self.series.len() > 1).then(|| Cell::plain(first.measure.series.clone()));
            let of = |metric: &&str| {
                let same = |e: &&&Effect| {
                    e.measure.metric == **metric
                        && (&e.measure.series, &e.setting, &e.to) == (&first.measure.series, &first.setting, &first.to)
                };
                let found = effects.iter().find(same);
                Cell::plain(found.map_or_else(|| "missing".into(), |e| words::difference(&e.difference)))
            };
            let names =
                [Cell::plain(first.setting.clone()), Cell::plain(format!("{} \u{2192} {}", first.from, first.to))];
            let counts = [first.pairs, first.difference.summary.n].map(|n| Cell::plain(n.to_string()));
            rows.push(series.into_iter().chain(names).chain(metrics.iter().map(of)).chain(counts).collect());
        }
        if rows.is_empty() {
            return None;
        }
        let series = (self.series.len() > 1).then(|| "series".to_string());
        let names = metrics.iter().map(|m| format!("\u{394} {}", words::title(m)));
        let first = series.into_iter().chain(["setting".into(), "change".into()]);
        let header = first.chain(names).chain(["pairs of arms".into(), "replicates".into()]).collect();
        let caption = format!("{}: effect of each setting, averaged over the others.", self.title);
        Some(Grid { caption, header, rows })
    }
}

fn over_objects(row: Option<&ComparisonRow>) -> Cell {
    let Some(row) = row else { return Cell::plain(NO_METRIC) };
    let Some(objects) = row.objects else { return Cell::plain("missing") };
    let mark = if row.objects_p_holm.is_some_and(|p| p < SIGNIFICANT) { "*" } else { "" };
    let difference = words::estimate(objects.mean, objects.interval);
    Cell::plain(format!("{difference}, {}{mark}", words::p_value(objects.permutation)))
}

fn value(row: Option<&ComparisonRow>) -> Cell {
    let Some(row) = row else { return Cell::plain(NO_METRIC) };
    let Some(summary) = row.summary else { return Cell::plain("missing") };
    let interval = words::within(shown_interval(row));
    Cell { text: format!("{}{interval}", words::spread(summary.mean, summary.std)), best: row.best }
}

/// The interval of a single result, which has no spread over replicates.
fn shown_interval(row: &ComparisonRow) -> Option<(f64, f64)> {
    row.own_interval.filter(|_| row.summary.is_some_and(|s| s.n == 1))
}

fn difference(row: Option<&ComparisonRow>) -> Cell {
    let Some(row) = row else { return Cell::plain(NO_METRIC) };
    if row.other_scale {
        return Cell::plain("other scale");
    }
    let Some(delta) = row.delta else { return Cell::plain("missing") };
    let mark = if row.p_holm.is_some_and(|p| p < SIGNIFICANT) { "*" } else { "" };
    Cell::plain(format!("{}{mark}", words::difference(&delta)))
}

/// `5`, or `4-5` where the metrics of a row differ.
fn counts(counts: impl Iterator<Item = usize> + Clone) -> String {
    let (low, high) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
    if low == high { low.to_string() } else { format!("{low}\u{2013}{high}") }
}
