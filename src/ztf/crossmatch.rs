//! Which places of a catalogue are within a radius of a place on the sky. Knows positions only.

use super::sky::separation;

/// Arcseconds in a degree.
const ARCSEC: f64 = 3600.0;
/// Height of a band of declination in radii: a circle lies in two bands, seldom in more.
const RADII_IN_BAND: f64 = 4.0;
/// Slack of the first, coarse choice, degrees: far above rounding errors, far below any radius that makes sense.
const SLACK: f64 = 1e-9;

/// A place of the catalogue near the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// Its number in the catalogue.
    pub row: usize,
    /// Distance, arcsec.
    pub distance: f64,
}

/// The places of a catalogue, ordered by bands of declination and in each by right ascension, so that a search looks at few.
#[derive(Debug)]
pub struct SkyIndex {
    radius: f64,
    band: f64,
    points: Vec<Point>,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    band: u32,
    row: u32,
    ra: f64,
    dec: f64,
}

impl SkyIndex {
    /// An index of `places` (right ascension and declination, degrees, finite; at most 2^32) for searches within `radius`
    /// arcsec, above 0.
    #[must_use]
    pub fn new(places: &[(f64, f64)], radius: f64) -> Self {
        let mut index = Self { radius, band: (RADII_IN_BAND * radius / ARCSEC).max(SLACK), points: Vec::new() };
        let point = |(row, (ra, dec)): (usize, &(f64, f64))| {
            let ra = turned(*ra);
            Point { band: index.band_of(*dec), row: row as u32, ra, dec: *dec }
        };
        let mut points: Vec<Point> = places.iter().enumerate().map(point).collect();
        points.sort_unstable_by(|a, b| a.band.cmp(&b.band).then(a.ra.total_cmp(&b.ra)).then(a.row.cmp(&b.row)));
        index.points = points;
        index
    }

    /// All places within the radius of `ra`, `dec` (degrees), the nearest first, equally near ones by their number; none
    /// when the position is not finite.
    #[must_use]
    pub fn within(&self, ra: f64, dec: f64) -> Vec<Near> {
        let mut found = Vec::new();
        if !ra.is_finite() || !dec.is_finite() {
            return found;
        }
        let (ra, height) = (turned(ra), self.radius / ARCSEC + SLACK);
        let width = width(dec, height);
        for band in self.band_of(dec - height)..=self.band_of(dec + height) {
            for (low, high) in ranges(ra, width).into_iter().flatten() {
                let start = self.points.partition_point(|point| (point.band, point.ra) < (band, low));
                let here = |point: &&Point| point.band == band && point.ra <= high;
                for point in self.points[start..].iter().take_while(here) {
                    let distance = separation((ra, dec), (point.ra, point.dec));
                    if distance <= self.radius {
                        found.push(Near { row: point.row as usize, distance });
                    }
                }
            }
        }
        found.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
        found
    }

    fn band_of(&self, dec: f64) -> u32 {
        ((dec.clamp(-90.0, 90.0) + 90.0) / self.band) as u32
    }
}

/// Right ascension from 0 to below 360 degrees.
fn turned(ra: f64) -> f64 {
    let ra = ra.rem_euclid(360.0);
    if ra == 360.0 { 0.0 } else { ra }
}

/// How far in right ascension a circle reaches, degrees: where its edge touches the meridian; all around if it holds a pole.
fn width(dec: f64, radius: f64) -> f64 {
    if dec.abs() + radius >= 90.0 {
        return 180.0;
    }
    (radius.to_radians().sin() / dec.to_radians().cos()).min(1.0).asin().to_degrees() + SLACK
}

/// From `ra - width` to `ra + width`, in two pieces where that crosses 0.
fn ranges(ra: f64, width: f64) -> [Option<(f64, f64)>; 2] {
    let (low, high) = (ra - width, ra + width);
    match () {
        () if high - low >= 360.0 => [Some((0.0, 360.0)), None],
        () if low < 0.0 => [Some((0.0, high)), Some((low + 360.0, 360.0))],
        () if high > 360.0 => [Some((low, 360.0)), Some((0.0, high - 360.0))],
        () => [Some((low, high)), None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places that look random, with many near the poles, near right ascension 0 and near each other. Only whole numbers
    /// and divisions by powers of two, so Python makes the same.
    fn places(n: u64, salt: u64) -> Vec<(f64, f64)> {
        let mut state = salt;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut place = |i: u64| {
            let (a, b) = (draw(8192) as f64, draw(8192) as f64);
            match i % 4 {
                0 => (a / 8_388_608.0, b / 8_388_608.0),
                1 => (a * 45.0 / 1024.0, 90.0 - b / 8_388_608.0),
                2 => (if i % 8 == 2 { a } else { 3_019_898_880.0 - a } / 8_388_608.0, b / 8_388_608.0 - 30.0),
                _ => (a * 45.0 / 1024.0, b / 8_388_608.0 - 90.0),
            }
        };
        (0..n).map(&mut place).collect()
    }

    /// ```python
    /// import numpy as np
    /// from astropy import units as u
    /// from astropy.coordinates import SkyCoord
    /// def places(n, salt):
    ///     state, out = salt, []
    ///     def draw(below):
    ///         nonlocal state
    ///         state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
    ///         return (state >> 33) % below
    ///     for i in range(n):
    ///         a, b, s = draw(8192), draw(8192), 8388608.0
    ///         out.append([(a / s, b / s), (a * 45 / 1024, 90 - b / s), ((a if i % 8 == 2 else 3019898880 - a) / s, b / s - 30),
    ///                     (a * 45 / 1024, b / s - 90)][i % 4])
    ///     return SkyCoord(np.array(out), unit="deg")
    /// alerts, catalogue = places(4000, 1), places(6000, 2)
    /// row, distance, _ = alerts.match_to_catalog_sky(catalogue)
    /// near = distance.arcsec <= 0.1
    /// print(near.sum(), int((row[near] * (np.nonzero(near)[0] % 1009)).sum()), distance.arcsec[near].sum())
    /// print(len(alerts.search_around_sky(catalogue, 0.1 * u.arcsec)[0]))  # pairs
    /// ```
    #[test]
    fn nearest_places_equal_astropys() {
        let (alerts, catalogue) = (places(4000, 1), places(6000, 2));
        let index = SkyIndex::new(&catalogue, 0.1);
        let (mut near, mut check, mut sum, mut pairs) = (0, 0, 0.0, 0);
        for (i, (ra, dec)) in alerts.iter().enumerate() {
            let found = index.within(*ra, *dec);
            pairs += found.len();
            if let Some(nearest) = found.first() {
                near += 1;
                check += nearest.row * (i % 1009);
                sum += nearest.distance;
            }
        }
        assert_eq!((near, check, pairs), ASTROPY);
        assert!((sum - ASTROPY_SUM).abs() < 1e-6, "{sum}");
    }

    const ASTROPY: (usize, usize, usize) = (3308, 4_924_202_567, 12_842);
    const ASTROPY_SUM: f64 = 164.354_942_891_898_4;

    #[test]
    fn every_radius_finds_what_a_plain_search_finds() {
        let (alerts, catalogue) = (places(150, 3), places(400, 4));
        for radius in [1e-3, 0.3, 3.0, 400.0, 200_000.0] {
            let index = SkyIndex::new(&catalogue, radius);
            for (ra, dec) in &alerts {
                let distance = |place: &(f64, f64)| separation((*ra, *dec), *place);
                let plain = catalogue.iter().filter(|place| distance(place) <= radius).count();
                assert_eq!(index.within(*ra, *dec).len(), plain, "{ra} {dec} within {radius}");
            }
        }
    }

    #[test]
    fn equally_near_places_come_in_their_order_and_no_place_is_near_nothing() {
        let index = SkyIndex::new(&[(360.0, 1.0), (0.0, 1.0), (-0.0, 1.0)], 1.0);
        let rows: Vec<usize> = index.within(0.0, 1.0).iter().map(|near| near.row).collect();
        assert_eq!(rows, [0, 1, 2]);
        assert!(index.within(f64::NAN, 1.0).is_empty());
        assert!(SkyIndex::new(&[], 1.0).within(0.0, 0.0).is_empty());
    }
}
