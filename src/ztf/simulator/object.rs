//! The story of one object: where it is, what it does, when it is seen, which alerts that gives.
//! Knows no file.

use super::artefact::Artefact;
use super::chance::{self, Stream, uniform};
use super::edge::{Window, draw_position};
use super::footprint::Place;
use super::identity;
use super::light_curve::flux;
use super::metadata::{History, Observation};
use super::photometry::Photometry;
use super::recipe::{Class, Recipe};
use super::scene::{Backdrop, CENTRE, Change, Triplet, draw_shift, slot};
use super::survey::{Band, Exposure, FIRST_NIGHT, Reference, visits};
use crate::ztf::alert::{Alert, Stamp};

/// Visits that are looked at for the alerts of one object.
const VISITS: usize = 400;

/// Fresh objects tried before an index is left without alerts.
const ATTEMPTS: usize = 200;

/// One alert and the same stamps without noise.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedAlert {
    /// The alert, as if read from a packet.
    pub alert: Alert,
    /// Science, template, difference without noise and without missing pixels, artefacts included; DN, same shapes and sign.
    pub clean: [Stamp; 3],
}

/// One object and its alerts in time order.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedObject {
    /// True class.
    pub class: Class,
    /// At least one alert; fewer than asked for when the object was not bright enough for longer.
    pub detections: Vec<SimulatedAlert>,
}

/// Simulates object `index`; the same bytes whichever objects were made before and on whichever thread.
///
/// The recipe must have passed [`Recipe::check`].
#[must_use]
pub fn simulate_object(recipe: &Recipe, seed: u64, index: usize) -> SimulatedObject {
    let class = recipe.class_of(seed, index);
    let mut rng = chance::stream(seed, index);
    let mut best = Vec::new();
    for _ in 0..ATTEMPTS {
        let campaign = Campaign::draw(recipe, class, &mut rng);
        let wanted = campaign.wanted(recipe, &mut rng);
        let found = campaign.observe(recipe, index, wanted, &mut rng);
        if found.len() > best.len() {
            best = found;
        }
        let enough = if campaign.repeats() { recipe.min_detections } else { 1 };
        if best.len() >= enough {
            break;
        }
    }
    SimulatedObject { class, detections: best }
}

/// One object with everything that stays the same over its visits.
struct Campaign {
    class: Class,
    place: Place,
    target: super::target::Target,
    references: [Reference; 2],
    visits: Vec<(f64, Band)>,
    chip: (f64, f64),
    rcid: f64,
    window: Window,
    start: f64,
}

impl Campaign {
    fn draw(recipe: &Recipe, class: Class, rng: &mut Stream) -> Self {
        let place = Place::draw(rng, class);
        // a date within five years of survey; the template is from its first months
        let start = FIRST_NIGHT + 90.0 + uniform(rng, 0.0, 1800.0);
        let target = super::target::Target::draw(rng, class, &place, start);
        let references = [Reference::draw(rng, Band::G), Reference::draw(rng, Band::R)];
        let near_edge = chance::chance(rng, recipe.edge_fraction);
        let chip = draw_position(rng, near_edge);
        let masked: Vec<(f64, f64)> = target
            .surroundings
            .stars
            .iter()
            .filter(|s| s.r < 11.7 && s.x.hypot(s.y) > 14.0)
            .map(|s| (CENTRE + s.x, CENTRE + s.y))
            .collect();
        let window = Window::draw(rng, chip.0, chip.1, &masked);
        let visits = visits(rng, start, VISITS);
        let rcid = uniform(rng, 0.0, 64.0).floor();
        Self { class, place, target, references, visits, chip, rcid, window, start }
    }

    /// Whether this object can be seen more than once at its place.
    fn repeats(&self) -> bool {
        !matches!(self.class, Class::Asteroid | Class::Bogus)
    }

    fn wanted(&self, recipe: &Recipe, rng: &mut Stream) -> usize {
        match self.class {
            Class::Asteroid => 1,
            // four false detections in five do not come back
            Class::Bogus if chance::chance(rng, 0.8) => 1,
            _ => uniform(rng, recipe.min_detections as f64, recipe.max_detections as f64 + 1.0).floor() as usize,
        }
        .min(recipe.max_detections)
    }

    /// Goes through the visits and keeps the alerts until `wanted` are found.
    fn observe(&self, recipe: &Recipe, index: usize, wanted: usize, rng: &mut Stream) -> Vec<SimulatedAlert> {
        let changes = self.target.light.changes(&self.visits, rng);
        let backdrop = Backdrop::new(&self.target.surroundings);
        let mut history = self.earlier(&changes, rng);
        let mut out: Vec<SimulatedAlert> = Vec::new();
        let mut last = f64::NEG_INFINITY;
        // a moving object is here on one night, an accident happens once or a few times
        let tries = if self.class == Class::Asteroid {
            1
        } else if self.target.bogus {
            3 + 4 * wanted
        } else {
            VISITS
        };
        for (&(jd, band), &change) in self.visits.iter().zip(&changes).take(tries) {
            let cloudy = chance::chance(rng, if self.target.bogus { 0.4 } else { 0.015 });
            let exposure = Exposure::draw(rng, jd, band, cloudy, &self.references[slot(band)]);
            history.visits += 1.0;
            let counts = change * exposure.counts(0.0);
            let central = self.target.central_flux(band) * exposure.counts(0.0);
            let noise = local_noise(&exposure, central);
            let expected = counts.abs() / noise;
            if !self.target.bogus && expected < 3.0 {
                continue;
            }
            history.detections += 1.0;
            history.first = history.first.min(jd);
            if jd - last < recipe.min_gap_days || (!self.target.bogus && expected < 4.0) {
                continue;
            }
            if let Some(found) = self.visit(index, exposure, counts, noise, history, &backdrop, rng) {
                last = jd;
                out.push(found);
                if out.len() == wanted {
                    break;
                }
            }
        }
        out
    }

    /// Detections and visits between the survey's first night and the first visit simulated.
    fn earlier(&self, changes: &[f64], rng: &mut Stream) -> History {
        let elapsed = self.start - FIRST_NIGHT;
        // both bands every three to four nights for two thirds of the year, overlapping fields now and then
        let rate = uniform(rng, 0.15, 0.75);
        let visits = chance::poisson(rng, elapsed * rate) as f64;
        if self.target.new {
            return History { detections: 0.0, visits, first: f64::INFINITY };
        }
        let limit = 0.6 * flux(20.4);
        let share = changes.iter().filter(|c| c.abs() > limit).count() as f64 / changes.len() as f64;
        let detections = (0.8 * share * visits * uniform(rng, 0.5, 1.0)).floor();
        let first = if detections > 0.0 { FIRST_NIGHT + uniform(rng, 0.0, 0.4) * elapsed } else { f64::INFINITY };
        History { detections, visits, first }
    }

    /// Renders and measures one visit; none if the survey would not have sent an alert.
    #[expect(clippy::too_many_arguments, reason = "one visit is what these seven say")]
    fn visit(
        &self,
        index: usize,
        mut exposure: Exposure,
        counts: f64,
        noise: f64,
        history: History,
        backdrop: &Backdrop,
        rng: &mut Stream,
    ) -> Option<SimulatedAlert> {
        let band = exposure.band;
        let central = self.target.central_flux(band) * exposure.counts(0.0);
        let artefact = self.target.artefact(rng, noise, central);
        if artefact == Some(Artefact::Residual) {
            spoil(&mut exposure, central, noise, rng);
        }
        let change = Change { counts, trail: self.target.trail, artefact, shift: draw_shift(rng) };
        let reference = &self.references[slot(band)];
        let mut triplet = Triplet::render(backdrop, &exposure, reference, &change, rng);
        triplet.noisy.iter_mut().for_each(|image| self.window.mask(image));
        let (photometry, brighter) = measure(&mut triplet, &exposure, &change);
        let centre = CENTRE as usize;
        let science_peak = f64::from(triplet.noisy[0].at(centre, centre)) - exposure.level;
        let entries = self.target.surroundings.entries(0.0, 0.0);
        let observation = Observation {
            class: self.class,
            place: &self.place,
            exposure: &exposure,
            reference,
            photometry: &photometry,
            noise,
            science_peak,
            brighter,
            entries: &entries,
            chip: self.chip,
            rcid: self.rcid,
            to_edge: self.window.to_edge,
            history,
            trail: change.trail.0,
            width: width_of(artefact),
        };
        observation.is_alert().then(|| self.alert(index, &triplet, &observation, rng))
    }

    /// Cuts the stamps and writes the fields.
    fn alert(&self, index: usize, triplet: &Triplet, observation: &Observation, rng: &mut Stream) -> SimulatedAlert {
        // the measured difference has been turned positive already
        let stamps = [0, 1, 2].map(|k| self.window.stamp(&triplet.noisy[k], 1.0));
        let clean = [0, 1, 2].map(|k| self.window.stamp(&triplet.clean[k], 1.0));
        let jd = observation.exposure.jd;
        let alert = Alert {
            candid: identity::candid(index, jd),
            object_id: identity::object_id(index, observation.history.first.min(jd)),
            values: observation.fields(rng),
            stamps,
        };
        SimulatedAlert { alert, clean }
    }
}

/// Error of a point source's flux where the static sky has `central` DN of star light.
fn local_noise(exposure: &Exposure, central: f64) -> f64 {
    // about 0.4 / N of the star's light in each of the fit's N pixels
    let signal = 0.8 * central / exposure.psf.noise_pixels();
    exposure.point_noise() * (exposure.variance(signal) / exposure.variance(0.0)).sqrt()
}

/// Makes the template miss a star of `central` DN by enough to be detected.
fn spoil(exposure: &mut Exposure, central: f64, noise: f64, rng: &mut Stream) {
    let missed = noise * (5.0 + chance::exponential(rng, 8.0));
    let sign = if chance::chance(rng, 0.35) { 1.0 } else { -1.0 };
    let off = 1.2 * missed / central.max(1.0);
    exposure.misfit = [
        exposure.misfit[0] + chance::normal(rng, 0.0, off),
        exposure.misfit[1] + chance::normal(rng, 0.0, off),
        sign * missed / central.max(1.0),
        exposure.misfit[3] + chance::normal(rng, 0.0, off),
    ];
}

/// Width of the detection over that of the PSF.
fn width_of(artefact: Option<Artefact>) -> f64 {
    match artefact {
        Some(Artefact::CosmicRay { .. } | Artefact::BadPixel { .. } | Artefact::Column { .. }) => 0.6,
        Some(Artefact::Ghost { radius, .. }) => radius.min(4.0),
        Some(Artefact::Residual) => 0.85,
        _ => 1.0,
    }
}

/// Fits the source, and turns the difference images so that it is positive, as packets store them.
fn measure(triplet: &mut Triplet, exposure: &Exposure, change: &Change) -> (Photometry, bool) {
    let sigma = exposure.variance(0.0).sqrt();
    let fit = |triplet: &Triplet| Photometry::measure(&triplet.noisy[2], &exposure.psf, change.shift, sigma);
    let found = fit(triplet);
    if found.flux >= 0.0 {
        return (found, true);
    }
    for image in [&mut triplet.clean[2], &mut triplet.noisy[2]] {
        image.pixels.iter_mut().for_each(|p| *p = -*p);
    }
    (fit(triplet), false)
}
