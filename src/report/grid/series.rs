//! The grid of differences between the series of one stage: does one input of `compare` say more than another?

use super::{Block, Cell, Grid};
use crate::artifacts::scores::{Difference, MCNEMAR};
use crate::metrics::accuracy::ACCURACY;
use crate::report::compare::SeriesDifference;
use crate::report::words;

impl Block<'_> {
    /// Differences of the series from their baseline in `metrics`, with the exact test beside accuracy; `None` where no arm has
    /// any.
    pub(super) fn series(&self, metrics: &[&str]) -> Option<Grid> {
        let here = |d: &&SeriesDifference| {
            d.stage == self.stage
                && Some(d.difference.split.as_str()) == self.measures.first().map(|m| m.split.as_str())
                && metrics.contains(&d.difference.metric.as_str())
        };
        let all: Vec<&SeriesDifference> = self.comparison.series.iter().filter(here).collect();
        all.first()?;
        let one_arm = self.comparison.arms.len() == 1;
        let exact = all.iter().map(|d| &d.difference).find(|d| d.is_exact()).map(|d| d.test.as_str());
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for series in &self.series {
            for arm in &self.comparison.arms {
                let here = |d: &&&SeriesDifference| d.arm == arm.name && d.difference.series == **series;
                let ours: Vec<&Difference> = all.iter().filter(here).map(|d| &d.difference).collect();
                let Some(known) = ours.first() else { continue };
                let of = |metric: &str, exact: bool| ours.iter().find(|d| d.metric == metric && d.is_exact() == exact);
                let differences = metrics.iter().map(|metric| of(metric, false).map(|d| over_objects(d)));
                let exact = exact.map(|_| of(ACCURACY.name, true)?.p_value.map(words::p_value));
                let texts = differences.chain(exact).map(|text| text.unwrap_or_else(|| "missing".into()));
                let names = [Some((*series).to_string()), (!one_arm).then(|| arm.name.clone())];
                let names = names.into_iter().flatten();
                rows.push(names.chain(texts).chain([known.n.to_string()]).map(Cell::plain).collect());
            }
        }
        let names = ["series"].into_iter().chain((!one_arm).then_some("arm")).map(String::from);
        let titles = metrics.iter().map(|metric| format!("\u{394} {}", words::title(metric)));
        let exact = exact.map(|test| if test == MCNEMAR { "McNemar" } else { "sign test" });
        let ends = exact.into_iter().chain(["rows"]).map(String::from);
        let header = names.chain(titles).chain(ends).collect();
        let caption = format!(
            "{}: difference of the series from {} on the same rows{}.",
            self.title,
            baselines(&all),
            tests(&all, metrics)
        );
        Some(Grid { caption, header, rows })
    }
}

/// What the series are compared with: one for all arms, or that of each.
fn baselines(all: &[&SeriesDifference]) -> String {
    let mut of_arms: Vec<(&str, &str)> = Vec::new();
    for d in all {
        if !of_arms.iter().any(|(arm, _)| *arm == d.arm) {
            of_arms.push((&d.arm, &d.difference.baseline));
        }
    }
    match of_arms.as_slice() {
        [(_, first), others @ ..] if others.iter().all(|(_, other)| other == first) => (*first).to_string(),
        several => {
            let each: Vec<String> = several.iter().map(|(arm, baseline)| format!("{baseline} in {arm}")).collect();
            format!("the baseline of each arm ({})", each.join(", "))
        }
    }
}

/// Which intervals and p there are, as the end of a sentence.
fn tests(all: &[&SeriesDifference], metrics: &[&str]) -> String {
    let mut tests: Vec<(&str, Vec<String>)> = Vec::new();
    for metric in metrics {
        let here = |d: &&Difference| d.metric == *metric && d.interval.is_some();
        let Some(found) = all.iter().map(|d| &d.difference).find(here) else { continue };
        match tests.iter_mut().find(|(test, _)| *test == found.test) {
            Some((_, metrics)) => metrics.push(words::title(metric)),
            None => tests.push((&found.test, vec![words::title(metric)])),
        }
    }
    if tests.is_empty() {
        return String::new();
    }
    let of = |(test, metrics): &(&str, Vec<String>)| format!("of {} by the {test}", metrics.join(" and "));
    let tests: Vec<String> = tests.iter().map(of).collect();
    format!(", 95 % interval and p {}; p corrected for nothing", tests.join(", "))
}

fn over_objects(difference: &Difference) -> String {
    let Some(value) = difference.value else { return "missing".into() };
    let p = difference.p_value.map_or_else(String::new, |p| format!(", {}", words::p_value(p)));
    format!("{}{p}", words::estimate(value, difference.interval))
}

#[cfg(test)]
mod tests {
    use crate::artifacts::scores::{Difference, PAIRED_BOOTSTRAP, PAIRED_SCORE, SIGN_TEST, write_differences};
    use crate::report::{ComparisonOptions, Format, comparison, fake};

    #[test]
    fn a_pipeline_shows_the_test_of_its_series() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = fake::record(folder.path());
        record.arms.truncate(1);
        record.steps.retain(|step| step.arm == "latent=21");
        let difference = |metric: &str, interval, p, test: &str| Difference {
            series: "images".into(),
            baseline: "metadata".into(),
            split: "test".into(),
            metric: metric.into(),
            value: Some(-0.25),
            n: 106,
            interval,
            p_value: Some(p),
            test: test.into(),
        };
        let mut differences = [
            difference("accuracy", Some((-0.5, -0.125)), 0.002, PAIRED_SCORE),
            difference("macro_f1", Some((-0.375, 0.125)), 0.25, PAIRED_BOOTSTRAP),
            difference("accuracy", None, 0.004, "McNemar exact"),
            difference("log_loss", None, 0.5, ""),
        ];
        differences[3].p_value = None;
        for step in record.steps.iter().filter(|step| step.stage == "scores") {
            write_differences(step.folder.as_ref().unwrap(), &differences).unwrap();
        }
        let text = |record: &crate::report::Record| {
            comparison(std::slice::from_ref(record), &ComparisonOptions::default()).render(Format::Text)
        };
        assert!(!text(&record).contains("McNemar"), "of several replicates none is shown for all");
        record.steps.retain(|step| step.replicate == 0);
        let shown = text(&record);
        let line =
            |start: &str| shown.lines().find(|line| line.trim().starts_with(start)).unwrap_or_default().to_string();
        let caption = "difference of the series from metadata on the same rows, 95 % interval and p of macro f1 by the paired \
                       bootstrap over objects, of accuracy by the paired score test over objects; p corrected for nothing.";
        assert!(shown.split_whitespace().collect::<Vec<_>>().join(" ").contains(caption), "{shown}");
        assert!(shown.contains("\u{2212}0.250 [\u{2212}0.500, \u{2212}0.125], p = 0.002"), "{shown}");
        assert!(shown.contains("p = 0.004") && shown.contains("  106"), "{shown}");
        // The mean of one replicate stands with its own interval.
        assert!(line("both").contains('['), "{shown}");
        let csv = comparison(&[record.clone()], &ComparisonOptions::default()).render(Format::Csv);
        assert!(csv.lines().any(|line| line.ends_with(",300,objects")), "{csv}");
        // Of what has no interval the caption says none.
        let options = ComparisonOptions { metrics: vec!["log_loss".into()], ..ComparisonOptions::default() };
        let shown = comparison(std::slice::from_ref(&record), &options).render(Format::Text);
        assert!(shown.contains("difference of the series from metadata on the same rows.\n"), "{shown}");
        // Where objects have several rows the exact test is over objects, and so is its column.
        differences[2].test = SIGN_TEST.into();
        for step in record.steps.iter().filter(|step| step.stage == "scores") {
            write_differences(step.folder.as_ref().unwrap(), &differences).unwrap();
        }
        let shown = text(&record);
        assert!(shown.contains("sign test") && !shown.contains("McNemar") && shown.contains("p = 0.004"), "{shown}");
    }

    #[test]
    fn arms_with_baselines_of_their_own_are_told_apart() {
        let of = |arm: &str, baseline: &str| super::SeriesDifference {
            arm: arm.into(),
            stage: "scores".into(),
            difference: Difference {
                series: "images".into(),
                baseline: baseline.into(),
                split: "test".into(),
                metric: "accuracy".into(),
                value: None,
                n: 0,
                interval: None,
                p_value: None,
                test: String::new(),
            },
        };
        let all = [of("a", "metadata"), of("a", "metadata"), of("b", "codes")];
        let all: Vec<&super::SeriesDifference> = all.iter().collect();
        assert_eq!(super::baselines(&all[..2]), "metadata");
        assert_eq!(super::baselines(&all), "the baseline of each arm (metadata in a, codes in b)");
    }
}
