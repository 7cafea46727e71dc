//! The operations that networks are made of, one file each: the loop of our own with its gradient, the same composed of
//! dfdx's operations, and the check of both gradients against finite differences.

pub mod alive;
pub mod batch_norm;
pub mod batch_renorm;
pub mod conv1d;
pub mod conv2d;
pub mod cross_entropy;
pub mod dropout;
pub mod flatten;
pub mod gaussian;
pub mod groups;
pub mod gru;
pub mod linear;
pub mod loss;
pub mod lstm;
pub mod max_pool;
pub mod mixture;
pub mod relu;
pub mod rnn;
pub(super) mod storage;
mod unroll;
pub mod upsample;

#[cfg(test)]
mod check;
