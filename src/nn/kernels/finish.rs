//! How the sums of a convolution reach their place in memory.

use super::activation::Activation;
use super::lanes::{Lanes, PANEL};

/// What is done with each sum.
#[derive(Clone, Copy)]
pub(super) enum Finish<'a> {
    /// Replaces what is there, after what follows a convolution.
    Write(&'a After, Activation),
    /// Is added to what is there.
    Add,
}

/// What follows a convolution, for each channel in whole panels.
pub(super) struct After {
    bias: Vec<f32>,
    /// Factor and then offset of a norm, if there is one.
    norm: Option<[Vec<f32>; 2]>,
}

impl After {
    pub(super) fn new(bias: &[f32], norm: Option<[&[f32]; 2]>) -> Self {
        let panels = |values: &[f32]| {
            let mut panels = values.to_vec();
            panels.resize(values.len().next_multiple_of(PANEL), 0.0);
            panels
        };
        Self { bias: panels(bias), norm: norm.map(|norm| norm.map(panels)) }
    }

    /// Of the sums of `COUNT` channels from `channel` on.
    ///
    /// # Safety
    /// The processor has the registers of `V`.
    #[expect(unsafe_code, reason = "pointers to slices long enough; registers by the caller's contract")]
    #[inline(always)]
    unsafe fn of<V: Lanes>(&self, sums: V, channel: usize) -> V {
        // SAFETY: by contract; `COUNT` values lie there.
        let at = |values: &[f32]| unsafe { V::load(values[channel..][..V::COUNT].as_ptr()) };
        let sums = sums.plus(at(&self.bias));
        match &self.norm {
            // two roundings, as in a pass of its own
            Some([factor, offset]) => sums.times(at(factor)).plus(at(offset)),
            None => sums,
        }
    }
}

impl Finish<'_> {
    /// Of `sums`, those of the channels from `channel` on, as many as `target` takes.
    ///
    /// # Safety
    /// The processor has the registers of `V`.
    #[expect(unsafe_code, reason = "pointers to slices long enough; registers by the caller's contract")]
    #[inline(always)]
    pub(super) unsafe fn lanes<V: Lanes>(self, sums: V, channel: usize, target: &mut [f32]) {
        if target.len() == V::COUNT {
            // SAFETY: by contract; `COUNT` values lie there.
            unsafe { self.at(sums, channel, target.as_mut_ptr()) };
            return;
        }
        let mut few = [0.0; PANEL];
        few[..target.len()].copy_from_slice(target);
        // SAFETY: by contract; a panel lies there, at least `COUNT` values.
        unsafe { self.at(sums, channel, few.as_mut_ptr()) };
        target.copy_from_slice(&few[..target.len()]);
    }

    /// Of all `sums`, to `place`.
    ///
    /// # Safety
    /// The processor has the registers of `V`, and `COUNT` values lie at `place`.
    #[expect(unsafe_code, reason = "pointer and registers by the caller's contract")]
    #[inline(always)]
    unsafe fn at<V: Lanes>(self, sums: V, channel: usize, place: *mut f32) {
        // SAFETY: by contract.
        unsafe {
            let value = match self {
                Self::Write(after, activation) => activation.of(after.of(sums, channel)),
                Self::Add => sums.plus(V::load(place)),
            };
            value.store(place);
        }
    }

    /// The same for a panel of sums.
    ///
    /// # Safety
    /// The processor has the registers of `V`.
    #[expect(unsafe_code, reason = "pointers to slices long enough; registers by the caller's contract")]
    #[inline(always)]
    pub(super) unsafe fn panel<V: Lanes>(self, sums: &[f32], channel: usize, target: &mut [f32]) {
        for first in (0..target.len()).step_by(V::COUNT) {
            let last = target.len().min(first + V::COUNT);
            // SAFETY: by contract; `COUNT` divides a panel, so that many values follow.
            unsafe { self.lanes(V::load(sums.as_ptr().add(first)), channel + first, &mut target[first..last]) };
        }
    }
}
