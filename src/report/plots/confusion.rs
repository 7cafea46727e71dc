//! Confusion matrices: shares of each true class with their spread over replicates, and counts, one panel for each arm.

use std::collections::BTreeMap;

use super::{Figure, Plot, file_name};
use crate::artifacts::predictions::Predictions;
use crate::artifacts::scores::read_confusion;
use crate::artifacts::split;
use crate::metrics::statistics::mean_interval;
use crate::report::draw::canvas::{Anchor, Canvas, FONT, Rect, TWO_COLUMNS, shorten};
use crate::report::draw::font;
use crate::report::draw::legend::{self, Sample};
use crate::report::draw::theme::{BLACK, Dash, WHITE, heat};
use crate::report::record::StepRecord;
use crate::report::sources::Sources;
use crate::stage::ArtifactType;

/// See the file.
pub struct Confusion;

/// Points of a cell's width that its texts leave free.
const MARGIN: f64 = 4.0;
/// Height of a line of a cell, in sizes of the font.
const LINE: f64 = 1.24;

/// Counts by (true, predicted) class, replicate by replicate; what comes after the last count is 0.
type Counts = BTreeMap<(String, String), Vec<usize>>;

impl Plot for Confusion {
    fn name(&self) -> &'static str {
        "confusion"
    }

    fn needs(&self) -> &'static str {
        "predictions, or scores with confusion.csv"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let scores = sources.stages(ArtifactType::Scores);
        let from_scores: Vec<Figure> = scores.into_iter().flat_map(|stage| figures(self, sources, stage)).collect();
        if !from_scores.is_empty() {
            return from_scores;
        }
        let stages = sources.stages(ArtifactType::Predictions);
        stages.into_iter().flat_map(|stage| figures(self, sources, stage)).collect()
    }
}

fn figures(plot: &Confusion, sources: &Sources, stage: &str) -> Vec<Figure> {
    let mut by_series: BTreeMap<String, Vec<(&str, Counts)>> = BTreeMap::new();
    for arm in sources.arms() {
        let mut sums: BTreeMap<String, Counts> = BTreeMap::new();
        for (replicate, step) in sources.steps(stage, arm).into_iter().enumerate() {
            for (series, pair, count) in cells(sources, step) {
                let counts = sums.entry(series).or_default().entry(pair).or_default();
                counts.resize(replicate + 1, 0);
                counts[replicate] += count;
            }
        }
        for (series, counts) in sums {
            by_series.entry(series).or_default().push((arm, counts));
        }
    }
    // A matrix with one full column, such as that of the majority class, shows nothing.
    by_series.retain(|_, panels| panels.iter().any(|(_, counts)| predicts_several(counts)));
    let draw = |(series, panels): (String, Vec<(&str, Counts)>)| figure(plot, sources, stage, &series, &panels);
    by_series.into_iter().map(draw).collect()
}

fn predicts_several(counts: &Counts) -> bool {
    let mut predicted: Vec<&String> =
        counts.iter().filter(|(_, counts)| counts.iter().any(|count| *count > 0)).map(|((_, p), _)| p).collect();
    predicted.sort();
    predicted.dedup();
    predicted.len() > 1
}

/// Series, classes and count of each cell on the test split.
fn cells(sources: &Sources, step: &StepRecord) -> Vec<(String, (String, String), usize)> {
    if step.artifact.serves_as(ArtifactType::Predictions) {
        let Some(predictions) = sources.read(step, Predictions::open) else { return Vec::new() };
        let classes = &predictions.facts.classes;
        let rows = predictions.rows.iter().filter(|row| row.split == split::TEST);
        let pair = |truth: usize, predicted: usize| (classes[truth].clone(), classes[predicted].clone());
        return rows.map(|row| (String::new(), pair(row.label, row.predicted()), 1)).collect();
    }
    let cells = sources.read(step, read_confusion).unwrap_or_default();
    let test = cells.into_iter().filter(|c| c.split == split::TEST || c.split.is_empty());
    test.map(|c| (c.series, (c.truth, c.predicted), c.count)).collect()
}

fn figure(plot: &Confusion, sources: &Sources, stage: &str, series: &str, panels: &[(&str, Counts)]) -> Figure {
    let mut classes: Vec<&String> = sources.classes().iter().collect();
    let named: Vec<&String> = panels.iter().flat_map(|p| p.1.keys()).flat_map(|(a, b)| [a, b]).collect();
    for class in &named {
        if !classes.contains(class) {
            classes.push(class);
        }
    }
    classes.retain(|class| named.contains(class));
    let columns = panels.len().min(2);
    let side = TWO_COLUMNS / 2.0;
    let (mut canvas, rects) = legend::panels(panels.len(), columns, (side, side * 0.86), Sample::Patch, &[]);
    for (rect, (arm, counts)) in rects.into_iter().zip(panels) {
        let about = if series.is_empty() { stage } else { series };
        matrix(&mut canvas, rect, sources.panel_title(arm, about), &classes, counts);
    }
    let of = if series.is_empty() { String::new() } else { format!(", series {series}") };
    let caption = format!(
        "Confusion on the test split, stage {stage}{of}: share of each true class (rows add up to 100 %), with its \
         standard deviation where there are several replicates, and number of rows, summed over replicates."
    );
    Figure { name: file_name(&[plot.name(), stage, series]), caption, canvas }
}

fn matrix(canvas: &mut Canvas, rect: Rect, title: &str, classes: &[&String], counts: &Counts) {
    let widest = classes.iter().map(|class| font::width(class, FONT)).fold(0.0, f64::max);
    let names = widest.min(80.0);
    let area = Rect {
        x: rect.x + names + FONT + 4.0,
        y: rect.y + FONT + 8.0,
        width: rect.width - names - FONT - 8.0,
        height: rect.height - 3.0 * FONT - 20.0,
    };
    let (width, height) = (area.width / classes.len() as f64, area.height / classes.len() as f64);
    for (row, truth) in classes.iter().enumerate() {
        let of = |predicted: &String| counts.get(&((*truth).clone(), predicted.clone())).map_or(&[][..], Vec::as_slice);
        let replicates = counts.values().map(Vec::len).max().unwrap_or(0);
        let at = |predicted: &String, replicate: usize| of(predicted).get(replicate).copied().unwrap_or(0);
        let totals: Vec<usize> = (0..replicates).map(|r| classes.iter().map(|c| at(c, r)).sum()).collect();
        for (column, predicted) in classes.iter().enumerate() {
            let corner = (area.x + column as f64 * width, area.y + row as f64 * height);
            let shares: Vec<(usize, usize)> =
                totals.iter().enumerate().map(|(r, all)| (at(predicted, r), *all)).collect();
            cell(canvas, Rect { x: corner.0, y: corner.1, width, height }, &shares);
        }
        let y = area.y + (row as f64 + 0.5) * height;
        canvas.label((area.x - 4.0, y), &shorten(truth, names), Anchor::End);
        let x = area.x + (row as f64 + 0.5) * width;
        canvas.label((x, area.bottom() + FONT * 0.5 + 3.0), &shorten(truth, width - 2.0), Anchor::Middle);
    }
    let mut frame = area.corners();
    frame.push(frame[0]);
    canvas.line(frame, BLACK, 0.6, Dash::Solid);
    let middle = area.x + area.width / 2.0;
    canvas.label((middle, rect.y + FONT * 0.7), &shorten(title, area.width), Anchor::Middle);
    canvas.label((middle, area.bottom() + 1.5 * FONT + 7.0), "predicted class", Anchor::Middle);
    canvas.upwards((rect.x + FONT * 0.6, area.y + area.height / 2.0), "true class");
}

/// `shares`: rows of this cell and of its true class, replicate by replicate.
fn cell(canvas: &mut Canvas, rect: Rect, shares: &[(usize, usize)]) {
    let (count, total) = shares.iter().fold((0, 0), |sums, share| (sums.0 + share.0, sums.1 + share.1));
    let share = if total == 0 { 0.0 } else { count as f64 / total as f64 };
    if count > 0 {
        canvas.area(rect.corners(), heat(share), 1.0);
    }
    let colour = if share > 0.45 { WHITE } else { BLACK };
    let middle = (rect.x + rect.width / 2.0, rect.y + rect.height / 2.0);
    let of_replicates: Vec<f64> =
        shares.iter().filter(|(_, all)| *all > 0).map(|(count, all)| *count as f64 / *all as f64).collect();
    let std = mean_interval(&of_replicates, 0.0).and_then(|summary| summary.std).filter(|_| count > 0);
    let percent = match (total, count) {
        (0, _) => "no rows".into(),
        (_, 0) => "0".into(),
        _ => format!("{:.0} %", 100.0 * share),
    };
    let spread = std.map(|std| format!("\u{b1} {:.0} %", 100.0 * std));
    let count = (count > 0).then(|| count.to_string());
    // Where percentage and spread do not stand side by side with some room, the spread has a line of its own.
    let lines = match spread {
        Some(spread) => {
            let short = format!("{:.0} {spread}", 100.0 * share);
            if font::width(&short, FONT) > rect.width - MARGIN { vec![percent, spread] } else { vec![short] }
        }
        None => vec![percent],
    };
    let lines: Vec<String> = lines.into_iter().chain(count).collect();
    let size = lines.iter().map(|line| font::width(line, FONT)).fold(0.0, f64::max);
    let high = rect.height / (LINE * lines.len() as f64 * FONT);
    let fits = FONT * ((rect.width - MARGIN) / size).min(high).min(1.0);
    for (number, line) in lines.iter().enumerate() {
        let below = (number as f64 - (lines.len() - 1) as f64 / 2.0) * LINE * fits;
        canvas.sized_label((middle.0, middle.1 + below), line, Anchor::Middle, colour, fits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::draw::canvas::Shape;

    #[test]
    fn the_spread_of_a_cell_is_shown_within_it_however_narrow_it_is() {
        for (side, lines) in [(60.0, 2), (36.0, 3), (15.0, 3)] {
            let mut canvas = Canvas::new(side, side);
            cell(&mut canvas, Rect { x: 0.0, y: 0.0, width: side, height: side }, &[(2, 20), (18, 20)]);
            let texts: Vec<(&str, f64, f64)> = canvas
                .shapes
                .iter()
                .filter_map(|shape| match shape {
                    Shape::Text { at, text, size, .. } => Some((text.as_str(), at.1, *size)),
                    _ => None,
                })
                .collect();
            assert_eq!(texts.len(), lines, "{texts:?}");
            assert!(texts.iter().any(|(text, ..)| text.ends_with("\u{b1} 57 %")), "{texts:?}");
            for (text, y, size) in &texts {
                let width = font::width(text, FONT) * size / FONT;
                assert!(width <= side - MARGIN + 1e-9 && *y <= side && *y >= 0.7 * size, "{text}: {width} at {y}");
            }
        }
    }
}
