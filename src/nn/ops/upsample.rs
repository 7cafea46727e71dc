//! Nearest-neighbour resize: output pixel `y` reads input row `⌊y · side / new side⌋`, the rule of PyTorch's
//! `interpolate(mode="nearest")`.

use dfdx::prelude::{GatherTo, SplitTape, Tape, TensorFromVec};
use rayon::prelude::*;

use super::storage::{matrix, take_gradient, tracked, values};
use crate::nn::backend::{Backend, Kernels, Made};
use crate::nn::image::Image;
use crate::nn::kernels::collect;

/// Input pixel of each output pixel of one image.
fn sources(from: usize, to: usize) -> Vec<usize> {
    let source = move |at: usize| at * from / to;
    (0..to).flat_map(|y| (0..to).map(move |x| source(y) * from + source(x))).collect()
}

/// `[batch, y, x, channel]` to `[batch, side, side, channel]` by copying pixels.
pub(crate) fn kernel(x: Image<Kernels>, side: usize) -> Made<Image<Kernels>, Kernels> {
    let (batch, channels, from) = (x.batch, x.channels(), sources(x.side, side));
    let source_size = x.side * x.side * channels;
    let (x, mut tape) = x.pixels.split_tape();
    let target_size = from.len() * channels;
    let output = collect(batch * target_size, target_size, |image, output| {
        let x = &values(&x)[image * source_size..][..source_size];
        for (pixel, &source) in output.chunks_exact_mut(channels).zip(&from) {
            pixel.copy_from_slice(&x[source * channels..][..channels]);
        }
    });
    let output = matrix(output, batch * from.len(), channels)?;
    let made = output.clone();
    tape.add_backward_op(move |grads| {
        let gradient = take_gradient(grads, &made)?;
        let sums = grads.get_or_alloc_mut(&x)?;
        let images = sums.par_chunks_mut(source_size).zip(gradient.par_chunks(from.len() * channels));
        images.for_each(|(sums, gradient)| {
            for (pixel, &source) in gradient.chunks_exact(channels).zip(&from) {
                sums[source * channels..][..channels].iter_mut().zip(pixel).for_each(|(sum, more)| *sum += more);
            }
        });
        Ok(())
    });
    Ok(Image { pixels: tracked(output, tape), batch, side })
}

/// The same by dfdx's `gather`.
pub(crate) fn composed<B: Backend>(x: Image<B>, side: usize) -> Made<Image<B>, B> {
    let (batch, area, from) = (x.batch, x.side * x.side, sources(x.side, side));
    let index: Vec<usize> = (0..batch).flat_map(|image| from.iter().map(move |at| image * area + at)).collect();
    let index = B::device().try_tensor_from_vec(index, (batch * from.len(),))?;
    Ok(Image { pixels: x.pixels.try_gather(index)?, batch, side })
}

#[cfg(test)]
mod tests {
    use super::super::check::{Case, check_both};
    use super::*;

    #[test]
    fn six_grows_to_eleven_as_in_pytorch() {
        // torch.nn.functional.interpolate(torch.arange(6.).view(1, 1, 1, 6), size=(1, 11), mode="nearest")
        assert_eq!(sources(6, 11)[..11], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]);
    }

    #[test]
    fn gradients_match_finite_differences_on_both_paths() {
        check_both!(Case::new(&[(2 * 9, 4)]), |B, x| {
            let [pixels] = x;
            B::upsample(Image { pixels, batch: 2, side: 3 }, 5).unwrap().pixels
        });
    }
}
