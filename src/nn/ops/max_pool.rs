//! The largest value of each window, windows side by side; rows and columns beyond the last whole window are dropped.

use dfdx::prelude::{Axis, BroadcastTo, GatherTo, ReshapeTo, SplitTape, Tape, TensorFromVec, TryAdd};
use rayon::prelude::*;

use super::storage::{matrix, take_gradient, tracked, values};
use crate::nn::backend::{Backend, Kernels, Made};
use crate::nn::image::Image;
use crate::nn::kernels::collect;

/// Input pixels of each window of one image, window after window.
fn windows(side: usize, window: usize) -> Vec<usize> {
    let pooled = side / window;
    let corner = move |at: usize| (at / pooled * side + at % pooled) * window;
    let inside = move |at: usize| (0..window * window).map(move |i| corner(at) + i / window * side + i % window);
    (0..pooled * pooled).flat_map(inside).collect()
}

/// `[batch, y, x, channel]` to `[batch, y / window, x / window, channel]` by a loop of our own. Of equal values the first of a
/// window has the gradient.
pub(crate) fn kernel(x: Image<Kernels>, window: usize) -> Made<Image<Kernels>, Kernels> {
    let (batch, channels, side) = (x.batch, x.channels(), x.side / window);
    let (source_size, target_size) = (x.side * x.side * channels, side * side * channels);
    let (pixels, area) = (windows(x.side, window), window * window);
    let (x, mut tape) = x.pixels.split_tape();
    let output = collect(batch * target_size, target_size, |image, output| {
        let x = &values(&x)[image * source_size..][..source_size];
        for (largest, window) in output.chunks_exact_mut(channels).zip(pixels.chunks_exact(area)) {
            largest.fill(f32::NEG_INFINITY);
            for pixel in window {
                for (largest, &value) in largest.iter_mut().zip(&x[pixel * channels..][..channels]) {
                    *largest = if value > *largest || value.is_nan() { value } else { *largest };
                }
            }
        }
    });
    let output = matrix(output, batch * side * side, channels)?;
    let made = output.clone();
    tape.add_backward_op(move |grads| {
        let mut gradient = take_gradient(grads, &made)?;
        let sums = grads.get_or_alloc_mut(&x)?.par_chunks_mut(source_size).zip(values(&x).par_chunks(source_size));
        let images = gradient.par_chunks_mut(target_size).zip(values(&made).par_chunks(target_size));
        sums.zip(images).for_each(|((sums, x), (gradient, made))| {
            let targets = gradient.chunks_exact_mut(channels).zip(made.chunks_exact(channels));
            for ((gradient, largest), window) in targets.zip(pixels.chunks_exact(area)) {
                for pixel in window {
                    let place = pixel * channels..(pixel + 1) * channels;
                    give(gradient, largest, &x[place.clone()], &mut sums[place]);
                }
            }
        });
        Ok(())
    });
    Ok(Image { pixels: tracked(output, tape), batch, side })
}

/// Moves the gradient of what is largest to the sums of the pixel that has it.
fn give(gradient: &mut [f32], largest: &[f32], x: &[f32], sums: &mut [f32]) {
    for ((gradient, largest), (x, sum)) in gradient.iter_mut().zip(largest).zip(x.iter().zip(sums)) {
        let has = x == largest;
        *sum += if has { *gradient } else { 0.0 };
        *gradient = if has { 0.0 } else { *gradient };
    }
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
    let index = B::device().try_tensor_from_vec(winners, (count,))?;
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
    let offsets = B::device().try_tensor_from_vec(offsets, (rows,))?;
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
