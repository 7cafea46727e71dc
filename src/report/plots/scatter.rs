//! What plots of rows in two dimensions share: a panel for each arm below a legend of the classes, each class with the same
//! look everywhere.

use crate::report::draw::axes::{Axes, Axis, Scale};
use crate::report::draw::canvas::{Anchor, Canvas, FONT, Point, Rect, TWO_COLUMNS, shorten};
use crate::report::draw::legend::{self, Entry, Sample};
use crate::report::draw::theme::{GREY, Style};
use crate::report::sources::Sources;

/// Most points in a panel, and in all panels together.
const POINTS: usize = 1000;
const ALL_POINTS: usize = 3000;
/// Height of a line below a panel.
const LINE: f64 = FONT + 2.0;

/// One panel.
pub(super) struct Panel {
    /// Above it.
    pub(super) title: String,
    /// Names of the axes; empty where they mean nothing.
    pub(super) axes: [String; 2],
    /// Lines below it.
    pub(super) notes: Vec<String>,
    /// Places with their classes, empty where there is none.
    pub(super) points: Vec<(Point, String)>,
}

/// Most points that a panel shows.
pub(super) fn most(sources: &Sources) -> usize {
    (ALL_POINTS / sources.arms().len().max(1)).clamp(100, POINTS)
}

/// At most `most` of the rows, evenly.
pub(super) fn thinned(rows: Vec<usize>, most: usize) -> Vec<usize> {
    let every = rows.len().div_ceil(most).max(1);
    rows.into_iter().step_by(every).collect()
}

/// All panels.
pub(super) fn draw(sources: &Sources, panels: &[Panel]) -> Canvas {
    let drawn = |class: &&String| panels.iter().any(|panel| panel.points.iter().any(|point| point.1 == **class));
    let mut entries = sources.class_entries(sources.classes().iter().filter(drawn));
    if drawn(&&String::new()) {
        entries.push(Entry { name: "unlabelled".into(), style: style(sources, "") });
    }
    let columns = panels.len().min(if panels.len() == 4 { 2 } else { 3 });
    let width = TWO_COLUMNS / columns.max(2) as f64;
    let below = LINE * panels.iter().map(|panel| panel.notes.len()).max().unwrap_or(0) as f64;
    let size = (width, width.min(210.0) + below);
    let (mut canvas, rects) = legend::panels(panels.len(), columns, size, Sample::Mark, &entries);
    for (rect, panel) in rects.into_iter().zip(panels) {
        draw_panel(&mut canvas, Rect { height: rect.height - below, ..rect }, panel, sources);
    }
    canvas
}

/// The look of a class; unlabelled points are grey.
fn style(sources: &Sources, class: &str) -> Style {
    let style = sources.class_style(class);
    if class.is_empty() { Style { colour: GREY, ..style } } else { style }
}

fn draw_panel(canvas: &mut Canvas, rect: Rect, panel: &Panel, sources: &Sources) {
    let axis = |label: &String, value: fn(&Point) -> f64| {
        Axis::new(label.clone(), Scale::around(panel.points.iter().map(|point| value(&point.0))))
    };
    let (x, y) = (axis(&panel.axes[0], |place| place.0), axis(&panel.axes[1], |place| place.1));
    let axes = Axes::draw(canvas, rect, &panel.title, x, y);
    for (place, class) in &panel.points {
        let style = style(sources, class);
        canvas.mark(axes.place(*place), style.marker, 3.2, style.colour, 0.65);
    }
    for (line, note) in panel.notes.iter().enumerate() {
        let at = (rect.x + rect.width / 2.0, rect.bottom() + (line as f64 + 0.5) * LINE);
        canvas.label(at, &shorten(note, rect.width), Anchor::Middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_thinned_evenly() {
        assert_eq!(thinned((0..10).collect(), 4), [0, 3, 6, 9]);
        assert_eq!(thinned((0..3).collect(), 4), [0, 1, 2]);
        assert_eq!(thinned(Vec::new(), 4), [0; 0]);
    }
}
