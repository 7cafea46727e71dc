//! The comparison as plain grids of cells: one algorithm; the formats only say how a row looks.

use super::compare::{Comparison, ComparisonRow, Measure};
use super::words;
use crate::artifacts::table::number;

/// Metrics side by side in one grid of values, and in one of differences: what fits onto a page.
const VALUES_WIDE: usize = 4;
const DIFFERENCES_WIDE: usize = 2;

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
        "test",
        "best",
        "rows",
    ];
    let rows = comparison.rows.iter().map(|row| long_row(row).into_iter().map(Cell::plain).collect());
    Grid { caption: String::new(), header: header.map(String::from).into(), rows: rows.collect() }
}

fn long_row(row: &ComparisonRow) -> Vec<String> {
    let cell = |value: Option<f64>| value.map_or_else(String::new, number);
    let (m, summary, delta) = (&row.measure, row.summary, row.delta);
    let interval = summary.and_then(|s| s.interval);
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
    let test = if delta.is_some_and(|d| d.t_test.is_some()) { "paired t" } else { "" };
    let best = if row.best { "yes" } else { "" };
    let ends = [test.into(), best.into(), row.rows.map_or_else(String::new, |n| n.to_string())];
    names.into_iter().chain(values).chain([counts]).chain(numbers.map(cell)).chain(ends).collect()
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
    let row = |arm: &super::record::ArmRecord| {
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
        if comparison.baseline.is_some() && comparison.arms.len() > 1 {
            grids.extend(block.metrics.chunks(DIFFERENCES_WIDE).filter_map(|metrics| block.differences(metrics)));
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
        Self { comparison, title: format!("Stage {stage}{split}"), measures, series, metrics }
    }

    fn header(&self, last: impl Iterator<Item = String>) -> Vec<String> {
        let series = (self.series.len() > 1).then(|| "series".to_string());
        series.into_iter().chain(["arm".into()]).chain(last).collect()
    }

    /// Rows in order: series by series, arm by arm; `cells` fills the columns after the names.
    fn rows(&self, skip: Option<&str>, cells: impl Fn(&str, &str) -> Vec<Cell>) -> Vec<Vec<Cell>> {
        let mut rows = Vec::new();
        for series in &self.series {
            for arm in self.comparison.arms.iter().filter(|arm| Some(arm.name.as_str()) != skip) {
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
            rows.iter().map(|row| value(*row)).chain([Cell::plain(counts(&rows))]).collect()
        };
        let names = metrics.iter().map(|m| words::title(m)).chain(["n".into()]);
        let caption = format!("{}: mean \u{b1} standard deviation over n replicates.", self.title);
        Grid { caption, header: self.header(names), rows: self.rows(None, cells) }
    }

    fn differences(&self, metrics: &[&str]) -> Option<Grid> {
        let baseline = self.comparison.baseline.as_deref()?;
        let cells = |series: &str, arm: &str| {
            let rows: Vec<Option<&ComparisonRow>> = metrics.iter().map(|m| self.row(series, arm, m)).collect();
            let pairs = rows.iter().filter_map(|row| Some((*row)?.delta?.summary.n)).max();
            let pairs = Cell::plain(pairs.map_or_else(|| "0".into(), |n| n.to_string()));
            rows.iter().map(|row| difference(*row)).chain([pairs]).collect()
        };
        let names = metrics.iter().map(|m| format!("\u{394} {}", words::title(m))).chain(["pairs".into()]);
        let caption =
            format!("{}: difference from {baseline} with its 95 % interval, paired over replicates.", self.title);
        Some(Grid { caption, header: self.header(names), rows: self.rows(Some(baseline), cells) })
    }
}

fn value(row: Option<&ComparisonRow>) -> Cell {
    let Some((row, summary)) = row.and_then(|row| Some((row, row.summary?))) else { return Cell::plain("missing") };
    Cell { text: words::spread(summary.mean, summary.std), best: row.best }
}

fn difference(row: Option<&ComparisonRow>) -> Cell {
    let Some((row, delta)) = row.and_then(|row| Some((row, row.delta?))) else { return Cell::plain("missing") };
    let interval = delta
        .summary
        .interval
        .map_or_else(String::new, |(low, high)| format!(" [{}, {}]", words::signed(low), words::signed(high)));
    let p = delta.t_test.map_or_else(String::new, |p| format!(", {}", words::p_value(p)));
    let mark = if row.p_holm.is_some_and(|p| p < SIGNIFICANT) { "*" } else { "" };
    Cell::plain(format!("{}{interval}{p}{mark}", words::signed(delta.summary.mean)))
}

/// `5`, or `4-5` where the metrics of a row differ.
fn counts(rows: &[Option<&ComparisonRow>]) -> String {
    let count = |row: &Option<&ComparisonRow>| row.and_then(|r| r.summary).map_or(0, |s| s.n);
    let (low, high) = (rows.iter().map(count).min().unwrap_or(0), rows.iter().map(count).max().unwrap_or(0));
    if low == high { low.to_string() } else { format!("{low}\u{2013}{high}") }
}
