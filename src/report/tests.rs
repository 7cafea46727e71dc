//! The whole report of a made-up experiment.

mod fair;
mod scale;

use std::collections::BTreeMap;
use std::path::Path;

use super::compare::ComparisonRow;
use super::*;

/// Where pictures go that someone wants to look at.
const KEEP: &str = "ESTAMPA_REPORT_OUT";

const IDENTITY: Digest = Digest([7; 32]);

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(folder).into_iter().map(|e| e.unwrap().into_path()).filter(|p| p.is_file());
    files.map(|p| (p.strip_prefix(folder).unwrap().to_path_buf(), std::fs::read(&p).unwrap())).collect()
}

#[test]
fn report_has_every_part_and_the_same_bytes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = fake::record(&folder.path().join("cache"));
    let results = std::env::var_os(KEEP).map_or_else(|| folder.path().join("results"), PathBuf::from);
    let written = write(&IDENTITY, &record, &results).unwrap();
    let first = contents(&results);
    assert!(written.iter().all(|path| path.exists()));
    for plot in PLOTS {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let pictures = first.keys().filter(|p| p.starts_with("figures") && name(p).starts_with(plot.name()));
        assert!(pictures.count() >= 2, "no picture by {}", plot.name());
    }
    for step in &mut record.steps {
        step.seconds = Some(99.0);
        step.state = if step.folder.is_some() { "cached".into() } else { step.state.clone() };
    }
    write(&IDENTITY, &record, &results).unwrap();
    for (path, bytes) in contents(&results) {
        let may_differ = ["arms.csv", "report.html", "manifest.json"].map(Path::new).contains(&path.as_path());
        assert!(may_differ || first[&path] == bytes, "{} changed", path.display());
    }
}

#[test]
fn page_is_self_contained_escaped_and_names_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let record = fake::record(&folder.path().join("cache"));
    write(&IDENTITY, &record, folder.path()).unwrap();
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("&lt;first-alert&gt;") && !page.contains("<first-alert>"));
    assert!(page.contains("arm no-augmentation, replicate 4, stage probe: failed"));
    let links = page.matches("http").count();
    assert_eq!(links, page.matches("http://www.w3.org/2000/svg").count(), "the page asks the network");
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
}

#[test]
fn table_agrees_with_the_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let record = fake::record(folder.path());
    let options = ComparisonOptions { metrics: vec!["accuracy".into()], ..ComparisonOptions::default() };
    let compared = comparison(&[record], &options);
    let of = |arm: &str| {
        let found = compared.rows.iter().find(|row| row.arm == arm && row.measure.series == "images");
        found.unwrap().clone()
    };
    assert_eq!(of("latent=21").summary.unwrap().n, 5);
    assert_eq!((of("no-augmentation").summary.unwrap().n, of("no-augmentation").delta.unwrap().summary.n), (4, 4));
    assert!(of("latent=64").best && !of("latent=8").best);
    assert!(of("latent=21").delta.is_none(), "the baseline differs from itself");
    let (a, b) = (of("latent=64").values, of("latent=21").values);
    let expected = crate::metrics::statistics::paired_difference(&a, &b, 0.0);
    assert_eq!(of("latent=64").delta, expected);
    assert!(!compared.rows.iter().any(|row| row.measure.series == "majority class" && row.best));
}

#[test]
fn undefined_numbers_are_empty_in_csv_and_missing_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let compared = comparison(&[fake::record(folder.path())], &ComparisonOptions::default());
    let csv = compared.render(Format::Csv);
    let line = csv.lines().find(|line| line.starts_with("latent=21,scores,majority class,test,log_loss")).unwrap();
    assert_eq!(line, "latent=21,scores,majority class,test,log_loss,,,,0,,,,,,,,,,,,,,,,,,");
    assert!(compared.render(Format::Text).contains("missing"));
    let json: serde_json::Value = serde_json::from_str(&compared.render(Format::Json)).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), compared.rows.len());
    assert!(compared.render(Format::Latex).is_ascii());
}

#[test]
fn replicates_that_share_a_result_count_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = fake::record(folder.path());
    let only: Vec<StepRecord> = record.steps.iter().filter(|s| s.replicate == 0).cloned().collect();
    let again = only.iter().map(|s| StepRecord { replicate: 1, ..s.clone() });
    record.steps = only.iter().cloned().chain(again).collect();
    let compared = comparison(&[record], &ComparisonOptions::default());
    assert!(compared.rows.iter().filter_map(|row| row.summary).all(|s| s.n == 1 && s.interval.is_none()));
    assert!(compared.rows.iter().filter_map(|row| row.delta).all(|d| d.t_test.is_none()));
}

/// Seeds of k-means often end in one of few optima: each is a draw, though its numbers are those of another.
#[test]
fn replicates_that_agree_by_chance_count_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = fake::record(folder.path());
    record.steps.retain(|step| step.stage == "scores");
    // Four of five seeds end in one place; which one does not is another in the first arm.
    let odd = |arm: &str| if arm == "latent=21" { 0 } else { 3 };
    for step in &record.steps {
        let value = if step.replicate == odd(&step.arm) { 0.5 } else { 0.9 };
        let metric = |name: &str| crate::artifacts::scores::Metric::new("clusters", "test", name, Some(value), 45);
        let metrics = ["accuracy", "purity", "nmi", "ari"].map(metric);
        step.folder.iter().for_each(|folder| crate::artifacts::scores::write_metrics(folder, &metrics).unwrap());
    }
    record.arms.truncate(3);
    let of = |record: &Record| {
        let compared = comparison(std::slice::from_ref(record), &ComparisonOptions::default());
        let here = |row: &&ComparisonRow| row.arm == "latent=64" && row.measure.metric == "nmi";
        compared.rows.iter().find(here).unwrap().clone()
    };
    let row = of(&record);
    let (summary, delta) = (row.summary.unwrap(), row.delta.unwrap());
    assert_eq!((summary.n, delta.summary.n), (5, 5));
    assert!((summary.mean - 0.82).abs() < 1e-12 && (summary.std.unwrap() - 0.032_f64.sqrt()).abs() < 1e-12);
    // differences -0.4, 0, 0, 0.4, 0
    assert!(delta.summary.mean.abs() < 1e-12 && delta.t_test == Some(1.0), "{delta:?}");
    // Also where equal bytes before them make the steps one result.
    for step in record.steps.iter_mut().filter(|step| step.replicate != odd(&step.arm)) {
        step.key = "one optimum".into();
    }
    assert_eq!(of(&record).summary.unwrap().n, 5);
}

/// What no setting touches and no seed changes, such as a forest on metadata, computed for each replicate anew.
#[test]
fn series_that_do_not_vary_have_one_result_and_no_differences() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = fake::record(folder.path());
    record.steps.retain(|step| step.arm != "no-augmentation");
    record.arms.truncate(3);
    for (i, step) in record.steps.iter().filter(|step| step.stage == "scores").enumerate() {
        let folder = step.folder.as_ref().unwrap();
        let mut metrics = crate::artifacts::scores::read_metrics(folder).unwrap();
        for m in metrics.iter_mut().filter(|m| m.series == "metadata") {
            m.value = Some(0.2 + if i % 2 == 0 { 0.0 } else { 3e-17 });
        }
        crate::artifacts::scores::write_metrics(folder, &metrics).unwrap();
    }
    let compared = comparison(&[record], &ComparisonOptions::default());
    let of = |series: &str| -> Vec<ComparisonRow> {
        compared.rows.iter().filter(|row| row.measure.series == series).cloned().collect()
    };
    for row in of("metadata") {
        assert!(row.summary.unwrap().n == 1 && !row.best, "{row:?}");
        // shares have an interval of their own, the fake's numbers of a class have none
        assert_eq!(row.own_interval.is_some(), row.measure.class.is_empty(), "{row:?}");
    }
    assert!(of("images").iter().all(|row| row.summary.unwrap().n == 5));
    let text = compared.render(Format::Text);
    let in_differences = |series: &str| {
        let tables = text.split("\n\n").filter(|table| table.contains("paired over"));
        tables.flat_map(str::lines).filter(|line| line.trim().starts_with(series)).count()
    };
    assert!(in_differences("images") > 0, "{text}");
    assert_eq!((in_differences("metadata"), in_differences("majority class")), (0, 0), "{text}");
}

#[test]
fn answer_and_figures_of_a_split_with_hardly_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = fake::record(folder.path());
    record.arms.truncate(1);
    record.steps.retain(|step| step.replicate == 0 && step.arm == record.arms[0].name);
    let scores = record.steps.iter().find(|step| step.stage == "scores").unwrap().folder.clone().unwrap();
    let mut metrics = crate::artifacts::scores::read_metrics(&scores).unwrap();
    for m in &mut metrics {
        m.n = usize::from(m.class.is_empty() || m.class == "SN");
        m.value = m.value.filter(|_| m.class.is_empty() || m.class == "SN");
        m.interval = m.interval.map(|_| (-0.5, 1.25));
    }
    crate::artifacts::scores::write_metrics(&scores, &metrics).unwrap();
    let compared = comparison(std::slice::from_ref(&record), &ComparisonOptions::default());
    let answer = notes::answer(&compared, &compared);
    assert!(answer.contains("(n = 1, 1 row)"), "{answer}");
    assert!(answer.ends_with("No test row is of AGN, VS, asteroid, bogus."), "{answer}");
    let row = compared.rows.iter().find(|row| row.measure.metric == "accuracy" && row.own_interval.is_some()).unwrap();
    assert_eq!((row.own_interval, row.drawn_interval()), (Some((-0.5, 1.25)), Some((0.0, 1.0))));
    // Nothing judged, no figure.
    for m in &mut metrics {
        m.value = None;
    }
    crate::artifacts::scores::write_metrics(&scores, &metrics).unwrap();
    let results = folder.path().join("results");
    write(&IDENTITY, &record, &results).unwrap();
    assert!(!results.join("figures/metrics-scores.svg").exists());
}

#[test]
fn unlabelled_points_are_in_the_legend() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = fake::record(folder.path());
    record.arms.truncate(1);
    record.steps.retain(|step| step.replicate == 0 && step.arm == record.arms[0].name);
    let map = record.steps.iter().find(|step| step.stage == "codes_map").unwrap().folder.clone().unwrap();
    let figure = |name: &str| {
        let results = folder.path().join(name);
        write(&IDENTITY, &record, &results).unwrap();
        std::fs::read_to_string(results.join("figures/map-codes_map.svg")).unwrap()
    };
    assert!(!figure("all").contains("unlabelled"));
    let path = map.join("map.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen(",VS,", ",,", 3)).unwrap();
    assert!(figure("some").contains("unlabelled"));
}

#[test]
fn answer_names_arm_rule_difference_and_noise() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = fake::record(folder.path());
    let compare = |record: &Record, split: &str| {
        comparison(std::slice::from_ref(record), &ComparisonOptions { split: split.into(), ..Default::default() })
    };
    let answer = |record: &Record| notes::answer(&compare(record, split::TEST), &compare(record, split::VALIDATION));
    let full = answer(&record);
    assert!(full.starts_with("latent=64: macro f1 of images on the test split (stage scores)"), "{full}");
    assert!(full.contains("by the validation split") && full.contains("Beyond noise"), "{full}");
    assert!(full.contains(" differ from latent=21 in macro f1: "), "{full}");
    record.steps.retain(|step| step.replicate == 0);
    assert!(answer(&record).contains("With one replicate nothing can be said"));
    record.steps.clear();
    assert!(answer(&record).contains("no answer yet"));
}

#[test]
fn several_experiments_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let one = fake::record(folder.path());
    let two = Record { experiment: "second".into(), ..one.clone() };
    let compared = comparison(&[one, two], &ComparisonOptions::default());
    assert_eq!(compared.arms.len(), 8);
    assert_eq!(compared.baseline.as_deref(), Some("latent_size/latent=21"));
    let same = compared.rows.iter().find(|row| row.arm == "second/latent=21").unwrap();
    assert_eq!(same.delta.unwrap().summary.mean, 0.0);
}

#[test]
fn damaged_and_absent_artifacts_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = fake::record(&folder.path().join("cache"));
    std::fs::write(folder.path().join("cache/codes-0-0/features.npy"), "damaged").unwrap();
    std::fs::write(folder.path().join("cache/probe-0-0/predictions.csv"), "candid\n1\n").unwrap();
    record.arms.push(ArmRecord { name: "never ran".into(), settings: BTreeMap::new() });
    let results = folder.path().join("results");
    write(&IDENTITY, &record, &results).unwrap();
    let page = std::fs::read_to_string(results.join("report.html")).unwrap();
    assert!(page.contains("stage codes, features.npy") && page.contains("stage probe, predictions.csv"));
    assert!(page.contains("never ran"));
    record.steps.clear();
    write(&IDENTITY, &record, &results).unwrap();
    assert_eq!(std::fs::read_dir(results.join("figures")).unwrap().count(), 0);
}

fn text(files: &BTreeMap<PathBuf, Vec<u8>>, path: &str) -> String {
    String::from_utf8_lossy(&files[Path::new(path)]).into_owned()
}

/// Pictures of `record` for someone to look at, or nowhere.
fn draw(record: &Record, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let kept = std::env::var_os(KEEP).map(|kept| PathBuf::from(format!("{}-{name}", kept.to_string_lossy())));
    let results = kept.unwrap_or_else(|| folder.path().to_path_buf());
    write(&IDENTITY, record, &results).unwrap();
    contents(&results)
}

#[test]
fn one_arm_and_one_replicate_give_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = fake::record(folder.path());
    record.arms.truncate(1);
    record.steps.retain(|step| step.replicate == 0 && step.arm == record.arms[0].name);
    let files = draw(&record, "one");
    assert!(!files.keys().any(|path| path.to_string_lossy().contains("ablation")), "one arm has no ablation");
    assert!(files.contains_key(Path::new("figures/metrics-scores.svg")));
    let page = String::from_utf8(files[Path::new("report.html")].clone()).unwrap();
    assert!(page.contains("latent=21: macro f1 of both on the test split (stage scores) 0.9"), "no answer");
    assert!(page.contains("highest of 4 series by the validation split"), "the rule is not told");
}

#[test]
fn many_arms_with_long_names_give_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let one = fake::record(folder.path());
    let mut record = Record { arms: Vec::new(), steps: Vec::new(), ..one.clone() };
    for round in 0..2 {
        let rename = |name: &str| format!("{name} and a very long name, round {round}");
        record.arms.extend(one.arms.iter().map(|arm| ArmRecord { name: rename(&arm.name), ..arm.clone() }));
        record.steps.extend(one.steps.iter().map(|step| StepRecord { arm: rename(&step.arm), ..step.clone() }));
    }
    record.baseline = Some(record.arms[0].name.clone());
    let files = draw(&record, "many");
    assert!(files.contains_key(Path::new("figures/latent-codes.png")));
}

#[test]
fn candidates_come_along_and_go_with_their_stage() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, results) = (folder.path().join("cache"), folder.path().join("results"));
    let mut record = fake::record(&cache);
    let night = cache.join("night");
    std::fs::create_dir_all(&night).unwrap();
    std::fs::write(night.join("candidates.csv"), "candid,p_SN\n1,0.5\n").unwrap();
    let step = StepRecord {
        stage: "tonight".into(),
        kind: "predict".into(),
        artifact: ArtifactType::Candidates,
        folder: Some(night),
        ..record.steps[0].clone()
    };
    let arm = step.arm.clone();
    record.steps.push(step);
    write(&IDENTITY, &record, &results).unwrap();
    let table = results.join(format!("tables/candidates-tonight-{arm}-1.csv"));
    assert_eq!(std::fs::read_to_string(&table).unwrap(), "candid,p_SN\n1,0.5\n");
    (record.arms, record.replicates) = (vec![record.arms[0].clone()], 1);
    record.steps.retain(|step| step.arm == arm && step.replicate == 0);
    write(&IDENTITY, &record, &results).unwrap();
    assert!(!table.exists() && results.join("tables/candidates-tonight.csv").exists());
}
