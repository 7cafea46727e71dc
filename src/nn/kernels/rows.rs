//! The direct algorithm forward. Each image is copied with its padding, so that a row of the kernel meets values that lie
//! side by side: `kernel · channels` products without a look at the edge. Only as many rows of the kernel are taken at a time
//! as leave their weights in the first-level cache; the sums wait in memory meanwhile, so their order is that of the taps.

use super::finish::Finish;
use super::lanes::{Lanes, Task};
use super::microkernel::{ROWS, Sums, add_products, load, store, with_rows, zeros};
use super::plan::Geometry;
use super::scratch::Scratch;

/// Most values of weights that are taken at a time: half of a first-level cache of 32 KiB.
const WEIGHTS: usize = 4096;

/// One image on its way from source to target.
pub(super) struct PaddedImage<'a> {
    pub(super) geometry: Geometry,
    /// Channels of a pixel.
    pub(super) depth: usize,
    /// `[y, x, depth]`.
    pub(super) image: &'a [f32],
    /// In panels, `[panel, ky, kx, depth, lane]`.
    pub(super) weights: &'a [f32],
    pub(super) finish: Finish<'a>,
    /// `[y, x, channel]`.
    pub(super) target: &'a mut [f32],
    pub(super) channels: usize,
}

impl Task for PaddedImage<'_> {
    #[expect(unsafe_code, reason = "registers by the caller's contract")]
    #[inline(always)]
    unsafe fn run<V: Lanes, const N: usize>(self) {
        let Self { geometry, depth, image, weights, finish, target, channels } = self;
        let Geometry { height, width, kernel, stride, padding } = geometry;
        let (rows, columns) = geometry.output();
        let lanes = N * V::COUNT;
        let (line, pixels) = ((width + 2 * padding) * depth, rows * columns);
        let mut scratch = Scratch::take([(height + 2 * padding) * line, pixels * lanes]);
        let [padded, sums] = scratch.split();
        pad(image, (width * depth, padding * depth), (padding, line), padded);
        let row = kernel * depth;
        let rows_at_once = (WEIGHTS / (row * lanes)).clamp(1, kernel);
        for (panel, weights) in weights.chunks_exact(kernel * row * lanes).enumerate() {
            for ky in (0..kernel).step_by(rows_at_once) {
                let weights = &weights[ky * row * lanes..kernel.min(ky + rows_at_once) * row * lanes];
                for first in (0..pixels).step_by(ROWS) {
                    let starts: [usize; ROWS] = std::array::from_fn(|j| {
                        let pixel = first + j;
                        (pixel / columns * stride + ky) * line + pixel % columns * stride * depth
                    });
                    let (sums, count) = (&mut sums[first * lanes..], ROWS.min(pixels - first));
                    // SAFETY: by contract.
                    unsafe {
                        with_rows!(count, add_rows::<V, N>((padded, line), starts, (weights, row), ky == 0, sums));
                    }
                }
            }
            let (first, last) = (panel * lanes, channels.min((panel + 1) * lanes));
            for (sums, target) in sums.chunks_exact(lanes).zip(target.chunks_exact_mut(channels)) {
                // SAFETY: by contract.
                unsafe { finish.panel::<V>(sums, first, &mut target[first..last]) };
            }
        }
    }
}

/// Copies an image, its lines `own` values long, between `margin` zeros left and right and `above` lines of zeros above and
/// below; the lines are then `line` values long.
fn pad(image: &[f32], (own, margin): (usize, usize), (above, line): (usize, usize), padded: &mut [f32]) {
    let whole = padded.len();
    padded[..above * line].fill(0.0);
    padded[whole - above * line..].fill(0.0);
    for (line, image) in padded[above * line..].chunks_exact_mut(line).zip(image.chunks_exact(own)) {
        line[..margin].fill(0.0);
        line[margin..margin + own].copy_from_slice(image);
        line[margin + own..].fill(0.0);
    }
}

/// Adds to `R` panels of `sums`, or writes into them if these are the first, the products of the `row` values at each of
/// `starts` in `image` with some rows of weights, `[row, lane]` each; from one to the next they move on by a line.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "pointers whose bounds are asserted below; registers by the caller's contract")]
#[inline(always)]
unsafe fn add_rows<V: Lanes, const N: usize, const R: usize>(
    (image, line): (&[f32], usize),
    starts: [usize; ROWS],
    (weights, row): (&[f32], usize),
    is_first: bool,
    into: &mut [f32],
) {
    let lanes = N * V::COUNT;
    let lines = weights.len() / (row * lanes);
    assert!(into.len() >= R * lanes && lines > 0);
    // SAFETY: by contract; a panel lies in each of `R` places of `into` (asserted), `row` values at each line of each start
    // (asserted for the last line), and `row` panels at each line of the weights.
    unsafe {
        let mut sums: Sums<V, N, R> = zeros();
        if !is_first {
            for j in 0..R {
                sums[j] = load(into.as_ptr().add(j * lanes));
            }
        }
        let mut values = [image.as_ptr(); R];
        for j in 0..R {
            assert!(starts[j] + (lines - 1) * line + row <= image.len());
            values[j] = values[j].add(starts[j]);
        }
        for ky in 0..lines {
            add_products(
                values.map(|start| start.add(ky * line)),
                row,
                weights.as_ptr().add(ky * row * lanes),
                &mut sums,
            );
        }
        for j in 0..R {
            store(sums[j], into.as_mut_ptr().add(j * lanes));
        }
    }
}
