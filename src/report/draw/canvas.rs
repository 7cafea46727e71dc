//! A picture as a list of shapes. Lengths are points (1/72 inch), y runs downwards.

use super::font;
use super::image::Pixels;
use super::theme::{BLACK, Colour, Dash, Marker};

/// Smallest text: legible at the width of one column.
pub const FONT: f64 = 8.0;
/// Width of one column of a journal, 85 mm.
pub const ONE_COLUMN: f64 = 241.0;
/// Width of two columns, 178 mm.
pub const TWO_COLUMNS: f64 = 505.0;

/// A place on the canvas.
pub type Point = (f64, f64);

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Rect {
    /// Right edge.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// Lower edge.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Its corners, clockwise.
    pub fn corners(&self) -> Vec<Point> {
        vec![(self.x, self.y), (self.right(), self.y), (self.right(), self.bottom()), (self.x, self.bottom())]
    }
}

/// Where a text stands relative to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Begins there.
    Start,
    /// Is centred there.
    Middle,
    /// Ends there.
    End,
}

/// One thing on the canvas.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A line through points.
    Line {
        /// Its points.
        points: Vec<Point>,
        /// Colour.
        colour: Colour,
        /// Width.
        width: f64,
        /// Dash pattern.
        dash: Dash,
    },
    /// A filled polygon.
    Area {
        /// Its corners.
        points: Vec<Point>,
        /// Colour.
        colour: Colour,
        /// 0 invisible, 1 opaque.
        opacity: f64,
    },
    /// A point of a scatter plot.
    Mark {
        /// Centre.
        at: Point,
        /// Form.
        marker: Marker,
        /// Diameter.
        size: f64,
        /// Colour.
        colour: Colour,
        /// 0 invisible, 1 opaque.
        opacity: f64,
    },
    /// A text on one line.
    Text {
        /// Its place: on the baseline.
        at: Point,
        /// What it says.
        text: String,
        /// Size of the font.
        size: f64,
        /// How it stands there.
        anchor: Anchor,
        /// Whether it runs upwards.
        upwards: bool,
        /// Colour.
        colour: Colour,
    },
    /// Pixels.
    Image {
        /// Where they go.
        rect: Rect,
        /// What they are.
        pixels: Pixels,
    },
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Canvas {
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// What is on it, the first lowest.
    pub shapes: Vec<Shape>,
}

impl Canvas {
    /// An empty one.
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, shapes: Vec::new() }
    }

    /// A line.
    pub fn line(&mut self, points: Vec<Point>, colour: Colour, width: f64, dash: Dash) {
        if points.len() > 1 && points.iter().all(|p| p.0.is_finite() && p.1.is_finite()) {
            self.shapes.push(Shape::Line { points, colour, width, dash });
        }
    }

    /// A filled polygon.
    pub fn area(&mut self, points: Vec<Point>, colour: Colour, opacity: f64) {
        if points.len() > 2 && points.iter().all(|p| p.0.is_finite() && p.1.is_finite()) {
            self.shapes.push(Shape::Area { points, colour, opacity });
        }
    }

    /// A mark.
    pub fn mark(&mut self, at: Point, marker: Marker, size: f64, colour: Colour, opacity: f64) {
        if at.0.is_finite() && at.1.is_finite() {
            self.shapes.push(Shape::Mark { at, marker, size, colour, opacity });
        }
    }

    /// A black text of the usual size, vertically centred at `at`.
    pub fn label(&mut self, at: Point, text: &str, anchor: Anchor) {
        self.coloured_label(at, text, anchor, BLACK);
    }

    /// The same in a colour.
    pub fn coloured_label(&mut self, at: Point, text: &str, anchor: Anchor, colour: Colour) {
        self.sized_label(at, text, anchor, colour, FONT);
    }

    /// The same in another size of the font.
    pub fn sized_label(&mut self, at: Point, text: &str, anchor: Anchor, colour: Colour, size: f64) {
        let at = (at.0, at.1 + 0.36 * size);
        self.shapes.push(Shape::Text { at, text: text.into(), size, anchor, upwards: false, colour });
    }

    /// A text that runs upwards, centred at `at`.
    pub fn upwards(&mut self, at: Point, text: &str) {
        let at = (at.0 + 0.36 * FONT, at.1);
        let anchor = Anchor::Middle;
        self.shapes.push(Shape::Text { at, text: text.into(), size: FONT, anchor, upwards: true, colour: BLACK });
    }

    /// Pixels.
    pub fn image(&mut self, rect: Rect, pixels: Pixels) {
        self.shapes.push(Shape::Image { rect, pixels });
    }
}

/// `text`, its middle replaced by an ellipsis where it is wider than `width` points: names often differ at their end.
pub fn shorten(text: &str, width: f64) -> String {
    if font::width(text, FONT) <= width {
        return text.into();
    }
    let letters: Vec<char> = text.chars().collect();
    for kept in (1..letters.len()).rev() {
        let (start, end) = (kept.div_ceil(2), letters.len() - kept / 2);
        let candidate: String = letters[..start].iter().chain(&['\u{2026}']).chain(&letters[end..]).collect();
        if font::width(&candidate, FONT) <= width {
            return candidate;
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shorten("short", 100.0), "short");
        let short = shorten("latent=21 and a very long name, round 3", 90.0);
        assert!(short.starts_with("latent") && short.ends_with('3') && font::width(&short, FONT) <= 90.0, "{short}");
        assert_eq!(shorten("word", 1.0), "");
    }
}
