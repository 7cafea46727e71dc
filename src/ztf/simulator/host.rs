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

    /// Surface brightness `(dx, dy)` pixels from the nucleus, for total flux one.
    fn brightness(&self, dx: f64, dy: f64) -> f64 {
        let (s, c) = self.angle.sin_cos();
        let (u, v) = (dx * c + dy * s, dy * c - dx * s);
        let disc = {
            let r = (u * u + (v / self.ratio).powi(2)).sqrt() / self.radius;
            DISC_B * DISC_B / (2.0 * PI * self.ratio * self.radius * self.radius) * (-DISC_B * r).exp()
        };
        let bulge = {
            let (radius, ratio) = (self.radius / 3.0, self.ratio.sqrt());
            let r = (u * u + (v / ratio).powi(2)).sqrt() / radius;
            // total of exp(-b r^(1/4)) is 8! pi r_e^2 q / b^8
            BULGE_B.powi(8) / (40_320.0 * PI * ratio * radius * radius) * (-BULGE_B * r.sqrt().sqrt()).exp()
        };
        (1.0 - self.bulge) * disc + self.bulge * bulge
    }

    /// Adds this galaxy with `flux` to an image whose centre is the stamp's centre; pixels near the nucleus are averaged.
    pub(super) fn add(&self, image: &mut Image, flux: f64) {
        let centre = (image.side / 2) as f64;
        let reach = 8.0 * self.radius + 4.0;
        for row in 0..image.side {
            let dy = row as f64 - centre - self.y;
            for column in 0..image.side {
                let dx = column as f64 - centre - self.x;
                let square = dx * dx + dy * dy;
                if square < reach * reach {
                    let n = if square < 6.25 {
                        9
                    } else if square < 36.0 {
                        3
                    } else {
                        1
                    };
                    image.pixels[row * image.side + column] += (flux * self.average(dx, dy, n)) as f32;
                }
            }
        }
    }

    /// Mean over an `n x n` grid inside the pixel.
    fn average(&self, dx: f64, dy: f64, n: i32) -> f64 {
        let step = |i: i32| (f64::from(i) + 0.5) / f64::from(n) - 0.5;
        let mut sum = 0.0;
        for i in 0..n {
            for j in 0..n {
                sum += self.brightness(dx + step(i), dy + step(j));
            }
        }
        sum / f64::from(n * n)
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
