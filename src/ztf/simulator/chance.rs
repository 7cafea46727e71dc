//! Random draws in the shapes the simulator needs, from one stream per object.
//! Knows no astronomy.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// The generator of one object.
pub(super) type Stream = ChaCha8Rng;

/// The stream of object `index`: independent of every other object and of the order they are made in.
pub(super) fn stream(seed: u64, index: usize) -> Stream {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index as u64);
    rng
}

/// Uniform in `[low, high)`.
pub(super) fn uniform(rng: &mut Stream, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// True with probability `p`.
pub(super) fn chance(rng: &mut Stream, p: f64) -> bool {
    rng.random::<f64>() < p
}

/// Gaussian of mean `mean` and standard deviation `sigma`.
pub(super) fn normal(rng: &mut Stream, mean: f64, sigma: f64) -> f64 {
    let z: f64 = StandardNormal.sample(rng);
    mean + sigma * z
}

/// Log-normal of median `median`; `spread` is the standard deviation of its natural logarithm.
pub(super) fn log_normal(rng: &mut Stream, median: f64, spread: f64) -> f64 {
    median * normal(rng, 0.0, spread).exp()
}

/// Exponential of mean `mean`.
pub(super) fn exponential(rng: &mut Stream, mean: f64) -> f64 {
    -mean * (1.0 - rng.random::<f64>()).ln()
}

/// Poisson count: Knuth's product for small means, a rounded Gaussian above 60.
pub(super) fn poisson(rng: &mut Stream, mean: f64) -> usize {
    if mean > 60.0 {
        return normal(rng, mean, mean.sqrt()).round().max(0.0) as usize;
    }
    let (limit, mut product, mut count) = ((-mean).exp(), rng.random::<f64>(), 0);
    while product > limit {
        product *= rng.random::<f64>();
        count += 1;
    }
    count
}

/// Magnitude with counts growing as `10^(slope m)` between `bright` and `faint`.
pub(super) fn number_counts(rng: &mut Stream, slope: f64, bright: f64, faint: f64) -> f64 {
    let (low, high) = (10_f64.powf(slope * bright), 10_f64.powf(slope * faint));
    uniform(rng, low, high).log10() / slope
}

/// Draw from a cumulative distribution given as straight lines between `(probability, value)` knots from 0 to 1.
pub(super) fn quantile(rng: &mut Stream, knots: &[(f64, f64)]) -> f64 {
    let p = rng.random::<f64>();
    for pair in knots.windows(2) {
        let ((p0, v0), (p1, v1)) = (pair[0], pair[1]);
        if p <= p1 {
            return v0 + (v1 - v0) * (p - p0) / (p1 - p0).max(1e-12);
        }
    }
    knots.last().map_or(f64::NAN, |k| k.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_asked_for() {
        let mut rng = stream(1, 0);
        let n = 20_000;
        let mean = |f: &mut dyn FnMut() -> f64| (0..n).map(|_| f()).sum::<f64>() / f64::from(n);
        assert!((mean(&mut || poisson(&mut rng, 7.0) as f64) - 7.0).abs() < 0.1);
        assert!((mean(&mut || poisson(&mut rng, 90.0) as f64) - 90.0).abs() < 0.4);
        assert!((mean(&mut || exponential(&mut rng, 3.0)) - 3.0).abs() < 0.1);
        assert!((mean(&mut || quantile(&mut rng, &[(0.0, 0.0), (0.5, 1.0), (1.0, 3.0)])) - 1.25).abs() < 0.03);
    }

    #[test]
    fn streams_differ_by_object_and_repeat() {
        let draw = |index| uniform(&mut stream(5, index), 0.0, 1.0);
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
