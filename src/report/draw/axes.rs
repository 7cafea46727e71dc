//! Two axes with ticks, labels and a frame; turns data into places on the canvas.

use super::canvas::{Anchor, Canvas, FONT, Point, Rect, shorten};
use super::font;
use super::theme::{BLACK, Dash, LIGHT};

/// How values lie along an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// From, to.
    Linear(f64, f64),
    /// From, to, both positive.
    Log(f64, f64),
    /// Names at 0, 1, 2, ..
    Names(Vec<String>),
}

impl Scale {
    /// Linear over `values` with a margin on both sides.
    pub fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = limits(values);
        let margin = if high > low { 0.06 * (high - low) } else { 0.5 * high.abs().max(0.1) };
        Self::Linear(low - margin, high + margin)
    }

    /// Logarithmic when the values are positive and span more than a decade, else linear.
    pub fn positive(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = limits(values);
        if low > 0.0 && high > 10.0 * low { Self::Log(low / 1.15, high * 1.15) } else { Self::around([low, high]) }
    }

    /// Part of the way along, 0 to 1 inside.
    fn share(&self, value: f64) -> f64 {
        match self {
            Self::Linear(low, high) => (value - low) / (high - low),
            Self::Log(low, high) => (value / low).ln() / (high / low).ln(),
            Self::Names(names) => (value + 0.5) / names.len() as f64,
        }
    }

    /// Values and their labels, `about` of them.
    fn ticks(&self, about: f64) -> Vec<(f64, String)> {
        match self {
            Self::Linear(low, high) => linear_ticks(*low, *high, about),
            Self::Log(low, high) => log_ticks(*low, *high, about),
            Self::Names(names) => names.iter().enumerate().map(|(i, name)| (i as f64, name.clone())).collect(),
        }
    }
}

fn limits(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64, about: f64) -> Vec<(f64, String)> {
    let rough = (high - low) / about;
    let power = 10.0_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= rough * 0.8).unwrap_or(10.0) * power;
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    let label = |value: f64| {
        let size = value.abs();
        let text = if size >= 1e5 || (size > 0.0 && decimals > 4) {
            format!("{size:.1e}")
        } else {
            format!("{size:.decimals$}")
        };
        if value < 0.0 { format!("\u{2212}{text}") } else { text }
    };
    (first..=last).map(|i| i as f64 * step).map(|value| (value, label(value))).collect()
}

/// Powers of ten; also 2 and 5 times them when there are few.
fn log_ticks(low: f64, high: f64, about: f64) -> Vec<(f64, String)> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let decades = (high / low).log10();
    let multiples: &[f64] = if decades < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let ticks = |every: i32| -> Vec<(f64, String)> {
        let mut ticks = Vec::new();
        for power in (first..=last).filter(|power| multiples.len() > 1 || power.rem_euclid(every) == 0) {
            for multiple in multiples {
                let value = multiple * 10.0_f64.powi(power);
                if (low..=high).contains(&value) {
                    ticks.push((value, log_label(*multiple, power, multiples.len() > 1)));
                }
            }
        }
        ticks
    };
    // one number tells no scale
    let every = (decades / about).ceil().max(1.0) as i32;
    (1..=every).rev().map(ticks).find(|ticks| ticks.len() > 1).unwrap_or_else(|| ticks(1))
}

fn log_label(multiple: f64, power: i32, plain: bool) -> String {
    if plain && (-4..5).contains(&power) {
        return format!("{:.*}", (-power).max(0) as usize, multiple * 10.0_f64.powi(power));
    }
    let digit = |c: char| match c {
        '-' => '\u{207b}',
        '1' => '\u{b9}',
        '2' => '\u{b2}',
        '3' => '\u{b3}',
        _ => char::from_u32(0x2070 + c.to_digit(10).unwrap_or(0)).unwrap_or(c),
    };
    let exponent: String = power.to_string().chars().map(digit).collect();
    if multiple == 1.0 { format!("10{exponent}") } else { format!("{multiple}\u{d7}10{exponent}") }
}

impl Scale {
    /// Where names do not fit side by side on a panel so wide and high: the room that they take running upwards.
    pub fn upright_names(&self, width: f64, height: f64) -> Option<f64> {
        let Self::Names(names) = self else { return None };
        let longest = names.iter().map(|name| font::width(name, FONT)).fold(0.0, f64::max);
        let room = (width - 40.0) / names.len().max(1) as f64 - 3.0;
        (longest > room).then_some(longest.min(LABEL * height))
    }
}

/// One axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// How values lie along it.
    pub scale: Scale,
}

impl Axis {
    /// An axis.
    pub fn new(label: impl Into<String>, scale: Scale) -> Self {
        Self { label: label.into(), scale }
    }
}

/// Two axes and the area between them.
pub struct Axes {
    /// The area of the data.
    pub area: Rect,
    x: Scale,
    y: Scale,
}

/// Longest label of a tick of the y axis, part of the panel's width, and of names below it, part of its height.
const LABEL: f64 = 0.45;

impl Axes {
    /// Draws frame, ticks, labels and title inside `panel`. `y` runs upwards, names run downwards from the top.
    pub fn draw(canvas: &mut Canvas, panel: Rect, title: &str, x: Axis, y: Axis) -> Self {
        let top = if title.is_empty() { 4.0 } else { FONT + 8.0 };
        let names = x.scale.upright_names(panel.width, panel.height);
        let bottom = (if x.label.is_empty() { 0.0 } else { FONT + 2.0 }) + names.unwrap_or(FONT) + 5.0;
        let height = panel.height - top - bottom;
        let y_ticks = y.scale.ticks((height / 28.0).max(2.0));
        let widest = y_ticks.iter().map(|t| font::width(&t.1, FONT).min(LABEL * panel.width)).fold(0.0, f64::max);
        let left = widest + 7.0 + if y.label.is_empty() { 0.0 } else { FONT + 5.0 };
        let area = Rect { x: panel.x + left, y: panel.y + top, width: panel.width - left - 6.0, height };
        let axes = Self { area, x: x.scale, y: y.scale };
        axes.x_ticks(canvas, names);
        axes.y_ticks(canvas, &y_ticks, LABEL * panel.width);
        let corners = area.corners();
        canvas.line(corners.iter().chain(&corners[..1]).copied().collect(), BLACK, 0.6, Dash::Solid);
        let middle = area.x + area.width / 2.0;
        canvas.label((middle, panel.y + FONT * 0.7), &shorten(title, 2.0 * (panel.right() - middle)), Anchor::Middle);
        canvas.label((middle, panel.bottom() - FONT * 0.55), &shorten(&x.label, area.width + left), Anchor::Middle);
        canvas.upwards((panel.x + FONT * 0.6, area.y + area.height / 2.0), &shorten(&y.label, panel.height));
        axes
    }

    /// `upright`: names run upwards and have this room.
    fn x_ticks(&self, canvas: &mut Canvas, upright: Option<f64>) {
        let names = matches!(self.x, Scale::Names(_));
        let mut ticks = self.x.ticks((self.area.width / 40.0).max(2.0));
        let room = self.area.width / ticks.len().max(1) as f64 - 3.0;
        let mut end = f64::NEG_INFINITY;
        ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (value, label) in ticks {
            let x = self.area.x + self.x.share(value) * self.area.width;
            canvas.line(vec![(x, self.area.bottom()), (x, self.area.bottom() + 2.5)], BLACK, 0.6, Dash::Solid);
            if let Some(room) = upright {
                let label = shorten(&label, room);
                canvas.upwards((x, self.area.bottom() + 4.5 + font::width(&label, FONT) / 2.0), &label);
                continue;
            }
            let label = if names { shorten(&label, room) } else { label };
            let half = font::width(&label, FONT) / 2.0;
            // A label that would touch the one before it is left out.
            if x - half > end + 2.0 || names {
                canvas.label((x, self.area.bottom() + 3.5 + FONT * 0.5), &label, Anchor::Middle);
                end = x + half;
            }
        }
    }

    fn y_ticks(&self, canvas: &mut Canvas, ticks: &[(f64, String)], room: f64) {
        for (value, label) in ticks {
            let y = self.place((0.0, *value)).1;
            if !matches!(self.y, Scale::Names(_)) {
                canvas.line(vec![(self.area.x, y), (self.area.right(), y)], LIGHT, 0.4, Dash::Solid);
            }
            canvas.line(vec![(self.area.x - 2.5, y), (self.area.x, y)], BLACK, 0.6, Dash::Solid);
            canvas.label((self.area.x - 4.5, y), &shorten(label, room), Anchor::End);
        }
    }

    /// Where a pair of values lies, held inside the area.
    pub fn place(&self, point: Point) -> Point {
        let (x, y) = (self.x.share(point.0).clamp(0.0, 1.0), self.y.share(point.1).clamp(0.0, 1.0));
        let y = if matches!(self.y, Scale::Names(_)) { y } else { 1.0 - y };
        (self.area.x + x * self.area.width, self.area.y + y * self.area.height)
    }

    /// A line through pairs of values.
    pub fn places(&self, points: &[Point]) -> Vec<Point> {
        points.iter().map(|p| self.place(*p)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: Vec<(f64, String)>) -> Vec<String> {
        ticks.into_iter().map(|t| t.1).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(linear_ticks(-0.13, 1.07, 4.0)), ["0.0", "0.5", "1.0"]);
        assert_eq!(labels(linear_ticks(0.0, 20.0, 5.0)), ["0", "5", "10", "15", "20"]);
        assert_eq!(labels(log_ticks(0.004, 0.06, 5.0)), ["0.005", "0.01", "0.02", "0.05"]);
        assert_eq!(
            labels(log_ticks(1e-6, 1.0, 3.0)),
            ["10\u{207b}\u{2076}", "10\u{207b}\u{2074}", "10\u{207b}\u{b2}", "10\u{2070}"]
        );
        assert_eq!(labels(log_ticks(0.03, 19.0, 2.5)), ["10\u{207b}\u{b9}", "10\u{2070}", "10\u{b9}"]);
    }

    #[test]
    fn values_lie_where_the_scale_says() {
        let mut canvas = Canvas::new(100.0, 100.0);
        let panel = Rect { x: 0.0, y: 0.0, width: 100.0, height: 100.0 };
        let (x, y) = (Axis::new("x", Scale::Linear(0.0, 10.0)), Axis::new("y", Scale::Log(0.01, 100.0)));
        let axes = Axes::draw(&mut canvas, panel, "", x, y);
        let (px, py) = axes.place((5.0, 1.0));
        assert!((px - axes.area.x - axes.area.width / 2.0).abs() < 1e-9);
        assert!((py - axes.area.y - axes.area.height / 2.0).abs() < 1e-9);
        assert_eq!(axes.place((99.0, 1.0)).0, axes.area.right());
    }

    #[test]
    fn scales_of_equal_or_no_values_have_a_width() {
        assert!(matches!(Scale::around([2.0, 2.0]), Scale::Linear(low, high) if low < 2.0 && high > 2.0));
        assert!(matches!(Scale::around([f64::NAN]), Scale::Linear(low, high) if low < high));
        assert!(matches!(Scale::positive([0.0, 1.0]), Scale::Linear(..)));
    }
}
