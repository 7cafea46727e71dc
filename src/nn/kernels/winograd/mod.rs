//! Convolution with fewer multiplications, for kernels of 3 to 5 pixels at stride 1: images are cut into tiles of `P` by `P`
//! pixels that overlap, each tile becomes its values at as many points (`transform`), where the convolution is one matrix
//! product for each point, and the products become `P + 1 − kernel` by `P + 1 − kernel` pixels.
//!
//! | points | 3 x 3 | 5 x 5 | error of the norm in f32 (a direct sum: 7e-7) |
//! | --- | --- | --- | --- |
//! | 6 x 6 | 4 times fewer products | 2.8 | 9e-7 |
//! | 8 x 8 | | 6.2 | 3e-6 |
//!
//! Tiles are taken in blocks that stay in the second-level cache. Work is split by image and in a fixed number of chunks.

mod filter;
mod tiles;
mod transform;

use rayon::prelude::*;

use super::finish::Finish;
use super::lanes::{Lanes, PANEL, Task, panel, perform};
use super::microkernel::{ROWS, Sums, add_outer, add_products, load, store, with_rows, zeros};
use super::pieces::Pieces;
use super::plan::Geometry;
use super::scratch::Scratch;
use filter::Filter;
use tiles::{Corner, Images, enter, leave, length, place};

/// Fewest tiles of a task, if there are as many.
const TASK: usize = 16;
/// Most tiles of a block.
const BLOCK: usize = 36;
/// Fewest tiles of a chunk of the weight gradient, whose sums are as long as those of hundreds of tiles.
const CHUNK: usize = 128;

/// A convolution by this algorithm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Winograd {
    geometry: Geometry,
    inputs: usize,
    outputs: usize,
    points: usize,
}

impl Winograd {
    /// With 6 points in a row, or 8 for a kernel of 5 pixels, if it can and saves half of the multiplications.
    pub(super) fn new(geometry: Geometry, inputs: usize, outputs: usize, points: usize) -> Option<Self> {
        let has_code = matches!((points, geometry.kernel), (6, 3..=5) | (8, 5));
        let fits = geometry.stride == 1 && has_code && inputs.is_multiple_of(PANEL);
        let own = Self { geometry, inputs, outputs, points };
        let (rows, columns) = geometry.output();
        (fits && own.corners(1).len() * points * points * 2 <= rows * columns * geometry.taps()).then_some(own)
    }

    /// Corners of what each tile of some images makes, in pixels of the output.
    fn corners(&self, images: usize) -> Vec<Corner> {
        let (rows, columns) = self.geometry.output();
        let sides = move |side| (0..side as isize).step_by(self.points + 1 - self.geometry.kernel);
        let corners = |image| sides(rows).flat_map(move |y| sides(columns).map(move |x| Corner { image, y, x }));
        (0..images).flat_map(corners).collect()
    }

    /// Finishes `[batch, y, x, output]` of `input [batch, y, x, input]`, weights `value(tap, input, output)`; a piece for some
    /// images.
    pub(super) fn forward<'a>(
        &self,
        input: &'a [f32],
        value: impl Fn(usize, usize, usize) -> f32 + Sync,
        finish: Finish<'a>,
    ) -> Pieces<'a> {
        match (self.points, self.geometry.kernel) {
            (6, 3) => self.forward_at::<6, 4>(input, value, finish),
            (6, 4) => self.forward_at::<6, 3>(input, value, finish),
            (6, _) => self.forward_at::<6, 2>(input, value, finish),
            _ => self.forward_at::<8, 4>(input, value, finish),
        }
    }

    fn forward_at<'a, const P: usize, const K: usize>(
        &self,
        input: &'a [f32],
        value: impl Fn(usize, usize, usize) -> f32 + Sync,
        finish: Finish<'a>,
    ) -> Pieces<'a> {
        let Self { geometry: Geometry { height, width, kernel, padding, .. }, inputs, outputs, .. } = *self;
        let (rows, columns) = self.geometry.output();
        let filter = Filter::new::<P>(kernel, inputs, outputs, value);
        let per_image = self.corners(1).len();
        let images = TASK.div_ceil(per_image);
        let corners = self.corners(images);
        let size = images * height * width * inputs;
        let fill = move |number: usize, target: &mut [f32]| {
            let values = &input[number * size..input.len().min((number + 1) * size)];
            let count = values.len() / (height * width * inputs);
            for corners in corners[..count * per_image].chunks(BLOCK) {
                let images = Images { values, height, width, channels: inputs };
                let target = Target { values: target, height: rows, width: columns, channels: outputs };
                let block = Products { images, corners, padding, filter: &filter, finish, target };
                perform(Forward::<P, K>(block), filter.lanes);
            }
        };
        Pieces { length: images * rows * columns * outputs, fill: Box::new(fill) }
    }

    /// Gradient of the weights, `[input, tap, output]`; the outputs must be whole panels. Summed in order over chunks of
    /// images, each of at least as many as given.
    pub(super) fn weight_gradient(&self, input: &[f32], gradient: &[f32], images_per_chunk: usize) -> Vec<f32> {
        match (self.points, self.geometry.kernel) {
            (6, 3) => self.weight_gradient_at::<6, 4>(input, gradient, images_per_chunk),
            (6, 4) => self.weight_gradient_at::<6, 3>(input, gradient, images_per_chunk),
            (6, _) => self.weight_gradient_at::<6, 2>(input, gradient, images_per_chunk),
            _ => self.weight_gradient_at::<8, 4>(input, gradient, images_per_chunk),
        }
    }

    fn weight_gradient_at<const P: usize, const K: usize>(
        &self,
        input: &[f32],
        gradient: &[f32],
        images_per_chunk: usize,
    ) -> Vec<f32> {
        let Geometry { height, width, kernel, padding, .. } = self.geometry;
        let (rows, columns) = self.geometry.output();
        let (source_size, target_size) = (height * width * self.inputs, rows * columns * self.outputs);
        let per_image = self.corners(1).len();
        let images_per_chunk = images_per_chunk.max(CHUNK.div_ceil(per_image));
        let corners = self.corners(images_per_chunk);
        let partial: Vec<Vec<f32>> = input
            .par_chunks(images_per_chunk * source_size)
            .zip(gradient.par_chunks(images_per_chunk * target_size))
            .map(|(sources, targets)| {
                let mut sums = vec![0.0; P * P * self.inputs * self.outputs];
                let count = sources.len() / source_size * per_image;
                for corners in corners[..count].chunks(BLOCK) {
                    let data = Images { values: sources, height, width, channels: self.inputs };
                    let gradient = Images { values: targets, height: rows, width: columns, channels: self.outputs };
                    let block = Outer { data, gradient, corners, padding, sums: &mut sums };
                    perform(Backward::<P, K>(block), panel(self.outputs));
                }
                sums
            })
            .collect();
        filter::gradient::<P>(&partial, kernel, self.inputs, self.outputs)
    }
}

/// Images that tiles are written to.
struct Target<'a> {
    values: &'a mut [f32],
    height: usize,
    width: usize,
    channels: usize,
}

/// The tiles of one block, on their way from input to output.
struct Products<'a> {
    images: Images<'a>,
    corners: &'a [Corner],
    padding: usize,
    filter: &'a Filter,
    finish: Finish<'a>,
    target: Target<'a>,
}

/// Into points, products, and back to `K` by `K` pixels.
struct Forward<'a, const P: usize, const K: usize>(Products<'a>);

impl<const P: usize, const K: usize> Task for Forward<'_, P, K> {
    #[expect(unsafe_code, reason = "registers by the caller's contract")]
    #[inline(always)]
    unsafe fn run<V: Lanes, const N: usize>(self) {
        let Products { images, corners, padding, filter, finish, mut target } = self.0;
        let (depth, channels) = (images.channels, filter.channels());
        let sizes = [length(corners.len(), P * P, depth), length(corners.len(), P * P, channels)];
        let mut scratch = Scratch::take(sizes);
        let [data, products] = scratch.split();
        // SAFETY: by contract.
        unsafe {
            for (tile, &corner) in corners.iter().enumerate() {
                enter::<V, P, P>(images, corner.moved(padding), &mut data[place(tile, P * P, depth)..]);
            }
            multiply::<V, N, P>(data, filter, corners.len(), products);
            for (tile, &corner) in corners.iter().enumerate() {
                write::<V, P, K>((&products[place(tile, P * P, channels)..], channels), corner, finish, &mut target);
            }
        }
    }
}

/// For each point, `data [tile, depth] · filter [depth, channel]`.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "registers by the caller's contract")]
#[inline(always)]
unsafe fn multiply<V: Lanes, const N: usize, const P: usize>(
    data: &[f32],
    filter: &Filter,
    tiles: usize,
    products: &mut [f32],
) {
    let (channels, lanes) = (filter.channels(), N * V::COUNT);
    for point in 0..P * P {
        for panel in 0..filter.panels {
            let weights = filter.panel(point, panel);
            for first in (0..tiles).step_by(ROWS) {
                let data = &data[place(first, P * P, filter.depth) + point * ROWS * filter.depth..];
                let products = &mut products[place(first, P * P, channels) + point * ROWS * channels + panel * lanes..];
                // SAFETY: by contract.
                unsafe {
                    with_rows!(ROWS.min(tiles - first), multiply_rows::<V, N>(data, weights, products, channels));
                }
            }
        }
    }
}

/// `data [R, depth] · weights [depth, lane]` into rows of `products`, `step` apart.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "pointers whose bounds are asserted below; registers by the caller's contract")]
#[inline(always)]
unsafe fn multiply_rows<V: Lanes, const N: usize, const R: usize>(
    data: &[f32],
    weights: &[f32],
    products: &mut [f32],
    step: usize,
) {
    let lanes = N * V::COUNT;
    let depth = weights.len() / lanes;
    assert!(data.len() >= R * depth && products.len() >= (R - 1) * step + lanes);
    // SAFETY: by contract; `R` rows of `depth` values, `depth` panels of weights and a panel for each of `R` rows (asserted).
    unsafe {
        let mut sums: Sums<V, N, R> = zeros();
        let mut rows = [data.as_ptr(); R];
        for j in 1..R {
            rows[j] = rows[j - 1].add(depth);
        }
        add_products(rows, depth, weights.as_ptr(), &mut sums);
        for j in 0..R {
            store(sums[j], products.as_mut_ptr().add(j * step));
        }
    }
}

/// Finishes the `K` by `K` pixels that `points` say, given with their channels, as far as they lie in the image.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "pointers whose bounds are asserted below; registers by the caller's contract")]
#[inline(always)]
unsafe fn write<V: Lanes, const P: usize, const K: usize>(
    (points, channels): (&[f32], usize),
    corner: Corner,
    finish: Finish,
    target: &mut Target,
) {
    let step = ROWS * channels;
    assert!(points.len() >= (P * P - 1) * step + channels && channels >= target.channels.next_multiple_of(PANEL));
    let (y, x) = (corner.y as usize, corner.x as usize);
    let (rows, columns) = (K.min(target.height - y), K.min(target.width - x));
    let first = (corner.image * target.height + y) * target.width + x;
    for channel in (0..target.channels).step_by(V::COUNT) {
        let count = V::COUNT.min(target.channels - channel);
        // SAFETY: by contract; `COUNT` channels from this one, within whole panels, lie at each point (asserted).
        unsafe {
            let tile = leave::<V, P, K>(points.as_ptr().add(channel), step);
            for y in 0..rows {
                for x in 0..columns {
                    let start = (first + y * target.width + x) * target.channels + channel;
                    finish.lanes(tile[y][x], channel, &mut target.values[start..start + count]);
                }
            }
        }
    }
}

/// The tiles of one block, on their way into the gradient of the weights.
struct Outer<'a> {
    data: Images<'a>,
    gradient: Images<'a>,
    corners: &'a [Corner],
    padding: usize,
    /// `[point, input, output]`.
    sums: &'a mut [f32],
}

/// Data and `K` by `K` pixels of the gradient into points, and their outer products.
struct Backward<'a, const P: usize, const K: usize>(Outer<'a>);

impl<const P: usize, const K: usize> Task for Backward<'_, P, K> {
    #[expect(unsafe_code, reason = "registers by the caller's contract")]
    #[inline(always)]
    unsafe fn run<V: Lanes, const N: usize>(self) {
        let Outer { data: images, gradient: outputs, corners, padding, sums } = self.0;
        let (depth, channels, lanes) = (images.channels, outputs.channels, N * V::COUNT);
        let sizes = [length(corners.len(), P * P, depth), length(corners.len(), P * P, channels)];
        let mut scratch = Scratch::take(sizes);
        let [data, gradient] = scratch.split();
        // SAFETY: by contract.
        unsafe {
            for (tile, &corner) in corners.iter().enumerate() {
                enter::<V, P, P>(images, corner.moved(padding), &mut data[place(tile, P * P, depth)..]);
                enter::<V, P, K>(outputs, corner, &mut gradient[place(tile, P * P, channels)..]);
            }
            for (point, sums) in sums.chunks_exact_mut(depth * channels).enumerate() {
                for row in (0..depth).step_by(ROWS) {
                    let data = (&data[point * ROWS * depth + row..], depth);
                    for panel in (0..channels).step_by(lanes) {
                        let gradient = (&gradient[point * ROWS * channels + panel..], channels);
                        let sums = &mut sums[row * channels + panel..];
                        let rows = ROWS.min(depth - row);
                        with_rows!(rows, add_tiles::<V, N>(data, gradient, (corners.len(), P * P), sums));
                    }
                }
            }
        }
    }
}

/// Adds to `R` rows of `sums`, for each tile, the products of `R` values of `data` and a panel of `gradient`, each given
/// with its channels.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "pointers whose bounds are asserted below; registers by the caller's contract")]
#[inline(always)]
unsafe fn add_tiles<V: Lanes, const N: usize, const R: usize>(
    (data, depth): (&[f32], usize),
    (gradient, channels): (&[f32], usize),
    (tiles, points): (usize, usize),
    sums: &mut [f32],
) {
    let (last, lanes) = (place(tiles - 1, points, 1), N * V::COUNT);
    assert!(data.len() >= last * depth + R && gradient.len() >= last * channels + lanes);
    assert!(sums.len() >= (R - 1) * channels + lanes);
    // SAFETY: by contract; `R` values and a panel lie at the place of each tile, and a panel in each of `R` rows (asserted).
    unsafe {
        let mut own: Sums<V, N, R> = zeros();
        for j in 0..R {
            own[j] = load(sums.as_ptr().add(j * channels));
        }
        for first in (0..tiles).step_by(ROWS) {
            let left = (data.as_ptr().add(place(first, points, depth)), depth);
            let right = (gradient.as_ptr().add(place(first, points, channels)), channels);
            add_outer(left, right, ROWS.min(tiles - first), &mut own);
        }
        for j in 0..R {
            store(own[j], sums.as_mut_ptr().add(j * channels));
        }
    }
}
