//! That tables, figures and the page say no more than there is.

use std::collections::BTreeSet;

use super::*;

/// What a stage of several arms and replicates made once, it took its time once.
#[test]
fn shared_results_are_counted_and_timed_once() {
    let folder = tempfile::tempdir().unwrap();
    let record = only(fake::record(&folder.path().join("cache")), &["stamps", "codes"]);
    let of = |stage: &'static str| record.steps.iter().filter(move |s| s.stage == stage && s.seconds.is_some());
    assert!(of("stamps").count() > 1 && of("stamps").all(|s| s.key == of("stamps").next().unwrap().key));
    let done = record.steps.iter().filter(|step| !step.is_missing());
    let results: BTreeSet<&str> = done.clone().map(|step| step.key.as_str()).collect();
    write(&IDENTITY, &record, folder.path()).unwrap();
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("<td>stamps</td><td>1</td><td>12.5</td>"), "{page}");
    assert!(page.contains("<td>codes</td><td>4</td><td>50.0</td>"));
    assert!(results.len() < done.count() && page.contains(&format!("{} with a result", results.len())));
}

/// The record with the steps of these stages alone.
fn only(mut record: Record, stages: &[&str]) -> Record {
    record.steps.retain(|step| stages.contains(&step.stage.as_str()));
    record
}

/// Writes metrics of the stage `autoencoder`: series, metric, value.
fn measure_autoencoders(record: &Record, metrics: &[(&str, &str, f64)]) {
    for (number, step) in record.steps.iter().filter(|step| step.stage == "autoencoder").enumerate() {
        let metric = |(series, metric, value): &(&str, &str, f64)| {
            crate::artifacts::scores::Metric::new(series, "test", metric, Some(value + number as f64 / 100.0), 9)
        };
        let metrics: Vec<_> = metrics.iter().map(metric).collect();
        crate::artifacts::scores::write_metrics(step.folder.as_ref().unwrap(), &metrics).unwrap();
    }
}

#[test]
fn a_series_without_a_metric_is_not_missing() {
    let folder = tempfile::tempdir().unwrap();
    let record = only(fake::record(&folder.path().join("cache")), &["autoencoder"]);
    let of_clusters = ["purity", "nmi", "ari", "clustering_accuracy"].map(|metric| ("mixture", metric, 0.1));
    let errors = ["reconstruction_error", "mse"].map(|metric| ("pca", metric, 3.0));
    measure_autoencoders(&record, &[&of_clusters[..], &errors, &[("mixture", "mse", 2.0)]].concat());
    let compared = comparison(std::slice::from_ref(&record), &ComparisonOptions::default());
    let grids = grid::wide(&compared);
    let rows = |metric: &str, series: &str| -> Vec<Vec<String>> {
        let has =
            |grid: &&grid::Grid| grid.caption.contains("Stage autoencoder") && grid.header.iter().any(|h| h == metric);
        let rows = grids.iter().filter(has).flat_map(|grid| &grid.rows).filter(|row| row[0].text == series);
        rows.map(|row| row.iter().map(|cell| cell.text.clone()).collect()).collect()
    };
    assert_eq!(
        (rows("purity", "mixture").len(), rows("purity", "pca").len()),
        (4, 4),
        "the error of pca is beside purity"
    );
    let cells = &rows("purity", "pca")[0];
    assert_eq!(cells[2..4], ["\u{2013}", "\u{2013}"]);
    assert!(cells[4].starts_with("3."), "{cells:?}");
    assert_eq!(rows("\u{394} purity", "pca"), Vec::<Vec<String>>::new());
    assert!(compared.render(Format::Text).lines().all(|line| !line.contains("pca") || !line.contains("missing")));
    let figure = text(&draw(&record, "series"), "figures/metrics-autoencoder.svg");
    assert!(figure.contains(">purity<") && figure.contains(">mixture<") && !figure.contains(">pca<"), "{figure}");
}

#[test]
fn what_is_no_merit_has_no_best_and_no_panel() {
    let folder = tempfile::tempdir().unwrap();
    let record = only(fake::record(&folder.path().join("cache")), &["autoencoder"]);
    let metrics = [("vade", "purity", 0.1), ("vade", "clusters", 7.0), ("another object", "view_similarity", 0.8)];
    measure_autoencoders(&record, &metrics);
    let compared = comparison(std::slice::from_ref(&record), &ComparisonOptions::default());
    let best = |metric: &str| compared.rows.iter().any(|row| row.measure.metric == metric && row.best);
    assert_eq!([best("purity"), best("clusters"), best("view_similarity")], [true, false, false]);
    let files = draw(&record, "merits");
    let figure = text(&files, "figures/ablation-autoencoder-vade.svg");
    assert!(figure.contains(">purity<") && !figure.contains(">clusters<"));
    assert!(!files.contains_key(Path::new("figures/ablation-autoencoder-another_object.svg")));
    let answer = |metrics: &[(&str, &str, f64)]| {
        measure_autoencoders(&record, metrics);
        let compared = comparison(std::slice::from_ref(&record), &ComparisonOptions::default());
        notes::answer(&compared, &compared)
    };
    assert!(answer(&[("vade", "clusters", 7.0)]).contains("no answer yet"));
    assert!(answer(&[("vade", "clusters", 7.0), ("vade", "silhouette", 0.2)]).contains("silhouette of vade"));
}

#[test]
fn a_training_in_parts_has_its_border_marked_and_equal_codes_are_one_picture() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = only(fake::record(&folder.path().join("cache")), &["autoencoder", "codes"]);
    let codes: Vec<_> = record.steps.iter().filter(|step| step.stage == "codes").cloned().collect();
    record.steps.extend(codes.into_iter().map(|step| record::StepRecord { stage: "codes_and_more".into(), ..step }));
    let pictures = |name: &str| {
        let files = draw(&record, name);
        (text(&files, "figures/loss-autoencoder.svg"), text(&files, "report.html"), files)
    };
    let (whole, page, files) = pictures("whole");
    assert!(files.contains_key(Path::new("figures/latent-codes.svg")));
    assert!(!files.contains_key(Path::new("figures/latent-codes_and_more.svg")));
    assert!(page.contains("Latent codes of stages codes, codes_and_more: ") && !page.contains("another loss"));
    for step in record.steps.iter().filter(|step| step.stage == "autoencoder") {
        let path = step.folder.as_ref().unwrap().join("history.csv");
        let history = crate::artifacts::table::Table::read(&path).unwrap();
        let parts = (0..30).map(|i| if i < 12 { "vae" } else { "vade" }.to_string()).collect();
        history.with("stage", crate::artifacts::table::Column::Text(parts)).write(&path).unwrap();
    }
    let (parts, page, _) = pictures("parts");
    assert!(page.contains("it is another loss (vae, then vade)."));
    let lines = |figure: &str| figure.matches("<polyline").count() + figure.matches("<path").count();
    assert_eq!(lines(&parts), lines(&whole) + 2, "one border of all arms in two panels");
}
