//! Networks on dfdx, the only folder that names it: operations with their gradients, layers, optimisers, losses, checkpoints.
//! Knows no stage, no file of the user and no astronomy.

pub mod backend;
mod image;
mod kernels;
pub mod ops;
mod track;

pub use backend::{Backend, Composed, Fault, Kernels, Made, Matrix, Scalar, Vector};
pub use image::Image;
