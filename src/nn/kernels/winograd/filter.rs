//! Weights of a convolution in points, and their gradient back.

use rayon::prelude::*;

use super::super::lanes::{Lanes, PANEL, Task, panel, perform};
use super::tiles::leave;
use super::transform::{evaluate, point, weight};

/// A filter in points, `[point, panel, depth, lane]`, zero where the last panel is not full.
pub(super) struct Filter {
    pub(super) values: Vec<f32>,
    pub(super) depth: usize,
    pub(super) panels: usize,
    /// Width of a panel.
    pub(super) lanes: usize,
}

impl Filter {
    /// Of `value(tap, depth, channel)`, with `kernel · kernel` taps.
    pub(super) fn new<const P: usize>(
        kernel: usize,
        depth: usize,
        channels: usize,
        value: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let (taps, lanes) = (kernel * kernel, panel(channels));
        let panels = channels.div_ceil(lanes);
        let mut packed = vec![0.0; panels * depth * taps * lanes]; // [panel, depth, tap, lane]
        packed.par_chunks_mut(taps * lanes).enumerate().for_each(|(i, packed)| {
            let first = i / depth * lanes;
            for (tap, slots) in packed.chunks_exact_mut(lanes).enumerate() {
                for (lane, slot) in slots.iter_mut().enumerate().take(channels - first) {
                    *slot = value(tap, i % depth, first + lane);
                }
            }
        });
        let mut values = vec![0.0; P * P * panels * depth * lanes];
        let row = P * panels * depth * lanes;
        values.par_chunks_mut(row).enumerate().for_each(|(y, values)| match kernel {
            3 => perform(PointRow::<P, 3> { packed: &packed, y, values }, lanes),
            4 => perform(PointRow::<P, 4> { packed: &packed, y, values }, lanes),
            _ => perform(PointRow::<P, 5> { packed: &packed, y, values }, lanes),
        });
        Self { values, depth, panels, lanes }
    }

    /// Channels of all panels.
    pub(super) fn channels(&self) -> usize {
        self.panels * self.lanes
    }

    /// The panel of `point`, `[depth, lane]`.
    pub(super) fn panel(&self, point: usize, panel: usize) -> &[f32] {
        let size = self.depth * self.lanes;
        &self.values[(point * self.panels + panel) * size..][..size]
    }
}

/// `w E filter Eᵀ w` at the points of one row.
struct PointRow<'a, const P: usize, const K: usize> {
    packed: &'a [f32],
    y: usize,
    values: &'a mut [f32],
}

impl<const P: usize, const K: usize> Task for PointRow<'_, P, K> {
    #[expect(unsafe_code, reason = "pointers whose bounds are asserted below; registers by the caller's contract")]
    #[inline(always)]
    unsafe fn run<V: Lanes, const N: usize>(self) {
        let Self { packed, y, values } = self;
        let powers: [f32; K] = std::array::from_fn(|i| match point::<P>(y) {
            Some(point) => point.powi(i as i32),
            None => f32::from(u8::from(i == K - 1)),
        });
        let weights: [f32; P] = std::array::from_fn(|x| weight::<P>(y) * weight::<P>(x));
        let lanes = N * V::COUNT;
        let count = packed.len() / (K * K * lanes);
        assert!(values.len() == P * count * lanes);
        // SAFETY: by contract; panels at `filter` and at `place` end within `packed` and `values` (asserted).
        unsafe {
            for i in 0..count {
                for n in 0..N {
                    let filter = packed.as_ptr().add(i * K * K * lanes + n * V::COUNT);
                    let mut row = [V::splat(0.0); K];
                    for x in 0..K {
                        for tap in 0..K {
                            let value = V::load(filter.add((tap * K + x) * lanes));
                            row[x] = value.times_plus(V::splat(powers[tap]), row[x]);
                        }
                    }
                    let row: [V; P] = evaluate(row);
                    for x in 0..P {
                        let scaled = row[x].times(V::splat(weights[x]));
                        scaled.store(values.as_mut_ptr().add((x * count + i) * lanes + n * V::COUNT));
                    }
                }
            }
        }
    }
}

/// Partial gradients of a filter in points, each `[point, depth, channel]`, summed in order: `[depth, tap, channel]`.
/// There are `channels`, a multiple of a panel.
pub(super) fn gradient<const P: usize>(partial: &[Vec<f32>], kernel: usize, depth: usize, channels: usize) -> Vec<f32> {
    let size = depth * channels;
    let mut sums = vec![0.0; P * P * size];
    sums.par_chunks_mut(size).enumerate().for_each(|(point, sums)| {
        for partial in partial {
            sums.iter_mut().zip(&partial[point * size..]).for_each(|(sum, more)| *sum += more);
        }
        let weight = weight::<P>(point / P) * weight::<P>(point % P);
        for sum in sums {
            *sum *= weight;
        }
    });
    let mut gradient = vec![0.0; depth * kernel * kernel * channels];
    gradient.par_chunks_mut(kernel * kernel * channels).enumerate().for_each(|(depth, taps)| {
        let points = &sums[depth * channels..];
        match kernel {
            3 => perform(Taps::<P, 3> { points, step: size, channels, taps }, PANEL),
            4 => perform(Taps::<P, 4> { points, step: size, channels, taps }, PANEL),
            _ => perform(Taps::<P, 5> { points, step: size, channels, taps }, PANEL),
        }
    });
    gradient
}

/// `Eᵀ points E` of one depth: `[tap, channel]`.
struct Taps<'a, const P: usize, const K: usize> {
    points: &'a [f32],
    step: usize,
    channels: usize,
    taps: &'a mut [f32],
}

impl<const P: usize, const K: usize> Task for Taps<'_, P, K> {
    #[expect(unsafe_code, reason = "pointers whose bounds are asserted below; registers by the caller's contract")]
    #[inline(always)]
    unsafe fn run<V: Lanes, const N: usize>(self) {
        let Self { points, step, channels, taps } = self;
        assert!(points.len() >= (P * P - 1) * step + channels && taps.len() == K * K * channels);
        assert!(channels.is_multiple_of(PANEL));
        for channel in (0..channels).step_by(V::COUNT) {
            // SAFETY: by contract; `channels` values lie at each point and at each tap (asserted).
            unsafe {
                let rows = leave::<V, P, K>(points.as_ptr().add(channel), step);
                for (tap, value) in rows.as_flattened().iter().enumerate() {
                    value.store(taps.as_mut_ptr().add(tap * channels + channel));
                }
            }
        }
    }
}
