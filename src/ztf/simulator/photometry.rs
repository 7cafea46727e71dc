//! What a pipeline measures on a difference image: a PSF fit, two apertures, counts of odd pixels.
//! Knows no truth.

use super::image::Image;
use super::psf::Psf;
use super::scene::CENTRE;

/// Pixels around the centre used by the fit.
const FIT: f64 = 7.0;

/// Measurements in DN at the centre of a difference image whose source is positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Photometry {
    /// Flux of the PSF fit.
    pub(super) flux: f64,
    /// Reduced chi squared of the fit.
    pub(super) chi: f64,
    /// Flux in the small aperture (8 pixels wide) and the large one (18 pixels).
    pub(super) apertures: [f64; 2],
    /// Pixels in each aperture.
    pub(super) areas: [f64; 2],
    /// Sum over sum of absolute values, 5 x 5 pixels about the centre.
    pub(super) sum_ratio: f64,
    /// Negative and missing pixels of these 25.
    pub(super) negative: f64,
    /// Missing pixels of these 25.
    pub(super) bad: f64,
    /// The central pixel.
    pub(super) peak: f64,
    /// Median of the annulus about the source.
    pub(super) sky: f64,
}

impl Photometry {
    /// Fits `F P(x - x0, y - y0)` with equal weights, `F = sum(P D) / sum(P^2)`, at `shift` from the stamp's centre;
    /// `sigma` is the background noise per pixel.
    pub(super) fn measure(difference: &Image, psf: &Psf, shift: (f64, f64), sigma: f64) -> Self {
        let (mut cross, mut square, mut total, mut n) = (0.0, 0.0, 0.0, 0.0);
        let mut out = Self::counts(difference);
        for (i, &pixel) in difference.pixels.iter().enumerate() {
            let value = f64::from(pixel);
            let (dx, dy) = offset(i, difference.side, shift);
            let r = dx.hypot(dy);
            if !value.is_finite() || r > 9.0 {
                continue;
            }
            for (aperture, radius) in [4.0, 9.0].into_iter().enumerate() {
                if r <= radius {
                    out.apertures[aperture] += value;
                    out.areas[aperture] += 1.0;
                }
            }
            if r <= FIT {
                let p = psf.pixel(dx, dy);
                (cross, square, total, n) = (cross + p * value, square + p * p, total + value * value, n + 1.0);
            }
        }
        out.flux = cross / square;
        out.chi = (total - cross * cross / square) / (sigma * sigma * (n - 1.0_f64).max(1.0));
        out
    }

    /// The part that looks at 5 x 5 pixels, and the sky about them.
    fn counts(difference: &Image) -> Self {
        let centre = CENTRE as usize;
        let (mut sum, mut absolute, mut negative, mut bad) = (0.0, 0.0, 0.0, 0.0);
        for y in centre - 2..=centre + 2 {
            for x in centre - 2..=centre + 2 {
                let value = f64::from(difference.at(y, x));
                if value.is_finite() {
                    (sum, absolute) = (sum + value, absolute + value.abs());
                    negative += f64::from(u8::from(value < 0.0));
                } else {
                    bad += 1.0;
                }
            }
        }
        let peak = f64::from(difference.at(centre, centre));
        let sky = annulus_median(difference);
        let sum_ratio = sum / f64::max(absolute, 1e-9);
        Self { flux: 0.0, chi: 0.0, apertures: [0.0; 2], areas: [0.0; 2], sum_ratio, negative, bad, peak, sky }
    }
}

fn offset(index: usize, side: usize, shift: (f64, f64)) -> (f64, f64) {
    ((index % side) as f64 - CENTRE - shift.0, (index / side) as f64 - CENTRE - shift.1)
}

/// Median between 10 and 14 pixels from the centre.
fn annulus_median(image: &Image) -> f64 {
    let inside = |i: usize| {
        let (dx, dy) = offset(i, image.side, (0.0, 0.0));
        (10.0..14.0).contains(&dx.hypot(dy))
    };
    let mut ring: Vec<f32> =
        image.pixels.iter().enumerate().filter(|(i, p)| p.is_finite() && inside(*i)).map(|(_, p)| *p).collect();
    if ring.is_empty() {
        return 0.0;
    }
    let middle = ring.len() / 2;
    f64::from(*ring.select_nth_unstable_by(middle, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ztf::alert::SIDE;

    #[test]
    fn a_noise_free_source_is_measured_exactly() {
        let psf = Psf::new(2.2, 0.9, 0.3);
        let mut image = Image::filled(SIDE, 0.0);
        psf.add(&mut image, CENTRE + 0.3, CENTRE - 0.4, 500.0, 1e-5);
        let found = Photometry::measure(&image, &psf, (0.3, -0.4), 1.0);
        assert!((found.flux - 500.0).abs() < 0.5, "{}", found.flux);
        assert!(found.apertures[0] > 420.0 && found.apertures[1] > found.apertures[0]);
        assert!(found.negative == 0.0 && found.bad == 0.0 && (found.sum_ratio - 1.0).abs() < 1e-9);
    }
}
