//! Checks gradients: against finite differences along fixed directions, and of the two paths against each other.

use dfdx::prelude::{HasShape, PutTape, SumTo, Tensor, TensorFromVec, TryMul};

use crate::nn::backend::{Backend, Matrix};
use crate::nn::track::{Track, backward};

/// Deterministic inputs of given shapes.
pub(super) struct Case {
    inputs: Vec<(usize, usize, Vec<f32>)>,
}

/// A fixed sequence without ties or symmetry, in (-1, 1).
fn sequence(length: usize, seed: usize) -> Vec<f32> {
    (0..length).map(|i| ((i * i * 7 + i * 131 + seed * 997) % 1009) as f32 / 504.5 - 0.999).collect()
}

impl Case {
    pub(super) fn new(shapes: &[(usize, usize)]) -> Self {
        let input = |(seed, &(rows, columns))| (rows, columns, sequence(rows * columns, seed + 1));
        Self { inputs: shapes.iter().enumerate().map(input).collect() }
    }

    fn tensors<B: Backend, const N: usize>(&self, moved: Option<(usize, f32)>) -> [Matrix<B>; N] {
        std::array::from_fn(|i| {
            let (rows, columns, values) = &self.inputs[i];
            let shift = |(j, v): (usize, &f32)| match moved {
                Some((input, by)) if input == i => v + by * direction(j),
                _ => *v,
            };
            let values: Vec<f32> = values.iter().enumerate().map(shift).collect();
            let plain: Tensor<_, f32, B::Device> = B::device().tensor_from_vec(values, (*rows, *columns));
            plain.put_tape(Track::on())
        })
    }

    /// Output and gradients of `f`.
    pub(super) fn results<B: Backend, const N: usize>(&self, f: impl Fn([Matrix<B>; N]) -> Matrix<B>) -> Vec<Vec<f32>> {
        let inputs = self.tensors::<B, N>(None);
        let plain: Vec<_> = inputs.iter().map(dfdx::tensor::Tensor::retaped::<Track<B::Device>>).collect();
        let output = f(inputs);
        let mut results = vec![output.as_vec()];
        let shape = *output.shape();
        let weights: Tensor<_, f32, B::Device> = B::device().tensor_from_vec(sequence(shape.0 * shape.1, 77), shape);
        let grads = backward(output.try_mul(weights).unwrap().sum::<(), _>()).unwrap();
        for x in &plain {
            results.push(grads.get(x).as_vec());
        }
        results
    }

    /// Output and gradients of `f`, after checking them against finite differences.
    pub(super) fn run<B: Backend, const N: usize>(&self, f: impl Fn([Matrix<B>; N]) -> Matrix<B>) -> Vec<Vec<f32>> {
        let results = self.results::<B, N>(&f);
        for input in 0..N {
            let slope: f64 =
                results[input + 1].iter().enumerate().map(|(j, g)| f64::from(*g) * f64::from(direction(j))).sum();
            let step = 1e-3;
            let value = |by: f32| weighted(&f(self.tensors::<B, N>(Some((input, by)))).as_vec());
            let difference = (value(step) - value(-step)) / f64::from(2.0 * step);
            let scale = 1.0 + slope.abs();
            assert!((slope - difference).abs() < 2e-2 * scale, "input {input}: {slope} against {difference}");
        }
        results
    }
}

fn direction(j: usize) -> f32 {
    if (j * 5 + j / 3).is_multiple_of(2) { 1.0 } else { -0.5 }
}

fn weighted(output: &[f32]) -> f64 {
    sequence(output.len(), 77).iter().zip(output).map(|(w, v)| f64::from(*w) * f64::from(*v)).sum()
}

/// Both lists of values agree to `1e-4` of the largest.
pub(super) fn assert_close(left: &[Vec<f32>], right: &[Vec<f32>]) {
    for (i, (left, right)) in left.iter().zip(right).enumerate() {
        let scale = left.iter().fold(1e-3_f32, |scale, v| scale.max(v.abs()));
        assert_eq!(left.len(), right.len());
        for (j, (l, r)) in left.iter().zip(right).enumerate() {
            assert!((l - r).abs() < 1e-4 * scale, "result {i}, value {j}: {l} against {r}");
        }
    }
}

/// Runs the body with both backends under the name `$B`: finite differences for each, and equal results; with the feature
/// `cuda` and a device also there.
macro_rules! check_both {
    ($case:expr, |$B:ident, $x:ident| $body:expr) => {{
        let case = $case;
        let kernels = {
            type $B = crate::nn::backend::Kernels;
            case.run::<$B, _>(|$x| $body)
        };
        let composed = {
            type $B = crate::nn::backend::Composed<dfdx::tensor::Cpu>;
            case.run::<$B, _>(|$x| $body)
        };
        crate::nn::ops::check::assert_close(&kernels, &composed);
        #[cfg(feature = "cuda")]
        if crate::nn::check_cuda().is_ok() {
            type $B = crate::nn::Cuda;
            crate::nn::ops::check::assert_close(&kernels, &case.results::<$B, _>(|$x| $body));
        } else {
            eprintln!("SKIPPED on a CUDA device: there is none");
        }
    }};
}
pub(super) use check_both;
