//! What one exposure and one reference image are: band, seeing, sky, zero point, noise; and when visits happen.
//! Knows no source. Numbers without a source are fits by eye to the medians and spreads of public ZTF alerts.

use std::f64::consts::PI;

use super::chance::{Stream, chance, exponential, log_normal, normal, quantile, uniform};
use super::psf::{Beta, Psf};

/// Electrons per DN (ZTF science data system, Masci et al. 2019, PASP 131, 018003: 6.2).
pub(super) const GAIN: f64 = 6.2;
/// Read noise, electrons (the same paper: about 10).
pub(super) const READ_NOISE: f64 = 10.3;
/// DN above sky at which a pixel is full.
pub(super) const SATURATION: f64 = 50_000.0;
/// First night of the public survey, Julian date.
pub(super) const FIRST_NIGHT: f64 = 2_458_197.5;
/// Pixel scale, arcseconds.
pub(super) const PIXEL: f64 = 1.01;

/// The public survey's two bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Band {
    /// Green, `fid` 1.
    G,
    /// Red, `fid` 2.
    R,
}

impl Band {
    /// The packet's `fid`.
    pub(super) fn fid(self) -> f64 {
        match self {
            Self::G => 1.0,
            Self::R => 2.0,
        }
    }

    /// Magnitude in this band of a source of magnitude `r` in the red band and colour `g - r`.
    pub(super) fn magnitude(self, r: f64, colour: f64) -> f64 {
        match self {
            Self::G => r + colour,
            Self::R => r,
        }
    }
}

/// Cumulative distribution of the width of the PSF, pixels.
const SEEING: [(f64, f64); 6] = [(0.0, 1.7), (0.05, 1.92), (0.5, 2.25), (0.75, 2.6), (0.95, 3.4), (1.0, 4.4)];

/// One 30-second science exposure, as far as one stamp knows of it.
#[derive(Clone, Debug)]
pub(super) struct Exposure {
    pub(super) jd: f64,
    pub(super) band: Band,
    /// Magnitude of one DN.
    pub(super) zero_point: f64,
    /// DN per pixel that made noise.
    pub(super) sky: f64,
    /// DN per pixel shown in the science and template stamps: the reference's background brought to this zero point.
    pub(super) level: f64,
    pub(super) psf: Psf,
    /// Standard deviation of an offset per column, DN (readout pattern).
    pub(super) stripes: f64,
    /// How badly the template fits: misalignment x, y (pixels), flux error, blur error (pixels squared).
    pub(super) misfit: [f64; 4],
}

impl Exposure {
    /// A visit at `jd` in `band`; `cloudy` takes magnitudes off the zero point; `reference` is the template it meets.
    pub(super) fn draw(rng: &mut Stream, jd: f64, band: Band, cloudy: bool, reference: &Reference) -> Self {
        let zero_point = draw_zero_point(rng, band, cloudy);
        // clouds dim the reference's background along with its stars, but not the noise of the sky above
        let level = reference.sky * 10_f64.powf(0.4 * (zero_point - 26.25));
        let excess = match band {
            Band::G => log_normal(rng, 1.35, 0.3),
            Band::R => log_normal(rng, 1.1, 0.25),
        };
        let cloud_glow = if cloudy { log_normal(rng, 3.0, 0.5) } else { 1.0 };
        let fwhm = quantile(rng, &SEEING);
        let psf = Psf::new(fwhm, uniform(rng, 0.86, 1.0), uniform(rng, 0.0, PI), Beta::Three);
        let stripes = if chance(rng, 0.35) { uniform(rng, 0.5, 2.5) } else { 0.3 };
        let rough = if cloudy { 2.0 } else { 1.0 };
        let misfit = [(); 4].map(|()| normal(rng, 0.0, rough));
        let misfit = [0.045 * misfit[0], 0.045 * misfit[1], 0.010 * misfit[2], 0.025 * misfit[3]];
        Self { jd, band, zero_point, sky: reference.sky * excess * cloud_glow, level, psf, stripes, misfit }
    }

    /// DN of a source of magnitude `m`.
    pub(super) fn counts(&self, m: f64) -> f64 {
        10_f64.powf(-0.4 * (m - self.zero_point))
    }

    /// Magnitude of `flux` DN.
    pub(super) fn magnitude(&self, flux: f64) -> f64 {
        self.zero_point - 2.5 * flux.max(1e-3).log10()
    }

    /// Variance of a pixel holding `signal` DN above the sky, DN squared: Poisson and read noise over the gain.
    pub(super) fn variance(&self, signal: f64) -> f64 {
        (self.sky + signal.max(0.0)) / GAIN + (READ_NOISE / GAIN).powi(2) + self.stripes * self.stripes
    }

    /// One-sigma noise of the flux of a faint point source, DN: matched filter, times 1.4 for what a pipeline loses.
    pub(super) fn point_noise(&self) -> f64 {
        1.4 * (self.variance(0.0) * self.psf.noise_pixels()).sqrt()
    }
}

fn draw_zero_point(rng: &mut Stream, band: Band, cloudy: bool) -> f64 {
    let clear = match band {
        Band::G => 26.28,
        Band::R => 26.22,
    };
    let haze = if chance(rng, 0.12) { exponential(rng, 0.4) } else { exponential(rng, 0.04) };
    let cloud = if cloudy { uniform(rng, 1.8, 4.3) } else { 0.0 };
    normal(rng, clear, 0.07) + 0.04 - haze.min(1.5) - cloud
}

/// The co-added template of one band at one place.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) psf: Psf,
    /// Sky of its frames, DN.
    pub(super) sky: f64,
    pub(super) frames: f64,
    pub(super) jd_start: f64,
    pub(super) jd_end: f64,
}

impl Reference {
    /// A template of 15 to 40 frames from the survey's first months.
    pub(super) fn draw(rng: &mut Stream, band: Band) -> Self {
        let frames = quantile(rng, &[(0.0, 15.0), (0.68, 15.0), (0.8, 17.0), (0.93, 32.0), (1.0, 40.0)]).round();
        let jd_start = FIRST_NIGHT + quantile(rng, &[(0.0, 0.0), (0.5, 60.0), (0.95, 130.0), (1.0, 420.0)]);
        let jd_end = jd_start + log_normal(rng, 70.0, 0.6);
        let sky = match band {
            Band::G => log_normal(rng, 100.0, 0.28),
            Band::R => log_normal(rng, 215.0, 0.26),
        };
        let psf =
            Psf::new(log_normal(rng, 1.98, 0.11), uniform(rng, 0.92, 1.0), uniform(rng, 0.0, PI), Beta::TwoAndHalf);
        Self { psf, sky, frames, jd_start, jd_end }
    }

    /// Noise per pixel of a template pixel with `signal` DN (at the exposure's zero point), DN.
    pub(super) fn sigma(&self, exposure: &Exposure, signal: f64) -> f64 {
        let scale = 10_f64.powf(0.4 * (exposure.zero_point - 26.25));
        let variance = (1.2 * self.sky + signal.max(0.0) / scale) / GAIN + (READ_NOISE / GAIN).powi(2);
        scale * (variance / self.frames).sqrt()
    }
}

/// Times and bands of `count` visits after `start`, both bands on many nights, seasons of about two hundred days.
pub(super) fn visits(rng: &mut Stream, start: f64, count: usize) -> Vec<(f64, Band)> {
    let mut out = Vec::with_capacity(count + 1);
    let mut night = start;
    while out.len() < count {
        let first = if chance(rng, 0.5) { Band::G } else { Band::R };
        out.push((night, first));
        if chance(rng, 0.5) {
            let second = if first == Band::G { Band::R } else { Band::G };
            out.push((night + uniform(rng, 0.02, 0.12), second));
        }
        // a three-day cadence with lost nights, and a gap when the field sets
        let season = if chance(rng, 0.012) { uniform(rng, 60.0, 160.0) } else { 0.0 };
        night += 1.0 + exponential(rng, 2.2).round() + uniform(rng, -0.1, 0.1) + season;
    }
    out.truncate(count);
    out
}

#[cfg(test)]
mod tests {
    use super::super::chance::stream;
    use super::*;

    #[test]
    fn variance_is_photons_and_readout() {
        let mut rng = stream(1, 1);
        let reference = Reference::draw(&mut rng, Band::R);
        let mut exposure = Exposure::draw(&mut rng, FIRST_NIGHT, Band::R, false, &reference);
        exposure.stripes = 0.0;
        let electrons = |dn: f64| dn * GAIN;
        let expected = (electrons(exposure.sky + 300.0) + READ_NOISE * READ_NOISE) / (GAIN * GAIN);
        assert!((exposure.variance(300.0) - expected).abs() < 1e-9);
    }

    #[test]
    fn visits_are_in_time_order() {
        let visits = visits(&mut stream(2, 0), 100.0, 300);
        assert_eq!(visits.len(), 300);
        assert!(visits.windows(2).all(|w| w[0].0 < w[1].0));
    }
}
