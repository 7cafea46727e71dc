//! The direct algorithm: forward by `rows`; for gradients the micro-kernels read the image in place through the index plan.
//! Work is split by image, and weight gradients by a fixed number of chunks, so threads never change a bit of the result.

use rayon::prelude::*;

use super::finish::Finish;
use super::lanes::{Lanes, Task, WIDEST, panel, perform};
use super::microkernel::{ROWS, Sums, add_outer, add_products, load, store, with_rows, zeros};
use super::pieces::Pieces;
use super::plan::{Geometry, PADDING, Plan, Run, Step};
use super::rows::PaddedImage;

/// A convolution by this algorithm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Direct {
    pub(super) geometry: Geometry,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

/// Weights in panels `[panel, tap, depth, lane]`, zero where the last panel is not full.
struct Weights {
    panels: Vec<f32>,
    depth: usize,
    channels: usize,
    taps: usize,
    /// Width of a panel.
    lanes: usize,
}

impl Weights {
    fn pack(taps: usize, depth: usize, channels: usize, value: impl Fn(usize, usize, usize) -> f32 + Sync) -> Self {
        let lanes = panel(channels);
        let mut panels = vec![0.0; channels.div_ceil(lanes) * taps * depth * lanes];
        panels.par_chunks_exact_mut(depth * lanes).enumerate().for_each(|(block, rows)| {
            let (first, tap) = (block / taps * lanes, block % taps);
            for (row, slots) in rows.chunks_exact_mut(lanes).enumerate() {
                for (lane, slot) in slots.iter_mut().enumerate().take(channels - first) {
                    *slot = value(tap, row, first + lane);
                }
            }
        });
        Self { panels, depth, channels, taps, lanes }
    }
}

impl Direct {
    /// Finishes `[batch, y, x, output]` of `input [batch, y, x, input]`, weights `value(tap, input, output)`; a piece for each
    /// image.
    pub(super) fn forward<'a>(
        &self,
        input: &'a [f32],
        value: impl Fn(usize, usize, usize) -> f32 + Sync,
        finish: Finish<'a>,
    ) -> Pieces<'a> {
        let Self { geometry, inputs: depth, outputs: channels } = *self;
        let (rows, columns) = geometry.output();
        let size = geometry.height * geometry.width * depth;
        let packed = Weights::pack(geometry.taps(), depth, channels, value);
        let fill = move |number: usize, target: &mut [f32]| {
            let (image, weights) = (&input[number * size..][..size], &packed.panels);
            perform(PaddedImage { geometry, depth, image, weights, finish, target, channels }, packed.lanes);
        };
        Pieces { length: rows * columns * channels, fill: Box::new(fill) }
    }

    /// Adds `[batch, y, x, input]` of `gradient [batch, y, x, output]` and weights `value(tap, output, input)`.
    pub(super) fn add_input_gradient(
        &self,
        gradient: &[f32],
        value: impl Fn(usize, usize, usize) -> f32 + Sync,
        input_gradient: &mut [f32],
    ) {
        let packed = Weights::pack(self.geometry.taps(), self.outputs, self.inputs, value);
        let plan = self.geometry.input_gradient();
        add_images(&plan, &packed, gradient, input_gradient);
    }

    /// Gradient of the weight, `[output, input, ky, kx]`, summed in order over the chunks of `images_per_chunk`.
    pub(super) fn weight_gradient(&self, input: &[f32], gradient: &[f32], images_per_chunk: usize) -> Vec<f32> {
        let (taps, inputs, outputs) = (self.geometry.taps(), self.inputs, self.outputs);
        let (rows, columns) = self.geometry.output();
        let (source_size, target_size) =
            (self.geometry.height * self.geometry.width * inputs, rows * columns * outputs);
        let blocks = self.geometry.runs();
        let partial: Vec<Vec<f32>> = input
            .par_chunks(images_per_chunk * source_size)
            .zip(gradient.par_chunks(images_per_chunk * target_size))
            .map(|(sources, targets)| {
                let mut sums = vec![0.0; taps * inputs * outputs];
                for (source, target) in sources.chunks_exact(source_size).zip(targets.chunks_exact(target_size)) {
                    for runs in &blocks {
                        self.add_outer_products(source, target, runs, &mut sums);
                    }
                }
                sums
            })
            .collect();
        self.unpack(&partial)
    }

    /// The side with more channels fills the vector registers.
    fn outputs_are_lanes(&self) -> bool {
        self.outputs >= self.inputs
    }

    fn add_outer_products(&self, source: &[f32], target: &[f32], taps: &[Vec<Run>], sums: &mut [f32]) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let step = self.geometry.stride * inputs;
        let source = Operand { values: source, step, channels: inputs, is_source: true };
        let target = Operand { values: target, step: outputs, channels: outputs, is_source: false };
        let (a, b) = if self.outputs_are_lanes() { (source, target) } else { (target, source) };
        for (runs, sums) in taps.iter().zip(sums.chunks_exact_mut(inputs * outputs)) {
            perform(Pairs { a, b, runs, sums }, panel(b.channels));
        }
    }

    fn unpack(&self, partial: &[Vec<f32>]) -> Vec<f32> {
        let (taps, inputs, outputs) = (self.geometry.taps(), self.inputs, self.outputs);
        let mut weight = vec![0.0; taps * inputs * outputs];
        weight.par_chunks_mut(inputs * taps).enumerate().for_each(|(o, weight)| {
            for c in 0..inputs {
                let place = if self.outputs_are_lanes() { c * outputs + o } else { o * inputs + c };
                for tap in 0..taps {
                    weight[c * taps + tap] = partial.iter().map(|sums| sums[tap * inputs * outputs + place]).sum();
                }
            }
        });
        weight
    }
}

/// One task per image.
fn add_images(plan: &Plan, weights: &Weights, source: &[f32], target: &mut [f32]) {
    let zeros = vec![0.0; weights.depth];
    source
        .par_chunks_exact(plan.source_pixels * weights.depth)
        .zip(target.par_chunks_exact_mut(plan.target_pixels * weights.channels))
        .for_each(|(image, target)| perform(Image { plan, weights, image, zeros: &zeros, target }, weights.lanes));
}

/// One image whose sums are added to the target.
struct Image<'a> {
    plan: &'a Plan,
    weights: &'a Weights,
    image: &'a [f32],
    zeros: &'a [f32],
    target: &'a mut [f32],
}

impl Task for Image<'_> {
    #[expect(unsafe_code, reason = "registers by the caller's contract")]
    #[inline(always)]
    unsafe fn run<V: Lanes, const N: usize>(self) {
        let Self { plan, weights, image, zeros, target } = self;
        let lanes = N * V::COUNT;
        let panels = weights.panels.chunks_exact(weights.taps * weights.depth * lanes);
        for (i, panel) in panels.enumerate() {
            for tile in &plan.tiles {
                let mut sums = [[0.0; WIDEST]; ROWS];
                let steps = &plan.steps[tile.steps.clone()];
                // SAFETY: by contract.
                unsafe {
                    with_rows!(tile.count, add_tile::<V, N>((image, zeros), steps, panel, weights.depth, &mut sums));
                }
                for (sums, &pixel) in sums.iter().zip(&tile.pixels[..tile.count]) {
                    let (first, last) = (i * lanes, weights.channels.min((i + 1) * lanes));
                    let target = &mut target[pixel as usize * weights.channels..];
                    // SAFETY: by contract.
                    unsafe { Finish::Add.panel::<V>(sums, first, &mut target[first..last]) };
                }
            }
        }
    }
}

/// Adds to `sums` the products of `R` source pixels with a panel `[tap, depth, lane]` of weights, over all `steps`; a source
/// is the image `[pixel, depth]` with the zeros that stand for its padding.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "pointers whose bounds are asserted below; registers by the caller's contract")]
#[inline(always)]
unsafe fn add_tile<V: Lanes, const N: usize, const R: usize>(
    (image, padding): (&[f32], &[f32]),
    steps: &[Step],
    panel: &[f32],
    depth: usize,
    into: &mut [[f32; WIDEST]; ROWS],
) {
    let lanes = N * V::COUNT;
    assert!(padding.len() >= depth && lanes <= WIDEST);
    // SAFETY: by contract; `depth` values follow each offset and each tap (asserted).
    unsafe {
        let mut sums: Sums<V, N, R> = zeros();
        for step in steps {
            let mut rows = [padding.as_ptr(); R];
            for j in 0..R {
                if step.sources[j] != PADDING {
                    let at = step.sources[j] as usize * depth;
                    assert!(at + depth <= image.len());
                    rows[j] = image.as_ptr().add(at);
                }
            }
            let tap = step.tap as usize * depth * lanes;
            assert!(tap + depth * lanes <= panel.len());
            add_products(rows, depth, panel.as_ptr().add(tap), &mut sums);
        }
        for j in 0..R {
            store(sums[j], into[j].as_mut_ptr());
        }
    }
}

/// One side of the outer products of the weight gradient: channels of the input or of the output gradient.
#[derive(Clone, Copy)]
struct Operand<'a> {
    values: &'a [f32],
    /// Values between the pixels of a run.
    step: usize,
    /// Channels per pixel.
    channels: usize,
    /// Whether offsets count input pixels (else output pixels).
    is_source: bool,
}

impl Operand<'_> {
    fn offset(&self, run: &Run) -> usize {
        (if self.is_source { run.source } else { run.target }) * self.channels
    }
}

/// Adds the outer products of the pixel pairs of `runs` to `sums [a.channels, b.channels]`.
struct Pairs<'a> {
    a: Operand<'a>,
    b: Operand<'a>,
    runs: &'a [Run],
    sums: &'a mut [f32],
}

impl Task for Pairs<'_> {
    #[expect(unsafe_code, reason = "registers by the caller's contract")]
    #[inline(always)]
    unsafe fn run<V: Lanes, const N: usize>(self) {
        let Self { a, b, runs, sums } = self;
        let lanes = N * V::COUNT;
        for row in (0..a.channels).step_by(ROWS) {
            let rows = ROWS.min(a.channels - row);
            for column in (0..b.channels).step_by(lanes) {
                let sums = &mut sums[row * b.channels + column..];
                if b.channels - column >= lanes {
                    // SAFETY: by contract.
                    unsafe { with_rows!(rows, add_pairs::<V, N>((a, row), (b, column), runs, sums)) };
                } else {
                    add_few_pairs(rows, (a, row), (b, column), runs, sums);
                }
            }
        }
    }
}

/// `R` channels of `a` from the given one, a panel of `b`.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "pointers whose bounds are asserted below; registers by the caller's contract")]
#[inline(always)]
unsafe fn add_pairs<V: Lanes, const N: usize, const R: usize>(
    (a, row): (Operand, usize),
    (b, column): (Operand, usize),
    runs: &[Run],
    sums: &mut [f32],
) {
    let lanes = N * V::COUNT;
    assert!(row + R <= a.channels && column + lanes <= b.channels && sums.len() >= (R - 1) * b.channels + lanes);
    // SAFETY: by contract; every pixel of a run lies in the values (asserted), with the channels taken; and a panel lies in
    // each of `R` rows of `sums`.
    unsafe {
        let mut own: Sums<V, N, R> = zeros();
        for run in runs {
            let last = run.count - 1;
            assert!(a.offset(run) + last * a.step + a.channels <= a.values.len());
            assert!(b.offset(run) + last * b.step + b.channels <= b.values.len());
            let left = a.values.as_ptr().add(a.offset(run) + row);
            let right = b.values.as_ptr().add(b.offset(run) + column);
            add_outer((left, a.step), (right, b.step), run.count, &mut own);
        }
        for j in 0..R {
            let row = sums.as_mut_ptr().add(j * b.channels);
            let old: [V; N] = load(row);
            for n in 0..N {
                own[j][n] = own[j][n].plus(old[n]);
            }
            store(own[j], row);
        }
    }
}

/// The same for fewer channels of `b` than a panel.
fn add_few_pairs(
    rows: usize,
    (a, row): (Operand, usize),
    (b, column): (Operand, usize),
    runs: &[Run],
    sums: &mut [f32],
) {
    for run in runs {
        for i in 0..run.count {
            let left = &a.values[a.offset(run) + i * a.step + row..][..rows];
            let right = &b.values[b.offset(run) + i * b.step..][column..b.channels];
            for (value, sums) in left.iter().zip(sums.chunks_mut(b.channels)) {
                sums.iter_mut().zip(right).for_each(|(sum, other)| *sum += value * other);
            }
        }
    }
}
