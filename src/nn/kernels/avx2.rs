//! The two inner loops of a convolution for x86 processors with AVX2 and FMA: 6 x 16 products in twelve registers.
//! Knows pointers and strides only; the callers in `convolution` prove the bounds.

use std::arch::x86_64::{
    _mm256_add_ps, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps,
};

use super::plan::{PADDING, Run, Step, TILE};
use super::{LANES, Operand, Source};

/// Adds to `sums` the products of six source pixels with a panel `[tap, depth, 16]` of weights, over all `steps`.
///
/// # Safety
/// The processor has AVX2 and FMA; every source that is not padding lies in the image; `zeros` holds `depth` values; every tap lies in `panel`.
#[expect(unsafe_code, reason = "vector loads through pointers; the caller upholds the bounds named above")]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn tile(source: Source, steps: &[Step], panel: &[f32], sums: &mut [[f32; LANES]; TILE]) {
    let depth = source.depth;
    let mut low = [_mm256_setzero_ps(); TILE];
    let mut high = [_mm256_setzero_ps(); TILE];
    // SAFETY: all offsets stay inside the slices by the contract above; `sums` rows hold exactly 16 values.
    unsafe {
        for j in 0..TILE {
            low[j] = _mm256_loadu_ps(sums[j].as_ptr());
            high[j] = _mm256_loadu_ps(sums[j].as_ptr().add(8));
        }
        for step in steps {
            let mut weights = panel.as_ptr().add(step.tap as usize * depth * LANES);
            let pixels = step.sources.map(|at| match at {
                PADDING => source.zeros.as_ptr(),
                at => source.image.as_ptr().add(at as usize * depth),
            });
            for channel in 0..depth {
                let (first, second) = (_mm256_loadu_ps(weights), _mm256_loadu_ps(weights.add(8)));
                weights = weights.add(LANES);
                for j in 0..TILE {
                    let value = _mm256_broadcast_ss(&*pixels[j].add(channel));
                    low[j] = _mm256_fmadd_ps(value, first, low[j]);
                    high[j] = _mm256_fmadd_ps(value, second, high[j]);
                }
            }
        }
        for j in 0..TILE {
            _mm256_storeu_ps(sums[j].as_mut_ptr(), low[j]);
            _mm256_storeu_ps(sums[j].as_mut_ptr().add(8), high[j]);
        }
    }
}

/// Adds to `sums` (rows of `b.channels` values) the outer products of `rows` channels of `a` with 16 channels of `b`,
/// over the pixel pairs of `runs`.
///
/// # Safety
/// The processor has AVX2 and FMA; `1 <= rows <= 6`; at each pixel of each run `rows` values of `a` and 16 values of `b`
/// follow; `sums` holds `rows` rows, the last of them 16 values long.
#[expect(unsafe_code, reason = "vector loads through pointers; the caller upholds the bounds named above")]
pub(super) unsafe fn outer_rows(rows: usize, a: Operand, b: Operand, runs: &[Run], sums: &mut [f32]) {
    // SAFETY: the same contract.
    unsafe {
        match rows {
            1 => outer::<1>(a, b, runs, sums),
            2 => outer::<2>(a, b, runs, sums),
            3 => outer::<3>(a, b, runs, sums),
            4 => outer::<4>(a, b, runs, sums),
            5 => outer::<5>(a, b, runs, sums),
            _ => outer::<6>(a, b, runs, sums),
        }
    }
}

#[expect(unsafe_code, reason = "the loop of `outer_rows` for a number of rows known to the compiler")]
#[target_feature(enable = "avx2,fma")]
unsafe fn outer<const ROWS: usize>(a: Operand, b: Operand, runs: &[Run], sums: &mut [f32]) {
    let mut low = [_mm256_setzero_ps(); ROWS];
    let mut high = [_mm256_setzero_ps(); ROWS];
    // SAFETY: all offsets stay inside the slices by the contract of `outer_rows`.
    unsafe {
        for run in runs {
            let mut left = a.values.as_ptr().add(a.offset(run));
            let mut right = b.values.as_ptr().add(b.offset(run));
            for _ in 0..run.count {
                let (first, second) = (_mm256_loadu_ps(right), _mm256_loadu_ps(right.add(8)));
                for j in 0..ROWS {
                    let value = _mm256_broadcast_ss(&*left.add(j));
                    low[j] = _mm256_fmadd_ps(value, first, low[j]);
                    high[j] = _mm256_fmadd_ps(value, second, high[j]);
                }
                left = left.add(a.step);
                right = right.add(b.step);
            }
        }
        for j in 0..ROWS {
            let row = sums.as_mut_ptr().add(j * b.channels);
            let (old_low, old_high) = (_mm256_loadu_ps(row), _mm256_loadu_ps(row.add(8)));
            _mm256_storeu_ps(row, _mm256_add_ps(old_low, low[j]));
            _mm256_storeu_ps(row.add(8), _mm256_add_ps(old_high, high[j]));
        }
    }
}
