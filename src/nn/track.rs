//! A tape that records or not, decided when a network runs, so that training and inference share one tensor type.
//! Knows no operation.

use dfdx::shapes::Shape;
use dfdx::tensor::{Gradients, HasErr, Merge, NoneTape, OwnedTape, PutTape, SplitTape, Storage, Tape, Tensor};
use dfdx::tensor_ops::Backward;

use super::backend::Device;

/// Records the operations whose gradients are wanted; when off, it forgets them at once.
#[derive(Debug)]
pub struct Track<D: Storage<f32>>(Option<OwnedTape<f32, D>>);

impl<D: Storage<f32>> Track<D> {
    /// A fresh tape that records.
    pub(crate) fn on() -> Self {
        Self(Some(OwnedTape::default()))
    }

    /// Whether it records.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

impl<D: Storage<f32>> Default for Track<D> {
    fn default() -> Self {
        Self(None)
    }
}

impl<D: Storage<f32>> Merge<Self> for Track<D> {
    fn merge(self, other: Self) -> Self {
        Self(match (self.0, other.0) {
            (Some(tape), Some(other)) => Some(tape.merge(other)),
            (tape, other) => tape.or(other),
        })
    }
}

impl<D: Storage<f32>> Merge<NoneTape> for Track<D> {
    fn merge(self, _: NoneTape) -> Self {
        self
    }
}

impl<D: Storage<f32>> Tape<f32, D> for Track<D> {
    const OWNS_TAPE: bool = true;

    fn add_backward_op<F>(&mut self, operation: F)
    where
        F: 'static + FnOnce(&mut Gradients<f32, D>) -> Result<(), <D as HasErr>::Err>,
    {
        if let Some(tape) = &mut self.0 {
            tape.add_backward_op(operation);
        }
    }
}

/// Two tensors of the same value and identity; both record if `x` does.
pub(crate) fn fork<S: Shape, D: Device>(
    x: Tensor<S, f32, D, Track<D>>,
) -> (Tensor<S, f32, D, Track<D>>, Tensor<S, f32, D, Track<D>>) {
    let (plain, track) = x.split_tape();
    let second = if track.is_on() { Track::on() } else { Track::default() };
    (plain.clone().put_tape(track), plain.put_tape(second))
}

/// Gradients of everything that `loss` was computed from with a recording tape.
pub(crate) fn backward<D: Device>(loss: Tensor<(), f32, D, Track<D>>) -> Result<Gradients<f32, D>, D::Err> {
    let (value, track) = loss.split_tape();
    value.put_tape(track.0.unwrap_or_default()).try_backward()
}
