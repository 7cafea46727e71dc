//! Stamps side by side as one bitmap: what `estampa inspect --png` writes.

use super::image::{Pixels, Stretch, grey};

/// Each pixel of a stamp is this many pixels wide.
const ZOOM: usize = 4;
/// Space between stamps, pixels.
const GAP: usize = 4;

/// One image: rows, columns, pixels `[y, x]`.
pub type Plane<'a> = (usize, usize, &'a [f32]);

/// Rows of stamps, each stamp stretched by itself; `None` when there are none.
pub fn mosaic(rows: &[Vec<Plane>]) -> Option<Pixels> {
    let cell_height = |row: &Vec<Plane>| row.iter().map(|p| p.0).max().unwrap_or(0) * ZOOM;
    let height: usize = rows.iter().map(|row| cell_height(row) + GAP).sum();
    let width = rows.iter().map(|row| row.iter().map(|p| p.1 * ZOOM + GAP).sum::<usize>()).max()?;
    if height == 0 || width == 0 {
        return None;
    }
    let mut whole = Pixels { width, height, rgb: vec![255; width * height * 3] };
    let mut top = 0;
    for row in rows {
        let mut left = 0;
        for (_, columns, values) in row {
            paste(&mut whole, &grey(values, *columns, Stretch::of(*values)), left, top);
            left += columns * ZOOM + GAP;
        }
        top += cell_height(row) + GAP;
    }
    Some(whole)
}

/// Copies a picture, magnified, with its corner at (`left`, `top`).
fn paste(whole: &mut Pixels, part: &Pixels, left: usize, top: usize) {
    for y in 0..part.height * ZOOM {
        for x in 0..part.width * ZOOM {
            let from = (y / ZOOM * part.width + x / ZOOM) * 3;
            let to = ((top + y) * whole.width + left + x) * 3;
            whole.rgb[to..to + 3].copy_from_slice(&part.rgb[from..from + 3]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_different_sizes_fit() {
        let (large, small) = (vec![0.0; 9], vec![1.0, 2.0]);
        let rows = vec![vec![(3, 3, large.as_slice()), (1, 2, small.as_slice())], vec![(1, 2, small.as_slice())]];
        let whole = mosaic(&rows).unwrap();
        assert_eq!((whole.width, whole.height), (3 * ZOOM + 2 * ZOOM + 2 * GAP, 4 * ZOOM + 2 * GAP));
        assert!(mosaic(&[]).is_none());
    }
}
