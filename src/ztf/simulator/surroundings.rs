//! The sources that do not change around an object: stars, galaxies, and the nearest of them for the catalogues.
//! Knows no noise and no time.

use std::f64::consts::PI;

use super::chance::{Stream, chance, log_normal, normal, number_counts, poisson, uniform};
use super::footprint::Place;
use super::host::Galaxy;
use super::survey::{Band, PIXEL};

/// Half side of the area that is filled with sources, pixels: PS1 neighbours are looked for out to 30 arcseconds.
const REACH: f64 = 36.0;

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

    /// Static sources by distance from the alert at `(x, y)`, nearest first.
    pub(super) fn entries(&self, x: f64, y: f64) -> Vec<Entry> {
        let stars = self.stars.iter().map(|s| (s.x, s.y, s.r, s.colour, false, 0.0));
        let galaxies =
            self.galaxies.iter().map(|g| (g.shape.x, g.shape.y, g.r, GALAXY_COLOUR, g.resolved, g.shape.radius));
        let mut out: Vec<Entry> = stars
            .chain(galaxies)
            .map(|(sx, sy, r, colour, extended, radius)| {
                let distance = (sx - x).hypot(sy - y);
                Entry { distance, x: sx, y: sy, r, colour, extended, radius }
            })
            .collect();
        out.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        out
    }
}

impl Extended {
    /// A galaxy at `(x, y)` with counts of slope `slope` between magnitudes `bright` and 22.5; fainter ones are smaller.
    pub(super) fn draw(rng: &mut Stream, x: f64, y: f64, slope: f64, bright: f64) -> Self {
        let r = number_counts(rng, slope, bright, 22.5);
        Self::of_magnitude(rng, x, y, r)
    }

    /// A galaxy of magnitude `r`: half-light radius 1.2 pixels at 20.5, growing by 10^(-0.13 m).
    pub(super) fn of_magnitude(rng: &mut Stream, x: f64, y: f64, r: f64) -> Self {
        let radius = (log_normal(rng, 1.2, 0.35) * 10_f64.powf(-0.13 * (r - 20.5))).clamp(0.4, 22.0);
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
    fn entries_are_nearest_first_and_complete() {
        let mut rng = stream(9, 9);
        let place = Place::draw(&mut rng, Class::VariableStar);
        let around = Surroundings::draw(&mut rng, &place);
        let entries = around.entries(0.0, 0.0);
        assert_eq!(entries.len(), around.stars.len() + around.galaxies.len());
        assert!(entries.windows(2).all(|w| w[0].distance <= w[1].distance));
    }
}
