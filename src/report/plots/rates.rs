//! What the plots `roc` and `det` share: rates of each class against the rest as the threshold moves, one panel for each
//! arm. The false positive rate is logarithmic: a survey with many alerts a night works at its low end.

use super::{Figure, file_name};
use crate::artifacts::predictions::{Prediction, Predictions};
use crate::artifacts::split;
use crate::metrics::rates::rates;
use crate::report::draw::axes::{Axes, Axis, Scale};
use crate::report::draw::canvas::{Canvas, Point, Rect, TWO_COLUMNS};
use crate::report::draw::legend::{self, Sample};
use crate::report::draw::theme::{Dash, GREY, Style};
use crate::report::sources::Sources;
use crate::stage::ArtifactType;

/// What is drawn over the false positive rate.
pub(super) struct Curves {
    /// Name of the plot.
    pub(super) name: &'static str,
    /// What it is, at the head of the caption.
    pub(super) title: &'static str,
    /// Title and scale of the vertical axis.
    pub(super) axis: fn() -> Axis,
    /// The vertical value of a true positive rate.
    pub(super) value: fn(f64) -> f64,
}

/// Class and points (false positive rate, true positive rate).
type Curve = (String, Vec<Point>);

/// False positive rates at which replicates are averaged: so many, from the lowest to 1 in equal ratios.
const GRID: usize = 120;
const LOWEST: f64 = 1e-3;

fn grid(index: usize) -> f64 {
    LOWEST.powf(1.0 - index as f64 / GRID as f64)
}

impl Curves {
    /// A figure for each stage with predictions.
    pub(super) fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let stages = sources.stages(ArtifactType::Predictions);
        stages.into_iter().filter_map(|stage| figure(self, sources, stage)).collect()
    }
}

fn figure(plot: &Curves, sources: &Sources, stage: &str) -> Option<Figure> {
    let mut panels: Vec<(&str, Vec<Curve>)> = Vec::new();
    for arm in sources.arms() {
        let steps = sources.steps(stage, arm);
        let predictions: Vec<Predictions> =
            steps.into_iter().filter_map(|step| sources.read(step, Predictions::open)).collect();
        let curves = curves(&predictions);
        if !curves.is_empty() {
            panels.push((arm, curves));
        }
    }
    if panels.is_empty() {
        return None;
    }
    let drawn = |class: &&String| panels.iter().any(|p| p.1.iter().any(|c| c.0 == **class));
    let entries = sources.class_entries(sources.classes().iter().filter(drawn));
    let columns = panels.len().min(if panels.len() == 4 { 2 } else { 3 });
    let side = TWO_COLUMNS / columns.max(2) as f64;
    let (mut canvas, rects) = legend::panels(panels.len(), columns, (side, side.min(200.0)), Sample::Line, &entries);
    for (rect, (arm, curves)) in rects.into_iter().zip(&panels) {
        let curves: Vec<(Style, &[Point])> =
            curves.iter().map(|(class, points)| (sources.class_style(class), points.as_slice())).collect();
        panel(plot, &mut canvas, rect, sources.panel_title(arm, stage), &curves);
    }
    let caption = format!(
        "{} of stage {stage} on the test split, each class against the rest; mean over replicates at equal false \
         positive rate. Dotted: chance.",
        plot.title
    );
    Some(Figure { name: file_name(&[plot.name, stage]), caption, canvas })
}

fn panel(plot: &Curves, canvas: &mut Canvas, rect: Rect, title: &str, curves: &[(Style, &[Point])]) {
    let x = Axis::new("false positive rate", Scale::Log(LOWEST, 1.0));
    let axes = Axes::draw(canvas, rect, title, x, (plot.axis)());
    let shown = |points: &[Point]| points.iter().map(|(x, rate)| (*x, (plot.value)(*rate))).collect::<Vec<Point>>();
    let chance = shown(&(0..=GRID).map(|i| (grid(i), grid(i))).collect::<Vec<Point>>());
    canvas.line(axes.places(&chance), GREY, 0.6, Dash::Dotted);
    for (style, points) in curves {
        canvas.line(axes.places(&shown(points)), style.colour, 1.2, style.dash);
    }
}

/// For each class that has both positives and negatives, its curve averaged over replicates.
fn curves(replicates: &[Predictions]) -> Vec<Curve> {
    let Some(first) = replicates.first() else { return Vec::new() };
    let mut curves = Vec::new();
    for (class, name) in first.facts.classes.iter().enumerate() {
        let rates: Vec<Vec<f64>> = replicates.iter().filter_map(|p| sampled(&curve(&p.rows, class)?)).collect();
        if rates.is_empty() {
            continue;
        }
        let mean = |i: usize| rates.iter().map(|r| r[i]).sum::<f64>() / rates.len() as f64;
        curves.push((name.clone(), (0..=GRID).map(|i| (grid(i), mean(i))).collect()));
    }
    curves
}

/// Points (false positive rate, true positive rate) of the test split.
fn curve(rows: &[Prediction], class: usize) -> Option<Vec<Point>> {
    let test = rows.iter().filter(|r| r.split == split::TEST);
    rates(test.filter_map(|r| Some((*r.probabilities.get(class)?, r.label == class))).collect())
}

/// True positive rate at each false positive rate of the grid: the highest reached there, straight in between.
fn sampled(points: &[Point]) -> Option<Vec<f64>> {
    let at = |x: f64| {
        let after = points.partition_point(|p| p.0 <= x + 1e-12);
        let (a, b) = (points.get(after.checked_sub(1)?)?, points.get(after));
        Some(b.map_or(a.1, |b| a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0)))
    };
    (0..=GRID).map(|i| at(grid(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_sampled_straight_between_points() {
        let sampled = sampled(&[(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]).unwrap();
        assert!((sampled[0] - 0.501).abs() < 1e-9 && sampled[GRID] == 1.0, "{sampled:?}");
        assert!((grid(0) - LOWEST).abs() < 1e-12 && grid(GRID) == 1.0);
    }

    #[test]
    fn only_test_rows_are_drawn() {
        let row = |label: usize, p: f64, split: &str| {
            let probabilities = vec![1.0 - p, p];
            Prediction { candid: 0, object_id: String::new(), label, split: split.into(), probabilities }
        };
        let rows = [row(1, 0.9, split::TEST), row(0, 0.5, split::VALIDATION), row(0, 0.1, split::TEST)];
        assert_eq!(curve(&rows, 1).unwrap(), [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]);
        assert_eq!(curve(&rows[..1], 1), None);
    }
}
