//! What may follow a convolution in the same pass over memory.

use rayon::prelude::*;

use super::lanes::Lanes;

/// Pixels per task: fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 1024;

/// A function of single values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `x`.
    Linear,
    /// `max(0, x)`; a NaN stays, so that the loss shows it.
    Relu,
    /// `x` where it is positive, else this many times `x`.
    LeakyRelu(f32),
}

impl Activation {
    /// Of the values in a register.
    ///
    /// # Safety
    /// The processor has the registers of `V`.
    #[expect(unsafe_code, reason = "constants in registers, by the caller's contract")]
    #[inline(always)]
    pub(super) unsafe fn of<V: Lanes>(self, x: V) -> V {
        // SAFETY: by contract.
        let zero = unsafe { V::splat(0.0) };
        match self {
            Self::Linear => x,
            Self::Relu => x.at_least(zero),
            // SAFETY: by contract.
            Self::LeakyRelu(slope) => {
                x.minus(x.at_least(zero)).times_plus(unsafe { V::splat(slope) }, x.at_least(zero))
            }
        }
    }

    /// Turns `gradient [pixel, channel]` of the output into that of the input, and gives its sum over pixels.
    pub(crate) fn backward(self, gradient: &mut [f32], output: &[f32], channels: usize) -> Vec<f32> {
        let blocks = gradient.par_chunks_mut(BLOCK * channels).zip(output.par_chunks(BLOCK * channels));
        let sums: Vec<Vec<f32>> =
            blocks.map(|(gradient, output)| self.backward_block(gradient, output, channels)).collect();
        let mut total = vec![0.0; channels];
        for sums in sums {
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
        total
    }

    fn backward_block(self, gradient: &mut [f32], output: &[f32], channels: usize) -> Vec<f32> {
        let slope = match self {
            Self::Linear => 1.0,
            Self::Relu => 0.0,
            Self::LeakyRelu(slope) => slope,
        };
        let mut sums = vec![0.0; channels];
        for (gradient, output) in gradient.chunks_exact_mut(channels).zip(output.chunks_exact(channels)) {
            for ((g, output), sum) in gradient.iter_mut().zip(output).zip(&mut sums) {
                *g *= if *output > 0.0 { 1.0 } else { slope };
                *sum += *g;
            }
        }
        sums
    }
}
