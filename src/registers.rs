//! Vector registers between libraries. The loops of `faer` that use AVX leave the upper halves of these registers in use (no
//! `vzeroupper`). Until they are declared free, a thread pays for each change between older and newer vector instructions, as
//! in every call of the C library's `exp`: it took 1.4 us after a product of matrices, 0.03 us without one.

/// Declares the upper halves of this thread's vector registers free: after products and decompositions by `faer`, before
/// much other arithmetic. Changes no value.
pub(crate) fn free_upper_halves() {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx") {
        #[expect(unsafe_code, reason = "an instruction of AVX, which this processor has")]
        // SAFETY: the line above has asked the processor.
        unsafe {
            zero_upper_halves();
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
fn zero_upper_halves() {
    std::arch::x86_64::_mm256_zeroupper();
}
