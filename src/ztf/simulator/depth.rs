//! How faint a change may be and still become an alert.
//! Knows no image; numbers are DN of one exposure.

use super::chance::{Stream, normal};
use super::survey::Exposure;

/// Share of a star's own light that counts as noise: astrometric jitter of the subtraction
/// (Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, section 3.4), fitted to the significances of public alerts.
const JITTER: f64 = 0.025;

/// How much more careful a pipeline's error is than photon counting, and the floor that its PSF model leaves;
/// both fitted to the errors of public alerts.
const CAUTION: (f64, f64) = (1.75, 0.035);

/// Magnitude error of a five-sigma fit, above which there is no alert.
const WORST_ERROR: f64 = 1.0857 / 5.0;

/// The errors of a flux measured at one place of one exposure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Depth {
    /// Error of a point source's flux from photons and readout.
    pub(super) noise: f64,
    /// Star light of the template at the place.
    pub(super) central: f64,
}

impl Depth {
    /// The depth of `exposure` where the template has a star of `central` DN.
    pub(super) fn new(exposure: &Exposure, central: f64) -> Self {
        // the star's photons spread over about the pixels of the fit
        let signal = 0.8 * central / exposure.psf.noise_pixels();
        let noise = exposure.point_noise() * (exposure.variance(signal) / exposure.variance(0.0)).sqrt();
        Self { noise, central }
    }

    /// Significance of `flux` by the matched filter.
    pub(super) fn significance(&self, flux: f64) -> f64 {
        flux / self.noise.hypot(JITTER * self.central)
    }

    /// Error of the magnitude fitted to `flux`.
    pub(super) fn magnitude_error(&self, flux: f64) -> f64 {
        1.0857 * (CAUTION.0 * self.noise / flux).hypot(CAUTION.1)
    }

    /// Whether `flux` is significant by the filter and by the fit.
    pub(super) fn sees(&self, flux: f64) -> bool {
        flux > 0.0 && self.significance(flux) >= 5.0 && self.magnitude_error(flux) < WORST_ERROR
    }

    /// The magnitude limit that the pipeline states for the exposure.
    pub(super) fn magnitude_limit(&self, exposure: &Exposure, rng: &mut Stream) -> f64 {
        exposure.magnitude(6.6 * self.noise.min(exposure.point_noise())) + normal(rng, 0.0, 0.08)
    }

    /// The least flux that is seen.
    pub(super) fn limit(&self) -> f64 {
        let by_filter = 5.0 * self.noise.hypot(JITTER * self.central);
        let by_fit = CAUTION.0 * self.noise / (0.04 - CAUTION.1 * CAUTION.1).sqrt();
        by_filter.max(by_fit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_where_seeing_begins() {
        for central in [0.0, 3000.0, 1e5] {
            let depth = Depth { noise: 40.0, central };
            assert!(!depth.sees(0.999 * depth.limit()) && depth.sees(1.001 * depth.limit()));
        }
    }
}
