//! Names of series beside samples of their look, in lines above the panels; and panels in rows.

use super::canvas::{Anchor, Canvas, FONT, Rect, shorten};
use super::font;
use super::theme::{Dash, Style};

/// What the sample of an entry shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Line.
    Line,
    /// Point.
    Mark,
    /// Line with points.
    Both,
    /// Filled patch.
    Patch,
}

/// One entry.
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its look.
    pub style: Style,
}

const LINE_HEIGHT: f64 = FONT + 4.0;
const SAMPLE: f64 = 20.0;
const GAP: f64 = 10.0;

/// Entries in lines from `(left, top)`, at most `width` wide; gives the height that they take.
pub fn draw(canvas: &mut Canvas, corner: (f64, f64), width: f64, sample: Sample, entries: &[Entry]) -> f64 {
    let (mut x, mut y) = corner;
    for entry in entries {
        let name = shorten(&entry.name, width - SAMPLE - GAP);
        let length = SAMPLE + 3.0 + font::width(&name, FONT);
        if x > corner.0 && x + length > corner.0 + width {
            (x, y) = (corner.0, y + LINE_HEIGHT);
        }
        let middle = y + LINE_HEIGHT / 2.0;
        show(canvas, (x, middle), sample, entry.style);
        canvas.label((x + SAMPLE + 3.0, middle), &name, Anchor::Start);
        x += length + GAP;
    }
    if entries.is_empty() { 0.0 } else { y - corner.1 + LINE_HEIGHT + 2.0 }
}

/// Height that [`draw`] would take.
pub fn height(width: f64, entries: &[Entry]) -> f64 {
    draw(&mut Canvas::new(width, 1.0), (0.0, 0.0), width, Sample::Mark, entries)
}

fn show(canvas: &mut Canvas, (x, y): (f64, f64), sample: Sample, style: Style) {
    if matches!(sample, Sample::Line | Sample::Both) {
        canvas.line(vec![(x, y), (x + SAMPLE, y)], style.colour, 1.2, style.dash);
    }
    if matches!(sample, Sample::Mark | Sample::Both) {
        canvas.mark((x + SAMPLE / 2.0, y), style.marker, 5.0, style.colour, 1.0);
    }
    if sample == Sample::Patch {
        let patch = Rect { x: x + 6.0, y: y - 3.5, width: SAMPLE - 8.0, height: 7.0 };
        canvas.area(patch.corners(), style.colour, 1.0);
        canvas.line(patch.corners(), style.colour, 0.4, Dash::Solid);
    }
}

/// A canvas with `count` panels in rows of `columns` below a legend; each panel `size` large.
pub fn panels(
    count: usize,
    columns: usize,
    size: (f64, f64),
    sample: Sample,
    entries: &[Entry],
) -> (Canvas, Vec<Rect>) {
    let columns = columns.min(count).max(1);
    let width = size.0 * columns as f64;
    let top = height(width - 8.0, entries);
    let rows = count.div_ceil(columns);
    let mut canvas = Canvas::new(width, top + rows as f64 * size.1 + 2.0);
    draw(&mut canvas, (4.0, 1.0), width - 8.0, sample, entries);
    let panel = |index: usize| Rect {
        x: (index % columns) as f64 * size.0 + 2.0,
        y: top + (index / columns) as f64 * size.1,
        width: size.0 - 4.0,
        height: size.1 - 4.0,
    };
    let rects = (0..count).map(panel).collect();
    (canvas, rects)
}
