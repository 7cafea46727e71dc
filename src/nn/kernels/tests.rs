//! Convolutions against sums in double precision, the loops for vectors against plain arrays, one thread against three.

use rayon::ThreadPoolBuilder;

use super::activation::Activation;
use super::lanes::Registers;
use super::*;

/// A fixed sequence without pattern, in (-1, 1).
fn noise(length: usize, seed: u32) -> Vec<f32> {
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

/// Enough for several tasks and chunks.
const IMAGES: usize = 20;

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
        let output =
            convolution.forward(&self.input, &self.weight, (&vec![0.0; self.outputs], None), Activation::Linear);
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

/// A stride, an edge that cuts tiles, channels that fill no panel, and each number of points.
fn cases() -> Vec<(Case, Convolution)> {
    let sizes =
        [(9, 3, 2, 1, 16, 20), (7, 4, 1, 3, 3, 32), (13, 3, 1, 1, 32, 16), (11, 5, 1, 2, 16, 32), (6, 3, 1, 1, 16, 3)];
    let case = |(side, kernel, stride, padding, inputs, outputs)| {
        let geometry = Geometry { height: side, width: side, kernel, stride, padding };
        (Case::new(geometry, inputs, outputs), Convolution::new(geometry, inputs, outputs))
    };
    sizes.into_iter().map(case).collect()
}

/// What `work` gives on threads of its own, with these registers, or the widest.
fn on<T: Send>(threads: usize, registers: Option<Registers>, work: impl FnOnce() -> T + Send) -> T {
    let pool = ThreadPoolBuilder::new().num_threads(threads).start_handler(move |_| lanes::WANTED.set(registers));
    pool.build().unwrap().install(work)
}

#[test]
fn plain_arrays_do_what_vectors_do() {
    for (case, convolution) in cases() {
        let own = case.by(&convolution);
        for plain in [Registers::Plain, Registers::Wide] {
            for (own, plain) in own.iter().zip(on(1, Some(plain), || case.by(&convolution))) {
                let plain: Vec<f64> = plain.into_iter().map(f64::from).collect();
                assert!(error(own, &plain) < 1e-5, "{:?}: {:.1e}", case.geometry, error(own, &plain));
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    for (case, convolution) in cases() {
        assert_eq!(on(1, None, || case.by(&convolution)), on(3, None, || case.by(&convolution)));
    }
}

/// Whatever the width of registers, each sum is made of the same steps in the same order.
#[test]
fn wider_registers_change_no_bit() {
    let wide =
        |registers| move |(case, convolution): &(Case, Convolution)| on(2, Some(registers), || case.by(convolution));
    let by = |registers| cases().iter().map(wide(registers)).collect::<Vec<_>>();
    assert_eq!(by(Registers::Plain), by(Registers::Wide));
    #[cfg(target_arch = "x86_64")]
    assert_eq!(by(Registers::Avx2), by(Registers::Avx512)); // on a processor without AVX-512 the same twice
}
