//! The sources that do not change around an object: stars, galaxies, and the nearest of them for the catalogues.
//! Knows no noise and no time.

use std::f64::consts::PI;

use super::chance::{Stream, chance, log_normal, normal, number_counts, poisson, uniform};
use super::footprint::Place;
use super::host::Galaxy;
use super::light_curve::flux;
use super::survey::{Band, PIXEL};

/// Half side of the area that is filled with sources, pixels: PS1 neighbours are looked for out to 30 arcseconds.
const REACH: f64 = 36.0;

/// Sources nearer to each other than this are one entry in a catalogue, pixels.
const BLEND: f64 = 1.3;

/// A point-like source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Star {
    /// Column from the stamp's centre, pixels.
    pub(super) x: f64,
    /// Row from the stamp's centre, pixels.
    pub(super) y: f64,
    /// Red magnitude.
    pub(super) r: f64,
    /// `g - r`.
    pub(super) colour: f64,
}

/// An extended source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extended {
    pub(super) shape: Galaxy,
    /// Red magnitude.
    pub(super) r: f64,
    /// Whether a survey of one-arcsecond images can tell that it is no star.
    pub(super) resolved: bool,
}

/// Colour `g - r` of every galaxy: one value lets one rendering serve both bands.
pub(super) const GALAXY_COLOUR: f64 = 0.7;

/// All static sources about one object; the object's own quiet light is among them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Surroundings {
    pub(super) stars: Vec<Star>,
    pub(super) galaxies: Vec<Extended>,
}

/// What a catalogue lists of one static source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    /// Distance to the alert, pixels.
    pub(super) distance: f64,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) r: f64,
    pub(super) colour: f64,
    pub(super) extended: bool,
    /// Half-light radius, pixels; 0 for a star.
    pub(super) radius: f64,
}

impl Surroundings {
    /// Chance neighbours at `place`: stars by its density, galaxies at two per square arcminute down to magnitude 22.
    pub(super) fn draw(rng: &mut Stream, place: &Place) -> Self {
        let area = (2.0 * REACH * PIXEL / 60.0).powi(2);
        let mut out = Self::default();
        for _ in 0..poisson(rng, place.stars * area) {
            let (x, y) = (uniform(rng, -REACH, REACH), uniform(rng, -REACH, REACH));
            let r = number_counts(rng, 0.22, 11.0, 22.3);
            out.stars.push(Star { x, y, r, colour: star_colour(rng) });
        }
        for _ in 0..poisson(rng, 2.0 * area) {
            let (x, y) = (uniform(rng, -REACH, REACH), uniform(rng, -REACH, REACH));
            out.galaxies.push(Extended::draw(rng, x, y, 0.45, 15.0));
        }
        out
    }

    /// Static sources by distance from the alert at the stamp's centre, nearest first; blends are one entry.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let stars = self.stars.iter().map(|s| (s.x, s.y, s.r, s.colour, false, 0.0));
        let galaxies =
            self.galaxies.iter().map(|g| (g.shape.x, g.shape.y, g.r, GALAXY_COLOUR, g.resolved, g.shape.radius));
        let mut out: Vec<Entry> = stars
            .chain(galaxies)
            .map(|(x, y, r, colour, extended, radius)| Entry {
                distance: x.hypot(y),
                x,
                y,
                r,
                colour,
                extended,
                radius,
            })
            .collect();
        out.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        merge_blends(out)
    }
}

/// Joins each source to one already listed within [`BLEND`]: their fluxes add, the galaxy shows from a third of the light.
fn merge_blends(sorted: Vec<Entry>) -> Vec<Entry> {
    let mut out: Vec<Entry> = Vec::with_capacity(sorted.len());
    for entry in sorted {
        // in order of distance, so a blend's partner is among the last entries
        let near = |e: &&mut Entry| (e.x - entry.x).hypot(e.y - entry.y) < BLEND;
        let Some(partner) = out.iter_mut().rev().take_while(|e| entry.distance - e.distance < BLEND).find(near) else {
            out.push(entry);
            continue;
        };
        let (mine, other) = (flux(partner.r), flux(entry.r));
        let galaxy =
            [(partner.extended, mine), (entry.extended, other)].iter().filter(|p| p.0).map(|p| p.1).sum::<f64>();
        partner.r = -2.5 * (mine + other).log10();
        partner.extended = galaxy > 0.33 * (mine + other);
        partner.radius = partner.radius.max(entry.radius);
    }
    out
}

impl Extended {
    /// A galaxy at `(x, y)` with counts of slope `slope` between magnitudes `bright` and 22.5; fainter ones are smaller.
    pub(super) fn draw(rng: &mut Stream, x: f64, y: f64, slope: f64, bright: f64) -> Self {
        let r = number_counts(rng, slope, bright, 22.5);
        Self::of_magnitude(rng, x, y, r)
    }

    /// A galaxy of magnitude `r`: half-light radius 1.5 pixels at 20.5, growing by 10^(-0.13 m).
    pub(super) fn of_magnitude(rng: &mut Stream, x: f64, y: f64, r: f64) -> Self {
        let radius = (log_normal(rng, 1.5, 0.35) * 10_f64.powf(-0.13 * (r - 20.5))).clamp(0.4, 22.0);
        let seen = r < 21.5 || chance(rng, 0.6);
        Self { shape: Galaxy::draw(rng, x, y, radius), r, resolved: seen && radius > 0.55 }
    }
}

/// `g - r` of field stars: turn-off stars and red dwarfs.
pub(super) fn star_colour(rng: &mut Stream) -> f64 {
    if chance(rng, 0.6) { normal(rng, 0.5, 0.15) } else { normal(rng, 1.25, 0.2) }
}

/// A point `distance` pixels away in a random direction.
pub(super) fn around(rng: &mut Stream, distance: f64) -> (f64, f64) {
    let (sin, cos) = uniform(rng, 0.0, 2.0 * PI).sin_cos();
    (distance * cos, distance * sin)
}

impl Entry {
    /// Magnitude in `band`.
    pub(super) fn magnitude(&self, band: Band) -> f64 {
        band.magnitude(self.r, self.colour)
    }
}

#[cfg(test)]
mod tests {
    use super::super::chance::stream;
    use super::super::recipe::Class;
    use super::*;

    #[test]
    fn entries_are_nearest_first_and_blends_are_one() {
        let mut rng = stream(9, 9);
        let place = Place::draw(&mut rng, Class::VariableStar);
        let entries = Surroundings::draw(&mut rng, &place).entries();
        assert!(entries.windows(2).all(|w| w[0].distance <= w[1].distance));

        let star = |x: f64| Star { x, y: 0.0, r: 18.0, colour: 0.5 };
        let pair = Surroundings { stars: vec![star(0.2), star(-0.5), star(4.0)], galaxies: Vec::new() }.entries();
        assert_eq!(pair.len(), 2);
        // twice the light is 0.7526 magnitudes brighter
        assert!((pair[0].r - 17.2474).abs() < 1e-3);
    }
}
