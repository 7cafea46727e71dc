//! Values that a processor computes with at once. Loops written for any [`Lanes`] run as the widest that the processor has.
//! Knows nothing of convolutions.

/// Values in one panel: what the micro-kernels compute side by side, in one or two registers.
pub(super) const PANEL: usize = 16;

/// A register of values, or what stands for one.
///
/// Values come from the two unsafe functions only, whose contract is that the processor has these registers; so arithmetic
/// on them is safe.
#[expect(unsafe_code, reason = "vector loads and stores through pointers; see the contract of each")]
pub(super) trait Lanes: Copy {
    /// Values in it; divides [`PANEL`].
    const COUNT: usize;

    /// `COUNT` times the same value.
    ///
    /// # Safety
    /// The processor has these registers.
    unsafe fn splat(value: f32) -> Self;

    /// `COUNT` values from memory.
    ///
    /// # Safety
    /// The processor has these registers, and `COUNT` values lie there.
    unsafe fn load(from: *const f32) -> Self;

    /// `COUNT` values into memory.
    ///
    /// # Safety
    /// `COUNT` values may be written there.
    unsafe fn store(self, to: *mut f32);

    /// `self + other`.
    fn plus(self, other: Self) -> Self;

    /// `self - other`.
    fn minus(self, other: Self) -> Self;

    /// `self · factor`.
    fn times(self, factor: Self) -> Self;

    /// The larger of each pair; `self` where it is NaN.
    fn at_least(self, least: Self) -> Self;

    /// `self · factor + sum`, in one rounding where the processor can.
    fn times_plus(self, factor: Self, sum: Self) -> Self;
}

/// Work for one thread, written for any lanes; `N` of them make a [`PANEL`].
pub(super) trait Task {
    /// Does it. Must be `#[inline(always)]`, as all that it calls: only then do the loops get the processor's instructions.
    ///
    /// # Safety
    /// The processor has the registers of `V`.
    #[expect(unsafe_code, reason = "only `perform` calls it, after looking at the processor")]
    unsafe fn run<V: Lanes, const N: usize>(self);
}

#[cfg(test)]
thread_local! {
    /// Lanes of plain arrays that tests want on this thread: 8 or 16.
    pub(super) static PLAIN: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Runs `task` with the widest lanes of this processor.
#[expect(unsafe_code, reason = "calls the vector loops after checking the processor")]
pub(super) fn perform(task: impl Task) {
    #[cfg(test)]
    match PLAIN.get() {
        // SAFETY: plain arrays need no processor.
        8 => return unsafe { task.run::<[f32; 8], 2>() },
        // SAFETY: the same.
        16 => return unsafe { task.run::<[f32; 16], 1>() },
        _ => {}
    }
    #[cfg(target_arch = "x86_64")]
    if super::has_avx2() {
        // SAFETY: the processor has AVX2 and FMA.
        unsafe { super::avx2::run(task) };
        return;
    }
    // SAFETY: plain arrays need no processor.
    unsafe { task.run::<[f32; 8], 2>() };
}
