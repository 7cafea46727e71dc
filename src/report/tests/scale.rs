//! Errors in pixels of arms whose pixels are scaled, cut or chosen in several ways.

use super::*;

/// The made-up experiment whose arms have errors in pixels alone, those of `latent=8` in other units.
fn of_two_scales(folder: &Path) -> Record {
    let mut record = fake::record(folder);
    record.steps.retain(|step| step.stage == "autoencoder" || step.stage == "stamps");
    for step in &mut record.steps {
        let is_other = step.arm == "latent=8";
        if step.stage == "stamps" {
            step.scale = [("normalise".to_string(), if is_other { "asinh" } else { "min_max" }.to_string())].into();
            continue;
        }
        step.inputs.insert("stamps".into(), "stamps".into());
        let error = |metric: &str| {
            let value = if is_other { 0.25 } else { 9.0 } + step.replicate as f64;
            crate::artifacts::scores::Metric::new("network", "test", metric, Some(value), 9)
        };
        let metrics = ["reconstruction_error", "silhouette"].map(error);
        crate::artifacts::scores::write_metrics(step.folder.as_ref().unwrap(), &metrics).unwrap();
    }
    record
}

#[test]
fn errors_in_pixels_of_another_scale_are_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let record = of_two_scales(folder.path());
    let compared = comparison(std::slice::from_ref(&record), &ComparisonOptions::default());
    let of = |arm: &str, metric: &str| {
        let here = |row: &&ComparisonRow| row.arm == arm && row.measure.metric == metric;
        compared.rows.iter().find(here).unwrap().clone()
    };
    assert!(of("latent=8", "silhouette").delta.is_some() && of("latent=64", "reconstruction_error").delta.is_some());
    assert!(of("latent=8", "reconstruction_error").delta.is_none());
    assert!(compared.rows.iter().all(|row| row.measure.metric != "reconstruction_error" || !row.best));
    let text = compared.render(Format::Text);
    assert!(text.contains("other scale") && text.contains("Other scale: "), "{text}");
    // The silhouette answers instead, though errors rank before it.
    let answer = notes::answer(&compared, &compared);
    assert!(answer.contains("silhouette of network"), "{answer}");
}

#[test]
fn what_is_of_another_scale_is_neither_best_nor_the_answer_without_a_baseline_either() {
    let folder = tempfile::tempdir().unwrap();
    let of = |record: &Record| {
        let options = ComparisonOptions { metrics: vec!["reconstruction_error".into()], ..Default::default() };
        comparison(std::slice::from_ref(record), &options)
    };
    let mut record = of_two_scales(folder.path());
    let answer = |record: &Record| notes::answer(&of(record), &of(record));
    let none =
        "Errors in pixels of the arms cannot be compared, for their pixels are scaled, cut or chosen in several ways";
    assert!(answer(&record).starts_with(none), "{}", answer(&record));
    let mut two = record.clone();
    two.arms.truncate(2);
    assert!(!of(&two).render(Format::Text).contains("No arm has a result"), "both have, of other scales");
    record.baseline = None;
    let compared = of(&record);
    let marked = |row: &&ComparisonRow| row.best || row.other_scale;
    let marked: Vec<&str> = compared.rows.iter().filter(marked).map(|row| row.arm.as_str()).collect();
    assert_eq!(marked, ["latent=8"], "none is best");
    assert!(answer(&record).starts_with(none) && compared.render(Format::Text).contains("Other scale: "));
    // Of one scale the lowest is.
    record.steps.iter_mut().for_each(|step| step.scale.clear());
    assert!(answer(&record).starts_with("latent=8: reconstruction error of network"), "{}", answer(&record));
    // Experiments of which each has one scale.
    let mut other = Record { experiment: "other".into(), ..record.clone() };
    for step in other.steps.iter_mut().filter(|step| step.stage == "stamps") {
        step.scale = [("crop".to_string(), "11".to_string())].into();
    }
    let both = comparison(&[record, other], &ComparisonOptions::default());
    let flagged = |row: &&ComparisonRow| row.other_scale && row.delta.is_none() && row.measure.metric != "silhouette";
    assert_eq!(both.rows.iter().filter(flagged).count(), 4);
}
