//! Ablation: mean and interval of the main metrics for each arm, each replicate as a dot, the baseline as a line.

use super::{Figure, Plot, cut, file_name};
use crate::report::compare::{ComparisonRow, Measure};
use crate::report::draw::axes::{Axes, Axis, Scale};
use crate::report::draw::canvas::{Canvas, FONT, Rect, TWO_COLUMNS};
use crate::report::draw::font;
use crate::report::draw::legend::{self, Sample};
use crate::report::draw::theme::{Dash, GREY};
use crate::report::sources::Sources;
use crate::report::words::{self, Direction};

/// See the file.
pub struct Ablation;

/// Width of a name from which on panels take the whole page.
const LONG: f64 = 100.0;
/// Metrics in one figure.
const METRICS: usize = 4;

impl Plot for Ablation {
    fn name(&self) -> &'static str {
        "ablation"
    }

    fn needs(&self) -> &'static str {
        "metrics of at least two arms"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        if sources.comparison.arms.len() < 2 {
            return Vec::new();
        }
        let mut places: Vec<(&str, &str, &str)> = Vec::new();
        let measures = sources.comparison.measures();
        for m in &measures {
            let place = (m.stage.as_str(), m.series.as_str(), m.split.as_str());
            // A series that is the same in all arms, such as the majority class, shows nothing.
            let differs = sources.comparison.rows_of(m).iter().any(|row| row.best);
            if m.class.is_empty() && differs && !places.contains(&place) {
                places.push(place);
            }
        }
        let here = |m: &&&Measure, p: &(&str, &str, &str)| {
            (m.stage.as_str(), m.series.as_str(), m.split.as_str()) == *p
                && m.class.is_empty()
                && sources.comparison.is_of_one_scale(m)
        };
        let is_merit = |m: &&&Measure| words::direction(&m.metric) != Direction::Neither;
        let chosen =
            |p| measures.iter().filter(|m| here(m, &p)).filter(is_merit).take(METRICS).copied().collect::<Vec<_>>();
        places.into_iter().map(|place| figure(self, sources, place, &chosen(place))).collect()
    }
}

fn figure(plot: &Ablation, sources: &Sources, place: (&str, &str, &str), measures: &[&Measure]) -> Figure {
    let (stage, series, split) = place;
    let arms = sources.comparison.arms.len();
    let longest = sources.arms().iter().map(|arm| font::width(arm, FONT)).fold(0.0, f64::max);
    let columns = if longest > LONG { 1 } else { 2 };
    let size = (TWO_COLUMNS / columns as f64, 40.0 + 16.0 * arms as f64);
    let (mut canvas, rects) = legend::panels(measures.len(), columns, size, Sample::Mark, &[]);
    for (rect, measure) in rects.into_iter().zip(measures) {
        panel(&mut canvas, rect, sources, measure);
    }
    let of = if series.is_empty() { String::new() } else { format!(", series {series}") };
    let on = if split.is_empty() { String::new() } else { format!(" on the {split} split") };
    let line = sources.comparison.baseline.as_ref().map_or_else(String::new, |b| format!(" Dashed: the baseline {b}."));
    let caption = format!(
        "Arms{on}, stage {stage}{of}: mean over replicates with its 95 % interval (Student's t), each replicate as a \
         grey dot.{line}{}",
        cut(measures.iter().flat_map(|m| sources.comparison.rows_of(m)))
    );
    Figure { name: file_name(&[plot.name(), stage, series]), caption, canvas }
}

fn panel(canvas: &mut Canvas, rect: Rect, sources: &Sources, measure: &Measure) {
    let rows = sources.comparison.rows_of(measure);
    let names = rows.iter().map(|row| row.arm.clone()).collect();
    let scale = Scale::around(rows.iter().flat_map(|row| extent(row)));
    let x = Axis::new(words::title(&measure.metric), scale);
    let axes = Axes::draw(canvas, rect, "", x, Axis::new("", Scale::Names(names)));
    let base = sources.comparison.baseline.as_ref().and_then(|b| sources.comparison.row(b, measure)?.summary);
    if let Some(base) = base {
        let x = axes.place((base.mean, 0.0)).0;
        canvas.line(vec![(x, axes.area.y), (x, axes.area.bottom())], GREY, 0.8, Dash::Dashed);
    }
    for (index, row) in rows.iter().enumerate() {
        draw_row(canvas, &axes, index as f64, row, sources);
    }
}

/// Everything that is drawn of a row.
fn extent(row: &ComparisonRow) -> Vec<f64> {
    let (low, high) = row.drawn_interval().unzip();
    row.values.iter().copied().chain(low).chain(high).collect()
}

fn draw_row(canvas: &mut Canvas, axes: &Axes, y: f64, row: &ComparisonRow, sources: &Sources) {
    let Some(summary) = row.summary else { return };
    let style = sources.arm_style(&row.arm);
    if let Some((low, high)) = row.drawn_interval() {
        let (from, to) = (axes.place((low, y)), axes.place((high, y)));
        canvas.line(vec![from, to], style.colour, 1.4, Dash::Solid);
        for end in [from, to] {
            canvas.line(vec![(end.0, end.1 - 3.0), (end.0, end.1 + 3.0)], style.colour, 1.0, Dash::Solid);
        }
    }
    if row.values.len() > 1 {
        for value in &row.values {
            let (x, y) = axes.place((*value, y));
            canvas.mark((x, y + 3.6), crate::report::draw::theme::Marker::Circle, 2.4, GREY, 0.8);
        }
    }
    canvas.mark(axes.place((summary.mean, y)), style.marker, 5.5, style.colour, 1.0);
}
