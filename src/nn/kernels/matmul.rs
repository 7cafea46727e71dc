//! Matrix products by the crate `gemm`, one thread per product: the caller splits the work, so threads never change a bit.

use gemm::Parallelism;

/// A matrix by its values and the steps from row to row and from column to column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_step: usize,
    pub(crate) column_step: usize,
}

impl<'a> View<'a> {
    /// `values [rows, columns]`, row after row.
    pub(crate) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self { values, rows, columns, row_step: columns, column_step: 1 }
    }

    /// Rows as columns.
    pub(crate) fn transposed(self) -> Self {
        let Self { values, rows, columns, row_step, column_step } = self;
        Self { values, rows: columns, columns: rows, row_step: column_step, column_step: row_step }
    }
}

/// Adds `left · right` to `sum [left.rows, right.columns]`.
#[expect(unsafe_code, reason = "gemm takes pointers")]
pub(crate) fn add_product(left: View, right: View, sum: &mut [f32]) {
    let (m, k, n) = (left.rows, left.columns, right.columns);
    assert!(k == right.rows && sum.len() == m * n, "[{m}, {k}] x [{}, {n}] into {}", right.rows, sum.len());
    assert!(left.values.len() == m * k && right.values.len() == k * n, "views do not cover their values");
    // SAFETY: both views cover exactly their values (asserted), in one of two dense orders; so does `sum`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            sum.as_mut_ptr(),
            1,
            n as isize,
            true,
            left.values.as_ptr(),
            left.column_step as isize,
            left.row_step as isize,
            right.values.as_ptr(),
            right.column_step as isize,
            right.row_step as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
