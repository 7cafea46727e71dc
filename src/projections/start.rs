//! Where layouts begin: at the first two principal components, with a little noise. Large distances survive from there that
//! methods of neighbours do not see (Kobak and Linderman 2021, doi:10.1038/s41587-020-00809-z). Knows no method.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::pca::Pca;
use super::points::Points;
use super::{Place, ProjectionError};

/// Width of the noise, in standard deviations of the first component: parts equal rows, and gives a second direction to
/// rows that have only one.
const NOISE: f64 = 1e-4;

/// Places of which the first coordinate has a standard deviation of 1.
pub fn start(points: &Points, seed: u64) -> Result<Vec<Place>, ProjectionError> {
    let pca = Pca::fit(points.iter(), 2.min(points.columns()).min(points.rows()))?;
    let deviation = pca.variances.first().map_or(0.0, |variance| variance.sqrt());
    let unit = if deviation > 0.0 { deviation } else { 1.0 };
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let place = |row: &[f32]| {
        let mut place = [0, 1].map(|_| NOISE * (random.random::<f64>() - 0.5));
        place.iter_mut().zip(pca.transform(row)).for_each(|(x, component)| *x += component / unit);
        place
    };
    Ok(points.iter().map(place).collect())
}

/// Multiplied by `factor`.
pub fn times(places: &[Place], factor: f64) -> Vec<Place> {
    places.iter().map(|place| place.map(|x| factor * x)).collect()
}
