//! Reliability diagram: how often the predicted class is right, against how sure the classifier was (Guo et al. 2017).

use std::collections::BTreeSet;

use super::{Figure, Plot, file_name};
use crate::artifacts::predictions::Predictions;
use crate::artifacts::split;
use crate::report::draw::axes::{Axes, Axis, Scale};
use crate::report::draw::canvas::{ONE_COLUMN, Point};
use crate::report::draw::legend::{self, Sample};
use crate::report::draw::theme::{Dash, GREY};
use crate::report::sources::Sources;
use crate::stage::ArtifactType;

/// See the file.
pub struct Reliability;

const BINS: usize = 10;
/// Fewer objects in a bin say nothing, however often replicates judge them.
const ENOUGH: usize = 5;

impl Plot for Reliability {
    fn name(&self) -> &'static str {
        "reliability"
    }

    fn needs(&self) -> &'static str {
        "predictions"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let stages = sources.stages(ArtifactType::Predictions);
        stages.into_iter().filter_map(|stage| figure(self, sources, stage)).collect()
    }
}

fn figure(plot: &Reliability, sources: &Sources, stage: &str) -> Option<Figure> {
    let mut lines: Vec<(&str, Vec<Point>)> = Vec::new();
    for arm in sources.arms() {
        let steps = sources.steps(stage, arm);
        let predictions = steps.into_iter().filter_map(|step| sources.read(step, Predictions::open));
        let predictions: Vec<Predictions> = predictions.collect();
        let points = bins(predictions.iter().flat_map(outcomes));
        if !points.is_empty() {
            lines.push((arm, points));
        }
    }
    if lines.is_empty() {
        return None;
    }
    let arms: Vec<&str> = lines.iter().map(|l| l.0).collect();
    let entries = sources.arm_entries(&arms);
    let (mut canvas, rects) = legend::panels(1, 1, (ONE_COLUMN, 215.0), Sample::Both, &entries);
    let unit = || Scale::Linear(0.0, 1.0);
    let (x, y) = (Axis::new("probability of the predicted class", unit()), Axis::new("share that is right", unit()));
    let axes = Axes::draw(&mut canvas, rects[0], "", x, y);
    canvas.line(axes.places(&[(0.0, 0.0), (1.0, 1.0)]), GREY, 0.6, Dash::Dotted);
    for (arm, points) in lines {
        let (style, places) = (sources.arm_style(arm), axes.places(&points));
        canvas.line(places.clone(), style.colour, 1.0, style.dash);
        for place in places {
            canvas.mark(place, style.marker, 4.5, style.colour, 1.0);
        }
    }
    let caption = format!(
        "Reliability of stage {stage} on the test split, in {BINS} bins of equal width with at least {ENOUGH} objects, \
         replicates together. On the diagonal probabilities are true; below it the classifier is too sure."
    );
    Some(Figure { name: file_name(&[plot.name(), stage]), caption, canvas })
}

/// Object, highest probability, and whether that class is the true one.
fn outcomes(predictions: &Predictions) -> impl Iterator<Item = (&str, f64, bool)> {
    let test = predictions.rows.iter().filter(|row| row.split == split::TEST && !row.probabilities.is_empty());
    test.map(|row| (row.object_id.as_str(), row.probabilities[row.predicted()], row.predicted() == row.label))
}

/// What is known of a bin.
#[derive(Clone, Default)]
struct Bin<'a> {
    objects: BTreeSet<&'a str>,
    rows: usize,
    right: usize,
    probability: f64,
}

/// Mean probability and share of right ones in each bin.
fn bins<'a>(outcomes: impl Iterator<Item = (&'a str, f64, bool)>) -> Vec<Point> {
    let mut bins = vec![Bin::default(); BINS];
    for (object, probability, right) in outcomes {
        let bin = &mut bins[((probability * BINS as f64) as usize).min(BINS - 1)];
        bin.objects.insert(object);
        bin.rows += 1;
        bin.right += usize::from(right);
        bin.probability += probability;
    }
    let full = bins.into_iter().filter(|bin| bin.objects.len() >= ENOUGH);
    full.map(|bin| (bin.probability / bin.rows as f64, bin.right as f64 / bin.rows as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_by_hand() {
        let sure =
            ["a", "b", "c", "d", "e"].into_iter().flat_map(|object| [(object, 0.95, true), (object, 0.95, false)]);
        let rare = std::iter::repeat_n(("f", 0.55, true), 7);
        let points = bins(sure.chain(rare));
        assert_eq!(points.len(), 1, "seven judgements of one object are one object");
        assert!((points[0].0 - 0.95).abs() < 1e-12 && points[0].1 == 0.5);
    }
}
