//! A canvas as PNG: drawn by plotters at twice the size and averaged down, because its bitmap shapes have hard edges.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ColorType, ImageEncoder};
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontTransform, RGBAColor, ShapeStyle};

use super::canvas::{Anchor, Canvas, Point, Rect, Shape};
use super::font;
use super::image::Pixels;
use super::theme::{Colour, Dash};

/// Pixels per point in the file (216 per inch).
const RESOLUTION: usize = 3;
/// Pixels drawn for each pixel in the file, each way.
const OVERSAMPLING: usize = 2;
const SCALE: f64 = (RESOLUTION * OVERSAMPLING) as f64;

type Drawing<'a> = BitMapBackend<'a>;

/// The file.
pub fn render(canvas: &Canvas) -> Vec<u8> {
    let side = |points: f64| (points * RESOLUTION as f64).ceil() as usize;
    let (width, height) = (side(canvas.width), side(canvas.height));
    let (fine_width, fine_height) = (width * OVERSAMPLING, height * OVERSAMPLING);
    let mut fine = vec![255_u8; fine_width * fine_height * 3];
    {
        let mut drawing = BitMapBackend::with_buffer(&mut fine, (fine_width as u32, fine_height as u32));
        for shape in &canvas.shapes {
            draw(&mut drawing, shape);
        }
    }
    encode(&Pixels { width, height, rgb: average(&fine, width, height) })
}

/// Pixels as a PNG file.
pub fn encode(pixels: &Pixels) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
    let (width, height) = (pixels.width as u32, pixels.height as u32);
    let grey = pixels.rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
    let levels: Vec<u8> = if grey { pixels.rgb.iter().step_by(3).copied().collect() } else { Vec::new() };
    let (buffer, colours) = if grey { (&levels, ColorType::L8) } else { (&pixels.rgb, ColorType::Rgb8) };
    // Writing into memory fails only when the buffer does not have the size that is given.
    encoder.write_image(buffer, width, height, colours).expect("as many bytes as pixels times colours");
    bytes
}

/// Mean of each block of `OVERSAMPLING` squared pixels.
fn average(fine: &[u8], width: usize, height: usize) -> Vec<u8> {
    let row = width * OVERSAMPLING * 3;
    let mut coarse = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0_u32;
                for (dy, dx) in (0..OVERSAMPLING).flat_map(|dy| (0..OVERSAMPLING).map(move |dx| (dy, dx))) {
                    let at = (y * OVERSAMPLING + dy) * row + (x * OVERSAMPLING + dx) * 3 + channel;
                    sum += u32::from(fine[at]);
                }
                let count = (OVERSAMPLING * OVERSAMPLING) as u32;
                coarse.push(((sum + count / 2) / count) as u8);
            }
        }
    }
    coarse
}

/// What is beyond the edge is not drawn; drawing into memory cannot fail otherwise.
fn draw(drawing: &mut Drawing, shape: &Shape) {
    match shape {
        Shape::Line { points, colour, width, dash } => {
            for stroke in strokes(points, *dash, *width) {
                line(drawing, &stroke, *colour, *width);
            }
        }
        Shape::Area { points, colour, opacity } => polygon(drawing, points, *colour, *opacity),
        Shape::Mark { at, marker, size, colour, opacity } => {
            let polygons = marker.polygons();
            if polygons.is_empty() {
                let radius = (size / 2.0 * SCALE).round() as u32;
                let _ = drawing.draw_circle(pixel(*at), radius, &fill(*colour, *opacity), true);
            }
            for points in polygons {
                let placed: Vec<Point> = points.iter().map(|(x, y)| (at.0 + x * size, at.1 + y * size)).collect();
                polygon(drawing, &placed, *colour, *opacity);
            }
        }
        Shape::Text { at, text, size, anchor, upwards, colour } => {
            write(drawing, *at, text, *size, *anchor, *upwards, *colour);
        }
        Shape::Image { rect, pixels } => image(drawing, *rect, pixels),
    }
}

fn pixel(point: Point) -> (i32, i32) {
    ((point.0 * SCALE).round() as i32, (point.1 * SCALE).round() as i32)
}

fn fill(colour: Colour, opacity: f64) -> ShapeStyle {
    ShapeStyle { color: RGBAColor(colour.0, colour.1, colour.2, opacity), filled: true, stroke_width: 1 }
}

fn polygon(drawing: &mut Drawing, points: &[Point], colour: Colour, opacity: f64) {
    let corners: Vec<(i32, i32)> = points.iter().map(|p| pixel(*p)).collect();
    let _ = drawing.fill_polygon(corners, &fill(colour, opacity));
}

/// Each segment as a rectangle of its own, with round joints.
fn line(drawing: &mut Drawing, points: &[Point], colour: Colour, width: f64) {
    let half = width / 2.0;
    for ends in points.windows(2) {
        let (a, b) = (ends[0], ends[1]);
        if a.0 == b.0 || a.1 == b.1 {
            let corner = |p: Point, sign: f64| {
                pixel((p.0 + sign * half * f64::from(a.0 == b.0), p.1 + sign * half * f64::from(a.1 == b.1)))
            };
            let (low, high) = if a.0 + a.1 <= b.0 + b.1 { (a, b) } else { (b, a) };
            let (from, to) = (corner(low, -1.0), corner(high, 1.0));
            let to = (to.0.max(from.0 + 1), to.1.max(from.1 + 1));
            let _ = drawing.draw_rect(from, to, &fill(colour, 1.0), true);
            continue;
        }
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        let (dx, dy) = (-(b.1 - a.1) / length * half, (b.0 - a.0) / length * half);
        let corners = [(a.0 + dx, a.1 + dy), (b.0 + dx, b.1 + dy), (b.0 - dx, b.1 - dy), (a.0 - dx, a.1 - dy)];
        polygon(drawing, &corners, colour, 1.0);
    }
    let radius = (half * SCALE).round() as u32;
    for joint in points.iter().skip(1).take(points.len().saturating_sub(2)) {
        let _ = drawing.draw_circle(pixel(*joint), radius, &fill(colour, 1.0), true);
    }
}

/// The visible pieces of a dashed line.
fn strokes(points: &[Point], dash: Dash, width: f64) -> Vec<Vec<Point>> {
    let pattern: Vec<f64> = dash.pattern().iter().map(|length| length * width).collect();
    if pattern.is_empty() {
        return vec![points.to_vec()];
    }
    let (mut strokes, mut stroke) = (Vec::new(), vec![points[0]]);
    let (mut part, mut left) = (0, pattern[0]);
    for ends in points.windows(2) {
        let (mut a, b) = (ends[0], ends[1]);
        loop {
            let length = (b.0 - a.0).hypot(b.1 - a.1);
            if length <= left {
                left -= length;
                stroke.push(b);
                break;
            }
            a = (a.0 + (b.0 - a.0) * left / length, a.1 + (b.1 - a.1) * left / length);
            stroke.push(a);
            if part % 2 == 0 {
                strokes.push(std::mem::take(&mut stroke));
            }
            stroke = vec![a];
            part = (part + 1) % pattern.len();
            left = pattern[part];
        }
    }
    if part % 2 == 0 {
        strokes.push(stroke);
    }
    strokes
}

/// plotters puts the baseline half the font's height below the upper edge that it is given.
fn write(drawing: &mut Drawing, at: Point, text: &str, size: f64, anchor: Anchor, upwards: bool, colour: Colour) {
    let width = font::width(text, size);
    let before = match anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => width / 2.0,
        Anchor::End => width,
    };
    let above = size * font::HEIGHT_PER_EM / 2.0;
    let corner = if upwards { (at.0 - above, at.1 + before) } else { (at.0 - before, at.1 - above) };
    let mut style = font::style(size * SCALE).pos(Pos::new(HPos::Left, VPos::Top));
    style.color = plotters::style::Color::to_backend_color(&RGBAColor(colour.0, colour.1, colour.2, 1.0));
    if upwards {
        style.font = style.font.transform(FontTransform::Rotate270);
    }
    let _ = drawing.draw_text(text, &style, pixel(corner));
}

fn image(drawing: &mut Drawing, rect: Rect, pixels: &Pixels) {
    let edge = |start: f64, length: f64, index: usize, count: usize| {
        ((start + length * index as f64 / count as f64) * SCALE).round() as i32
    };
    for (index, rgb) in pixels.rgb.chunks_exact(3).enumerate() {
        let (x, y) = (index % pixels.width, index / pixels.width);
        let from = (edge(rect.x, rect.width, x, pixels.width), edge(rect.y, rect.height, y, pixels.height));
        let to = (edge(rect.x, rect.width, x + 1, pixels.width), edge(rect.y, rect.height, y + 1, pixels.height));
        let _ = drawing.draw_rect(from, to, &fill(Colour(rgb[0], rgb[1], rgb[2]), 1.0), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_cover_their_share() {
        let strokes = strokes(&[(0.0, 0.0), (30.0, 0.0), (75.0, 0.0)], Dash::Dashed, 1.0);
        let drawn: f64 = strokes.iter().map(|s| s[s.len() - 1].0 - s[0].0).sum();
        assert!((drawn - 50.0).abs() < 1e-9, "{drawn}");
    }

    #[test]
    fn picture_has_its_size_and_the_same_bytes_twice() {
        let mut canvas = Canvas::new(20.0, 10.0);
        canvas.label((10.0, 5.0), "\u{3c3} x", Anchor::Middle);
        canvas.line(vec![(0.0, 0.0), (20.0, 10.0)], super::super::theme::BLUE, 1.0, Dash::Solid);
        let bytes = render(&canvas);
        assert_eq!(bytes, render(&canvas));
        let picture = ::image::load_from_memory(&bytes).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (60, 30));
        assert!(picture.pixels().any(|p| p.0 == [0, 114, 178]), "the line is missing");
        assert!(picture.pixels().any(|p| p.0[0] < 60 && p.0[2] < 60), "the text is missing");
    }
}
