//! What of a stamp exists: chip edges that cut it, borders and squares without data.
//! Knows no source.

use super::chance::{Stream, chance, uniform};
use super::image::Image;
use crate::ztf::alert::{SIDE, Stamp};

/// Columns and rows of one readout quadrant.
pub(super) const CHIP: (f64, f64) = (3072.0, 3080.0);

/// Pixels about the centre that always have data, or there were no alert.
const KEPT: usize = 4;

/// The part of a stamp that lies on the chip, and which of its pixels have data.
#[derive(Clone, Debug)]
pub(super) struct Window {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    /// Pixels of the whole stamp without data.
    missing: Vec<bool>,
    /// Distance to the nearest edge of the chip, pixels.
    pub(super) to_edge: f64,
}

/// A position on the chip; `near_edge` puts it within half a stamp of one of the four edges.
pub(super) fn draw_position(rng: &mut Stream, near_edge: bool) -> (f64, f64) {
    // the template seldom reaches the chip's edge
    let margin = if chance(rng, 0.25) { 12.0 } else { 64.0 };
    let (mut x, mut y) = (uniform(rng, margin, CHIP.0 - margin), uniform(rng, margin, CHIP.1 - margin));
    if near_edge {
        let depth = uniform(rng, 10.0, (SIDE / 2) as f64);
        match uniform(rng, 0.0, 4.0) as u32 {
            0 => x = depth,
            1 => x = CHIP.0 - depth,
            2 => y = depth,
            _ => y = CHIP.1 - depth,
        }
    }
    (x, y)
}

impl Window {
    /// The window of a stamp centred on `(x, y)`; `bright` are stars to be masked, columns and rows of the stamp.
    pub(super) fn draw(rng: &mut Stream, x: f64, y: f64, bright: &[(f64, f64)]) -> Self {
        let half = SIDE / 2;
        let span = |at: f64, chip: f64| {
            let (before, after) = (at.floor().max(0.0) as usize, (chip - at).floor().max(0.0) as usize);
            half.saturating_sub(before)..(half + after).min(SIDE - 1) + 1
        };
        let to_edge = x.min(y).min(CHIP.0 - x).min(CHIP.1 - y);
        let mut window =
            Self { rows: span(y, CHIP.1), columns: span(x, CHIP.0), missing: vec![false; SIDE * SIDE], to_edge };
        if chance(rng, 0.6) {
            window.fray(rng, [x, CHIP.0 - x, y, CHIP.1 - y]);
        }
        if chance(rng, 0.055) {
            let (side, at) = (uniform(rng, 7.0, 20.0), (uniform(rng, 0.0, 62.0), uniform(rng, 0.0, 62.0)));
            window.cut(at.0, at.1, side / 2.0, side / 2.0);
        }
        for &(x, y) in bright {
            let side = uniform(rng, 7.0, 12.0);
            window.cut(x, y, side, side);
            window.cut(x, y, side / 3.0, 80.0);
        }
        window
    }

    /// A border that the dithered template does not cover, in steps; `depths` are the distances to the four edges.
    fn fray(&mut self, rng: &mut Stream, depths: [f64; 4]) {
        let half = (SIDE / 2) as f64;
        let margin = uniform(rng, 0.0, 90.0);
        for (edge, depth) in depths.into_iter().enumerate() {
            let mut reach = margin - (depth - half);
            for along in 0..SIDE {
                if chance(rng, 0.12) {
                    reach += uniform(rng, -4.0, 4.0);
                }
                let reach = reach.clamp(0.0, half) as usize;
                for deep in 0..reach {
                    let far = SIDE - 1 - deep;
                    let (row, column) = [(along, deep), (along, far), (deep, along), (far, along)][edge];
                    self.lose(row, column);
                }
            }
        }
    }

    fn cut(&mut self, x: f64, y: f64, half_x: f64, half_y: f64) {
        for row in 0..SIDE {
            for column in 0..SIDE {
                if (column as f64 - x).abs() <= half_x && (row as f64 - y).abs() <= half_y {
                    self.lose(row, column);
                }
            }
        }
    }

    fn lose(&mut self, row: usize, column: usize) {
        let near = |i: usize| i.abs_diff(SIDE / 2) <= KEPT;
        if !(near(row) && near(column)) {
            self.missing[row * SIDE + column] = true;
        }
    }

    /// Marks missing pixels of a whole image as NaN.
    pub(super) fn mask(&self, image: &mut Image) {
        for (pixel, missing) in image.pixels.iter_mut().zip(&self.missing) {
            if *missing {
                *pixel = f32::NAN;
            }
        }
    }

    /// The part on the chip, times `sign`.
    pub(super) fn stamp(&self, image: &Image, sign: f32) -> Stamp {
        let mut pixels = Vec::with_capacity(self.rows.len() * self.columns.len());
        for row in self.rows.clone() {
            pixels.extend(image.pixels[row * SIDE..][self.columns.clone()].iter().map(|p| sign * p));
        }
        Stamp { rows: self.rows.len(), columns: self.columns.len(), pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chance::stream;
    use super::*;

    #[test]
    fn a_chip_edge_cuts_the_stamp() {
        let mut image = Image::filled(SIDE, 0.0);
        image.pixels[31 * SIDE + 31] = 7.0;
        let window = Window::draw(&mut stream(0, 0), 20.4, 3070.6, &[]);
        let stamp = window.stamp(&image, -1.0);
        // 20 columns to the left, 9 rows above: the centre is column 20, row 31 of 52 x 41
        assert_eq!((stamp.columns, stamp.rows), (52, 41));
        assert_eq!(stamp.pixels[31 * 52 + 20], -7.0);
    }

    #[test]
    fn the_centre_is_never_lost() {
        for index in 0..200 {
            let mut rng = stream(1, index);
            let (x, y) = draw_position(&mut rng, true);
            let mut image = Image::filled(SIDE, 1.0);
            Window::draw(&mut rng, x, y, &[(33.0, 30.0)]).mask(&mut image);
            assert!(image.at(31, 31).is_finite() && image.at(33, 29).is_finite());
        }
    }
}
