//! How the sums of a convolution reach their place in memory.

use super::activation::Activation;
use super::lanes::{Lanes, PANEL};

/// What is done with each sum.
#[derive(Clone, Copy)]
pub(super) enum Finish<'a> {
    /// Replaces what is there, after adding the bias of its channel (given in whole panels) and an activation.
    Write(&'a [f32], Activation),
    /// Is added to what is there.
    Add,
}

impl Finish<'_> {
    /// Of `sums`, those of the channels from `channel` on, as many as `target` takes.
    ///
    /// # Safety
    /// The processor has the registers of `V`.
    #[expect(unsafe_code, reason = "pointers to slices long enough; registers by the caller's contract")]
    #[inline(always)]
    pub(super) unsafe fn lanes<V: Lanes>(self, sums: V, channel: usize, target: &mut [f32]) {
        let mut few = [0.0; PANEL];
        let is_whole = target.len() == V::COUNT;
        if !is_whole {
            few[..target.len()].copy_from_slice(target);
        }
        let place = if is_whole { target.as_mut_ptr() } else { few.as_mut_ptr() };
        // SAFETY: by contract; `COUNT` values, at most a panel, lie at `place` and in `bias`.
        unsafe {
            let value = match self {
                Self::Write(bias, activation) => {
                    activation.of(sums.plus(V::load(bias[channel..][..V::COUNT].as_ptr())))
                }
                Self::Add => sums.plus(V::load(place)),
            };
            value.store(place);
        }
        if !is_whole {
            target.copy_from_slice(&few[..target.len()]);
        }
    }

    /// The same for a panel of sums.
    ///
    /// # Safety
    /// The processor has the registers of `V`.
    #[expect(unsafe_code, reason = "pointers to slices long enough; registers by the caller's contract")]
    #[inline(always)]
    pub(super) unsafe fn panel<V: Lanes>(self, sums: &[f32; PANEL], channel: usize, target: &mut [f32]) {
        for first in (0..target.len()).step_by(V::COUNT) {
            let last = target.len().min(first + V::COUNT);
            // SAFETY: by contract; `COUNT` divides a panel, so that many values follow.
            unsafe { self.lanes(V::load(sums.as_ptr().add(first)), channel + first, &mut target[first..last]) };
        }
    }
}
