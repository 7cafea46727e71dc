//! Latent maps: the first two principal components of the latent codes, coloured by class, one panel for each arm.

use super::{Figure, Plot, file_name};
use crate::artifacts::features::Features;
use crate::artifacts::split;
use crate::report::draw::axes::{Axes, Axis, Scale};
use crate::report::draw::canvas::{Canvas, Rect, TWO_COLUMNS};
use crate::report::draw::legend::{self, Sample};
use crate::report::draw::theme::GREY;
use crate::report::sources::Sources;
use crate::stage::ArtifactType;

/// See the file.
pub struct Latent;

/// Most points in a panel, and in all panels together.
const POINTS: usize = 1000;
const ALL_POINTS: usize = 3000;
/// Prefix of the names of latent features.
const PREFIX: &str = "latent_";

/// One arm's points.
struct Map {
    arm: String,
    points: Vec<(f64, f64, String)>,
    /// Share of the variance along each of the two.
    shares: [f64; 2],
}

impl Plot for Latent {
    fn name(&self) -> &'static str {
        "latent"
    }

    fn needs(&self) -> &'static str {
        "features with at least two latent_* columns"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let stages = sources.stages(ArtifactType::Features);
        stages.into_iter().filter_map(|stage| figure(self, sources, stage)).collect()
    }
}

fn figure(plot: &Latent, sources: &Sources, stage: &str) -> Option<Figure> {
    let mut maps = Vec::new();
    let most = (ALL_POINTS / sources.arms().len().max(1)).clamp(100, POINTS);
    for arm in sources.arms() {
        let first = sources.steps(stage, arm).into_iter().next();
        let features = first.and_then(|step| sources.read(step, Features::open));
        maps.extend(features.and_then(|features| map(arm, &features, most)));
    }
    if maps.is_empty() {
        return None;
    }
    let drawn = |class: &&String| maps.iter().any(|m| m.points.iter().any(|p| p.2 == **class));
    let entries = sources.class_entries(sources.classes().iter().filter(drawn));
    let columns = maps.len().min(if maps.len() == 4 { 2 } else { 3 });
    let width = TWO_COLUMNS / columns.max(2) as f64;
    let (mut canvas, rects) = legend::panels(maps.len(), columns, (width, width.min(210.0)), Sample::Mark, &entries);
    for (rect, map) in rects.into_iter().zip(&maps) {
        panel(&mut canvas, rect, map, sources);
    }
    let caption = format!(
        "Latent codes of stage {stage}: first two principal components of each arm's own space, first replicate, test \
         split, at most {most} points; axes say their share of the variance."
    );
    Some(Figure { name: file_name(&[plot.name(), stage]), caption, canvas })
}

/// Columns of the features that are latent codes.
pub(in crate::report) fn columns(features: &Features) -> Vec<usize> {
    let names = &features.facts.names;
    (0..names.len()).filter(|column| names[*column].starts_with(PREFIX)).collect()
}

fn map(arm: &str, features: &Features, most: usize) -> Option<Map> {
    let columns = columns(features);
    let (splits, labels) = (features.index.texts("split"), features.index.texts("label"));
    let mut rows: Vec<usize> = (0..splits.len()).filter(|row| splits[*row] == split::TEST).collect();
    if rows.is_empty() {
        rows = (0..splits.len()).collect();
    }
    let every = rows.len().div_ceil(most).max(1);
    let rows: Vec<usize> = rows.into_iter().step_by(every).collect();
    let codes: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| columns.iter().map(|c| f64::from(features.values.row(*row)[*c])).collect())
        .filter(|code: &Vec<f64>| code.iter().all(|v| v.is_finite()))
        .collect();
    if columns.len() < 2 || codes.len() < 3 || codes.len() != rows.len() {
        return None;
    }
    let (places, shares) = principal(&codes);
    let points = places.into_iter().zip(&rows).map(|((x, y), row)| (x, y, labels[*row].clone())).collect();
    Some(Map { arm: arm.into(), points, shares })
}

fn panel(canvas: &mut Canvas, rect: Rect, map: &Map, sources: &Sources) {
    let label = |number: usize| format!("component {} ({:.0} %)", number + 1, 100.0 * map.shares[number]);
    let x = Axis::new(label(0), Scale::around(map.points.iter().map(|p| p.0)));
    let y = Axis::new(label(1), Scale::around(map.points.iter().map(|p| p.1)));
    let axes = Axes::draw(canvas, rect, &map.arm, x, y);
    for (x, y, class) in &map.points {
        let style = sources.class_style(class);
        let colour = if class.is_empty() { GREY } else { style.colour };
        canvas.mark(axes.place((*x, *y)), style.marker, 3.2, colour, 0.65);
    }
}

/// Projections of `codes` on the two directions of largest variance, and their shares of all variance. Each direction's
/// largest entry is positive.
pub(in crate::report) fn principal(codes: &[Vec<f64>]) -> (Vec<(f64, f64)>, [f64; 2]) {
    let size = codes[0].len();
    let mean: Vec<f64> =
        (0..size).map(|c| codes.iter().map(|code| code[c]).sum::<f64>() / codes.len() as f64).collect();
    let centred: Vec<Vec<f64>> =
        codes.iter().map(|code| code.iter().zip(&mean).map(|(v, m)| v - m).collect()).collect();
    let covariance: Vec<Vec<f64>> =
        (0..size).map(|a| (0..size).map(|b| centred.iter().map(|c| c[a] * c[b]).sum::<f64>()).collect()).collect();
    let total: f64 = (0..size).map(|i| covariance[i][i]).sum();
    let (first, along_first) = leading(&covariance, &vec![0.0; size]);
    let (second, along_second) = leading(&covariance, &first);
    let places = centred.iter().map(|c| (dot(c, &first), dot(c, &second))).collect();
    let share = |value: f64| if total > 0.0 { value / total } else { 0.0 };
    (places, [share(along_first), share(along_second)])
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Leading eigenvector and value among directions orthogonal to `orthogonal` (unit length or zero), by power iteration.
fn leading(matrix: &[Vec<f64>], orthogonal: &[f64]) -> (Vec<f64>, f64) {
    let project = |vector: Vec<f64>| -> Vec<f64> {
        let overlap = dot(&vector, orthogonal);
        let vector: Vec<f64> = vector.iter().zip(orthogonal).map(|(v, o)| v - overlap * o).collect();
        let length = dot(&vector, &vector).sqrt();
        if length > 0.0 { vector.iter().map(|v| v / length).collect() } else { vector }
    };
    // An uneven start is not orthogonal to the answer but by an accident.
    let mut vector = project((0..matrix.len()).map(|i| 1.0 + 0.37 * ((i * i + 3 * i) % 11) as f64).collect());
    for _ in 0..1000 {
        let next = project(matrix.iter().map(|row| dot(row, &vector)).collect());
        let change: f64 = next.iter().zip(&vector).map(|(a, b)| (a - b).abs()).sum();
        vector = next;
        if change < 1e-12 {
            break;
        }
    }
    let largest = vector.iter().copied().fold(0.0_f64, |best, v| if v.abs() > best.abs() { v } else { best });
    if largest < 0.0 {
        vector = vector.into_iter().map(|v| -v).collect();
    }
    let image: Vec<f64> = matrix.iter().map(|row| dot(row, &vector)).collect();
    let value = dot(&image, &vector);
    (vector, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_by_hand() {
        // Variances 16 along (0, 1, 0), 4 along (1, 0, 0), none along the third.
        let codes = [[2.0, 0.0, 5.0], [-2.0, 0.0, 5.0], [0.0, 4.0, 5.0], [0.0, -4.0, 5.0]].map(Vec::from);
        let (places, shares) = principal(&codes);
        assert!((shares[0] - 0.8).abs() < 1e-9 && (shares[1] - 0.2).abs() < 1e-9, "{shares:?}");
        assert!((places[2].0 - 4.0).abs() < 1e-9 && (places[0].1 - 2.0).abs() < 1e-9, "{places:?}");
    }

    #[test]
    fn constant_codes_do_not_fail() {
        let (places, shares) = principal(&vec![vec![1.0, 2.0]; 5]);
        assert!(shares == [0.0, 0.0] && places.iter().all(|p| p.0.is_finite() && p.1.is_finite()));
    }
}
