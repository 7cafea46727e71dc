//! Convolution of a batch of images with its two gradients: packing of weights, loops over images, threads.
//!
//! A direct convolution: the micro-kernels read the image in place through the index plan, nothing is unfolded.
//! Work is split by image, and weight gradients by a fixed number of chunks, so threads never change a bit of the result.

use rayon::prelude::*;

use super::plan::{Geometry, Plan, Run, Step, TILE};
use super::{LANES, Operand, Source, has_avx2, portable};

/// Partial weight gradients that are summed in order, whatever the number of threads.
const CHUNKS: usize = 16;

/// A convolution of known sizes over images `[batch, y, x, channel]`.
#[derive(Debug, Clone)]
pub(crate) struct Convolution {
    pub(crate) geometry: Geometry,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

/// Weights in panels `[panel, tap, depth, 16]`, zero where the last panel is not full.
pub(crate) struct Weights {
    panels: Vec<f32>,
    depth: usize,
    channels: usize,
    taps: usize,
}

impl Weights {
    fn pack(taps: usize, depth: usize, channels: usize, value: impl Fn(usize, usize, usize) -> f32) -> Self {
        let mut panels = vec![0.0; channels.div_ceil(LANES) * taps * depth * LANES];
        for (panel, block) in panels.chunks_exact_mut(taps * depth * LANES).enumerate() {
            for (row, lanes) in block.chunks_exact_mut(LANES).enumerate() {
                for (lane, slot) in lanes.iter_mut().enumerate().take(channels - panel * LANES) {
                    *slot = value(row / depth, row % depth, panel * LANES + lane);
                }
            }
        }
        Self { panels, depth, channels, taps }
    }
}

impl Convolution {
    /// Computes `[batch, y, x, output]` from `input [batch, y, x, input]`, `weight [output, input, ky, kx]`, `bias [output]`.
    pub(crate) fn forward(&self, input: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        let (taps, inputs) = (self.geometry.taps(), self.inputs);
        let packed = Weights::pack(taps, inputs, self.outputs, |tap, c, o| weight[(o * inputs + c) * taps + tap]);
        let plan = self.geometry.forward();
        let batch = input.len() / (plan.source_pixels * inputs);
        let mut output = vec![0.0; batch * plan.target_pixels * self.outputs];
        apply(&plan, &packed, input, Some(bias), &mut output);
        output
    }

    /// Adds to `input_gradient [batch, y, x, input]` what `gradient [batch, y, x, output]` says of it.
    pub(crate) fn add_input_gradient(&self, gradient: &[f32], weight: &[f32], input_gradient: &mut [f32]) {
        let (taps, inputs) = (self.geometry.taps(), self.inputs);
        let packed = Weights::pack(taps, self.outputs, inputs, |tap, o, c| weight[(o * inputs + c) * taps + tap]);
        apply(&self.geometry.input_gradient(), &packed, gradient, None, input_gradient);
    }

    /// Gradient of the weight, `[output, input, ky, kx]`.
    pub(crate) fn weight_gradient(&self, input: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (taps, inputs, outputs) = (self.geometry.taps(), self.inputs, self.outputs);
        let (rows, columns) = self.geometry.output();
        let (source_size, target_size) =
            (self.geometry.height * self.geometry.width * inputs, rows * columns * outputs);
        let blocks = self.geometry.runs();
        let images_per_chunk = (input.len() / source_size).div_ceil(CHUNKS).max(1);
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
        let source = Operand { values: source, step, channels: inputs, first: 0, is_source: true };
        let target = Operand { values: target, step: outputs, channels: outputs, first: 0, is_source: false };
        let (a, b) = if self.outputs_are_lanes() { (source, target) } else { (target, source) };
        for (runs, sums) in taps.iter().zip(sums.chunks_exact_mut(inputs * outputs)) {
            add_outer(a, b, runs, sums);
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

/// Adds bias and products to `target`, one task per image.
fn apply(plan: &Plan, weights: &Weights, source: &[f32], bias: Option<&[f32]>, target: &mut [f32]) {
    let zeros = vec![0.0; weights.depth];
    source
        .par_chunks_exact(plan.source_pixels * weights.depth)
        .zip(target.par_chunks_exact_mut(plan.target_pixels * weights.channels))
        .for_each(|(image, target)| {
            let source = Source { image, zeros: &zeros, depth: weights.depth };
            for (i, panel) in weights.panels.chunks_exact(weights.taps * weights.depth * LANES).enumerate() {
                let first = i * LANES;
                apply_panel(
                    plan,
                    source,
                    panel,
                    bias.map(|bias| &bias[first..]),
                    &mut target[first..],
                    weights.channels,
                );
            }
        });
}

/// Computes up to 16 channels of every target pixel; `channels` is the step from pixel to pixel.
fn apply_panel(plan: &Plan, source: Source, panel: &[f32], bias: Option<&[f32]>, target: &mut [f32], channels: usize) {
    let lanes = LANES.min(bias.map_or(channels, <[f32]>::len));
    for tile in &plan.tiles {
        let mut sums = [[0.0; LANES]; TILE];
        run_tile(source, &plan.steps[tile.steps.clone()], panel, &mut sums);
        for (sum, &pixel) in sums.iter().zip(&tile.pixels[..tile.count]) {
            let start = pixel as usize * channels;
            let end = (start + lanes).min(target.len());
            let target = &mut target[start..end];
            match bias {
                Some(bias) => target.iter_mut().zip(sum).zip(bias).for_each(|((t, s), b)| *t = s + b),
                None => target.iter_mut().zip(sum).for_each(|(t, s)| *t += s),
            }
        }
    }
}

#[expect(unsafe_code, reason = "calls the vector loop after checking the processor")]
fn run_tile(source: Source, steps: &[Step], panel: &[f32], sums: &mut [[f32; LANES]; TILE]) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the plan names only pixels of the image that `source` was cut to, and taps of `panel`.
        unsafe { super::avx2::tile(source, steps, panel, sums) };
        return;
    }
    portable::tile(source, steps, panel, sums);
}

/// Adds the outer products of the pixel pairs of `runs` to `sums [a.channels, b.channels]`.
#[expect(unsafe_code, reason = "calls the vector loop after checking the processor")]
fn add_outer(a: Operand, b: Operand, runs: &[Run], sums: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() && b.channels.is_multiple_of(LANES) {
        for row in (0..a.channels).step_by(TILE) {
            let rows = TILE.min(a.channels - row);
            for column in (0..b.channels).step_by(LANES) {
                let (a, b) = (Operand { first: row, ..a }, Operand { first: column, ..b });
                // SAFETY: `rows` and 16 channels from `first` lie in each pixel; `sums` holds every row of `a`.
                unsafe { super::avx2::outer_rows(rows, a, b, runs, &mut sums[row * b.channels + column..]) };
            }
        }
        return;
    }
    portable::outer(a, b, runs, sums);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(count: usize) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * 0.7).sin()).collect()
    }

    #[test]
    fn vector_and_portable_loops_agree() {
        let geometry = Geometry { height: 6, width: 6, kernel: 3, stride: 2, padding: 1 };
        let (image, panel, zeros) = (wave(36 * 8), wave(9 * 8 * LANES), vec![0.0; 8]);
        let source = Source { image: &image, zeros: &zeros, depth: 8 };
        let plan = geometry.forward();
        for tile in &plan.tiles {
            let steps = &plan.steps[tile.steps.clone()];
            let (mut own, mut plain) = ([[0.5; LANES]; TILE], [[0.5; LANES]; TILE]);
            run_tile(source, steps, &panel, &mut own);
            portable::tile(source, steps, &panel, &mut plain);
            for (own, plain) in own.as_flattened().iter().zip(plain.as_flattened()) {
                assert!((own - plain).abs() < 1e-4, "{own} against {plain}");
            }
        }
        let values = wave(36 * 32);
        let a = Operand { values: &image, step: 16, channels: 8, first: 0, is_source: true };
        let b = Operand { values: &values, step: 32, channels: 32, first: 0, is_source: false };
        for runs in geometry.runs().iter().flatten() {
            let (mut own, mut plain) = (vec![0.0; 8 * 32], vec![0.0; 8 * 32]);
            add_outer(a, b, runs, &mut own);
            portable::outer(a, b, runs, &mut plain);
            for (own, plain) in own.iter().zip(&plain) {
                assert!((own - plain).abs() < 1e-4, "{own} against {plain}");
            }
        }
    }
}
