//! The index work of a convolution, done once per shape: which source pixel each tap of each target pixel reads.
//! Knows no pixel values and no processor.

use std::ops::Range;

use super::microkernel::ROWS;

/// Marks a tap that falls on the zero padding.
pub(crate) const PADDING: u32 = u32::MAX;
/// Output pixels per block of the weight gradient: two blocks of 64 channels stay in a first-level cache of 32 KiB.
const BLOCK_PIXELS: usize = 48;

/// Sizes of a convolution with a square kernel over one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Rows of the input image.
    pub(crate) height: usize,
    /// Columns of the input image.
    pub(crate) width: usize,
    /// Side of the kernel in pixels.
    pub(crate) kernel: usize,
    /// Pixels between neighbouring outputs.
    pub(crate) stride: usize,
    /// Rows and columns of zeros around the image.
    pub(crate) padding: usize,
}

/// One tap of a tile: the source pixel that each pixel of the tile reads, or [`PADDING`].
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) tap: u32,
    pub(crate) sources: [u32; ROWS],
}

/// Up to [`ROWS`] target pixels and the steps (a range of [`Plan::steps`]) whose sum they are.
#[derive(Debug, Clone)]
pub(crate) struct Tile {
    pub(crate) pixels: [u32; ROWS],
    pub(crate) count: usize,
    pub(crate) steps: Range<usize>,
}

/// Every target pixel of an image in tiles; taps that read nothing but padding are left out.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) tiles: Vec<Tile>,
    pub(crate) steps: Vec<Step>,
    pub(crate) source_pixels: usize,
    pub(crate) target_pixels: usize,
}

/// Consecutive output pixels of one row and the input pixels one tap pairs with them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) source: usize,
    pub(crate) target: usize,
    pub(crate) count: usize,
}

impl Geometry {
    /// Output rows and columns, `⌊(side + 2·padding − kernel) / stride⌋ + 1`; zero where the kernel does not fit.
    pub(crate) fn output(&self) -> (usize, usize) {
        let side = |n: usize| (n + 2 * self.padding).checked_sub(self.kernel).map_or(0, |free| free / self.stride + 1);
        (side(self.height), side(self.width))
    }

    /// Taps of the kernel.
    pub(crate) fn taps(&self) -> usize {
        self.kernel * self.kernel
    }

    /// Input coordinate that output coordinate `at` reads through tap coordinate `tap`, if inside `size`.
    fn source(&self, at: usize, tap: usize, size: usize) -> Option<usize> {
        (at * self.stride + tap).checked_sub(self.padding).filter(|&source| source < size)
    }

    /// Output coordinate that reads input coordinate `at` through tap coordinate `tap`, if there is one below `size`.
    fn reader(&self, at: usize, tap: usize, size: usize) -> Option<usize> {
        let ahead = (at + self.padding).checked_sub(tap)?;
        (ahead % self.stride == 0 && ahead / self.stride < size).then_some(ahead / self.stride)
    }

    /// The convolution of the output gradient with the turned kernel that gives the input gradient, at stride 1.
    pub(crate) fn turned(&self) -> Option<Self> {
        let (height, width) = self.output();
        let padding = (self.kernel - 1).checked_sub(self.padding)?;
        (self.stride == 1).then_some(Self { height, width, padding, ..*self })
    }

    /// For each output pixel and tap, in that order, the input pixel; `None` on the padding.
    pub(crate) fn sources(&self) -> Vec<Option<usize>> {
        let (rows, columns) = self.output();
        let taps = |y, x| (0..self.taps()).map(move |tap| self.pixel((y, x), (tap / self.kernel, tap % self.kernel)));
        (0..rows).flat_map(|y| (0..columns).flat_map(move |x| taps(y, x))).collect()
    }

    fn pixel(&self, (y, x): (usize, usize), (ky, kx): (usize, usize)) -> Option<usize> {
        Some(self.source(y, ky, self.height)? * self.width + self.source(x, kx, self.width)?)
    }

    /// Gradients of input pixels as sums over gradients of output pixels. Pixels that the same taps reach (one class
    /// per remainder of the stride) share tiles, so that a stride costs no multiplications with zero.
    pub(crate) fn input_gradient(&self) -> Plan {
        let (rows, columns) = self.output();
        let classes: Vec<Vec<_>> = (0..self.stride * self.stride)
            .map(|class| {
                let column = move |y| (class % self.stride..self.width).step_by(self.stride).map(move |x| (y, x));
                (class / self.stride..self.height).step_by(self.stride).flat_map(column).collect()
            })
            .collect();
        let source = |(y, x): (usize, usize), (ky, kx): (usize, usize)| {
            Some((self.reader(y, ky, rows)? * columns + self.reader(x, kx, columns)?) as u32)
        };
        self.plan(&classes, self.width, rows * columns, source)
    }

    fn plan(
        &self,
        classes: &[Vec<(usize, usize)>],
        columns: usize,
        source_pixels: usize,
        source: impl Fn((usize, usize), (usize, usize)) -> Option<u32>,
    ) -> Plan {
        let target_pixels = classes.iter().map(Vec::len).sum();
        let mut plan = Plan { tiles: Vec::new(), steps: Vec::new(), source_pixels, target_pixels };
        for group in classes.iter().flat_map(|class| class.chunks(ROWS)) {
            let first = plan.steps.len();
            for tap in 0..self.taps() {
                let mut sources = [PADDING; ROWS];
                for (slot, &pixel) in sources.iter_mut().zip(group) {
                    *slot = source(pixel, (tap / self.kernel, tap % self.kernel)).unwrap_or(PADDING);
                }
                if sources != [PADDING; ROWS] {
                    plan.steps.push(Step { tap: tap as u32, sources });
                }
            }
            let mut pixels = [0; ROWS];
            for (slot, &(y, x)) in pixels.iter_mut().zip(group) {
                *slot = (y * columns + x) as u32;
            }
            plan.tiles.push(Tile { pixels, count: group.len(), steps: first..plan.steps.len() });
        }
        plan
    }

    /// Pairs of input and output pixels whose products make the weight gradient: per block of output rows, per tap.
    pub(crate) fn runs(&self) -> Vec<Vec<Vec<Run>>> {
        let (rows, columns) = self.output();
        let rows_per_block = (BLOCK_PIXELS / columns.max(1)).max(1);
        let block = |first: usize| {
            let last = (first + rows_per_block).min(rows);
            (0..self.taps()).map(|tap| (first..last).filter_map(|y| self.run(y, tap)).collect()).collect()
        };
        (0..rows).step_by(rows_per_block).map(block).collect()
    }

    fn run(&self, y: usize, tap: usize) -> Option<Run> {
        let columns = self.output().1;
        let (ky, kx) = (tap / self.kernel, tap % self.kernel);
        let source_y = self.source(y, ky, self.height)?;
        let first = (0..columns).find(|&x| self.source(x, kx, self.width).is_some())?;
        let count = (first..columns).take_while(|&x| self.source(x, kx, self.width).is_some()).count();
        let source = source_y * self.width + self.source(first, kx, self.width)?;
        Some(Run { source, target: y * columns + first, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stride_of_two_wastes_no_taps_of_the_input_gradient() {
        let geometry = Geometry { height: 21, width: 21, kernel: 3, stride: 2, padding: 1 };
        assert_eq!(geometry.output(), (11, 11));
        let pairs = |plan: &Plan| -> usize {
            plan.steps.iter().flat_map(|step| step.sources).filter(|&source| source != PADDING).count()
        };
        let (forward, backward) = (geometry.sources().iter().flatten().count(), geometry.input_gradient());
        assert_eq!(forward, pairs(&backward));
        assert!(backward.steps.len() * ROWS < pairs(&backward) * 11 / 10, "{} steps", backward.steps.len());
        let in_runs: usize = geometry.runs().iter().flatten().flatten().map(|run| run.count).sum();
        assert_eq!(in_runs, forward);
    }

    #[test]
    fn a_kernel_larger_than_the_image_has_no_output() {
        assert_eq!(Geometry { height: 2, width: 9, kernel: 5, stride: 1, padding: 1 }.output(), (0, 7));
    }
}
