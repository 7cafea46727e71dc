//! Reconstructions: examples as the network got them, without noise where known, and as it gave them back, arm by arm.

use super::{Figure, Plot, file_name, strips};
use crate::artifacts::array::Array;
use crate::report::draw::canvas::{Anchor, Canvas, FONT, TWO_COLUMNS, shorten};
use crate::report::draw::image::Stretch;
use crate::report::draw::theme::GREY;
use crate::report::record::StepRecord;
use crate::report::sources::Sources;
use crate::stage::ArtifactType;

/// See the file.
pub struct Reconstructions;

/// File of a model: `[example, input (clean) reconstruction, channel, y, x]`.
const FILE: &str = "reconstructions.npy";
/// Stamps side by side.
const COLUMNS: usize = 12;
/// Width of the names at the left.
const NAMES: f64 = 92.0;

/// The examples of one arm.
struct Examples {
    arm: String,
    channels: Vec<String>,
    array: Array,
}

impl Examples {
    /// `[example, version, channel, y, x]`.
    fn shape(&self) -> [usize; 5] {
        let s = self.array.shape();
        [s[0], s[1], s[2], s[3], s[4]]
    }

    /// What the versions are called.
    fn versions(&self) -> &'static [&'static str] {
        if self.shape()[1] == 3 { &["input", "without noise", "reconstruction"] } else { &["input", "reconstruction"] }
    }
}

impl Plot for Reconstructions {
    fn name(&self) -> &'static str {
        "reconstructions"
    }

    fn needs(&self) -> &'static str {
        "model artifacts with reconstructions.npy"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let stages = sources.stages(ArtifactType::Model);
        stages.into_iter().filter_map(|stage| figure(self, sources, stage)).collect()
    }
}

fn figure(plot: &Reconstructions, sources: &Sources, stage: &str) -> Option<Figure> {
    let first = |arm| sources.steps(stage, arm).into_iter().next();
    let arms: Vec<Examples> =
        sources.arms().into_iter().filter_map(first).filter_map(|step| examples(sources, step)).collect();
    let rows = rows(&arms);
    let [count, _, channels, ..] = arms.first()?.shape();
    let shown = (COLUMNS / channels.max(1)).clamp(1, count.max(1));
    let side = ((TWO_COLUMNS - NAMES - 4.0) / (shown * channels) as f64).min(62.0);
    let gap = 3.0;
    let top = FONT + 8.0;
    let width = NAMES + (side * channels as f64 + gap) * shown as f64 + 4.0;
    let mut canvas = Canvas::new(width, top + rows.len() as f64 * (side + 2.0) + 2.0);
    for example in 0..shown {
        let left = NAMES + example as f64 * (side * channels as f64 + gap);
        strips::name_channels(&mut canvas, (left, FONT * 0.9), side, &arms[0].channels);
        for (index, (arm, version)) in rows.iter().enumerate() {
            let y = top + index as f64 * (side + 2.0);
            draw_row(&mut canvas, (left, y), side, &arms[*arm], (example, *version));
        }
    }
    for (index, (arm, version)) in rows.iter().enumerate() {
        let y = top + index as f64 * (side + 2.0) + side / 2.0;
        row_name(&mut canvas, y, &arms[*arm], *version);
    }
    let caption = format!(
        "Examples of stage {stage} from the validation or test split, first replicate: what the network got and what it \
         gave back. Each stamp and its reconstruction share one asinh stretch."
    );
    Some(Figure { name: file_name(&[plot.name(), stage]), caption, canvas })
}

fn examples(sources: &Sources, step: &StepRecord) -> Option<Examples> {
    let array = strips::images(sources, step, FILE)?;
    let channels = strips::channels(sources, step, array.shape()[2]);
    [2, 3].contains(&array.shape()[1]).then(|| Examples { arm: step.arm.clone(), channels, array })
}

/// Rows as (arm, version): inputs again only where they differ from those of the arm before.
fn rows(arms: &[Examples]) -> Vec<(usize, usize)> {
    let mut rows = Vec::new();
    for (index, arm) in arms.iter().enumerate() {
        let versions = arm.versions().len();
        let same = index > 0 && same_input(&arms[index - 1], arm);
        rows.extend((if same { versions - 1 } else { 0 }..versions).map(|version| (index, version)));
    }
    rows
}

fn same_input(a: &Examples, b: &Examples) -> bool {
    let bits = |examples: &Examples| -> Vec<u32> {
        let [.., channels, rows, columns] = examples.shape();
        let length = channels * rows * columns;
        (0..examples.array.rows()).flat_map(|row| &examples.array.row(row)[..length]).map(|v| v.to_bits()).collect()
    };
    a.shape() == b.shape() && bits(a) == bits(b)
}

fn row_name(canvas: &mut Canvas, y: f64, arm: &Examples, version: usize) {
    let word = arm.versions()[version];
    if word == "reconstruction" {
        canvas.label((NAMES - 5.0, y - 0.65 * FONT), &shorten(&arm.arm, NAMES - 8.0), Anchor::End);
        canvas.coloured_label((NAMES - 5.0, y + 0.65 * FONT), word, Anchor::End, GREY);
    } else {
        canvas.label((NAMES - 5.0, y), word, Anchor::End);
    }
}

fn draw_row(canvas: &mut Canvas, corner: (f64, f64), side: f64, arm: &Examples, (example, version): (usize, usize)) {
    let [count, _, channels, _, columns] = arm.shape();
    if example >= count {
        return;
    }
    let planes = (0..channels).map(|channel| {
        let stretch = Stretch::of(strips::plane(&arm.array, example, 0, channel));
        (strips::plane(&arm.array, example, version, channel), stretch)
    });
    strips::draw(canvas, corner, side, columns, planes);
}
