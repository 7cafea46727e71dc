//! Galaxies: an exponential disc and a de Vaucouleurs bulge, rendered before the blur.
//! Knows no supernova and no sky.

use std::f64::consts::PI;

use super::chance::{Stream, exponential, uniform};
use super::image::Image;

/// `r_e` of an exponential disc in scale lengths: solves half of the light inside.
const DISC_B: f64 = 1.678_346_99;
/// The same constant of the `r^(1/4)` law (de Vaucouleurs 1948; Ciotti & Bertin 1999, A&A 352, 447).
const BULGE_B: f64 = 7.669_249_44;

/// A galaxy of unit flux: where it is and how its light is spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Galaxy {
    /// Column of the nucleus from the stamp's centre, pixels.
    pub(super) x: f64,
    /// Row of the nucleus from the stamp's centre, pixels.
    pub(super) y: f64,
    /// Radius that holds half of the disc's light along the major axis, pixels.
    pub(super) radius: f64,
    /// Minor over major axis of the disc.
    pub(super) ratio: f64,
    /// Position angle of the major axis from +x, radians.
    pub(super) angle: f64,
    /// Share of the light in the bulge, whose half-light radius is a third of the disc's.
    pub(super) bulge: f64,
}

impl Galaxy {
    /// A galaxy at `(x, y)` whose disc has half-light radius `radius` pixels; the rest is random.
    pub(super) fn draw(rng: &mut Stream, x: f64, y: f64, radius: f64) -> Self {
        let (ratio, angle) = (uniform(rng, 0.3, 1.0), uniform(rng, 0.0, PI));
        Self { x, y, radius, ratio, angle, bulge: uniform(rng, 0.0, 0.7) }
    }

    /// A place where a star of the disc may explode: exponential in radius, uniform in angle; pixels from the nucleus.
    pub(super) fn place(&self, rng: &mut Stream) -> (f64, f64) {
        let scale = self.radius / DISC_B;
        // surface density exp(-r / h) means r is the sum of two exponential draws
        let r = exponential(rng, scale) + exponential(rng, scale);
        let (sin, cos) = uniform(rng, 0.0, 2.0 * PI).sin_cos();
        let (u, v) = (r * cos, r * sin * self.ratio);
        let (s, c) = self.angle.sin_cos();
        (u * c - v * s, u * s + v * c)
    }

    /// Adds this galaxy with `flux` to an image whose centre is the stamp's centre; pixels near the nucleus are averaged.
    pub(super) fn add(&self, image: &mut Image, flux: f64) {
        let profile = Profile::new(self, flux);
        let centre = (image.side / 2) as f64;
        let reach = 7.0 * self.radius + 3.0;
        let range = |at: f64| {
            let (low, high) =
                ((centre + at - reach).max(0.0), (centre + at + reach + 1.0).clamp(0.0, image.side as f64));
            low as usize..high as usize
        };
        let (rows, columns) = (range(self.y), range(self.x));
        for row in rows {
            let dy = row as f64 - centre - self.y;
            for column in columns.clone() {
                let dx = column as f64 - centre - self.x;
                let square = dx * dx + dy * dy;
                if square < reach * reach {
                    let n = if square < 6.25 { 7 } else { 1 + 2 * i32::from(square < 25.0) };
                    image.pixels[row * image.side + column] += profile.average(dx as f32, dy as f32, n);
                }
            }
        }
    }
}

/// A galaxy's surface brightness with everything that is constant worked out.
struct Profile {
    sin: f32,
    cos: f32,
    /// Flux per pixel at the centre, inverse radius, inverse axis ratio of the disc.
    disc: [f32; 3],
    /// The same of the bulge.
    bulge: [f32; 3],
}

impl Profile {
    fn new(galaxy: &Galaxy, flux: f64) -> Self {
        let (sin, cos) = galaxy.angle.sin_cos();
        let part = |share: f64, radius: f64, ratio: f64, total: f64| {
            // `total` is the integral of the profile in units of pi r_e^2 q
            let peak = flux * share / (total * PI * ratio * radius * radius);
            [peak as f32, (1.0 / radius) as f32, (1.0 / ratio) as f32]
        };
        // exp(-b r) integrates to 2 pi q r_e^2 / b^2; exp(-b r^(1/4)) to 8! pi q r_e^2 / b^8
        let disc = part(1.0 - galaxy.bulge, galaxy.radius, galaxy.ratio, 2.0 / (DISC_B * DISC_B));
        let bulge = part(galaxy.bulge, galaxy.radius / 3.0, galaxy.ratio.sqrt(), 40_320.0 / BULGE_B.powi(8));
        Self { sin: sin as f32, cos: cos as f32, disc, bulge }
    }

    /// Surface brightness `(dx, dy)` pixels from the nucleus.
    fn value(&self, dx: f32, dy: f32) -> f32 {
        let (u, v) = (dx * self.cos + dy * self.sin, dy * self.cos - dx * self.sin);
        let radius = |[_, scale, stretch]: [f32; 3]| {
            let w = v * stretch;
            (u * u + w * w).sqrt() * scale
        };
        self.disc[0] * (-DISC_B as f32 * radius(self.disc)).exp()
            + self.bulge[0] * (-BULGE_B as f32 * radius(self.bulge).sqrt().sqrt()).exp()
    }

    /// Mean over an `n x n` grid inside the pixel.
    fn average(&self, dx: f32, dy: f32, n: i32) -> f32 {
        let step = |i: i32| (i as f32 + 0.5) / n as f32 - 0.5;
        let mut sum = 0.0;
        for i in 0..n {
            for j in 0..n {
                sum += self.value(dx + step(i), dy + step(j));
            }
        }
        sum / (n * n) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::super::chance::stream;
    use super::*;

    #[test]
    fn flux_is_the_flux_asked_for() {
        for bulge in [0.0, 0.5] {
            let galaxy = Galaxy { x: 0.3, y: -0.2, radius: 3.0, ratio: 0.6, angle: 1.0, bulge };
            let mut image = Image::filled(121, 0.0);
            galaxy.add(&mut image, 1000.0);
            // the r^(1/4) law has 3 % of its light beyond eight disc radii
            assert!((image.sum() - 1000.0).abs() < 25.0, "bulge {bulge}: {}", image.sum());
        }
    }

    #[test]
    fn places_follow_the_disc() {
        let galaxy = Galaxy { x: 0.0, y: 0.0, radius: 4.0, ratio: 1.0, angle: 0.0, bulge: 0.0 };
        let mut rng = stream(3, 0);
        let inside = (0..4000).filter(|_| {
            let (x, y) = galaxy.place(&mut rng);
            x.hypot(y) < galaxy.radius
        });
        // half of the light, hence half of the draws, within the half-light radius; 3 sigma = 0.024
        assert!((inside.count() as f64 / 4000.0 - 0.5).abs() < 0.024);
    }
}
