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
    /// The vertical value of a true positive rate, among a share of the positives that one of them is; `None`: below what they can
    /// tell.
    pub(super) value: fn(f64, f64) -> Option<f64>,
}

/// One class.
struct Curve {
    class: String,
    /// False positive rate, true positive rate; from the lowest false positive rate that the negatives can tell.
    points: Vec<Point>,
    /// The share of the positives that one of them is.
    one: f64,
}

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
    let drawn = |class: &&String| panels.iter().any(|p| p.1.iter().any(|c| c.class == **class));
    let entries = sources.class_entries(sources.classes().iter().filter(drawn));
    let columns = panels.len().min(if panels.len() == 4 { 2 } else { 3 });
    let side = TWO_COLUMNS / columns.max(2) as f64;
    let (mut canvas, rects) = legend::panels(panels.len(), columns, (side, side.min(200.0)), Sample::Line, &entries);
    for (rect, (arm, curves)) in rects.into_iter().zip(&panels) {
        let curves: Vec<(Style, &Curve)> =
            curves.iter().map(|curve| (sources.class_style(&curve.class), curve)).collect();
        panel(plot, &mut canvas, rect, sources.panel_title(arm, stage), &curves);
    }
    let caption = format!(
        "{} of stage {stage} on the test split, each class against the rest; mean over replicates at equal false \
         positive rate. Curves begin where one of the others is taken for the class and end where one of the class is \
         missed: so few rows cannot tell lower rates. Dotted: chance.",
        plot.title
    );
    Some(Figure { name: file_name(&[plot.name, stage]), caption, canvas })
}

fn panel(plot: &Curves, canvas: &mut Canvas, rect: Rect, title: &str, curves: &[(Style, &Curve)]) {
    let x = Axis::new("false positive rate", Scale::Log(LOWEST, 1.0));
    let axes = Axes::draw(canvas, rect, title, x, (plot.axis)());
    let shown = |points: &[Point], one: f64| -> Vec<Point> {
        points.iter().filter_map(|(x, rate)| Some((*x, (plot.value)(*rate, one)?))).collect()
    };
    let chance = shown(&(0..=GRID).map(|i| (grid(i), grid(i))).collect::<Vec<Point>>(), LOWEST);
    canvas.line(axes.places(&chance), GREY, 0.6, Dash::Dotted);
    for (style, Curve { points, one, .. }) in curves {
        canvas.line(axes.places(&shown(points, *one)), style.colour, 1.2, style.dash);
    }
}

/// For each class that has both positives and negatives, its curve averaged over replicates, as far as each of them can tell.
fn curves(replicates: &[Predictions]) -> Vec<Curve> {
    let Some(first) = replicates.first() else { return Vec::new() };
    let mut curves = Vec::new();
    for (class, name) in first.facts.classes.iter().enumerate() {
        let known = replicates.iter().filter_map(|p| Some((p, sampled(&curve(&p.rows, class)?)?)));
        let known: Vec<(&Predictions, Vec<f64>)> = known.collect();
        if known.is_empty() {
            continue;
        }
        let mean = |i: usize| known.iter().map(|(_, rates)| rates[i]).sum::<f64>() / known.len() as f64;
        let one = |of_class: bool| {
            let is_such = |row: &&Prediction| row.split == split::TEST && (row.label == class) == of_class;
            let rows = known.iter().map(|(p, _)| p.rows.iter().filter(is_such).count());
            rows.map(|rows| 1.0 / rows as f64).fold(0.0, f64::max)
        };
        let lowest = one(false) - 1e-12;
        let points = (0..=GRID).map(|i| (grid(i), mean(i))).filter(|point| point.0 >= lowest).collect();
        curves.push(Curve { class: name.clone(), points, one: one(true) });
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

    /// 20 of the class and 50 others, all told apart: nothing below one false alarm in 50 is known, nor below one miss in 20.
    #[test]
    fn rates_that_so_few_rows_cannot_tell_are_not_drawn() {
        let row = |i: usize| {
            let (label, p) = (usize::from(i < 20), if i < 20 { 0.9 } else { 0.1 + i as f64 / 1e3 });
            let probabilities = vec![1.0 - p, p];
            Prediction { candid: 0, object_id: String::new(), label, split: split::TEST.into(), probabilities }
        };
        let facts = crate::artifacts::predictions::PredictionsFacts {
            classes: vec!["bogus".into(), "real".into()],
            classifier: String::new(),
            train_counts: Vec::new(),
            labels: None,
            temperature: None,
        };
        let found = curves(&[Predictions { facts, rows: (0..70).map(row).collect() }]);
        let real = &found[1];
        assert!((1.0 / 50.0..1.06 / 50.0).contains(&real.points[0].0), "begins at {:?}", real.points[0]);
        assert!((real.one - 1.0 / 20.0).abs() < 1e-12 && real.points.last().unwrap().0 == 1.0);
        let det = super::super::det::DET.value;
        assert_eq!((det(1.0, real.one), det(0.97, real.one)), (None, None));
        assert!((det(0.95, real.one).unwrap() - 0.05).abs() < 1e-12);
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
