//! Accuracy against the number of detections that were known (Carrasco-Davis et al. 2019, figures 5 and 6): from networks
//! that judge sequences, all arms in one figure.

use super::{Figure, Plot, file_name};
use crate::artifacts::split;
use crate::report::draw::axes::{Axes, Axis, Scale};
use crate::report::draw::canvas::{Canvas, Point, Rect, TWO_COLUMNS};
use crate::report::draw::legend::{self, Sample};
use crate::report::draw::theme::Style;
use crate::report::sources::Sources;
use crate::report::tidy::TidyRow;
use crate::report::words;

/// See the file.
pub struct Detections;

const METRICS: [&str; 2] = ["accuracy_at", "balanced_accuracy_at"];

/// One arm's curve: number of detections, values of the replicates.
struct Curve {
    style: Style,
    points: Vec<(f64, Vec<f64>)>,
}

impl Plot for Detections {
    fn name(&self) -> &'static str {
        "detections"
    }

    fn needs(&self) -> &'static str {
        "metrics accuracy_at and balanced_accuracy_at, whose class is the number of detections"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let mut stages: Vec<&str> = Vec::new();
        for row in sources.metrics.iter().filter(|row| is_shown(row)) {
            if !stages.contains(&row.stage.as_str()) {
                stages.push(&row.stage);
            }
        }
        stages.into_iter().map(|stage| figure(self, sources, stage)).collect()
    }
}

fn is_shown(row: &TidyRow) -> bool {
    let metric = &row.metric;
    METRICS.contains(&metric.metric.as_str()) && metric.split == split::TEST && metric.value.is_some()
}

fn figure(plot: &Detections, sources: &Sources, stage: &str) -> Figure {
    let here: Vec<&TidyRow> = sources.metrics.iter().filter(|row| row.stage == stage && is_shown(row)).collect();
    let arms: Vec<&str> = sources.arms().into_iter().filter(|arm| here.iter().any(|row| row.arm == *arm)).collect();
    let size = (TWO_COLUMNS / 2.0, 190.0);
    let (mut canvas, rects) = legend::panels(METRICS.len(), 2, size, Sample::Line, &sources.arm_entries(&arms));
    for (rect, metric) in rects.into_iter().zip(METRICS) {
        let curves: Vec<Curve> = arms.iter().map(|arm| curve(sources.arm_style(arm), &here, arm, metric)).collect();
        panel(&mut canvas, rect, metric, &curves);
    }
    let caption = format!(
        "Stage {stage} on the test split, after each number of detections: mean over replicates; the band spans the lowest \
         and the highest replicate. Every point is over the objects that have so many detections, so neighbouring points are \
         not of the same objects."
    );
    Figure { name: file_name(&[plot.name(), stage]), caption, canvas }
}

/// Replicates of which none differs count once.
fn curve(style: Style, rows: &[&TidyRow], arm: &str, metric: &str) -> Curve {
    let mut found: Vec<(f64, Option<usize>, f64)> = Vec::new();
    for row in rows.iter().filter(|row| row.arm == arm && row.metric.metric == metric) {
        let (Ok(detections), Some(value)) = (row.metric.class.parse::<f64>(), row.metric.value) else { continue };
        if !found.iter().any(|(n, draw, _)| *n == detections && *draw == row.draw) {
            found.push((detections, row.draw, value));
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let points = found.chunk_by(|a, b| a.0 == b.0).map(|group| (group[0].0, group.iter().map(|it| it.2).collect()));
    Curve { style, points: points.collect() }
}

fn panel(canvas: &mut Canvas, rect: Rect, metric: &str, curves: &[Curve]) {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let longest = all().map(|point| point.0).fold(1.0, f64::max);
    let detections = if longest > 1.0 { Scale::Linear(1.0, longest) } else { Scale::around([1.0]) };
    let values = Scale::around(all().flat_map(|point| point.1.iter().copied()));
    let title = words::title(metric.trim_end_matches("_at"));
    let axes = Axes::draw(canvas, rect, "", Axis::new("detections", detections), Axis::new(title, values));
    for Curve { style, points } in curves {
        let edge = |pick: fn(f64, f64) -> f64, start: f64| {
            points.iter().map(move |(n, values)| (*n, values.iter().copied().fold(start, pick)))
        };
        let low: Vec<Point> = edge(f64::min, f64::INFINITY).collect();
        let band: Vec<Point> = edge(f64::max, f64::NEG_INFINITY).chain(low.into_iter().rev()).collect();
        canvas.area(axes.places(&band), style.colour, 0.18);
    }
    for Curve { style, points } in curves {
        let mean = |(n, values): &(f64, Vec<f64>)| (*n, values.iter().sum::<f64>() / values.len() as f64);
        let places = axes.places(&points.iter().map(mean).collect::<Vec<_>>());
        for place in &places {
            canvas.mark(*place, style.marker, 3.5, style.colour, 1.0);
        }
        canvas.line(places, style.colour, 1.2, style.dash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::scores::Metric;
    use crate::report::draw::theme;

    fn row(arm: &str, draw: usize, detections: usize, value: f64) -> TidyRow {
        TidyRow {
            experiment: "e".into(),
            arm: arm.into(),
            replicate: 0,
            stage: "classifier".into(),
            numbers: String::new(),
            draw: Some(draw),
            metric: Metric {
                series: "rcnn".into(),
                split: split::TEST.into(),
                metric: METRICS[0].into(),
                class: detections.to_string(),
                value: Some(value),
                n: 9,
                interval: None,
            },
        }
    }

    #[test]
    fn detections_are_numbers_and_shared_results_count_once() {
        let rows = [row("a", 0, 10, 0.9), row("a", 0, 2, 0.5), row("a", 0, 2, 0.5), row("a", 1, 2, 0.7)];
        let other = row("b", 0, 2, 0.1);
        let rows: Vec<&TidyRow> = rows.iter().chain([&other]).collect();
        let curve = curve(theme::style(0), &rows, "a", METRICS[0]);
        assert_eq!(curve.points, [(2.0, vec![0.5, 0.7]), (10.0, vec![0.9])]);
    }
}
