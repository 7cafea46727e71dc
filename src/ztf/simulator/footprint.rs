//! Where on the sky objects of each class are, and how crowded it is there.
//! Knows no pixel.

use super::chance::{Stream, exponential, log_normal, uniform};
use super::recipe::Class;
use crate::ztf::sky;

/// A direction with the two latitudes that matter, degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) ra: f64,
    pub(super) dec: f64,
    /// Galactic latitude.
    pub(super) galactic: f64,
    /// Ecliptic latitude.
    pub(super) ecliptic: f64,
    /// Stars down to magnitude 22 per square arcminute.
    pub(super) stars: f64,
}

impl Place {
    /// The place of `ra`, `dec` degrees (J2000), with `stars` per square arcminute.
    fn new(ra: f64, dec: f64, stars: f64) -> Self {
        Self { ra, dec, galactic: sky::galactic(ra, dec).lat, ecliptic: sky::ecliptic(ra, dec).lat, stars }
    }

    /// A place in the survey's sky (declination -28 to 85) where `class` is found: rejection against its density.
    pub(super) fn draw(rng: &mut Stream, class: Class) -> Self {
        loop {
            let sin_dec = uniform(rng, (-28_f64).to_radians().sin(), 85_f64.to_radians().sin());
            let place = Self::new(uniform(rng, 0.0, 360.0), sin_dec.asin().to_degrees(), 0.0);
            if uniform(rng, 0.0, 1.0) < place.density(class) {
                return Self { stars: place.draw_stars(rng), ..place };
            }
        }
    }

    /// Relative density of a class, at most one.
    fn density(&self, class: Class) -> f64 {
        let (b, beta) = (self.galactic.abs(), self.ecliptic.abs());
        let clear = 1.0 - (-(b / 12.0).powi(2)).exp();
        match class {
            Class::Agn | Class::Supernova => clear,
            Class::VariableStar => 0.10 + 0.9 * (-b / 9.0).exp(),
            Class::Asteroid => (-beta / 8.0).exp() * (0.3 + 0.7 * clear),
            Class::Bogus => 0.35 + 0.65 * (-b / 15.0).exp(),
        }
    }

    /// Star density with the scatter of dust and clusters; at the plane some sixty per square arcminute.
    fn draw_stars(&self, rng: &mut Stream) -> f64 {
        let b = self.galactic.abs();
        log_normal(rng, 2.2 + 7.0 * (-b / 18.0).exp() + 45.0 * (-b / 5.0).exp(), 0.45)
    }

    /// Distance to the nearest of sources with `density` per square arcminute, none nearer than `inner`; arcseconds.
    pub(super) fn nearest_beyond(rng: &mut Stream, density: f64, inner: f64) -> f64 {
        let area = exponential(rng, 1.0 / density) * 3600.0;
        (area / std::f64::consts::PI + inner * inner).sqrt()
    }

    /// Number of the survey's field: rows of 7.2 degrees upwards from declination -31, eastwards in each.
    pub(super) fn field(&self) -> f64 {
        let row = ((self.dec + 31.0) / 7.2).floor();
        let fields_of = |row: f64| (360.0 * (-27.4 + 7.2 * row).to_radians().cos() / 7.1).ceil();
        let before: f64 = (0..row as i32).map(|r| fields_of(f64::from(r))).sum();
        200.0 + before + (self.ra / 360.0 * fields_of(row)).floor()
    }
}

#[cfg(test)]
mod tests {
    use super::super::chance::stream;
    use super::*;

    #[test]
    fn classes_live_where_they_should() {
        let mean = |class, f: fn(&Place) -> f64| {
            let mut rng = stream(4, class as usize);
            (0..400).map(|_| f(&Place::draw(&mut rng, class)).abs()).sum::<f64>() / 400.0
        };
        assert!(mean(Class::Asteroid, |p| p.ecliptic) < 12.0);
        assert!(mean(Class::VariableStar, |p| p.galactic) + 10.0 < mean(Class::Supernova, |p| p.galactic));
    }
}
