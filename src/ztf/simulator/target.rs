//! The object itself: for each class its light curve, its own static light and its artefact.
//! Knows no exposure.

use super::artefact::Artefact;
use super::chance::{Stream, chance, exponential, log_normal, normal, number_counts, uniform};
use super::footprint::Place;
use super::light_curve::{LightCurve, flux, nucleus, supernova, variable_star};
use super::recipe::Class;
use super::surroundings::{Extended, Star, Surroundings, around};
use super::survey::Band;

/// One object to be observed, at the stamp's centre.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) light: LightCurve,
    pub(super) surroundings: Surroundings,
    /// Whether the changes come from artefacts.
    pub(super) bogus: bool,
    /// Length of the trail in one exposure, pixels, and its angle.
    pub(super) trail: (f64, f64),
    /// When it began to be seen; minus infinity for what always changes.
    pub(super) begins: f64,
}

impl Target {
    /// An object of `class` at `place`; `start` is the date of its first visit.
    pub(super) fn draw(rng: &mut Stream, class: Class, place: &Place, start: f64) -> Self {
        let surroundings = Surroundings::draw(rng, place);
        let mut target = Self {
            light: LightCurve::Constant,
            surroundings,
            bogus: false,
            trail: (0.0, 0.0),
            begins: f64::NEG_INFINITY,
        };
        match class {
            Class::Agn => target.become_agn(rng),
            Class::Supernova => target.become_supernova(rng, start),
            Class::VariableStar => target.become_variable_star(rng),
            Class::Asteroid => target.become_asteroid(rng, start),
            Class::Bogus => target.become_bogus(rng, start),
        }
        target
    }

    /// A nucleus in its host; seven in ten outshine the host, the others sit in a galaxy that shows.
    fn become_agn(&mut self, rng: &mut Stream) {
        let mean = number_counts(rng, 0.24, 14.8, 19.7);
        self.light = nucleus(rng, mean);
        self.add_quiet_star(0.35);
        let fainter = if chance(rng, 0.55) { uniform(rng, 0.8, 3.0) } else { uniform(rng, -1.2, 0.8) };
        let host = Extended::of_magnitude(rng, 0.0, 0.0, mean + fainter);
        self.surroundings.galaxies.push(host);
    }

    /// An explosion in the disc of a host, which one time in eight is too faint to see.
    fn become_supernova(&mut self, rng: &mut Stream, start: f64) {
        let peak = number_counts(rng, 0.3, 13.5, 19.7);
        let t0 = start + uniform(rng, -50.0, 18.0);
        self.light = supernova(rng, peak, t0);
        self.begins = t0 - 14.0;
        let fainter = if chance(rng, 0.12) { uniform(rng, 3.0, 5.0) } else { normal(rng, -0.6, 1.4) };
        let mut host = Extended::of_magnitude(rng, 0.0, 0.0, (peak + fainter).max(12.0));
        let (x, y) = host.shape.place(rng);
        (host.shape.x, host.shape.y) = (-x, -y);
        self.surroundings.galaxies.push(host);
    }

    fn become_variable_star(&mut self, rng: &mut Stream) {
        let mean = number_counts(rng, 0.05, 12.6, 19.0);
        self.light = variable_star(rng, mean);
        let colour = match self.light {
            LightCurve::Periodic { colour, .. } | LightCurve::Outburst { colour, .. } => colour,
            _ => 0.5,
        };
        self.add_quiet_star(colour);
    }

    /// A moving object; one in twelve is near the Earth and leaves a trail.
    fn become_asteroid(&mut self, rng: &mut Stream, start: f64) {
        let magnitude = number_counts(rng, 0.28, 15.0, 20.3);
        self.light = LightCurve::Single { magnitude, colour: normal(rng, 0.55, 0.08) };
        let rate = if chance(rng, 0.08) { log_normal(rng, 4.0, 0.6) } else { log_normal(rng, 0.3, 0.3) };
        self.trail = (rate, uniform(rng, 0.0, std::f64::consts::PI));
        self.begins = start;
    }

    /// Half of the false detections sit on a star, the others on whatever is there.
    fn become_bogus(&mut self, rng: &mut Stream, start: f64) {
        self.bogus = true;
        self.begins = start;
        if chance(rng, 0.55) {
            let r = uniform(rng, 12.3, 18.0);
            let distance = exponential(rng, 0.35);
            let (x, y) = around(rng, distance);
            self.surroundings.stars.push(Star { x, y, r, colour: super::surroundings::star_colour(rng) });
        }
    }

    /// Puts the light that the template has of the object itself at the centre.
    fn add_quiet_star(&mut self, colour: f64) {
        let r = -2.5 * self.light.quiescent(Band::R).log10();
        let g = -2.5 * self.light.quiescent(Band::G).log10();
        debug_assert!((g - r - colour).abs() < 1.5);
        self.surroundings.stars.push(Star { x: 0.0, y: 0.0, r, colour: g - r });
    }

    /// Flux of the brightest star within a pixel and a half of the centre, in units of magnitude zero.
    pub(super) fn central_flux(&self, band: Band) -> f64 {
        let near = self.surroundings.stars.iter().filter(|s| s.x.hypot(s.y) < 1.5);
        near.map(|s| flux(band.magnitude(s.r, s.colour))).fold(0.0, f64::max)
    }

    /// The artefact of one visit, if this object is one; `limit` is the least flux that is seen, DN.
    pub(super) fn artefact(&self, rng: &mut Stream, limit: f64, central: f64) -> Option<Artefact> {
        if !self.bogus {
            return None;
        }
        let drawn = Artefact::draw(rng, limit);
        // a star that is too faint to leave a residual leaves room for something else
        if drawn == Artefact::Residual && central < 12.0 * limit {
            let counts = limit * (1.2 + exponential(rng, 1.0));
            return Some(Artefact::CosmicRay { counts, length: exponential(rng, 1.0), angle: uniform(rng, 0.0, 3.1) });
        }
        Some(drawn)
    }
}
