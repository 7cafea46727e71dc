//! How a loop of our own reaches the memory of dfdx's tensors and gradients on the processor. Knows no operation.

use dfdx::prelude::{Cpu, CpuError, Gradients, HasShape, PutTape, Shape, Tensor, TensorFromVec};
use rayon::prelude::*;

use crate::nn::track::Track;

/// Values per task; no result depends on it, since every value is a sum of its own.
const BLOCK: usize = 1 << 16;

/// A tensor on the processor without its tape.
pub(crate) type Plain<S> = Tensor<S, f32, Cpu>;
/// A matrix on the processor without its tape.
pub(super) type PlainMatrix = Plain<(usize, usize)>;
/// A matrix on the processor with its tape.
pub(super) type TrackedMatrix = Tensor<(usize, usize), f32, Cpu, Track<Cpu>>;

/// The values of a contiguous matrix, borrowed. dfdx only lends single elements; copying whole activations instead costs
/// several per cent of a training step.
#[expect(unsafe_code, reason = "dfdx keeps a tensor's data in one Vec but has no public way to borrow it whole")]
pub(super) fn values(matrix: &PlainMatrix) -> &[f32] {
    let &(rows, columns) = matrix.shape();
    if rows * columns == 0 {
        return &[];
    }
    let first: *const f32 = &raw const matrix[[0, 0]];
    let is_at = |index: [usize; 2], offset: usize| std::ptr::eq(first.wrapping_add(offset), &raw const matrix[index]);
    assert!(is_at([0, columns - 1], columns - 1) && is_at([rows - 1, 0], (rows - 1) * columns), "strided matrix");
    // SAFETY: strides are positive and constant, so the two addresses above prove that elements lie row after row without
    // gaps; they are in the one `Vec` that the tensor owns behind an `Arc`, alive and unchanged while `matrix` is borrowed.
    unsafe { std::slice::from_raw_parts(first, rows * columns) }
}

/// The values of a vector, as [`values`].
#[expect(unsafe_code, reason = "dfdx keeps a tensor's data in one Vec but has no public way to borrow it whole")]
pub(super) fn vector(vector: &Plain<(usize,)>) -> &[f32] {
    let &(length,) = vector.shape();
    if length == 0 {
        return &[];
    }
    let first: *const f32 = &raw const vector[[0]];
    assert!(std::ptr::eq(first.wrapping_add(length - 1), &raw const vector[[length - 1]]), "strided vector");
    // SAFETY: as in `values`.
    unsafe { std::slice::from_raw_parts(first, length) }
}

/// A matrix from values.
pub(super) fn matrix(values: Vec<f32>, rows: usize, columns: usize) -> Result<PlainMatrix, CpuError> {
    Cpu::default().try_tensor_from_vec(values, (rows, columns))
}

/// Takes the gradient of `of`; only the operation that made `of` may, as nothing adds to it any more.
pub(crate) fn take_gradient<S: Shape>(grads: &mut Gradients<f32, Cpu>, of: &Plain<S>) -> Result<Vec<f32>, CpuError> {
    Ok(std::mem::take(&mut **grads.get_or_alloc_mut(of)?))
}

/// Adds `more` to the gradient of `of`.
pub(super) fn add_gradient<S: Shape>(
    grads: &mut Gradients<f32, Cpu>,
    of: &Plain<S>,
    more: &[f32],
) -> Result<(), CpuError> {
    let blocks = grads.get_or_alloc_mut(of)?.par_chunks_mut(BLOCK).zip(more.par_chunks(BLOCK));
    blocks.for_each(|(sums, more)| sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more));
    Ok(())
}

/// Puts a tape on.
pub(super) fn tracked(plain: PlainMatrix, tape: Track<Cpu>) -> TrackedMatrix {
    plain.put_tape(tape)
}
