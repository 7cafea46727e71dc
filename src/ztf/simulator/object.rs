//! The story of one object: where it is, what it does, when it is seen, which alerts that gives.
//! Knows no file.

use super::artefact::Artefact;
use super::chance::{self, Stream, uniform};
use super::depth::Depth;
use super::edge::{Window, draw_position};
use super::footprint::Place;
use super::identity;
use super::light_curve::flux;
use super::metadata::{History, Observation};
use super::past::{Look, Past};
use super::photometry::Photometry;
use super::recipe::{Class, Recipe};
use super::scene::{Backdrop, CENTRE, Change, Triplet, draw_shift, slot};
use super::survey::{Band, Exposure, FIRST_NIGHT, Reference, visits};
use crate::ztf::alert::{Alert, Stamp};
use crate::ztf::history::Point;

/// Visits that are looked at for the alerts of one object.
const VISITS: usize = 400;

/// Fresh objects tried before an index is left without alerts.
const ATTEMPTS: usize = 200;

/// One alert and the same stamps without noise.
#[derive(Clone, Debug)]
pub struct SimulatedAlert {
    /// The alert, as if read from a packet.
    pub alert: Alert,
    /// Science, template, difference without noise and without missing pixels, artefacts included; DN, same shapes and sign.
    pub clean: [Stamp; 3],
    /// What its packet tells of the thirty days before, in time order.
    pub past: Vec<Point>,
}

/// One object and its alerts in time order.
#[derive(Clone, Debug)]
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
        let start = FIRST_NIGHT + 90.0 + uniform(rng, 0.0, 2000.0);
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
        let mut backdrop = None;
        let mut past = self.past(index, changes[0], rng);
        let mut history = self.earlier(&changes, rng);
        let mut out: Vec<SimulatedAlert> = Vec::new();
        let mut last = f64::NEG_INFINITY;
        for (&(jd, band), &change) in self.visits.iter().zip(&changes).take(self.tries(wanted)) {
            let look = self.look(jd, band, change, rng);
            history.visits += 1.0;
            let brighter_than = |share: f64| self.target.bogus || look.counts.abs() >= share * look.depth.limit();
            // the history counts detections down to three sigma
            if brighter_than(0.6) {
                history.detections += 1.0;
                history.first = history.first.min(jd);
            }
            let found = if brighter_than(0.85) && jd - last >= recipe.min_gap_days {
                let backdrop = backdrop.get_or_insert_with(|| Backdrop::new(&self.target.surroundings));
                self.render(index, look.clone(), history, backdrop, rng)
            } else {
                None
            };
            past.push(&look, found.as_ref().map(|found| &found.alert));
            if let Some(found) = found {
                last = jd;
                out.push(SimulatedAlert { past: past.before(jd), ..found });
                if out.len() == wanted {
                    break;
                }
            }
        }
        out
    }

    /// Visits to go through: a moving object is here on one night, an accident happens once or a few times.
    fn tries(&self, wanted: usize) -> usize {
        match self.class {
            Class::Asteroid => 1,
            Class::Bogus => 3 + 4 * wanted,
            _ => VISITS,
        }
    }

    /// One visit, before anything is rendered.
    fn look(&self, jd: f64, band: Band, change: f64, rng: &mut Stream) -> Look {
        let cloudy = chance::chance(rng, if self.target.bogus { 0.4 } else { 0.015 });
        let exposure = Exposure::draw(rng, jd, band, cloudy, &self.references[slot(band)]);
        let counts = change * exposure.counts(0.0);
        let depth = Depth::new(&exposure, self.target.central_flux(band) * exposure.counts(0.0));
        Look { exposure, counts, depth }
    }

    /// The visits of the month before the first simulated one, where the change is `first`. What moves or is none was not there.
    fn past(&self, index: usize, first: f64, rng: &Stream) -> Past {
        let mut past = Past::new(index, rng);
        let visits = past.visits(self.start);
        let changes = if self.repeats() {
            self.target.light.changes_before(&visits, (self.visits[0], first), &mut past.rng)
        } else {
            vec![0.0; visits.len()]
        };
        for (&(jd, band), change) in visits.iter().zip(changes) {
            let look = self.look(jd, band, change, &mut past.rng);
            past.push(&look, None);
        }
        past
    }

    /// Detections and visits between the survey's first night and the first visit simulated.
    fn earlier(&self, changes: &[f64], rng: &mut Stream) -> History {
        let elapsed = self.start - FIRST_NIGHT;
        // both bands every three to four nights for two thirds of the year, overlapping fields now and then
        let rate = chance::log_normal(rng, 0.65, 0.8);
        let visits = chance::poisson(rng, elapsed * rate) as f64;
        if self.target.begins.is_finite() {
            // an event under way has been detected at about half of the visits
            let detections = chance::poisson(rng, 0.5 * rate * (self.start - self.target.begins).max(0.0)) as f64;
            let first = if detections > 0.0 { self.target.begins } else { f64::INFINITY };
            return History { detections, visits: visits.max(detections), first };
        }
        let limit = 0.6 * flux(20.4);
        let share = changes.iter().filter(|c| c.abs() > limit).count() as f64 / changes.len() as f64;
        let detections = (0.8 * share * visits * uniform(rng, 0.5, 1.0)).floor();
        let first = if detections > 0.0 { FIRST_NIGHT + uniform(rng, 0.0, 0.4) * elapsed } else { f64::INFINITY };
        History { detections, visits, first }
    }

    /// Renders and measures one visit; none if the survey would not have sent an alert.
    fn render(
        &self,
        index: usize,
        look: Look,
        history: History,
        backdrop: &Backdrop,
        rng: &mut Stream,
    ) -> Option<SimulatedAlert> {
        let Look { mut exposure, counts, depth } = look;
        let artefact = self.target.artefact(rng, depth.limit(), depth.central);
        if artefact == Some(Artefact::Residual) {
            spoil(&mut exposure, &depth, rng);
        }
        let reference = &self.references[slot(exposure.band)];
        let change = Change { counts, trail: self.target.trail, artefact, shift: draw_shift(rng) };
        let mut triplet = Triplet::render(backdrop, &exposure, reference, &change, rng);
        triplet.noisy.iter_mut().for_each(|image| self.window.mask(image));
        let (photometry, brighter) = measure(&mut triplet, &exposure, &change);
        let centre = CENTRE as usize;
        let science_peak = f64::from(triplet.noisy[0].at(centre, centre)) - exposure.level;
        let entries = self.target.surroundings.entries();
        let observation = Observation {
            class: self.class,
            place: &self.place,
            exposure: &exposure,
            reference,
            photometry: &photometry,
            depth,
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
        SimulatedAlert { alert, clean, past: Vec::new() }
    }
}

/// Makes the template miss a star by enough to be detected.
fn spoil(exposure: &mut Exposure, depth: &Depth, rng: &mut Stream) {
    let missed = depth.limit() * (1.1 + chance::exponential(rng, 0.5)) / depth.central;
    let sign = if chance::chance(rng, 0.25) { 1.0 } else { -1.0 };
    let [dx, dy, _, blur] = exposure.misfit;
    let mut off = |was: f64| was + chance::normal(rng, 0.0, 1.2 * missed);
    exposure.misfit = [off(dx), off(dy), sign * missed, off(blur)];
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
