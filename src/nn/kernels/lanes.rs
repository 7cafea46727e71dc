//! Values that a processor computes with at once. Loops written for any [`Lanes`] run as the widest that the processor has.
//! Knows nothing of convolutions.

/// Values in a panel, what the micro-kernels compute side by side in one or two registers: so many, or twice as many.
pub(super) const PANEL: usize = 16;
/// Values in the widest panel.
pub(super) const WIDEST: usize = 2 * PANEL;

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

/// Work for one thread, written for any lanes; `N` of them make a panel.
pub(super) trait Task {
    /// Does it. Must be `#[inline(always)]`, as all that it calls: only then do the loops get the processor's instructions.
    ///
    /// # Safety
    /// The processor has the registers of `V`.
    #[expect(unsafe_code, reason = "only `perform` calls it, after looking at the processor")]
    unsafe fn run<V: Lanes, const N: usize>(self);
}

/// What loops run with.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Registers {
    /// Arrays of eight values, on any processor.
    Plain,
    /// Arrays of sixteen, to test on any processor what AVX-512 does.
    #[cfg(test)]
    Wide,
    /// Sixteen registers of eight values.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Thirty-two registers of sixteen values.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

#[cfg(test)]
thread_local! {
    /// Registers that tests want on this thread, if this processor has them.
    pub(super) static WANTED: std::cell::Cell<Option<Registers>> = const { std::cell::Cell::new(None) };
}

impl Registers {
    /// Those of this thread.
    pub(super) fn here() -> Self {
        let widest = Self::widest();
        #[cfg(test)]
        return WANTED.get().filter(|wanted| *wanted == Self::Wide || *wanted <= widest).unwrap_or(widest);
        #[cfg(not(test))]
        widest
    }

    /// The widest of this processor.
    fn widest() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return if is_x86_feature_detected!("avx512f") { Self::Avx512 } else { Self::Avx2 };
        }
        Self::Plain
    }
}

/// Width of the panels that so many channels are cut into. Registers of sixteen values want two for each row: a sum is there
/// four cycles after it began, and up to eight begin meanwhile, more than there are rows.
pub(super) fn panel(channels: usize) -> usize {
    let is_wide = match Registers::here() {
        #[cfg(test)]
        Registers::Wide => true,
        #[cfg(target_arch = "x86_64")]
        Registers::Avx512 => true,
        _ => false,
    };
    if is_wide && channels.is_multiple_of(WIDEST) { WIDEST } else { PANEL }
}

/// Runs `task` with the widest lanes of this processor, on panels of a width that [`panel`] said.
#[expect(unsafe_code, reason = "calls the vector loops after looking at the processor")]
pub(super) fn perform(task: impl Task, panel: usize) {
    // SAFETY: plain arrays need no processor, and the processor has the registers that `here` says.
    unsafe {
        match Registers::here() {
            Registers::Plain => task.run::<[f32; 8], 2>(),
            #[cfg(test)]
            Registers::Wide if panel == WIDEST => task.run::<[f32; 16], 2>(),
            #[cfg(test)]
            Registers::Wide => task.run::<[f32; 16], 1>(),
            #[cfg(target_arch = "x86_64")]
            Registers::Avx2 => super::avx2::run(task),
            #[cfg(target_arch = "x86_64")]
            Registers::Avx512 if panel == WIDEST => super::avx512::run_wide(task),
            #[cfg(target_arch = "x86_64")]
            Registers::Avx512 => super::avx512::run(task),
        }
    }
}
