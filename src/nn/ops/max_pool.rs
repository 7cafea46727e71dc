//! The largest value of each window, windows side by side; rows and columns beyond the last whole window are dropped.

use dfdx::prelude::{Axis, BroadcastTo, GatherTo, ReshapeTo, SplitTape, Tape, TensorFromVec, TryAdd};
use rayon::prelude::*;

use super::storage::{matrix, take_gradient, tracked, values};
use crate::nn::backend::{Backend, Kernels, Made};
use crate::nn::image::Image;

/// Input pixels of each window of one image, window after window.
fn windows(side: usize, window: usize) -> Vec<usize> {
    let pooled = side / window;
    let corner = move |at: usize| (at / pooled * side + at % pooled) * window;
    let inside = move |at: usize| (0..window * window).map(move |i| corner(at) + i / window * side + i % window);
    (0..pooled * pooled).flat_map(inside).collect()
}

/// `[batch, y, x, channel]` to `[batch, y / window, x / window, channel]` by a loop of our own.
pub(crate) fn kernel(x: Image<Kernels>, window: usize) -> Made<Image<Kernels>, Kernels> {
    let (batch, channels, side) = (x.batch, x.channels(), x.side / window);
    let (source_size, target_size) = (x.side * x.side * channels, side * side * channels);
    let pixels = windows(x.side, window);
    let (x, mut tape) = x.pixels.split_tape();
    let mut output = vec![f32::NEG_INFINITY; batch * target_size];
    let mut winners = vec![0_u32; batch * target_size];
    let images = output.par_chunks_mut(target_size).zip(winners.par_chunks_mut(target_size));
    images.zip(values(&x).par_chunks(source_size)).for_each(|((output, winners), x)| {
        let targets = output.chunks_exact_mut(channels).zip(winners.chunks_exact_mut(channels));
        for ((output, winners), window) in targets.zip(pixels.chunks_exact(window * window)) {
            for &pixel in window {
                for c in 0..channels {
                    let value = x[pixel * channels + c];
                    if value > output[c] || value.is_nan() {
                        (output[c], winners[c]) = (value, (pixel * channels + c) as u32);
                    }
                }
            }
        }
    });
    let output = matrix(output, batch * side * side, channels)?;
    let made = output.clone();
    tape.add_backward_op(move |grads| {
        let gradient = take_gradient(grads, &made)?;
        let sums = grads.get_or_alloc_mut(&x)?;
        let images = gradient.par_chunks(target_size).zip(winners.par_chunks(target_size));
        sums.par_chunks_mut(source_size).zip(images).for_each(|(sums, (gradient, winners))| {
            gradient.iter().zip(winners).for_each(|(more, &winner)| sums[winner as usize] += more);
        });
        Ok(())
    });
    Ok(Image { pixels: tracked(output, tape), batch, side })
}

/// The same by dfdx: the values that win are gathered. Its own maximum would pass the gradient to each of several equal
/// values, of which there are many after a ReLU.
pub(crate) fn composed<B: Backend>(x: Image<B>, window: usize) -> Made<Image<B>, B> {
    let (batch, channels, side, area) = (x.batch, x.channels(), x.side / window, x.side * x.side);
    let pixels = windows(x.side, window);
    let values = x.pixels.as_vec();
    let mut winners = Vec::with_capacity(batch * side * side * channels);
    for image in 0..batch {
        for window in pixels.chunks_exact(window * window) {
            for channel in 0..channels {
                let place = |pixel: &usize| (image * area + pixel) * channels + channel;
                let first_largest = |best: usize, at: usize| if values[at] > values[best] { at } else { best };
                winners.extend(window.iter().map(place).reduce(first_largest));
            }
        }
    }
    let count = winners.len();
    let index = B::Device::default().try_tensor_from_vec(winners, (count,))?;
    let flat = x.pixels.try_reshape_like(&(batch * area * channels,))?;
    let pixels = flat.try_gather(index)?.try_reshape_like(&(batch * side * side, channels))?;
    Ok(Image { pixels, batch, side })
}

/// Less than every value of an image.
const LEAST: f32 = -1e30;

/// The image with one more row and column that lose against every value, where its side is odd: pooled by two it then
/// loses nothing ("SAME" of TensorFlow).
pub fn even<B: Backend>(x: Image<B>) -> Made<Image<B>, B> {
    if x.side.is_multiple_of(2) {
        return Ok(x);
    }
    let (channels, Image { pixels, batch, side }) = (x.channels(), x);
    let (mut index, mut offsets) = (Vec::new(), Vec::new());
    for image in 0..batch {
        for (y, x) in (0..=side).flat_map(|y| (0..=side).map(move |x| (y, x))) {
            index.push((image * side + y.min(side - 1)) * side + x.min(side - 1));
            offsets.push(if y < side && x < side { 0.0 } else { LEAST });
        }
    }
    let rows = index.len();
    let offsets = B::Device::default().try_tensor_from_vec(offsets, (rows,))?;
    let offsets = offsets.try_broadcast_like::<_, Axis<1>>(&(rows, channels))?;
    Ok(Image { pixels: B::rows(pixels, index)?.try_add(offsets)?, batch, side: side + 1 })
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, check_both};
    use super::*;

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        check_both!(Case::new(&[(2 * 25, 3)]), |B, x| {
            let [pixels] = x;
            B::max_pool(Image { pixels, batch: 2, side: 5 }, 2).unwrap().pixels
        });
        check_both!(Case::new(&[(2 * 25, 3)]), |B, x| {
            let [pixels] = x;
            let whole = even::<B>(Image { pixels, batch: 2, side: 5 }).unwrap();
            B::max_pool(whole, 2).unwrap().pixels
        });
    }
}
