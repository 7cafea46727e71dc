//! Plain arrays in place of registers, for any processor, and to test the loops with.

use super::lanes::Lanes;

#[expect(unsafe_code, reason = "pointers as `Lanes` says")]
impl<const COUNT: usize> Lanes for [f32; COUNT] {
    const COUNT: usize = COUNT;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; COUNT]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: by contract; an array of values has the alignment of a value.
        unsafe { from.cast::<Self>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as `load`.
        unsafe { to.cast::<Self>().write(self) }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] + other[i])
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] - other[i])
    }

    #[inline(always)]
    fn times(self, factor: Self) -> Self {
        std::array::from_fn(|i| self[i] * factor[i])
    }

    #[inline(always)]
    fn at_least(self, least: Self) -> Self {
        std::array::from_fn(|i| if self[i] < least[i] { least[i] } else { self[i] })
    }

    #[inline(always)]
    fn times_plus(self, factor: Self, sum: Self) -> Self {
        std::array::from_fn(|i| self[i] * factor[i] + sum[i])
    }
}
