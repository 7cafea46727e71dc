//! Fast loops on the CPU over plain slices. Knows nothing of tensors, tapes and layers.
//!
//! Images are `[pixel, channel]`: the loops vectorise over channels, so that any image side fills the registers.

#![expect(clippy::inline_always, reason = "only what is inlined into a function for AVX2 gets its instructions")]
#![expect(
    clippy::needless_range_loop,
    reason = "closures of iterators are functions of their own, see `inline_always`"
)]

mod activation;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod convolution;
mod direct;
mod finish;
mod lanes;
pub(crate) mod matmul;
mod microkernel;
mod peak;
mod pieces;
mod plan;
mod portable;
mod rows;
mod scratch;
#[cfg(test)]
mod tests;
mod winograd;

pub use activation::Activation;
pub(crate) use convolution::Convolution;
pub(crate) use peak::peak;
pub(crate) use pieces::collect;
pub(crate) use plan::Geometry;

/// Whether the vector loops may run.
fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Which loops run on this processor: ours know AVX2, those of `gemm` also AVX-512.
pub(crate) fn arithmetic() -> String {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        return (if is_x86_feature_detected!("avx512f") { "x86_64 AVX-512" } else { "x86_64 AVX2" }).into();
    }
    format!("{} portable", std::env::consts::ARCH)
}
