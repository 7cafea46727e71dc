//! Published figures beside ours, for experiments that classify the same classes or make clusters of stamps.

use super::grid::{Cell, Grid};
use super::sources::Sources;
use super::words;
use crate::artifacts::split::{TRAIN, VALIDATION};
use crate::metrics::published::{CAVEAT, LISTS, Published};

/// The published figures, then ours for the same metrics; `None` for other classes or metrics.
pub fn beside_ours(sources: &Sources) -> Option<Grid> {
    let same = |classes: &[&str]| {
        let ours = sources.learnt();
        ours.len() == classes.len() && classes.iter().all(|class| ours.iter().any(|ours| ours == class))
    };
    let (mut rows, mut all_ours) = (Vec::new(), Vec::new());
    for (_, figures) in LISTS.iter().filter(|(classes, _)| same(classes)) {
        let ours = ours(sources, figures);
        if !ours.is_empty() {
            rows.extend(figures.iter().map(published));
            all_ours.extend(ours);
        }
    }
    if rows.is_empty() {
        return None;
    }
    rows.extend(all_ours);
    let header = ["metric", "of", "value", "n", "test set", "source"].map(String::from).into();
    let caption = format!("Published figures for these classes beside ours: {CAVEAT}.");
    Some(Grid { caption, header, rows })
}

fn published(figure: &Published) -> Vec<Cell> {
    let runs = figure.runs.map_or_else(String::new, |runs| runs.to_string());
    // the digits of its source
    let std = figure.std.map_or_else(String::new, |std| format!(" \u{b1} {std}"));
    let value = format!("{}{std}", figure.value);
    let metric = about(figure.metric, figure.class);
    row([metric, figure.model.into(), value, runs, figure.test_set.into(), figure.source.into()])
}

fn ours(sources: &Sources, figures: &[Published]) -> Vec<Vec<Cell>> {
    let known = |metric: &str, class: &str| figures.iter().any(|f| f.metric == metric && f.class == class);
    let comparison = sources.comparison;
    let held_out = |split: &str| split != TRAIN && split != VALIDATION;
    let rows = comparison
        .rows
        .iter()
        .filter(|row| known(&row.measure.metric, &row.measure.class) && held_out(&row.measure.split));
    rows.filter_map(|ours| {
        let (measure, summary) = (&ours.measure, ours.summary?);
        let of = [&measure.stage, &measure.series, &ours.arm].map(String::as_str);
        let of = of.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(", ");
        let test_set = ours.rows.map_or_else(String::new, |rows| format!("{rows} rows, {} split", measure.split));
        let value = words::spread(summary.mean, summary.std);
        Some(row([
            about(&measure.metric, &measure.class),
            of,
            value,
            summary.n.to_string(),
            test_set,
            "this experiment".into(),
        ]))
    })
    .collect()
}

fn about(metric: &str, class: &str) -> String {
    let of = if class.is_empty() { String::new() } else { format!(" of {class}") };
    format!("{}{of}", words::title(metric))
}

fn row(cells: [String; 6]) -> Vec<Cell> {
    cells.map(|text| Cell { text, best: false }).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::scores::{Metric, write_metrics};
    use crate::report::{ComparisonOptions, comparison, fake, tidy};

    #[test]
    fn published_figures_have_the_digits_of_their_source() {
        let values: Vec<String> = LISTS.iter().flat_map(|list| list.1).map(|f| published(f)[2].text.clone()).collect();
        for value in ["0.944 \u{b1} 0.0075", "0.94", "0.9847 \u{b1} 0.001", "0.00206", "0.9533 \u{b1} 0.0011"] {
            assert!(values.iter().any(|known| known == value), "{value}: {values:?}");
        }
    }

    /// Purity of clusters against five classes is not that against real and bogus.
    #[test]
    fn published_clusters_are_those_of_real_and_bogus() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = fake::record(folder.path());
        record.steps.retain(|step| ["simulated", "stamps", "autoencoder"].contains(&step.stage.as_str()));
        for step in record.steps.iter().filter(|step| step.stage == "autoencoder") {
            let purity = Metric::new("vade", "test", "purity", Some(0.8), 60);
            write_metrics(step.folder.as_ref().unwrap(), &[purity]).unwrap();
        }
        let printed = || {
            let (metrics, _) = tidy::collect(&record);
            let compared = comparison(std::slice::from_ref(&record), &ComparisonOptions::default());
            beside_ours(&Sources::new(&record, &metrics, &compared)).map(|grid| grid.rows.len())
        };
        assert_eq!(printed(), None);
        let facts = folder.path().join("stamps/stamps.json");
        let five = std::fs::read_to_string(&facts).unwrap();
        let mut facts_of_two: serde_json::Value = serde_json::from_str(&five).unwrap();
        facts_of_two["classes"] = serde_json::json!(["bogus", "real"]);
        std::fs::write(&facts, facts_of_two.to_string()).unwrap();
        assert!(printed().is_some_and(|rows| rows > 10), "alerts keep their five labels, the stamps have two classes");
    }
}
