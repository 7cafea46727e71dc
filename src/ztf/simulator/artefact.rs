//! What is on an image but not in the sky: cosmic rays, bad pixels, glints, streaks, ghosts, saturated columns.
//! Knows no object; adds DN to images of a science exposure.

use super::chance::{Stream, chance, exponential, log_normal, normal, uniform};
use super::image::Image;
use super::psf::Psf;

/// A false source at the stamp's centre and how it is made; `counts` is its flux in DN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Artefact {
    /// A bright star that the template does not fit: all of its light is in the misfit.
    Residual,
    /// A charged particle: one to a few pixels along a short track.
    CosmicRay { counts: f64, length: f64, angle: f64 },
    /// A dark or hot pixel pair in a column.
    BadPixel { counts: f64 },
    /// Flashes of an aircraft or a tumbling satellite: equal spots on a faint line.
    Glints { counts: f64, spacing: f64, angle: f64 },
    /// A satellite's straight trail through the stamp.
    Streak { counts: f64, angle: f64 },
    /// A soft disc, the reflection of a bright star.
    Ghost { counts: f64, radius: f64 },
    /// A saturated or dead column from the centre up or down.
    Column { counts: f64, up: bool },
}

impl Artefact {
    /// One of the kinds, in about the proportions seen among public alerts with a low deep real-bogus score;
    /// `limit` is the least flux of a point source that is seen, DN.
    pub(super) fn draw(rng: &mut Stream, limit: f64) -> Self {
        let counts = limit * (1.1 + exponential(rng, 1.0));
        let angle = uniform(rng, 0.0, std::f64::consts::PI);
        match uniform(rng, 0.0, 1.0) {
            p if p < 0.50 => Self::Residual,
            p if p < 0.62 => Self::CosmicRay { counts, length: exponential(rng, 1.5), angle },
            p if p < 0.77 => Self::BadPixel { counts: if chance(rng, 0.6) { -counts } else { counts } },
            p if p < 0.85 => {
                let angle = if chance(rng, 0.5) { 0.0 } else { angle };
                Self::Glints { counts, spacing: uniform(rng, 12.0, 28.0), angle }
            }
            p if p < 0.90 => Self::Streak { counts, angle },
            p if p < 0.94 => Self::Ghost { counts: 3.0 * counts, radius: uniform(rng, 2.5, 8.0) },
            _ => Self::Column { counts: if chance(rng, 0.5) { -counts } else { counts }, up: chance(rng, 0.5) },
        }
    }

    /// Adds the artefact at column `x`, row `y`.
    pub(super) fn add(self, image: &mut Image, psf: &Psf, x: f64, y: f64, rng: &mut Stream) {
        match self {
            Self::Residual => {}
            Self::CosmicRay { counts, length, angle } => add_track(image, x, y, counts, length, angle),
            Self::BadPixel { counts } => {
                drop_at(image, x, y, 0.6 * counts);
                drop_at(image, x, y + 1.0, 0.4 * counts);
            }
            Self::Glints { counts, spacing, angle } => add_glints(image, psf, (x, y), counts, spacing, angle, rng),
            Self::Streak { counts, angle } => add_line(image, psf, (x, y), counts / 4.0, angle),
            Self::Ghost { counts, radius } => add_disc(image, x, y, counts, radius),
            Self::Column { counts, up } => add_column(image, x, y, counts, up),
        }
    }
}

/// Cosmic rays elsewhere in the stamp: about one exposure in thirty has one here that was not masked.
pub(super) fn scatter_cosmic_rays(image: &mut Image, rng: &mut Stream) {
    if !chance(rng, 0.03) {
        return;
    }
    let side = image.side as f64;
    let (x, y, angle) = (uniform(rng, 0.0, side), uniform(rng, 0.0, side), uniform(rng, 0.0, std::f64::consts::PI));
    let (counts, length) = (log_normal(rng, 300.0, 0.8), exponential(rng, 3.0));
    add_track(image, x, y, counts, length, angle);
}

/// Adds to the pixel that holds `(x, y)`, if any.
fn drop_at(image: &mut Image, x: f64, y: f64, counts: f64) {
    let (column, row) = (x.round(), y.round());
    let inside = |v: f64| v >= 0.0 && v < image.side as f64;
    if inside(column) && inside(row) {
        image.pixels[row as usize * image.side + column as usize] += counts as f32;
    }
}

fn add_track(image: &mut Image, x: f64, y: f64, counts: f64, length: f64, angle: f64) {
    let (sin, cos) = angle.sin_cos();
    let steps = (4.0 * length).ceil().max(1.0);
    for i in 0..steps as i32 {
        let along = length * ((f64::from(i) + 0.5) / steps - 0.5);
        // a little charge diffuses to the neighbours, as resampling spreads it
        for (dx, dy, share) in
            [(0.0, 0.0, 0.64), (1.0, 0.0, 0.09), (-1.0, 0.0, 0.09), (0.0, 1.0, 0.09), (0.0, -1.0, 0.09)]
        {
            drop_at(image, x + along * cos + dx, y + along * sin + dy, share * counts / steps);
        }
    }
}

fn add_glints(image: &mut Image, psf: &Psf, at: (f64, f64), counts: f64, spacing: f64, angle: f64, rng: &mut Stream) {
    let (sin, cos) = angle.sin_cos();
    for i in -4..=4 {
        let along = f64::from(i) * spacing;
        let flash = if i == 0 { counts } else { counts * normal(rng, 1.0, 0.05) };
        psf.add(image, at.0 + along * cos, at.1 + along * sin, flash, 0.05);
    }
    add_line(image, psf, at, counts / 400.0, angle);
}

/// A line of `per_pixel` DN per pixel of length, as wide as the seeing.
fn add_line(image: &mut Image, psf: &Psf, at: (f64, f64), per_pixel: f64, angle: f64) {
    let (sin, cos) = angle.sin_cos();
    let sigma = psf.fwhm / 2.355;
    let peak = per_pixel / (sigma * (2.0 * std::f64::consts::PI).sqrt());
    let side = image.side;
    for (i, pixel) in image.pixels.iter_mut().enumerate() {
        let (dx, dy) = ((i % side) as f64 - at.0, (i / side) as f64 - at.1);
        let off = (dy * cos - dx * sin) / sigma;
        if off.abs() < 5.0 {
            *pixel += (peak * (-0.5 * off * off).exp()) as f32;
        }
    }
}

fn add_disc(image: &mut Image, x: f64, y: f64, counts: f64, radius: f64) {
    let level = counts / (std::f64::consts::PI * radius * radius);
    let side = image.side;
    for (i, pixel) in image.pixels.iter_mut().enumerate() {
        let r = ((i % side) as f64 - x).hypot((i / side) as f64 - y);
        *pixel += (level / (1.0 + ((r - radius) / 0.6).exp())) as f32;
    }
}

fn add_column(image: &mut Image, x: f64, y: f64, counts: f64, up: bool) {
    let reach = if up { image.side as f64 - y } else { y };
    let direction = if up { 1.0 } else { -1.0 };
    for step in 0..reach.max(0.0) as i32 {
        let along = f64::from(step);
        drop_at(image, x, y + direction * along, 0.5 * counts * (-along / 10.0).exp());
    }
}

#[cfg(test)]
mod tests {
    use super::super::chance::stream;
    use super::*;

    #[test]
    fn compact_artefacts_keep_their_counts() {
        let psf = Psf::new(2.0, 1.0, 0.0);
        for artefact in [
            Artefact::CosmicRay { counts: 500.0, length: 3.0, angle: 0.4 },
            Artefact::BadPixel { counts: 500.0 },
            Artefact::Ghost { counts: 500.0, radius: 6.0 },
        ] {
            let mut image = Image::filled(63, 0.0);
            artefact.add(&mut image, &psf, 31.0, 31.0, &mut stream(0, 0));
            assert!((image.sum() - 500.0).abs() < 25.0, "{artefact:?}: {}", image.sum());
        }
    }
}
