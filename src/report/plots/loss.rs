//! Loss curves: training and validation loss by epoch or step, all arms in one figure.

use super::{Figure, Plot, file_name};
use crate::artifacts::table::Table;
use crate::report::draw::axes::{Axes, Axis, Scale};
use crate::report::draw::canvas::{Canvas, Point, Rect, TWO_COLUMNS};
use crate::report::draw::legend::{self, Sample};
use crate::report::draw::theme::{Dash, GREY, Style};
use crate::report::sources::Sources;
use crate::stage::ArtifactType;

/// See the file.
pub struct Loss;

/// File of a model's training.
const HISTORY: &str = "history.csv";
/// Its column with the parts of a training.
const PART: &str = "stage";
const PANELS: [(&str, &str); 2] = [("train_loss", "training"), ("validation_loss", "validation")];

/// One arm's curve: epoch or step, mean, lowest and highest over replicates.
struct Curve {
    style: Style,
    points: Vec<(f64, f64, f64, f64)>,
    /// Where its training goes over to another stage, whose loss is another one.
    borders: Vec<f64>,
}

impl Plot for Loss {
    fn name(&self) -> &'static str {
        "loss"
    }

    fn needs(&self) -> &'static str {
        "model artifacts with history.csv (epoch or step, train_loss, validation_loss)"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let stages = sources.stages(ArtifactType::Model);
        stages.into_iter().filter_map(|stage| figure(self, sources, stage)).collect()
    }
}

fn figure(plot: &Loss, sources: &Sources, stage: &str) -> Option<Figure> {
    let arms: Vec<(&str, Vec<Table>)> = sources
        .arms()
        .into_iter()
        .map(|arm| (arm, histories(sources, stage, arm)))
        .filter(|a| !a.1.is_empty())
        .collect();
    let unit = unit(&arms);
    let curves = PANELS.map(|(column, _)| -> Vec<Curve> {
        arms.iter().filter_map(|(arm, tables)| curve(sources.arm_style(arm), tables, unit, column)).collect()
    });
    let columns: Vec<usize> = (0..PANELS.len()).filter(|i| !curves[*i].is_empty()).collect();
    if columns.is_empty() {
        return None;
    }
    let names: Vec<&str> = arms.iter().map(|a| a.0).collect();
    let size = (TWO_COLUMNS / 2.0, 175.0);
    let (mut canvas, rects) = legend::panels(columns.len(), 2, size, Sample::Line, &sources.arm_entries(&names));
    for (rect, column) in rects.into_iter().zip(columns) {
        panel(&mut canvas, rect, PANELS[column].1, unit, &curves[column]);
    }
    let stages = parts(arms.iter().flat_map(|arm| &arm.1));
    let borders = match stages.len() {
        0 | 1 => String::new(),
        _ => format!(" Grey, dotted: from there on it is another loss ({}).", stages.join(", then ")),
    };
    let caption = format!(
        "Loss of stage {stage} by {unit}: mean over replicates; the band spans the lowest and the highest replicate.{borders}"
    );
    Some(Figure { name: file_name(&[plot.name(), stage]), caption, canvas })
}

fn histories(sources: &Sources, stage: &str, arm: &str) -> Vec<Table> {
    let steps = sources.steps(stage, arm).into_iter();
    let with_history = steps.filter(|s| s.folder.as_ref().is_some_and(|f| f.join(HISTORY).exists()));
    with_history.filter_map(|step| sources.read(step, |folder| Table::read(folder.join(HISTORY)))).collect()
}

/// What the losses are told by: epochs if there are any, else steps.
fn unit(arms: &[(&str, Vec<Table>)]) -> &'static str {
    let has_epochs = |table: &Table| table.numbers("epoch").is_some();
    if arms.iter().flat_map(|arm| &arm.1).any(has_epochs) { "epoch" } else { "step" }
}

/// Parts of a training in order, where it has several.
fn parts<'a>(tables: impl Iterator<Item = &'a Table>) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in tables.flat_map(|table| table.texts(PART)) {
        if !part.is_empty() && !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts
}

/// Half-way between the last epoch or step of a part and the first of the next.
fn borders(table: &Table, unit: &str) -> Vec<f64> {
    let (parts, at) = (table.texts(PART), table.numbers(unit).unwrap_or_default());
    let pairs = parts.windows(2).zip(at.windows(2));
    pairs.filter(|(part, _)| part[0] != part[1]).map(|(_, at)| f64::midpoint(at[0], at[1])).collect()
}

fn curve(style: Style, tables: &[Table], unit: &str, column: &str) -> Option<Curve> {
    let series: Vec<(Vec<f64>, Vec<f64>)> =
        tables.iter().filter_map(|t| Some((t.numbers(unit)?, t.numbers(column)?))).collect();
    let longest = series.iter().max_by_key(|s| s.0.len())?;
    let borders = tables.iter().max_by_key(|t| t.rows()).map_or_else(Vec::new, |t| borders(t, unit));
    let point = |row: usize| {
        let values: Vec<f64> = series.iter().filter_map(|s| s.1.get(row).copied()).filter(|v| v.is_finite()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (!values.is_empty()).then_some((longest.0[row], mean, low, high))
    };
    let points: Vec<_> = (0..longest.0.len()).filter_map(point).collect();
    (!points.is_empty()).then_some(Curve { style, points, borders })
}

fn panel(canvas: &mut Canvas, rect: Rect, title: &str, unit: &str, curves: &[Curve]) {
    let all = || curves.iter().flat_map(|c| &c.points);
    let at = Scale::Linear(
        all().map(|p| p.0).fold(f64::INFINITY, f64::min),
        all().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max),
    );
    let at = if matches!(at, Scale::Linear(low, high) if low < high) { at } else { Scale::around(all().map(|p| p.0)) };
    let losses = Scale::positive(all().flat_map(|p| [p.2, p.3]));
    let axes = Axes::draw(canvas, rect, title, Axis::new(unit, at), Axis::new("loss", losses));
    for curve in curves {
        let high: Vec<Point> = curve.points.iter().map(|p| (p.0, p.3)).collect();
        let low = curve.points.iter().rev().map(|p| (p.0, p.2));
        canvas.area(axes.places(&high.into_iter().chain(low).collect::<Vec<_>>()), curve.style.colour, 0.18);
    }
    let mut borders: Vec<f64> = curves.iter().flat_map(|c| c.borders.iter().copied()).collect();
    borders.sort_by(f64::total_cmp);
    borders.dedup();
    for x in borders.into_iter().map(|at| axes.place((at, 1.0)).0) {
        canvas.line(vec![(x, axes.area.y), (x, axes.area.bottom())], GREY, 1.0, Dash::Dotted);
    }
    for curve in curves {
        let mean: Vec<Point> = curve.points.iter().map(|p| (p.0, p.1)).collect();
        let places = axes.places(&mean);
        if let [only] = places[..] {
            canvas.mark(only, curve.style.marker, 5.0, curve.style.colour, 1.0);
        }
        canvas.line(places, curve.style.colour, 1.2, curve.style.dash);
    }
}
