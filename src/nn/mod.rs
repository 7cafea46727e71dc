//! Networks on dfdx, the only folder that names it: operations with their gradients, layers, optimisers, losses, checkpoints.
//! Knows no stage, no file of the user and no astronomy.

pub mod backend;
mod batch;
pub mod bench;
mod checkpoint;
#[cfg(feature = "cuda")]
mod cuda;
mod error;
mod image;
pub mod import;
mod kernels;
pub mod layers;
mod network;
pub mod ops;
pub mod optimisers;
mod pass;
pub mod profile;
pub mod recurrent;
mod track;
pub mod train;
mod weights;

pub use backend::{Backend, Composed, Fault, Kernels, Made, Matrix, Scalar, Vector};
pub use batch::{Batch, Column, Rows, Visit};
#[cfg(feature = "cuda")]
pub use cuda::{Cuda, check as check_cuda};
#[cfg(test)]
pub(crate) use dfdx::tensor::Cpu;
pub use error::{ArrayFault, NnError};
pub use image::{Image, matrix};
pub use network::{CARD, Decoded, Model, ModelCard, Network, Posterior, WEIGHTS};
pub use ops::alive::Alive;
pub use ops::cross_entropy::softmax;
pub use pass::Pass;
#[cfg(test)]
pub(crate) use track::backward;
pub use weights::{Builder, Slot, Start, Weights};
