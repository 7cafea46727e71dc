//! The embedded font (DejaVu Sans, subset; licence beside it): registration and widths of texts.

use std::sync::Once;

use plotters::style::{FontStyle, IntoFont, TextStyle, register_font};

/// Name under which plotters knows it.
const NAME: &str = "estampa";
/// The file.
pub const BYTES: &[u8] = include_bytes!("../fonts/DejaVuSans-subset.ttf");
/// plotters gives a font by ascent plus descent, not by its em: (1901 + 483) / 2048 for this font.
pub const HEIGHT_PER_EM: f64 = 2384.0 / 2048.0;

/// The font in pixels per em.
pub(super) fn style(pixels_per_em: f64) -> TextStyle<'static> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // It fails for an unreadable font only, and this one is part of the program.
        let _ = register_font(NAME, FontStyle::Normal, BYTES);
    });
    (NAME, pixels_per_em * HEIGHT_PER_EM).into_font().into()
}

/// Width of `text` in points at `size` points.
pub fn width(text: &str, size: f64) -> f64 {
    const EM: f64 = 1000.0;
    style(EM).font.box_size(text).map_or(0.0, |(width, _)| f64::from(width) * size / EM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_dejavu_sans() {
        // fontTools: advance widths of "e", "m" are 1260 and 1995 of 2048.
        assert!((width("e", 8.0) - 8.0 * 1260.0 / 2048.0).abs() < 0.02);
        assert!((width("mm", 8.0) - 2.0 * 8.0 * 1995.0 / 2048.0).abs() < 0.02);
    }
}
