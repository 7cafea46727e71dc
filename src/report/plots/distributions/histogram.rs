//! Histograms of several samples over the same bins, each with the area 1. Knows no field and no figure.

use crate::metrics::bootstrap::quantile;
use crate::report::draw::axes::Scale;
use crate::report::draw::canvas::Point;

/// What is drawn of each sample: from its 1st to its 99th percentile at least.
const TAIL: f64 = 0.01;
const MOST_BINS: f64 = 24.0;
const FEWEST_BINS: f64 = 8.0;
/// A logarithmic axis shorter than this factor would tell nothing that a linear one does not.
const LONG: f64 = 5.0;

/// Bins that lie side by side.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bins {
    edges: Vec<f64>,
    log: bool,
}

impl Bins {
    /// From the lowest 1st to the highest 99th percentile of the samples, as many as the square root of the smallest sample
    /// says, 8 to 24; equal steps, on request of the logarithm, where values are positive and spread. Among whole numbers
    /// edges lie halfway. No sample may be empty; all values are finite.
    pub(super) fn over(samples: &[&[f64]], log: bool) -> Self {
        let fewest = samples.iter().map(|s| s.len()).min().unwrap_or(0);
        let count = (fewest as f64).sqrt().ceil().clamp(FEWEST_BINS, MOST_BINS);
        let limits = |keep: fn(f64) -> bool| {
            let mut limits = (f64::INFINITY, f64::NEG_INFINITY);
            for sample in samples {
                let mut sorted: Vec<f64> = sample.iter().copied().filter(|v| keep(*v)).collect();
                sorted.sort_unstable_by(f64::total_cmp);
                if !sorted.is_empty() {
                    limits = (limits.0.min(quantile(&sorted, TAIL)), limits.1.max(quantile(&sorted, 1.0 - TAIL)));
                }
            }
            limits
        };
        let positive = limits(|v| v > 0.0);
        let log = log && positive.1 > LONG * positive.0;
        let (low, high) = if log { positive } else { limits(|_| true) };
        let whole = samples.iter().all(|sample| sample.iter().all(|v| v.fract() == 0.0));
        let (low, high) = if whole {
            (low.floor() - 0.5, high.ceil() + 0.5)
        } else if high > low {
            (low, high)
        } else {
            (low - 0.5 * low.abs().max(1.0), high + 0.5 * high.abs().max(1.0))
        };
        let edge = |share: f64| if log { low * (high / low).powf(share) } else { low + (high - low) * share };
        let mut edges: Vec<f64> = (0..=count as usize).map(|i| edge(i as f64 / count)).collect();
        if whole {
            for edge in &mut edges {
                *edge = edge.floor() + 0.5;
            }
            edges.dedup();
        }
        Self { edges, log }
    }

    /// The axis that they fill.
    pub(super) fn scale(&self) -> Scale {
        let (low, high) = (self.edges[0], self.edges[self.edges.len() - 1]);
        if self.log { Scale::Log(low, high) } else { Scale::Linear(low, high) }
    }

    /// Density of the values inside, by unit of a linear and by decade of a logarithmic axis; zero everywhere without any.
    pub(super) fn densities(&self, values: &[f64]) -> Vec<f64> {
        let (low, high) = (self.edges[0], self.edges[self.edges.len() - 1]);
        let mut counts = vec![0_usize; self.edges.len() - 1];
        for value in values.iter().filter(|v| (low..=high).contains(*v)) {
            let bin = self.edges.partition_point(|edge| edge <= value).clamp(1, counts.len());
            counts[bin - 1] += 1;
        }
        let inside = counts.iter().sum::<usize>().max(1) as f64;
        let width = |ends: &[f64]| if self.log { (ends[1] / ends[0]).log10() } else { ends[1] - ends[0] };
        counts.iter().zip(self.edges.windows(2)).map(|(count, ends)| *count as f64 / inside / width(ends)).collect()
    }

    /// Corners of the steps, from zero to zero.
    pub(super) fn steps(&self, densities: &[f64]) -> Vec<Point> {
        let (first, last) = (self.edges[0], self.edges[self.edges.len() - 1]);
        let (mut points, mut height) = (vec![(first, 0.0)], 0.0);
        for (edge, density) in self.edges.iter().zip(densities) {
            if *density != height {
                points.extend([(*edge, height), (*edge, *density)]);
                height = *density;
            }
        }
        points.extend([(last, height), (last, 0.0)]);
        points.dedup();
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(bins: &Bins, values: &[f64]) -> f64 {
        let width = |ends: &[f64]| if bins.log { (ends[1] / ends[0]).log10() } else { ends[1] - ends[0] };
        bins.densities(values).iter().zip(bins.edges.windows(2)).map(|(d, ends)| d * width(ends)).sum()
    }

    /// ```python
    /// v = np.array([(i*i % 97)/8 + i/64 for i in range(100)]); w = v*v/8; low, high = np.quantile([v, w], [0.01, 0.99], axis=1)
    /// n, e = np.histogram(v, 10, (low.min(), high.max()), density=True); print(e[[0, -1]], n)
    /// ```
    #[test]
    fn equal_numpy() {
        let v: Vec<f64> = (0..100).map(|i| f64::from(i * i % 97) / 8.0 + f64::from(i) / 64.0).collect();
        let w: Vec<f64> = v.iter().map(|v| v * v / 8.0).collect();
        let bins = Bins::over(&[&v, &w], false);
        let ends = [0.002_447_204_589_843_75, 21.534_743_957_519_53];
        assert!((bins.edges[0] - ends[0]).abs() < 1e-12 && (bins.edges[10] - ends[1]).abs() < 1e-12, "{bins:?}");
        let theirs = [
            0.089_130_850_332_108_38,
            0.056_293_168_630_805_29,
            0.075_057_558_174_407_05,
            0.079_748_655_560_307_5,
            0.075_057_558_174_407_03,
            0.079_748_655_560_307_52,
            0.009_382_194_771_800_885,
            0.0,
            0.0,
            0.0,
        ];
        let near = bins.densities(&v).iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near, "{:?}", bins.densities(&v));
        assert!((area(&bins, &w) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn whole_numbers_have_bins_around_them() {
        let few = [1.0, 1.0, 2.0, 4.0];
        assert_eq!(Bins::over(&[&few], false).edges, [0.5, 1.5, 2.5, 3.5, 4.5]);
        let many: Vec<f64> = (1..=2000).map(f64::from).collect();
        let bins = Bins::over(&[&many], true);
        assert!(bins.log && bins.edges[..3] == [19.5, 23.5, 28.5], "{bins:?}");
        assert!(bins.edges.iter().all(|edge| edge.fract() == 0.5) && bins.edges.is_sorted_by(|a, b| a < b));
        assert!((area(&bins, &many) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn equal_values_and_none_that_are_positive_have_bins() {
        let bins = Bins::over(&[&[2.25; 9], &[2.25; 20]], true);
        assert!(!bins.log && (area(&bins, &[2.25; 9]) - 1.0).abs() < 1e-12, "{bins:?}");
        let bins = Bins::over(&[&[0.0, -2.5]], true);
        assert!(!bins.log && (area(&bins, &[-1.0]) - 1.0).abs() < 1e-12, "{bins:?}");
        assert_eq!(area(&bins, &[9.0]), 0.0);
        assert_eq!(bins.steps(&[0.0; 8]).len(), 2);
    }

    #[test]
    fn steps_turn_only_where_the_density_changes() {
        let bins = Bins::over(&[&[1.0, 4.0]], false);
        let corners = [(0.5, 0.0), (0.5, 0.5), (1.5, 0.5), (1.5, 0.25), (3.5, 0.25), (3.5, 0.0), (4.5, 0.0)];
        assert_eq!(bins.steps(&[0.5, 0.25, 0.25, 0.0]), corners);
        assert_eq!(bins.steps(&[0.0, 0.0, 0.0, 2.0]), [(0.5, 0.0), (3.5, 0.0), (3.5, 2.0), (4.5, 2.0), (4.5, 0.0)]);
    }
}
