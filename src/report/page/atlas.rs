//! Stamps of many objects as a few bitmaps that a page holds: tiles in rows, the channels of an object side by side.
//! Knows pixels only, not whose they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::artifacts::stamps::Stamps;
use crate::report::draw::image::{Pixels, Stretch, grey};
use crate::report::draw::png;

/// Objects in one bitmap, and in one of its rows.
const PER_PAGE: usize = 256;
const COLUMNS: usize = 16;
/// Most pixels in all bitmaps: noise hardly compresses, and a page should open at once.
const PIXELS: usize = 14_000_000;
/// Largest side of a tile; of wider stamps the centre is shown.
const SIDE: usize = 31;

/// The stamps of `rows` (`None`: an object without one), in that order.
pub(super) fn atlas(stamps: &Stamps, rows: &[Option<usize>]) -> Value {
    let (channels, side) = (stamps.facts.channels.len(), stamps.facts.side);
    let affordable = (PIXELS as f64 / (rows.len() * channels).max(1) as f64).sqrt() as usize;
    let shown = side.min(SIDE).min(affordable.max(1));
    let pages: Vec<String> =
        rows.par_chunks(PER_PAGE).map(|rows| STANDARD.encode(png::encode(&page(stamps, rows, shown)))).collect();
    let known: Vec<u8> = rows.iter().map(|row| u8::from(row.is_some())).collect();
    json!({
        "channels": stamps.facts.channels,
        "side": shown,
        "whole": side,
        "columns": COLUMNS,
        "perPage": PER_PAGE,
        "known": STANDARD.encode(known),
        "pages": pages,
    })
}

/// One bitmap.
fn page(stamps: &Stamps, rows: &[Option<usize>], shown: usize) -> Pixels {
    let (channels, side) = (stamps.facts.channels.len(), stamps.facts.side);
    let (width, height) = (COLUMNS * channels * shown, rows.len().div_ceil(COLUMNS) * shown);
    let mut rgb = vec![0; width * height * 3];
    for (place, row) in rows.iter().enumerate() {
        let Some(row) = row else { continue };
        let stamp = stamps.images.row(*row);
        for (channel, image) in stamp.chunks_exact((side * side).max(1)).enumerate() {
            let tile = grey(&centre(image, side, shown), shown, Stretch::of(image));
            let corner = ((place % COLUMNS * channels + channel) * shown, place / COLUMNS * shown);
            for (y, line) in tile.rgb.chunks_exact(shown * 3).enumerate() {
                let start = ((corner.1 + y) * width + corner.0) * 3;
                rgb[start..start + line.len()].copy_from_slice(line);
            }
        }
    }
    Pixels { width, height, rgb }
}

/// The middle `shown` x `shown` pixels.
fn centre(image: &[f32], side: usize, shown: usize) -> Vec<f32> {
    let first = (side - shown) / 2;
    let line = |y: usize| image[y * side + first..][..shown].iter().copied();
    (first..first + shown).flat_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_centre_of_an_odd_image_is_its_middle_pixel() {
        let image: Vec<f32> = (0..25_u8).map(f32::from).collect();
        assert_eq!(centre(&image, 5, 1), [12.0]);
        assert_eq!(centre(&image, 5, 3), [6.0, 7.0, 8.0, 11.0, 12.0, 13.0, 16.0, 17.0, 18.0]);
        assert_eq!(centre(&image, 5, 5), image);
    }
}
