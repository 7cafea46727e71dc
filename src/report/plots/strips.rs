//! What figures of stamps share: names of channels, and planes side by side in one frame. Knows no artifact but that of stamps.

use super::short_cutout;
use crate::artifacts::array::Array;
use crate::artifacts::facts;
use crate::artifacts::stamps::StampsFacts;
use crate::report::draw::canvas::{Anchor, Canvas, FONT, Point, Rect};
use crate::report::draw::image::{Stretch, grey};
use crate::report::draw::theme::{Dash, GREY};
use crate::report::record::StepRecord;
use crate::report::sources::Sources;

/// Names of the channels of the stamps that a step got, numbers where they are not known.
pub(super) fn channels(sources: &Sources, step: &StepRecord, count: usize) -> Vec<String> {
    let stamps = sources.input(step, "stamps");
    let facts: Option<StampsFacts> =
        stamps.and_then(|s| s.folder.as_ref()).and_then(|f| facts::read(f.join("stamps.json")).ok());
    let names = facts.map(|f| f.channels).filter(|names| names.len() == count);
    names.unwrap_or_else(|| (1..=count).map(|c| format!("channel {c}")).collect())
}

/// An array of images `[row, place, channel, y, x]` that a step wrote; `None` where there is none or it has no rows.
pub(super) fn images(sources: &Sources, step: &StepRecord, file: &str) -> Option<Array> {
    let exists = step.folder.as_ref().is_some_and(|folder| folder.join(file).exists());
    let array = exists.then(|| sources.read(step, |folder| Array::open(folder.join(file))))??;
    (array.shape().len() == 5 && array.rows() > 0).then_some(array)
}

/// One plane of such an array.
pub(super) fn plane(array: &Array, row: usize, place: usize, channel: usize) -> &[f32] {
    let shape = array.shape();
    let length = shape[3] * shape[4];
    &array.row(row)[(place * shape[2] + channel) * length..][..length]
}

/// Planes `[y, x]` with `columns` pixels in a row, side by side in one frame; each is `side` wide and high.
pub(super) fn draw<'a>(
    canvas: &mut Canvas,
    (x, y): Point,
    side: f64,
    columns: usize,
    planes: impl IntoIterator<Item = (&'a [f32], Stretch)>,
) {
    let mut right = x;
    for (plane, stretch) in planes {
        canvas.image(Rect { x: right, y, width: side - 1.0, height: side }, grey(plane, columns, stretch));
        right += side;
    }
    let mut corners = Rect { x, y, width: right - x - 1.0, height: side }.corners();
    corners.push(corners[0]);
    canvas.line(corners, GREY, 0.4, Dash::Solid);
}

/// Names of the channels above planes that begin at (`x`, ..), centred at `y`.
pub(super) fn name_channels(canvas: &mut Canvas, (x, y): Point, side: f64, channels: &[String]) {
    for (index, name) in channels.iter().enumerate() {
        let middle = x + (index as f64 + 0.5) * side;
        canvas.label((middle, y), &short_cutout(name, side - 2.0), Anchor::Middle);
    }
}

/// Height of a line of text between rows of stamps.
pub(super) const LINE: f64 = FONT + 3.0;
