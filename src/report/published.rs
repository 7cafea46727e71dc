//! Published figures beside ours, for experiments that classify the same five classes.

use super::grid::{Cell, Grid};
use super::sources::Sources;
use super::words;
use crate::metrics::published::{CAVEAT, FIRST_ALERT, Published};

/// Classes of the published test sets.
const CLASSES: [&str; 5] = ["AGN", "SN", "VS", "asteroid", "bogus"];

/// The published figures, then ours for the same metrics; `None` for other classes or metrics.
pub fn beside_ours(sources: &Sources) -> Option<Grid> {
    let same = sources.classes().len() == CLASSES.len()
        && CLASSES.iter().all(|class| sources.classes().iter().any(|ours| ours == class));
    let ours: Vec<Vec<Cell>> = if same { ours(sources) } else { Vec::new() };
    if ours.is_empty() {
        return None;
    }
    let header = ["metric", "of", "value", "n", "test set", "source"].map(String::from).into();
    let caption = format!("Published figures for these classes beside ours: {CAVEAT}.");
    Some(Grid { caption, header, rows: FIRST_ALERT.iter().map(published).chain(ours).collect() })
}

fn published(figure: &Published) -> Vec<Cell> {
    let runs = figure.runs.map_or_else(String::new, |runs| runs.to_string());
    let value = words::spread(figure.value, figure.std);
    row([words::title(figure.metric), figure.model.into(), value, runs, figure.test_set.into(), figure.source.into()])
}

fn ours(sources: &Sources) -> Vec<Vec<Cell>> {
    let known = |metric: &str| FIRST_ALERT.iter().any(|figure| figure.metric == metric);
    let comparison = sources.comparison;
    let rows = comparison.rows.iter().filter(|row| row.measure.class.is_empty() && known(&row.measure.metric));
    rows.filter_map(|ours| {
        let (measure, summary) = (&ours.measure, ours.summary?);
        let of = [&measure.stage, &measure.series, &ours.arm].map(String::as_str);
        let of = of.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(", ");
        let test_set = ours.rows.map_or_else(String::new, |rows| format!("{rows} rows, {} split", measure.split));
        let value = words::spread(summary.mean, summary.std);
        Some(row([words::title(&measure.metric), of, value, summary.n.to_string(), test_set, "this experiment".into()]))
    })
    .collect()
}

fn row(cells: [String; 6]) -> Vec<Cell> {
    cells.map(|text| Cell { text, best: false }).into()
}
