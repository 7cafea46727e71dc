//! Fast loops on the CPU over plain slices. Knows nothing of tensors, tapes and layers.
//!
//! Images are `[pixel, channel]`: the loops vectorise over channels, so that any image side fills the registers.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod convolution;
pub(crate) mod matmul;
mod plan;
mod portable;

pub(crate) use convolution::Convolution;
pub(crate) use plan::Geometry;
use plan::Run;

/// Values per panel of weights: two registers of eight.
const LANES: usize = 16;

/// An image `[pixel, depth]` that a tile reads, and the zeros that stand for its padding.
#[derive(Clone, Copy)]
struct Source<'a> {
    image: &'a [f32],
    zeros: &'a [f32],
    depth: usize,
}

/// One side of the outer products of the weight gradient: channels of the input or of the output gradient.
#[derive(Clone, Copy)]
struct Operand<'a> {
    values: &'a [f32],
    /// Values between the pixels of a run.
    step: usize,
    /// Channels per pixel.
    channels: usize,
    /// First channel to take.
    first: usize,
    /// Whether offsets count input pixels (else output pixels).
    is_source: bool,
}

impl Operand<'_> {
    fn offset(&self, run: &Run) -> usize {
        (if self.is_source { run.source } else { run.target }) * self.channels + self.first
    }
}

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
