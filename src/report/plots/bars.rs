//! Metrics of each series (images, metadata, both, baselines) as bars from zero with intervals, grouped by series.

use super::{Figure, Plot, cut, file_name};
use crate::report::compare::{ComparisonRow, Measure};
use crate::report::draw::axes::{Axes, Axis, Scale};
use crate::report::draw::canvas::{Canvas, FONT, ONE_COLUMN, Rect, TWO_COLUMNS};
use crate::report::draw::font;
use crate::report::draw::legend::{self, Sample};
use crate::report::draw::theme::{BLACK, Dash};
use crate::report::sources::Sources;
use crate::report::words;

/// See the file.
pub struct Bars;

/// Metrics in one figure.
const METRICS: usize = 2;

impl Plot for Bars {
    fn name(&self) -> &'static str {
        "metrics"
    }

    fn needs(&self) -> &'static str {
        "metrics of at least two series in one stage"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let measures = sources.comparison.measures();
        let mut stages: Vec<(&str, &str)> = measures.iter().map(|m| (m.stage.as_str(), m.split.as_str())).collect();
        stages.dedup();
        let figure = |place: (&str, &str)| {
            let here = |m: &&&Measure| m.class.is_empty() && (m.stage.as_str(), m.split.as_str()) == place;
            let here: Vec<&Measure> = measures.iter().filter(here).copied().collect();
            figure(self, sources, place, &here)
        };
        stages.into_iter().filter_map(figure).collect()
    }
}

fn figure(plot: &Bars, sources: &Sources, place: (&str, &str), measures: &[&Measure]) -> Option<Figure> {
    let mut series: Vec<&str> = Vec::new();
    let mut metrics: Vec<&str> = Vec::new();
    // Where no row was judged there is nothing to draw.
    let known = |m: &&&Measure| sources.comparison.rows_of(m).iter().any(|row| row.summary.is_some());
    for m in measures.iter().filter(known) {
        if !series.contains(&m.series.as_str()) {
            series.push(&m.series);
        }
        if !metrics.contains(&m.metric.as_str()) {
            metrics.push(&m.metric);
        }
    }
    if series.len() < 2 {
        return None;
    }
    metrics.sort_by_key(|metric| words::rank(metric));
    metrics.truncate(METRICS);
    // A series without the metric has no place in its panel: an empty one would read as 0.
    let of_metric = |metric: &str| -> Vec<&Measure> {
        let has = |m: &&&Measure| m.metric == metric && known(m);
        series.iter().filter_map(|s| measures.iter().filter(has).find(|m| m.series == **s)).copied().collect()
    };
    let entries = if sources.arms().len() > 1 { sources.arm_entries(&sources.arms()) } else { Vec::new() };
    let longest = series.iter().map(|s| font::width(s, FONT)).fold(0.0, f64::max);
    let wide = series.len() * sources.arms().len() > 8 || series.len() as f64 * (longest + 6.0) > ONE_COLUMN - 40.0;
    let (columns, width) = if wide { (1, TWO_COLUMNS) } else { (2, ONE_COLUMN) };
    let names = Scale::Names(series.iter().map(|s| (*s).to_string()).collect());
    let height = 170.0 + names.upright_names(width, 2.0 * 170.0).unwrap_or(0.0);
    let (mut canvas, rects) = legend::panels(metrics.len(), columns, (width, height), Sample::Both, &entries);
    for (rect, metric) in rects.into_iter().zip(&metrics) {
        panel(&mut canvas, rect, sources, metric, &of_metric(metric));
    }
    let (stage, split) = place;
    let caption = format!(
        "Series of stage {stage} on the {split} split: mean over replicates with its 95 % interval (over replicates; with \
         one replicate over objects, where the stage gives one).{}",
        cut(metrics.iter().flat_map(|metric| of_metric(metric)).flat_map(|m| sources.comparison.rows_of(m)))
    );
    Some(Figure { name: file_name(&[plot.name(), stage]), caption, canvas })
}

fn panel(canvas: &mut Canvas, rect: Rect, sources: &Sources, metric: &str, series: &[&Measure]) {
    let rows: Vec<Vec<&ComparisonRow>> = series.iter().map(|m| sources.comparison.rows_of(m)).collect();
    let tops = rows.iter().flatten().filter_map(|row| Some(row.drawn_interval().map_or(row.summary?.mean, |i| i.1)));
    let highest = tops.fold(0.0, f64::max);
    let lows = rows.iter().flatten().filter_map(|row| Some(row.drawn_interval().map_or(row.summary?.mean, |i| i.0)));
    let lowest = lows.fold(0.0, f64::min);
    let top = if highest <= 0.0 || highest > 0.5 && highest <= 1.0 { 1.0 } else { highest * 1.08 };
    let names = series.iter().map(|m| m.series.clone()).collect();
    let y = Axis::new(words::title(metric), Scale::Linear(lowest * 1.08, top));
    let axes = Axes::draw(canvas, rect, "", Axis::new("", Scale::Names(names)), y);
    for (index, rows) in rows.iter().enumerate() {
        let width = 0.8 / rows.len().max(1) as f64;
        for (arm, row) in rows.iter().enumerate() {
            let x = index as f64 - 0.4 + (arm as f64 + 0.5) * width;
            bar(canvas, &axes, (x, width * 0.9), row, sources);
        }
    }
}

fn bar(canvas: &mut Canvas, axes: &Axes, (x, width): (f64, f64), row: &ComparisonRow, sources: &Sources) {
    let Some(summary) = row.summary else { return };
    let style = sources.arm_style(&row.arm);
    let half = width / 2.0;
    let corners = [(x - half, 0.0), (x - half, summary.mean), (x + half, summary.mean), (x + half, 0.0)];
    canvas.area(axes.places(&corners), style.colour, 0.55);
    if let Some((low, high)) = row.drawn_interval() {
        let (from, to) = (axes.place((x, low)), axes.place((x, high)));
        canvas.line(vec![from, to], BLACK, 0.9, Dash::Solid);
        for end in [from, to] {
            canvas.line(vec![(end.0 - 2.0, end.1), (end.0 + 2.0, end.1)], BLACK, 0.9, Dash::Solid);
        }
    }
    if sources.arms().len() > 1 {
        let foot = axes.place((x, 0.0));
        canvas.mark((foot.0, foot.1 - 6.0), style.marker, 4.5, BLACK, 1.0);
    }
}
