//! Tiles of images between pixels and points: the two-dimensional transforms. In points, tiles lie in groups of six,
//! `[group, point, tile of the group, channel]`, so that the micro-kernel reads six rows one after the other.

use super::super::lanes::Lanes;
use super::super::microkernel::ROWS;
use super::transform::{collect, evaluate, spread};

/// A square of pixels of an image: its corner, possibly outside on the padding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Corner {
    pub(super) image: usize,
    pub(super) y: isize,
    pub(super) x: isize,
}

impl Corner {
    /// `by` pixels up and to the left.
    pub(super) fn moved(self, by: usize) -> Self {
        Self { image: self.image, y: self.y - by as isize, x: self.x - by as isize }
    }
}

/// Images `[image, y, x, channel]` that tiles are cut from.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    pub(super) values: &'a [f32],
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

/// First value of each pixel of `K x K` at `corner`; `None` outside.
#[inline(always)]
fn pixels<const K: usize>(images: Images, corner: Corner) -> [[Option<usize>; K]; K] {
    let Images { height, width, channels, .. } = images;
    let mut offsets = [[None; K]; K];
    for (y, row) in offsets.iter_mut().enumerate() {
        let y = corner.y + y as isize;
        if y < 0 || y >= height as isize {
            continue;
        }
        let first = (corner.image * height + y as usize) * width;
        for (x, offset) in row.iter_mut().enumerate() {
            let x = corner.x + x as isize;
            *offset = (x >= 0 && x < width as isize).then(|| (first + x as usize) * channels);
        }
    }
    offsets
}

/// Place of the first value of `tile` in points; its points are `ROWS · channels` apart.
pub(super) fn place(tile: usize, points: usize, channels: usize) -> usize {
    (tile / ROWS * points * ROWS + tile % ROWS) * channels
}

/// Values that `tiles` fill, whole groups.
pub(super) fn length(tiles: usize, points: usize, channels: usize) -> usize {
    tiles.div_ceil(ROWS) * points * ROWS * channels
}

/// `B values` of as many data as points, `E values` of fewer.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "registers by the caller's contract")]
#[inline(always)]
unsafe fn transform<V: Lanes, const P: usize, const K: usize>(values: [V; K]) -> [V; P] {
    // SAFETY: by contract.
    unsafe {
        if K < P {
            return evaluate(values);
        }
        let mut data = [values[0]; P];
        data.copy_from_slice(&values);
        spread(data)
    }
}

/// Writes to `points`, for each channel, the `K` by `K` pixels at `corner` in points: data if `K` is `P`, else gradients.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "pointers whose bounds are asserted below; registers by the caller's contract")]
#[inline(always)]
pub(super) unsafe fn enter<V: Lanes, const P: usize, const K: usize>(
    images: Images,
    corner: Corner,
    points: &mut [f32],
) {
    let Images { values, height, width, channels } = images;
    let step = ROWS * channels;
    assert!(channels.is_multiple_of(V::COUNT) && points.len() >= (P * P - 1) * step + channels);
    assert!(values.len() >= (corner.image + 1) * height * width * channels);
    let offsets = pixels::<K>(images, corner);
    // SAFETY: by contract; every offset is that of a pixel of an image in `values` (asserted), all `channels` of which
    // follow, and the last point's channels end in `points` (asserted).
    unsafe {
        let zero = V::splat(0.0);
        for channel in (0..channels).step_by(V::COUNT) {
            let mut half = [[zero; K]; P];
            for x in 0..K {
                let mut column = [zero; K];
                for y in 0..K {
                    if let Some(at) = offsets[y][x] {
                        column[y] = V::load(values.as_ptr().add(at + channel));
                    }
                }
                let column: [V; P] = transform(column);
                for y in 0..P {
                    half[y][x] = column[y];
                }
            }
            for y in 0..P {
                let row: [V; P] = transform(half[y]);
                for x in 0..P {
                    row[x].store(points.as_mut_ptr().add((y * P + x) * step + channel));
                }
            }
        }
    }
}

/// `Eᵀ x E` of the points of `COUNT` channels at `points`, the points `step` apart: `K` by `K` values.
///
/// # Safety
/// The processor has the registers of `V`; `COUNT` values lie at each point.
#[expect(unsafe_code, reason = "pointers and registers by the caller's contract")]
#[inline(always)]
pub(super) unsafe fn leave<V: Lanes, const P: usize, const K: usize>(points: *const f32, step: usize) -> [[V; K]; K] {
    // SAFETY: by contract.
    unsafe {
        let mut half = [[V::splat(0.0); P]; K];
        for x in 0..P {
            let mut column = [V::splat(0.0); P];
            for y in 0..P {
                column[y] = V::load(points.add((y * P + x) * step));
            }
            let column: [V; K] = collect(column);
            for y in 0..K {
                half[y][x] = column[y];
            }
        }
        let mut pixels = [[V::splat(0.0); K]; K];
        for y in 0..K {
            pixels[y] = collect(half[y]);
        }
        pixels
    }
}
