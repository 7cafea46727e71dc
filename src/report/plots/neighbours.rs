//! Nearest neighbours: stamps of which a network was asked, each with the training stamps that it holds for most alike, arm by
//! arm. Whether the network looks at the source is seen here before it is seen in any number.

use super::strips::{self, LINE};
use super::{Figure, Plot, file_name};
use crate::artifacts::array::Array;
use crate::artifacts::table::Table;
use crate::report::draw::canvas::{Anchor, Canvas, FONT, TWO_COLUMNS, shorten};
use crate::report::draw::image::Stretch;
use crate::report::draw::theme::GREY;
use crate::report::record::StepRecord;
use crate::report::sources::Sources;
use crate::report::words;
use crate::stage::ArtifactType;

/// See the file.
pub struct Neighbours;

/// Files of `health`: `[query, 1 + nearest, channel, y, x]`, and who they are.
const FILES: [&str; 2] = ["neighbours.npy", "neighbours.csv"];
/// Width of the names at the left.
const NAMES: f64 = 70.0;
/// Queries of all arms together.
const ROWS: usize = 12;
/// Between a stamp and the next.
const GAP: f64 = 4.0;

/// What one arm holds for alike.
struct Alike {
    arm: String,
    channels: Vec<String>,
    images: Array,
    /// Label and cosine of each image, query after query.
    labels: Vec<(String, f64)>,
    /// The queries that are shown.
    queries: Vec<usize>,
}

impl Plot for Neighbours {
    fn name(&self) -> &'static str {
        "neighbours"
    }

    fn needs(&self) -> &'static str {
        "scores of the kind health with neighbours.npy"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let stages = sources.stages(ArtifactType::Scores);
        stages.into_iter().filter_map(|stage| figure(self, sources, stage)).collect()
    }
}

fn figure(plot: &Neighbours, sources: &Sources, stage: &str) -> Option<Figure> {
    let first = |arm| sources.steps(stage, arm).into_iter().next();
    let mut arms: Vec<Alike> =
        sources.arms().into_iter().filter_map(first).filter_map(|step| alike(sources, step)).collect();
    let each = ROWS / arms.len().max(1);
    for arm in &mut arms {
        arm.queries = spread(arm.images.rows(), each);
    }
    let [_, places, channels, ..] = *arms.first()?.images.shape() else { return None };
    let side = ((TWO_COLUMNS - NAMES - 4.0 - GAP * places as f64) / (places * channels) as f64).min(56.0);
    let width = side * channels as f64 + GAP;
    let top = 2.0 * LINE;
    let height: f64 = arms.iter().map(|arm| arm.queries.len() as f64 * (side + LINE + 2.0) + 4.0).sum();
    let mut canvas = Canvas::new(NAMES + width * places as f64 + 4.0, top + height);
    for place in 0..places {
        let left = NAMES + place as f64 * width;
        let title = if place == 0 { "stamp".to_string() } else { format!("nearest {place}") };
        let title = shorten(&title, width - GAP);
        canvas.label((left + (width - GAP) / 2.0, FONT * 0.8), &title, Anchor::Middle);
        strips::name_channels(&mut canvas, (left, FONT * 0.8 + LINE), side, &arms[0].channels);
    }
    let mut y = top;
    for arm in &arms {
        canvas.label((NAMES - 5.0, y + side / 2.0), &shorten(&arm.arm, NAMES - 8.0), Anchor::End);
        for query in &arm.queries {
            draw_query(&mut canvas, y, side, arm, *query);
            y += side + LINE + 2.0;
        }
        y += 4.0;
    }
    let caption = format!(
        "Stamps of the test split (validation where there is none) and, of the training split, the stamps of other objects whose \
         codes in stage {stage}, first replicate, are nearest in angle: below each its label, and the cosine. Each stamp has its \
         own asinh stretch."
    );
    Some(Figure { name: file_name(&[plot.name(), stage]), caption, canvas })
}

fn alike(sources: &Sources, step: &StepRecord) -> Option<Alike> {
    let images = strips::images(sources, step, FILES[0])?;
    let table = sources.read(step, |folder| Table::read(folder.join(FILES[1])))?;
    let cosines = table.numbers("cosine")?;
    let labels: Vec<(String, f64)> = table.texts("label").into_iter().zip(cosines).collect();
    let channels = strips::channels(sources, step, images.shape()[2]);
    let fits = labels.len() == images.rows() * images.shape()[1];
    fits.then(|| Alike { arm: step.arm.clone(), channels, images, labels, queries: Vec::new() })
}

/// At most `most` of the numbers below `n`, evenly spread.
fn spread(n: usize, most: usize) -> Vec<usize> {
    let shown = most.clamp(1, n.max(1)).min(n);
    (0..shown).map(|i| (2 * i + 1) * n / (2 * shown)).collect()
}

fn draw_query(canvas: &mut Canvas, y: f64, side: f64, arm: &Alike, query: usize) {
    let [_, places, channels, _, columns] = *arm.images.shape() else { return };
    let width = side * channels as f64 + GAP;
    for place in 0..places {
        let left = NAMES + place as f64 * width;
        let planes = (0..channels).map(|channel| strips::plane(&arm.images, query, place, channel));
        strips::draw(canvas, (left, y), side, columns, planes.map(|plane| (plane, Stretch::of(plane))));
        let (label, cosine) = &arm.labels[query * places + place];
        let label = if label.is_empty() { "no label" } else { label };
        let text = if place == 0 { label.to_string() } else { format!("{label} {}", words::rounded(*cosine)) };
        let below = (left + (width - GAP) / 2.0, y + side + 0.6 * FONT);
        canvas.coloured_label(below, &shorten(&text, width), Anchor::Middle, GREY);
    }
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn queries_are_spread_evenly() {
        assert_eq!(spread(10, 5), [1, 3, 5, 7, 9]);
        assert_eq!(spread(3, 12), [0, 1, 2]);
        assert_eq!(spread(4, 0), [2]);
        assert_eq!(spread(0, 3), [0; 0]);
    }
}
