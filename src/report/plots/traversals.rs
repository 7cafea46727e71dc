//! Traversals: what a decoder makes of the mean code when one of its values moves, arm by arm, the values that vary most first.

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
pub struct Traversals;

/// Files of `health`: `[value, step, channel, y, x]`, and which values.
const FILES: [&str; 2] = ["traversals.npy", "traversals.csv"];
/// Width of the names at the left.
const NAMES: f64 = 92.0;
/// Values of all arms together.
const ROWS: usize = 16;
/// Between one channel and the next.
const GAP: f64 = 5.0;

/// What the decoder of one arm makes.
struct Made {
    arm: String,
    channels: Vec<String>,
    images: Array,
    /// Number of each value and its standard deviation.
    values: Vec<(i64, f64)>,
}

impl Plot for Traversals {
    fn name(&self) -> &'static str {
        "traversals"
    }

    fn needs(&self) -> &'static str {
        "scores of the kind health with traversals.npy"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let stages = sources.stages(ArtifactType::Scores);
        stages.into_iter().filter_map(|stage| figure(self, sources, stage)).collect()
    }
}

fn figure(plot: &Traversals, sources: &Sources, stage: &str) -> Option<Figure> {
    let first = |arm| sources.steps(stage, arm).into_iter().next();
    let arms: Vec<Made> = sources.arms().into_iter().filter_map(first).filter_map(|step| made(sources, step)).collect();
    let [_, steps, channels, ..] = *arms.first()?.images.shape() else { return None };
    let each = (ROWS / arms.len()).max(1);
    let shown = |arm: &Made| arm.values.len().min(each);
    let side = ((TWO_COLUMNS - NAMES - 4.0 - GAP * channels as f64) / (steps * channels) as f64).min(56.0);
    let width = side * steps as f64 + GAP;
    let top = 2.0 * LINE;
    let height: f64 = arms.iter().map(|arm| shown(arm) as f64 * (side + 2.0) + 6.0).sum();
    let mut canvas = Canvas::new(NAMES + width * channels as f64 + 4.0, top + height);
    for (channel, name) in arms[0].channels.iter().enumerate() {
        let left = NAMES + channel as f64 * width;
        canvas.label((left + (width - GAP) / 2.0, FONT * 0.8), &shorten(name, width - GAP), Anchor::Middle);
        for (place, text) in [(0, "\u{2212}3\u{3c3}"), (steps / 2, "mean"), (steps - 1, "+3\u{3c3}")] {
            let middle = left + (place as f64 + 0.5) * side;
            canvas.coloured_label((middle, FONT * 0.8 + LINE), text, Anchor::Middle, GREY);
        }
    }
    let mut y = top;
    for arm in &arms {
        for value in 0..shown(arm) {
            draw_value(&mut canvas, y, side, arm, value);
            y += side + 2.0;
        }
        y += 6.0;
    }
    let caption = format!(
        "What the decoder makes of the mean training code of stage {stage}, first replicate, when one value moves from 3 standard \
         deviations below to 3 above: the values that vary most, with their standard deviation. All steps of a value and channel \
         share one asinh stretch."
    );
    Some(Figure { name: file_name(&[plot.name(), stage]), caption, canvas })
}

fn made(sources: &Sources, step: &StepRecord) -> Option<Made> {
    let images = strips::images(sources, step, FILES[0])?;
    let table = sources.read(step, |folder| Table::read(folder.join(FILES[1])))?;
    let values: Vec<(i64, f64)> = table.ints("value")?.iter().copied().zip(table.numbers("std")?).collect();
    let channels = strips::channels(sources, step, images.shape()[2]);
    (values.len() == images.rows()).then(|| Made { arm: step.arm.clone(), channels, images, values })
}

fn draw_value(canvas: &mut Canvas, y: f64, side: f64, arm: &Made, value: usize) {
    let [_, steps, channels, _, columns] = *arm.images.shape() else { return };
    let (number, std) = arm.values[value];
    let middle = y + side / 2.0;
    if value == 0 {
        canvas.label((NAMES - 5.0, middle - 0.65 * FONT), &shorten(&arm.arm, NAMES - 8.0), Anchor::End);
    }
    let below = middle + if value == 0 { 0.65 * FONT } else { 0.0 };
    let name = format!("value {number}, \u{3c3} {}", words::rounded(std));
    canvas.coloured_label((NAMES - 5.0, below), &shorten(&name, NAMES - 8.0), Anchor::End, GREY);
    for channel in 0..channels {
        let planes: Vec<&[f32]> = (0..steps).map(|step| strips::plane(&arm.images, value, step, channel)).collect();
        let stretch = Stretch::of(planes.iter().copied().flatten());
        let left = NAMES + channel as f64 * (side * steps as f64 + GAP);
        strips::draw(canvas, (left, y), side, columns, planes.into_iter().map(|plane| (plane, stretch)));
    }
}
