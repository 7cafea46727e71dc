//! Sky coordinates: from equatorial J2000 to galactic and ecliptic, degrees; angles between places. Knows no alert.

/// From equatorial (FK5, J2000) to galactic axes, IAU 1958 as stated for J2000: pole at 192.859481, 27.128251 degrees,
/// north celestial pole at longitude 122.931919 degrees. Taking ICRS for FK5 costs less than 0.05 arcsec.
const GALACTIC: [[f64; 3]; 3] = [
    [-0.054_875_539_395_714_6, -0.873_437_104_727_433_4, -0.483_834_991_770_322_5],
    [0.494_109_453_623_363_8, -0.444_829_594_298_816_7, 0.746_982_248_702_05],
    [-0.867_666_135_685_869_9, -0.198_076_389_610_949_9, 0.455_983_794_517_569_2],
];

/// Obliquity of the ecliptic at J2000, arcsec (IAU 1976, as in the ephemeris that the Stamp Classifier used).
const OBLIQUITY_ARCSEC: f64 = 84_381.448;

/// A direction on the sky.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Direction {
    /// Longitude, degrees, 0 to below 360.
    pub long: f64,
    /// Latitude, degrees, -90 to 90.
    pub lat: f64,
}

/// Galactic coordinates of right ascension and declination (J2000, degrees); NaN gives NaN.
#[must_use]
pub fn galactic(ra: f64, dec: f64) -> Direction {
    rotate(&GALACTIC, ra, dec)
}

/// Ecliptic coordinates (mean equator and equinox J2000) of right ascension and declination (J2000, degrees).
#[must_use]
pub fn ecliptic(ra: f64, dec: f64) -> Direction {
    let (sin, cos) = (OBLIQUITY_ARCSEC / 3600.0).to_radians().sin_cos();
    rotate(&[[1.0, 0.0, 0.0], [0.0, cos, sin], [0.0, -sin, cos]], ra, dec)
}

/// Angle between two places, degrees in, arcsec out (haversine: exact for small angles; Sinnott 1984, Sky & Telescope 68, 159);
/// NaN where a position is missing.
#[must_use]
pub fn separation(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (ra, dec) = ((b.0 - a.0).to_radians(), (b.1 - a.1).to_radians());
    let haversine =
        (dec / 2.0).sin().powi(2) + a.1.to_radians().cos() * b.1.to_radians().cos() * (ra / 2.0).sin().powi(2);
    2.0 * haversine.sqrt().clamp(0.0, 1.0).asin().to_degrees() * 3600.0
}

fn rotate(matrix: &[[f64; 3]; 3], ra: f64, dec: f64) -> Direction {
    let (sin_ra, cos_ra) = ra.to_radians().sin_cos();
    let (sin_dec, cos_dec) = dec.to_radians().sin_cos();
    let unit = [cos_dec * cos_ra, cos_dec * sin_ra, sin_dec];
    let [x, y, z] = matrix.map(|row| row.iter().zip(unit).map(|(m, u)| m * u).sum::<f64>());
    let long = y.atan2(x).to_degrees().rem_euclid(360.0);
    // Below: the remainder of a tiny negative number rounds to 360, and asin(z) would lose half the digits at the poles.
    Direction { long: if long == 360.0 { 0.0 } else { long }, lat: z.atan2(x.hypot(y)).to_degrees() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ra, dec, then galactic longitude and latitude, ecliptic longitude and latitude, all in degrees:
    /// ```python
    /// c = SkyCoord(ra * u.deg, dec * u.deg, frame="fk5").galactic
    /// e = SkyCoord(ra * u.deg, dec * u.deg, distance=1e9 * u.kpc).transform_to(HeliocentricEclipticIAU76())
    /// ```
    /// `HeliocentricEclipticIAU76` has this obliquity and no frame bias; `BarycentricMeanEcliptic` (IAU 2006) differs by
    /// up to 1.2e-5 degrees.
    const ASTROPY: [(f64, f64, [f64; 4]); 6] = [
        (0.0, 0.0, [96.337_269_608, -60.188_551_731, 0.0, 0.0]),
        (10.684_708, 41.268_75, [121.174_319_418, -21.573_309_933, 27.849_144_916, 33.348_607_081]),
        (83.633_083, 22.014_5, [184.557_449_483, -5.784_360_144, 84.097_503_557, -1.294_431_681]),
        (359.9, -30.0, [15.721_473_484, -78.268_810_422, 346.978_775_420, -27.267_136_634]),
        (150.0, 89.5, [123.315_320_604, 27.494_242_207, 91.077_634_683, 66.306_975_081]),
        (266.405_1, -28.936_17, [0.000_049_367, -0.000_076_259, 266.839_616_517, -5.536_308_420]),
    ];

    #[test]
    fn agrees_with_astropy() {
        for (ra, dec, expected) in ASTROPY {
            let (g, e) = (galactic(ra, dec), ecliptic(ra, dec));
            for (ours, theirs) in [g.long, g.lat, e.long, e.lat].into_iter().zip(expected) {
                assert!((ours - theirs).abs() < 1e-6, "({ra}, {dec}): {ours} instead of {theirs}");
            }
        }
    }

    #[test]
    fn galactic_pole_is_at_latitude_90() {
        assert!((galactic(192.859_481_206_5, 27.128_251_180_9).lat - 90.0).abs() < 1e-6);
        assert!((galactic(0.0, 90.0).long - 122.931_918_568).abs() < 1e-6);
    }

    /// ```python
    /// from astropy.coordinates import SkyCoord
    /// a = SkyCoord([10, 359.9999, 200], [41, -30, 89.9999], unit="deg"); b = SkyCoord([10.0003, 0.0001, 20], [41.0002, -30, 89.9999], unit="deg")
    /// print(a.separation(b).arcsec)
    /// ```
    #[test]
    fn separations_equal_astropy() {
        let cases = [
            ((10.0, 41.0), (10.0003, 41.0002), SEPARATIONS[0]),
            ((359.9999, -30.0), (0.0001, -30.0), SEPARATIONS[1]),
            ((200.0, 89.9999), (20.0, 89.9999), SEPARATIONS[2]),
        ];
        for (a, b, theirs) in cases {
            assert!((separation(a, b) - theirs).abs() < 1e-6, "{} against {theirs}", separation(a, b));
        }
    }

    const SEPARATIONS: [f64; 3] = [1.087_549_417_972_785_8, 0.623_538_290_536_792_3, 0.720_000_000_032_543_4];

    #[test]
    fn missing_positions_stay_missing() {
        assert!(galactic(f64::NAN, 1.0).lat.is_nan() && ecliptic(1.0, f64::NAN).long.is_nan());
        assert!(separation((f64::NAN, 1.0), (2.0, 1.0)).is_nan() && separation((2.0, 1.0), (2.0, f64::NAN)).is_nan());
    }
}
