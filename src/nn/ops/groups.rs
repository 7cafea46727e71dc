//! Rows that belong together, such as the turned views of one stamp, `count` of them side by side: their mean, or all
//! their columns in one row. Few values: dfdx's operations serve every device.

use dfdx::prelude::{Axis, HasShape, MeanTo, ReshapeTo};

use crate::nn::backend::{Backend, Made, Matrix};

/// `[n · count, column]` to the means of each group, `[n, column]`.
pub fn mean<B: Backend>(x: Matrix<B>, count: usize) -> Made<Matrix<B>, B> {
    let &(rows, columns) = x.shape();
    x.try_reshape_like(&(rows / count, count, columns))?.try_mean::<_, Axis<1>>()
}

/// `[n · count, column]` to each group's columns in order, `[n, count · column]`.
pub fn joined<B: Backend>(x: Matrix<B>, count: usize) -> Made<Matrix<B>, B> {
    let &(rows, columns) = x.shape();
    x.try_reshape_like(&(rows / count, count * columns))
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, check_both};
    use super::*;
    use crate::nn::{Kernels, matrix};

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        check_both!(Case::new(&[(6, 4)]), |B, x| {
            let [x] = x;
            mean::<B>(x, 3).unwrap()
        });
        check_both!(Case::new(&[(6, 4)]), |B, x| {
            let [x] = x;
            joined::<B>(x, 3).unwrap()
        });
    }

    #[test]
    fn groups_are_neighbours() {
        let x = || matrix::<Kernels>(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 4, 2).unwrap();
        assert_eq!(mean::<Kernels>(x(), 2).unwrap().as_vec(), [2.0, 3.0, 6.0, 7.0]);
        let joined = joined::<Kernels>(x(), 2).unwrap();
        assert_eq!((*joined.shape(), joined.as_vec()), ((2, 4), x().as_vec()));
    }
}
