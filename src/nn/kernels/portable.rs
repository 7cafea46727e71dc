//! The inner loops of a convolution in plain Rust, for processors and sizes that `avx2` does not serve, and to test it.

use super::plan::{PADDING, Run, Step, TILE};
use super::{LANES, Operand, Source};

/// Does what `avx2::tile` does.
pub(super) fn tile(source: Source, steps: &[Step], panel: &[f32], sums: &mut [[f32; LANES]; TILE]) {
    let depth = source.depth;
    for step in steps {
        let weights = &panel[step.tap as usize * depth * LANES..][..depth * LANES];
        for (sum, &at) in sums.iter_mut().zip(&step.sources) {
            if at == PADDING {
                continue;
            }
            let pixel = &source.image[at as usize * depth..][..depth];
            for (value, row) in pixel.iter().zip(weights.chunks_exact(LANES)) {
                for (sum, weight) in sum.iter_mut().zip(row) {
                    *sum += value * weight;
                }
            }
        }
    }
}

/// Adds the outer products of all channels of `a` with all channels of `b` to `sums [a.channels, b.channels]`.
pub(super) fn outer(a: Operand, b: Operand, runs: &[Run], sums: &mut [f32]) {
    let (rows, width) = (a.channels, b.channels);
    for run in runs {
        for i in 0..run.count {
            let left = &a.values[a.offset(run) + i * a.step..][..rows];
            let right = &b.values[b.offset(run) + i * b.step..][..width];
            for (value, sums) in left.iter().zip(sums.chunks_exact_mut(width)) {
                for (sum, other) in sums.iter_mut().zip(right) {
                    *sum += value * other;
                }
            }
        }
    }
}
