//! A canvas as SVG text. Texts stay texts, in the embedded font's name or one with the same widths (Verdana).

use base64::Engine;

use super::canvas::{Anchor, Canvas, Point, Shape};
use super::image::Pixels;
use super::png;
use super::theme::Colour;
use crate::report::format::html::escape;

/// The file.
pub fn render(canvas: &Canvas) -> String {
    let (width, height) = (short(canvas.width), short(canvas.height));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}pt\" height=\"{height}pt\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"'DejaVu Sans', Verdana, sans-serif\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for shape in &canvas.shapes {
        svg.push_str(&element(shape));
        svg.push('\n');
    }
    svg.push_str("</svg>\n");
    svg
}

fn element(shape: &Shape) -> String {
    match shape {
        Shape::Line { points, colour, width, dash } => {
            let pattern: Vec<String> = dash.pattern().iter().map(|length| short(length * width)).collect();
            let dash =
                if pattern.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{}\"", pattern.join(" ")) };
            let (points, colour, width) = (list(points), hex(*colour), short(*width));
            format!(
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
                 stroke-linejoin=\"round\"{dash}/>"
            )
        }
        Shape::Area { points, colour, opacity } => {
            format!("<polygon points=\"{}\" fill=\"{}\"{}/>", list(points), hex(*colour), faint(*opacity))
        }
        Shape::Mark { at, marker, size, colour, opacity } => {
            let paint = format!("fill=\"{}\"{}", hex(*colour), faint(*opacity));
            if marker.polygons().is_empty() {
                return format!(
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {paint}/>",
                    short(at.0),
                    short(at.1),
                    short(size / 2.0)
                );
            }
            let polygon =
                |p: Vec<Point>| -> Vec<Point> { p.iter().map(|(x, y)| (at.0 + x * size, at.1 + y * size)).collect() };
            let paths = marker.polygons().into_iter().map(|p| format!("M{}z", list(&polygon(p))));
            format!("<path d=\"{}\" {paint}/>", paths.collect::<String>())
        }
        Shape::Text { at, text, size, anchor, upwards, colour } => {
            let (x, y) = (short(at.0), short(at.1));
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let turn = if *upwards { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
            let (size, colour, text) = (short(*size), hex(*colour), escape(text));
            format!(
                "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{colour}\"{turn}>{text}</text>"
            )
        }
        Shape::Image { rect, pixels } => format!(
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
             style=\"image-rendering:pixelated\" href=\"{}\"/>",
            short(rect.x),
            short(rect.y),
            short(rect.width),
            short(rect.height),
            data_uri(pixels)
        ),
    }
}

/// Pixels as a PNG inside a data URI.
fn data_uri(pixels: &Pixels) -> String {
    let bytes = png::encode(pixels);
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

fn list(points: &[Point]) -> String {
    points.iter().map(|(x, y)| format!("{},{}", short(*x), short(*y))).collect::<Vec<_>>().join(" ")
}

/// Two decimals are a hundredth of a point; no trailing zeros.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

fn hex(colour: Colour) -> String {
    format!("#{:02x}{:02x}{:02x}", colour.0, colour.1, colour.2)
}

fn faint(opacity: f64) -> String {
    if opacity < 1.0 { format!(" fill-opacity=\"{}\"", short(opacity)) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_numbers_short() {
        let mut canvas = Canvas::new(10.0, 10.0);
        canvas.label((1.0 / 3.0, 0.0), "a<b & \"c\"", Anchor::Start);
        let svg = render(&canvas);
        assert!(svg.contains("x=\"0.33\"") && svg.contains("a&lt;b &amp; &quot;c&quot;"), "{svg}");
        assert_eq!(short(-0.001), "0");
    }
}
