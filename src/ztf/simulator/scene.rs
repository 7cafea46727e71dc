//! Renders one visit: science, template and difference, first without noise, then with it.
//! Knows no class: it is given sources, a change at the centre, an artefact.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::artefact::{Artefact, scatter_cosmic_rays};
use super::chance::{Stream, normal};
use super::image::Image;
use super::light_curve::flux;
use super::psf::{KERNEL_HALF, Psf};
use super::surroundings::{GALAXY_COLOUR, Surroundings};
use super::survey::{Band, Exposure, Reference, SATURATION};
use crate::ztf::alert::SIDE;

/// Column and row of the pixel that a stamp is centred on.
pub(super) const CENTRE: f64 = (SIDE / 2) as f64;

/// Light below this many DN per pixel is not drawn.
const FLOOR: f64 = 0.03;

/// Taps that give the co-added template's pixels their correlation with the first and second neighbour
/// (+0.20 and -0.10, as resampled co-adds of the survey have).
const RESAMPLING: [f32; 5] = [-0.055, 0.105, 1.0, 0.105, -0.055];

/// Everything static about one object that does not depend on the visit.
pub(super) struct Backdrop<'a> {
    surroundings: &'a Surroundings,
    /// Galaxies before the blur, wider than a stamp by the kernel, per unit of red flux of magnitude 20.
    extended: Option<Image>,
}

impl<'a> Backdrop<'a> {
    /// Draws the galaxies once per object.
    pub(super) fn new(surroundings: &'a Surroundings) -> Self {
        if surroundings.galaxies.is_empty() {
            return Self { surroundings, extended: None };
        }
        let mut image = Image::filled(SIDE + 2 * KERNEL_HALF, 0.0);
        for galaxy in &surroundings.galaxies {
            galaxy.shape.add(&mut image, flux(galaxy.r - 20.0));
        }
        Self { surroundings, extended: Some(image) }
    }

    /// The static sky through `psf`, DN of an exposure with `exposure`'s zero point, moved by `shift` pixels.
    fn through(&self, psf: &Psf, exposure: &Exposure, shift: (f64, f64)) -> Image {
        let mut image = match &self.extended {
            Some(extended) => {
                let mut blurred = extended.filtered(&psf.kernel(shift.0, shift.1));
                let scale = exposure.counts(exposure.band.magnitude(20.0, GALAXY_COLOUR)) as f32;
                blurred.pixels.iter_mut().for_each(|p| *p *= scale);
                blurred
            }
            None => Image::filled(SIDE, 0.0),
        };
        for star in &self.surroundings.stars {
            let counts = exposure.counts(exposure.band.magnitude(star.r, star.colour));
            psf.add(&mut image, CENTRE + star.x + shift.0, CENTRE + star.y + shift.1, counts, FLOOR);
        }
        image
    }
}

/// What changes between template and science image at one visit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// DN added at the centre; negative for a source that has faded.
    pub(super) counts: f64,
    /// Length (pixels) and angle (radians) of the trail.
    pub(super) trail: (f64, f64),
    /// False source, if any.
    pub(super) artefact: Option<Artefact>,
    /// Where in the central pixel the source is, pixels.
    pub(super) shift: (f64, f64),
}

/// Science, template and difference (science minus template) of one visit.
pub(super) struct Triplet {
    /// Without noise.
    pub(super) clean: [Image; 3],
    /// With noise.
    pub(super) noisy: [Image; 3],
}

impl Triplet {
    /// Renders a visit of `exposure` against `reference`.
    pub(super) fn render(
        backdrop: &Backdrop,
        exposure: &Exposure,
        reference: &Reference,
        change: &Change,
        rng: &mut Stream,
    ) -> Self {
        let mut through_science = backdrop.through(&exposure.psf, exposure, change.shift);
        let mut template = backdrop.through(&reference.psf, exposure, change.shift);
        let mut difference = render_change(change, exposure, rng);
        let mut science = through_science.clone();
        science.add_scaled(&difference, 1.0);
        saturate(&mut science);
        saturate(&mut template);
        saturate(&mut through_science);
        difference.add_scaled(&residual(&through_science, exposure.misfit), 1.0);

        let noise = science_noise(&science, exposure, rng);
        let template_noise = template_noise(&template, exposure, reference, rng);
        let matched = matching_taps(&exposure.psf, &reference.psf)
            .map_or_else(|| template_noise.clone(), |taps| template_noise.smoothed(&taps));
        for image in [&mut science, &mut template] {
            image.pixels.iter_mut().for_each(|p| *p += exposure.level as f32);
        }
        let clean = [science, template, difference];
        let mut noisy = clean.clone();
        noisy[0].add_scaled(&noise, 1.0);
        noisy[1].add_scaled(&template_noise, 1.0);
        noisy[2].add_scaled(&noise, 1.0);
        noisy[2].add_scaled(&matched, -1.0);
        Self { clean, noisy }
    }
}

/// The changed light: a point or a trail, an artefact, stray cosmic rays.
fn render_change(change: &Change, exposure: &Exposure, rng: &mut Stream) -> Image {
    let mut image = Image::filled(SIDE, 0.0);
    let (x, y) = (CENTRE + change.shift.0, CENTRE + change.shift.1);
    let (length, angle) = change.trail;
    let steps = (2.0 * length).ceil().max(1.0);
    let (sin, cos) = angle.sin_cos();
    if change.counts != 0.0 {
        for i in 0..steps as i32 {
            let along = length * ((f64::from(i) + 0.5) / steps - 0.5);
            exposure.psf.add(&mut image, x + along * cos, y + along * sin, change.counts / steps, FLOOR);
        }
    }
    if let Some(artefact) = change.artefact {
        artefact.add(&mut image, &exposure.psf, x, y, rng);
    }
    scatter_cosmic_rays(&mut image, rng);
    image
}

/// A full pixel holds no more.
fn saturate(image: &mut Image) {
    image.pixels.iter_mut().for_each(|p| *p = p.min(SATURATION as f32));
}

/// What a template that is moved, mis-scaled and mis-blurred leaves of the static sky `s`, to first order:
/// `dx ds/dx + dy ds/dy + e s + w (d2s/dx2 + d2s/dy2)`.
fn residual(s: &Image, [dx, dy, error, blur]: [f64; 4]) -> Image {
    let side = s.side;
    let (dx, dy, error, blur) = (0.5 * dx as f32, 0.5 * dy as f32, error as f32, blur as f32);
    let mut out = Image::filled(side, 0.0);
    for y in 1..side - 1 {
        let (above, here, below) =
            (&s.pixels[(y - 1) * side..][..side], &s.pixels[y * side..][..side], &s.pixels[(y + 1) * side..][..side]);
        for (x, o) in out.pixels[y * side..][..side].iter_mut().enumerate().take(side - 1).skip(1) {
            let laplacian = here[x - 1] + here[x + 1] + above[x] + below[x] - 4.0 * here[x];
            *o = dx * (here[x + 1] - here[x - 1]) + dy * (below[x] - above[x]) + error * here[x] + blur * laplacian;
        }
    }
    out
}

/// Poisson and read noise of the science image and its columns' offsets.
fn science_noise(signal: &Image, exposure: &Exposure, rng: &mut Stream) -> Image {
    let stripes: Vec<f32> = (0..signal.side).map(|_| normal(rng, 0.0, exposure.stripes) as f32).collect();
    let base = (exposure.variance(0.0) - exposure.stripes * exposure.stripes) as f32;
    let gain = (1.0 / super::survey::GAIN) as f32;
    let mut noise = white(signal.side, rng);
    for (i, (n, s)) in noise.pixels.iter_mut().zip(&signal.pixels).enumerate() {
        *n = *n * (base + s.max(0.0) * gain).sqrt() + stripes[i % signal.side];
    }
    noise
}

/// Correlated noise of the co-added template, DN at the exposure's zero point.
fn template_noise(signal: &Image, exposure: &Exposure, reference: &Reference, rng: &mut Stream) -> Image {
    let norm = RESAMPLING.iter().map(|t| t * t).sum::<f32>().sqrt();
    let mut noise = white(signal.side, rng).smoothed(&RESAMPLING.map(|t| t / norm));
    // the variance is linear in the signal: two points give the line
    let (dark, lit) = (reference.sigma(exposure, 0.0).powi(2), reference.sigma(exposure, 1000.0).powi(2));
    let (dark, slope) = (dark as f32, ((lit - dark) / 1000.0) as f32);
    for (n, s) in noise.pixels.iter_mut().zip(&signal.pixels) {
        *n *= (dark + s.max(0.0) * slope).sqrt();
    }
    noise
}

/// The Gaussian that takes the template's width to the science image's; none when the template is the wider one.
fn matching_taps(science: &Psf, template: &Psf) -> Option<[f32; 7]> {
    let variance = (science.fwhm.powi(2) - template.fwhm.powi(2)) / (8.0 * std::f64::consts::LN_2);
    if variance < 0.02 {
        return None;
    }
    let mut taps = [0.0_f32; 7];
    for (i, tap) in taps.iter_mut().enumerate() {
        *tap = (-0.5 * (i as f64 - 3.0).powi(2) / variance).exp() as f32;
    }
    let sum: f32 = taps.iter().sum();
    Some(taps.map(|t| t / sum))
}

/// Independent unit Gaussians.
fn white(side: usize, rng: &mut Stream) -> Image {
    let pixels = (0..side * side).map(|_| -> f32 { StandardNormal.sample(&mut *rng) }).collect();
    Image { side, pixels }
}

/// Where in its pixel a detection falls: uniform, since stamps are cut around the pixel that holds it.
pub(super) fn draw_shift(rng: &mut Stream) -> (f64, f64) {
    (rng.random::<f64>() - 0.5, rng.random::<f64>() - 0.5)
}

/// The band's index among a pair kept per object.
pub(super) fn slot(band: Band) -> usize {
    usize::from(band == Band::R)
}

#[cfg(test)]
mod tests {
    use super::super::chance::stream;
    use super::super::survey::FIRST_NIGHT;
    use super::*;

    fn visit(counts: f64, index: usize) -> (Exposure, Reference, Triplet) {
        let mut rng = stream(11, index);
        let reference = Reference::draw(&mut rng, Band::R);
        let mut exposure = Exposure::draw(&mut rng, FIRST_NIGHT, Band::R, false, &reference);
        exposure.stripes = 0.0;
        let empty = Surroundings::default();
        let change = Change { counts, trail: (0.0, 0.0), artefact: None, shift: (0.2, -0.1) };
        let triplet = Triplet::render(&Backdrop::new(&empty), &exposure, &reference, &change, &mut rng);
        (exposure, reference, triplet)
    }

    fn variance(image: &Image) -> f64 {
        let n = image.pixels.len() as f64;
        let mean = image.sum() / n;
        image.pixels.iter().map(|p| (f64::from(*p) - mean).powi(2)).sum::<f64>() / n
    }

    #[test]
    fn empty_sky_has_the_noise_that_gain_and_sky_say() {
        for index in 0..4 {
            let (exposure, reference, triplet) = visit(0.0, index);
            // relative error of a variance of 3969 pixels: sqrt(2 / 3969) = 0.022
            assert!((variance(&triplet.noisy[0]) / exposure.variance(0.0) - 1.0).abs() < 0.09);
            assert!((variance(&triplet.noisy[1]).sqrt() / reference.sigma(&exposure, 0.0) - 1.0).abs() < 0.06);
            let bound = exposure.variance(0.0) + reference.sigma(&exposure, 0.0).powi(2);
            assert!((variance(&triplet.noisy[2]) / bound - 1.0).abs() < 0.12);
        }
    }

    #[test]
    fn difference_is_science_minus_template_without_noise() {
        let (_, _, triplet) = visit(2000.0, 5);
        let [science, template, difference] = &triplet.clean;
        for i in 0..science.pixels.len() {
            assert!((science.pixels[i] - template.pixels[i] - difference.pixels[i]).abs() < 1e-2);
        }
        assert!((difference.sum() - 2000.0).abs() < 30.0);
    }
}
