//! Registers of sixteen values, for x86 processors with AVX-512. Knows no loops.

use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_set1_ps,
    _mm512_storeu_ps, _mm512_sub_ps,
};

use super::lanes::{Lanes, Task};

/// Runs `task` with one of them for a panel.
///
/// # Safety
/// The processor has AVX-512 F, and with it AVX2 and FMA.
#[expect(unsafe_code, reason = "the caller has looked at the processor")]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn run(task: impl Task) {
    // SAFETY: the same contract.
    unsafe { task.run::<__m512, 1>() }
}

/// Runs `task` with two of them for a panel.
///
/// # Safety
/// As [`run`].
#[expect(unsafe_code, reason = "the caller has looked at the processor")]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn run_wide(task: impl Task) {
    // SAFETY: the same contract.
    unsafe { task.run::<__m512, 2>() }
}

#[expect(unsafe_code, reason = "a value of this type exists only on processors with AVX-512; pointers as `Lanes` says")]
impl Lanes for __m512 {
    const COUNT: usize = 16;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: by contract.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: by contract.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: by contract.
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: `self` proves the processor.
        unsafe { _mm512_add_ps(self, other) }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        // SAFETY: `self` proves the processor.
        unsafe { _mm512_sub_ps(self, other) }
    }

    #[inline(always)]
    fn times(self, factor: Self) -> Self {
        // SAFETY: `self` proves the processor.
        unsafe { _mm512_mul_ps(self, factor) }
    }

    #[inline(always)]
    fn at_least(self, least: Self) -> Self {
        // SAFETY: `self` proves the processor.
        unsafe { _mm512_max_ps(least, self) } // the second one if either is NaN
    }

    #[inline(always)]
    fn times_plus(self, factor: Self, sum: Self) -> Self {
        // SAFETY: `self` proves the processor.
        unsafe { _mm512_fmadd_ps(self, factor, sum) }
    }
}
