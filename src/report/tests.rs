//! The whole report of a made-up experiment.

use std::collections::BTreeMap;
use std::path::Path;

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
    assert!(page.contains("arm no-augmentation, replicate 3, stage probe: failed"));
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
    let expected = crate::metrics::statistics::paired_difference(&a, &b);
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
