//! Convolution of a batch of images with its two gradients, by the algorithm that its sizes ask for. The choice is a rule
//! on sizes, never a matter of timing, so that every run has the same bits.

use rayon::prelude::*;

use super::activation::Activation;
use super::direct::Direct;
use super::finish::{After, Finish};
use super::lanes::PANEL;
use super::plan::Geometry;
use super::winograd::Winograd;

/// Partial weight gradients that are summed in order, whatever the number of threads.
const CHUNKS: usize = 16;

/// A convolution of known sizes over images `[batch, y, x, channel]`.
#[derive(Debug, Clone)]
pub(crate) struct Convolution {
    direct: Direct,
    forward: Option<Winograd>,
    /// The input gradient is the convolution of the output gradient with the turned kernels.
    input_gradient: Option<Winograd>,
    weight_gradient: Option<Winograd>,
}

impl Convolution {
    /// With few multiplications. Forward the error must be that of a direct sum: what decides between branches, such as the
    /// largest value of a window, would tip. Gradients are smooth, and with 5 x 5 kernels eight points save half.
    pub(crate) fn new(geometry: Geometry, inputs: usize, outputs: usize) -> Self {
        let points = if geometry.kernel < 5 { 6 } else { 8 };
        let turned = geometry.turned().and_then(|geometry| Winograd::new(geometry, outputs, inputs, points));
        let weight_gradient = Winograd::new(geometry, inputs, outputs, points);
        Self {
            forward: Winograd::new(geometry, inputs, outputs, 6),
            input_gradient: turned,
            weight_gradient: weight_gradient.filter(|_| outputs.is_multiple_of(PANEL)),
            ..Self::direct(geometry, inputs, outputs)
        }
    }

    /// By the direct algorithm in any case.
    pub(crate) fn direct(geometry: Geometry, inputs: usize, outputs: usize) -> Self {
        let direct = Direct { geometry, inputs, outputs };
        Self { direct, forward: None, input_gradient: None, weight_gradient: None }
    }

    /// Whether each of its three parts takes fewer multiplications than the direct algorithm.
    #[cfg(test)]
    pub(super) fn saves(&self) -> bool {
        [self.forward, self.input_gradient, self.weight_gradient].iter().all(Option::is_some)
    }

    /// `[batch, y, x, output]` from `input [batch, y, x, input]`, `weight [output, input, ky, kx]`, `bias [output]`; `norm`: a
    /// factor and then an offset for each output before the activation.
    pub(crate) fn forward(
        &self,
        input: &[f32],
        weight: &[f32],
        (bias, norm): (&[f32], Option<[&[f32]; 2]>),
        activation: Activation,
    ) -> Vec<f32> {
        let Direct { geometry, inputs, outputs } = self.direct;
        let (taps, (rows, columns)) = (geometry.taps(), geometry.output());
        let batch = input.len() / (geometry.height * geometry.width * inputs);
        let value = |tap: usize, c: usize, o: usize| weight[(o * inputs + c) * taps + tap];
        let after = After::new(bias, norm);
        let finish = Finish::Write(&after, activation);
        let pieces = match self.forward {
            Some(winograd) => winograd.forward(input, value, finish),
            None => self.direct.forward(input, value, finish),
        };
        pieces.collect(batch * rows * columns * outputs)
    }

    /// Adds to `input_gradient [batch, y, x, input]` what `gradient [batch, y, x, output]` says of it.
    pub(crate) fn add_input_gradient(&self, gradient: &[f32], weight: &[f32], input_gradient: &mut [f32]) {
        let Direct { geometry, inputs, .. } = self.direct;
        let taps = geometry.taps();
        let value = |tap: usize, o: usize, c: usize| weight[(o * inputs + c) * taps + tap];
        match self.input_gradient {
            Some(winograd) => {
                let turned = |tap: usize, o: usize, c: usize| value(taps - 1 - tap, o, c);
                winograd.forward(gradient, turned, Finish::Add).onto(input_gradient);
            }
            None => self.direct.add_input_gradient(gradient, value, input_gradient),
        }
    }

    /// Gradient of the weight, `[output, input, ky, kx]`.
    pub(crate) fn weight_gradient(&self, input: &[f32], gradient: &[f32]) -> Vec<f32> {
        let Direct { geometry, inputs, outputs } = self.direct;
        let (taps, pixels) = (geometry.taps(), geometry.height * geometry.width);
        let images_per_chunk = (input.len() / (pixels * inputs)).div_ceil(CHUNKS).max(1);
        match self.weight_gradient {
            Some(winograd) => {
                let by_input = winograd.weight_gradient(input, gradient, images_per_chunk); // [input, tap, output]
                let mut weight = vec![0.0; outputs * inputs * taps];
                weight.par_chunks_mut(inputs * taps).enumerate().for_each(|(o, weight)| {
                    weight.iter_mut().zip(by_input.chunks_exact(outputs)).for_each(|(w, row)| *w = row[o]);
                });
                weight
            }
            None => self.direct.weight_gradient(input, gradient, images_per_chunk),
        }
    }
}
