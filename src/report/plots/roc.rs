//! Receiver operating characteristic of each class against the rest, one panel for each arm.

use super::{Figure, Plot, file_name};
use crate::artifacts::predictions::{Prediction, Predictions};
use crate::artifacts::split;
use crate::report::draw::axes::{Axes, Axis, Scale};
use crate::report::draw::canvas::{Canvas, Point, Rect, TWO_COLUMNS};
use crate::report::draw::legend::{self, Sample};
use crate::report::draw::theme::{Dash, GREY, Style};
use crate::report::sources::Sources;
use crate::stage::ArtifactType;

/// See the file.
pub struct Roc;

/// False positive rates at which replicates are averaged.
const GRID: usize = 200;

impl Plot for Roc {
    fn name(&self) -> &'static str {
        "roc"
    }

    fn needs(&self) -> &'static str {
        "predictions"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let stages = sources.stages(ArtifactType::Predictions);
        stages.into_iter().filter_map(|stage| figure(self, sources, stage)).collect()
    }
}

fn figure(plot: &Roc, sources: &Sources, stage: &str) -> Option<Figure> {
    let mut panels: Vec<(&str, Vec<(String, Vec<Point>)>)> = Vec::new();
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
        panel(&mut canvas, rect, arm, &curves);
    }
    let caption = format!(
        "ROC of stage {stage} on the test split, each class against the rest; mean over replicates at equal false \
         positive rate. The diagonal is chance."
    );
    Some(Figure { name: file_name(&[plot.name(), stage]), caption, canvas })
}

fn panel(canvas: &mut Canvas, rect: Rect, title: &str, curves: &[(Style, &[Point])]) {
    let x = Axis::new("false positive rate", Scale::Linear(0.0, 1.0));
    let axes = Axes::draw(canvas, rect, title, x, Axis::new("true positive rate", Scale::Linear(0.0, 1.0)));
    canvas.line(axes.places(&[(0.0, 0.0), (1.0, 1.0)]), GREY, 0.6, Dash::Dotted);
    for (style, points) in curves {
        canvas.line(axes.places(points), style.colour, 1.2, style.dash);
    }
}

/// For each class that has both positives and negatives, its curve averaged over replicates.
fn curves(replicates: &[Predictions]) -> Vec<(String, Vec<Point>)> {
    let Some(first) = replicates.first() else { return Vec::new() };
    let mut curves = Vec::new();
    for (class, name) in first.facts.classes.iter().enumerate() {
        let rates: Vec<Vec<f64>> = replicates.iter().filter_map(|p| sampled(&curve(&p.rows, class)?)).collect();
        if rates.is_empty() {
            continue;
        }
        let mean = |i: usize| rates.iter().map(|r| r[i]).sum::<f64>() / rates.len() as f64;
        let points = (0..=GRID).map(|i| (i as f64 / GRID as f64, mean(i)));
        curves.push((name.clone(), std::iter::once((0.0, 0.0)).chain(points).collect()));
    }
    curves
}

/// Points (false positive rate, true positive rate) as the threshold falls; rows of equal score move together.
fn curve(rows: &[Prediction], class: usize) -> Option<Vec<Point>> {
    let test = rows.iter().filter(|r| r.split == split::TEST);
    let mut scores: Vec<(f64, bool)> =
        test.filter_map(|r| Some((*r.probabilities.get(class)?, r.label == class))).collect();
    let positives = scores.iter().filter(|s| s.1).count();
    let negatives = scores.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut alarms, mut points) = (0, 0, vec![(0.0, 0.0)]);
    for group in scores.chunk_by(|a, b| a.0 == b.0) {
        hits += group.iter().filter(|s| s.1).count();
        alarms += group.iter().filter(|s| !s.1).count();
        points.push((alarms as f64 / negatives as f64, hits as f64 / positives as f64));
    }
    Some(points)
}

/// True positive rate at each false positive rate of the grid: the highest reached there, straight in between.
fn sampled(points: &[Point]) -> Option<Vec<f64>> {
    let at = |x: f64| {
        let after = points.partition_point(|p| p.0 <= x + 1e-12);
        let (a, b) = (points.get(after.checked_sub(1)?)?, points.get(after));
        Some(b.map_or(a.1, |b| a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0)))
    };
    (0..=GRID).map(|i| at(i as f64 / GRID as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: usize, p: f64) -> Prediction {
        let probabilities = vec![1.0 - p, p];
        Prediction { candid: 0, object_id: String::new(), label, split: split::TEST.into(), probabilities }
    }

    #[test]
    fn curve_by_hand() {
        let rows = [row(1, 0.9), row(0, 0.5), row(1, 0.5), row(0, 0.1)];
        let points = curve(&rows, 1).unwrap();
        assert_eq!(points, [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]);
        let sampled = sampled(&points).unwrap();
        assert_eq!((sampled[0], sampled[GRID / 4], sampled[GRID]), (0.5, 0.75, 1.0));
        assert_eq!(curve(&rows[..1], 1), None);
    }
}
