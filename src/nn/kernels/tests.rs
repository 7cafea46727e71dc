//! Convolutions against sums in double precision, and the loops for vectors against plain arrays.

use super::activation::Activation;
use super::*;

/// A fixed sequence without pattern, in (-1, 1).
pub(super) fn noise(length: usize, seed: u32) -> Vec<f32> {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(seed), next).skip(9).take(length).map(|x| (x >> 8) as f32 / 8_388_608.0 - 1.0).collect()
}

/// One convolution with its data.
struct Case {
    geometry: Geometry,
    inputs: usize,
    outputs: usize,
    input: Vec<f32>,
    weight: Vec<f32>,
    gradient: Vec<f32>,
}

const IMAGES: usize = 3;

impl Case {
    fn new(geometry: Geometry, inputs: usize, outputs: usize) -> Self {
        let (rows, columns) = geometry.output();
        Self {
            input: noise(IMAGES * geometry.height * geometry.width * inputs, 1),
            weight: noise(outputs * inputs * geometry.taps(), 2),
            gradient: noise(IMAGES * rows * columns * outputs, 3),
            geometry,
            inputs,
            outputs,
        }
    }

    /// Output, input gradient and weight gradient.
    fn by(&self, convolution: &Convolution) -> [Vec<f32>; 3] {
        let mut input_gradient = vec![0.0; self.input.len()];
        convolution.add_input_gradient(&self.gradient, &self.weight, &mut input_gradient);
        let output = convolution.forward(&self.input, &self.weight, &vec![0.0; self.outputs], Activation::Linear);
        [output, input_gradient, convolution.weight_gradient(&self.input, &self.gradient)]
    }

    /// The same by definition, in double precision.
    fn exact(&self) -> [Vec<f64>; 3] {
        let Self { geometry, inputs, outputs, .. } = *self;
        let (pixels, taps) = (geometry.height * geometry.width, geometry.taps());
        let sizes = [self.gradient.len(), self.input.len(), self.weight.len()];
        let [mut output, mut input_gradient, mut weight_gradient] = sizes.map(|size| vec![0.0; size]);
        for image in 0..IMAGES {
            for (pair, source) in geometry.sources().into_iter().enumerate() {
                let Some(source) = source else { continue };
                let (target, tap) = (image * geometry.sources().len() / taps + pair / taps, pair % taps);
                for (o, c) in (0..outputs).flat_map(|o| (0..inputs).map(move |c| (o, c))) {
                    let (out, at, w) =
                        (target * outputs + o, (image * pixels + source) * inputs + c, (o * inputs + c) * taps + tap);
                    output[out] += f64::from(self.input[at]) * f64::from(self.weight[w]);
                    input_gradient[at] += f64::from(self.gradient[out]) * f64::from(self.weight[w]);
                    weight_gradient[w] += f64::from(self.input[at]) * f64::from(self.gradient[out]);
                }
            }
        }
        [output, input_gradient, weight_gradient]
    }
}

/// Norm of the difference over the norm.
fn error(found: &[f32], exact: &[f64]) -> f64 {
    let squares: f64 = found.iter().zip(exact).map(|(f, e)| (f64::from(*f) - e).powi(2)).sum();
    (squares / exact.iter().map(|e| e * e).sum::<f64>()).sqrt()
}

#[test]
fn errors_are_as_documented() {
    for (side, kernel, padding, gradients) in [(13, 3, 1, 1.5e-6), (11, 4, 3, 2.5e-6), (12, 5, 2, 6e-6)] {
        let geometry = Geometry { height: side, width: side, kernel, stride: 1, padding };
        let case = Case::new(geometry, 32, 32);
        let (direct, chosen) = (Convolution::direct(geometry, 32, 32), Convolution::new(geometry, 32, 32));
        assert!(chosen.saves() && !direct.saves());
        let exact = case.exact();
        let pairs = case.by(&direct).into_iter().zip(case.by(&chosen)).zip(exact);
        for (((direct, chosen), exact), limit) in pairs.zip([1.5e-6, gradients, gradients]) {
            let (direct, chosen) = (error(&direct, &exact), error(&chosen, &exact));
            assert!(direct < 1e-6 && chosen < limit, "kernel {kernel}: {direct:.1e}, {chosen:.1e} of {limit:.1e}");
        }
    }
}
