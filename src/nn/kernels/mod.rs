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
#[cfg(target_arch = "x86_64")]
mod avx512;
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

/// Which loops run on this processor. Ours give the same bits with AVX2 and with AVX-512, those of `gemm` do not.
pub(crate) fn arithmetic() -> String {
    match lanes::Registers::here() {
        #[cfg(target_arch = "x86_64")]
        lanes::Registers::Avx2 => "x86_64 AVX2".into(),
        #[cfg(target_arch = "x86_64")]
        lanes::Registers::Avx512 => "x86_64 AVX-512".into(),
        _ => format!("{} portable", std::env::consts::ARCH),
    }
}
