//! The grid of differences between the series of one stage: does one input of `compare` say more than another?

use super::{Block, Cell, Grid};
use crate::artifacts::scores::Difference;
use crate::metrics::accuracy::ACCURACY;
use crate::report::compare::SeriesDifference;
use crate::report::words;

impl Block<'_> {
    /// Differences of the series from their baseline in `metrics`, with McNemar's test beside accuracy; `None` where no arm
    /// has any.
    pub(super) fn series(&self, metrics: &[&str]) -> Option<Grid> {
        let here = |d: &&SeriesDifference| {
            d.stage == self.stage
                && Some(d.difference.split.as_str()) == self.measures.first().map(|m| m.split.as_str())
                && metrics.contains(&d.difference.metric.as_str())
        };
        let all: Vec<&SeriesDifference> = self.comparison.series.iter().filter(here).collect();
        let first = &all.first()?.difference;
        let one_arm = self.comparison.arms.len() == 1;
        let with_mcnemar = metrics.contains(&ACCURACY.name);
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for series in &self.series {
            for arm in &self.comparison.arms {
                let here = |d: &&&SeriesDifference| d.arm == arm.name && d.difference.series == **series;
                let ours: Vec<&Difference> = all.iter().filter(here).map(|d| &d.difference).collect();
                let Some(known) = ours.first() else { continue };
                let of = |metric: &str, mcnemar: bool| {
                    ours.iter().find(|d| d.metric == metric && d.test.contains("McNemar") == mcnemar)
                };
                let differences = metrics.iter().map(|metric| of(metric, false).map(|d| over_objects(d)));
                let mcnemar = with_mcnemar.then(|| of(ACCURACY.name, true)?.p_value.map(words::p_value));
                let texts = differences.chain(mcnemar).map(|text| text.unwrap_or_else(|| "missing".into()));
                let names = [Some((*series).to_string()), (!one_arm).then(|| arm.name.clone())];
                let names = names.into_iter().flatten();
                rows.push(names.chain(texts).chain([known.n.to_string()]).map(Cell::plain).collect());
            }
        }
        let names = ["series"].into_iter().chain((!one_arm).then_some("arm")).map(String::from);
        let metrics = metrics.iter().map(|metric| format!("\u{394} {}", words::title(metric)));
        let ends = with_mcnemar.then_some("McNemar").into_iter().chain(["rows"]).map(String::from);
        let header = names.chain(metrics).chain(ends).collect();
        let caption = format!(
            "{}: difference of the series from {} on the same rows, 95 % interval and p of the {}; p corrected for nothing.",
            self.title, first.baseline, first.test
        );
        Some(Grid { caption, header, rows })
    }
}

fn over_objects(difference: &Difference) -> String {
    let Some(value) = difference.value else { return "missing".into() };
    let p = difference.p_value.map_or_else(String::new, |p| format!(", {}", words::p_value(p)));
    format!("{}{p}", words::estimate(value, difference.interval))
}

#[cfg(test)]
mod tests {
    use crate::artifacts::scores::{Difference, write_differences};
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
        let paired = "paired bootstrap over objects";
        let differences = [
            difference("accuracy", Some((-0.5, -0.125)), 0.002, paired),
            difference("macro_f1", Some((-0.375, 0.125)), 0.25, paired),
            difference("accuracy", None, 0.004, "McNemar exact"),
        ];
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
        assert!(shown.contains("difference of the series from metadata on the same rows"), "{shown}");
        assert!(shown.contains("\u{2212}0.250 [\u{2212}0.500, \u{2212}0.125], p = 0.002"), "{shown}");
        assert!(shown.contains("p = 0.004") && shown.contains("  106"), "{shown}");
        // The mean of one replicate stands with its own interval.
        assert!(line("both").contains('['), "{shown}");
        let csv = comparison(&[record], &ComparisonOptions::default()).render(Format::Csv);
        assert!(csv.lines().any(|line| line.ends_with(",300,rows")), "{csv}");
    }
}
