//! Networks on dfdx, the only folder that names it: operations with their gradients, layers, optimisers, losses, checkpoints.
//! Knows no stage, no file of the user and no astronomy.

pub mod adam;
pub mod backend;
mod batch;
pub mod bench;
mod checkpoint;
mod error;
mod image;
mod kernels;
pub mod layers;
mod network;
pub mod ops;
mod pass;
mod track;
pub mod train;
mod weights;

pub use backend::{Backend, Composed, Fault, Kernels, Made, Matrix, Scalar, Vector};
/// dfdx's operations on a CUDA device.
#[cfg(feature = "cuda")]
pub type Cuda = Composed<dfdx::tensor::Cuda>;

pub use batch::{Batch, Column, Rows};
#[cfg(test)]
pub(crate) use dfdx::tensor::Cpu;
pub use error::NnError;
pub use image::{Image, matrix};
pub use network::{CARD, Decoded, Model, ModelCard, Network, Posterior, WEIGHTS};
pub use ops::cross_entropy::softmax;
pub use ops::gru::Alive;
pub use pass::Pass;
#[cfg(test)]
pub(crate) use track::backward;
pub use weights::{Builder, Slot, Start, Weights};
