//! The candidate fields of one alert, from what was observed and measured.
//! Knows no pixel. Nuisance fields are drawn from straight-line fits to quantiles of public alerts.

use super::chance::{Stream, chance, exponential, log_normal, normal, quantile, uniform};
use super::depth::Depth;
use super::footprint::Place;
use super::photometry::Photometry;
use super::recipe::Class;
use super::surroundings::Entry;
use super::survey::{Band, Exposure, PIXEL, Reference};
use crate::ztf::alert::{FIELDS, field};

/// The survey's mark for "none".
const MISSING: f64 = -999.0;

/// What the history of an object holds at one of its alerts.
#[derive(Clone, Copy, Debug)]
pub(super) struct History {
    /// Detections down to three sigma, this one included.
    pub(super) detections: f64,
    /// Visits of the place.
    pub(super) visits: f64,
    /// First of these detections.
    pub(super) first: f64,
}

/// Everything the fields are made of.
pub(super) struct Observation<'a> {
    pub(super) class: Class,
    pub(super) place: &'a Place,
    pub(super) exposure: &'a Exposure,
    pub(super) reference: &'a Reference,
    pub(super) photometry: &'a Photometry,
    /// How faint a change is seen here.
    pub(super) depth: Depth,
    /// Science pixel at the centre above the sky, DN.
    pub(super) science_peak: f64,
    /// True for science brighter than template.
    pub(super) brighter: bool,
    /// Static sources by distance from the alert.
    pub(super) entries: &'a [Entry],
    /// Column and row on the quadrant.
    pub(super) chip: (f64, f64),
    /// Quadrant 0 to 63.
    pub(super) rcid: f64,
    /// Distance to the nearest edge, pixels.
    pub(super) to_edge: f64,
    pub(super) history: History,
    /// Length of the trail, pixels.
    pub(super) trail: f64,
    /// Width of the detection over that of the PSF: cosmic rays are narrow, ghosts wide.
    pub(super) width: f64,
}

/// The row that is filled, every field missing at first.
struct Row(Vec<f64>);

impl Row {
    fn set(&mut self, name: &str, value: f64) {
        debug_assert!(field(name).is_some(), "no field {name}");
        if let Some(i) = field(name) {
            self.0[i] = value;
        }
    }

    /// Sets several fields at once.
    fn set_all(&mut self, pairs: &[(&str, f64)]) {
        for (name, value) in pairs {
            self.set(name, *value);
        }
    }
}

impl Observation<'_> {
    /// Magnitude of `flux` DN.
    fn magnitude(&self, flux: f64) -> f64 {
        self.exposure.magnitude(flux)
    }

    /// Significance of the matched filter.
    fn significance(&self) -> f64 {
        self.depth.significance(self.photometry.flux)
    }

    /// Whether the survey would send an alert: significant, nothing missing at the source.
    pub(super) fn is_alert(&self) -> bool {
        self.depth.sees(self.photometry.flux) && self.photometry.bad == 0.0
    }

    /// Values in the order of [`FIELDS`].
    pub(super) fn fields(&self, rng: &mut Stream) -> Vec<f64> {
        let mut row = Row(vec![MISSING; FIELDS.len()]);
        self.pointing(&mut row, rng);
        self.brightness(&mut row, rng);
        self.shape(&mut row, rng);
        self.template_neighbour(&mut row, rng);
        self.catalogue(&mut row, rng);
        self.gaia(&mut row, rng);
        self.calibration(&mut row, rng);
        self.history_and_scores(&mut row, rng);
        // the packet stores most fields in single precision
        for (name, value) in FIELDS.iter().zip(&mut row.0) {
            if !matches!(
                *name,
                "jd" | "ra" | "dec" | "ranr" | "decnr" | "jdstarthist" | "jdendhist" | "jdstartref" | "jdendref"
            ) {
                *value = f64::from(*value as f32);
            }
        }
        row.0
    }

    fn pointing(&self, row: &mut Row, rng: &mut Stream) {
        // astrometry repeats to a tenth of an arcsecond, worse for faint sources
        let scatter = (0.06 + 0.5 / self.significance()) / 3600.0;
        let dec = (self.place.dec + normal(rng, 0.0, scatter)).clamp(-89.9, 89.9);
        let ra = (self.place.ra + normal(rng, 0.0, scatter) / dec.to_radians().cos()).rem_euclid(360.0);
        row.set_all(&[
            ("jd", self.exposure.jd),
            ("fid", self.exposure.band.fid()),
            ("ra", ra),
            ("dec", dec),
            ("programid", 1.0),
            ("rcid", self.rcid),
            ("field", self.place.field()),
            ("xpos", self.chip.0),
            ("ypos", self.chip.1),
            ("mindtoedge", self.to_edge),
            ("exptime", 30.0),
        ]);
    }

    fn brightness(&self, row: &mut Row, rng: &mut Stream) {
        let p = self.photometry;
        let magpsf = self.magnitude(p.flux);
        let limit = self.depth.magnitude_limit(self.exposure, rng);
        let sigma = self.exposure.variance(0.0).sqrt();
        let error = |flux: f64, area: f64| (1.0857 * sigma * area.sqrt() / flux.max(1.0)).min(2.0).hypot(0.001);
        // apertures lose what lies outside; the pipeline corrects on average
        let [small, big] = [1.06 * p.apertures[0], 1.02 * p.apertures[1]]
            .map(|f| (0.9 * f + 0.1 * p.flux).clamp(0.55 * p.flux, 1.8 * p.flux));
        let dsnrms = 0.9 * p.peak / sigma;
        let ssnrms = 0.9 * self.science_peak / sigma + log_normal(rng, 8.5, 0.15);
        row.set_all(&[
            ("magpsf", magpsf),
            ("sigmapsf", self.depth.magnitude_error(p.flux)),
            ("isdiffpos", f64::from(u8::from(self.brighter))),
            ("diffmaglim", limit),
            ("chipsf", p.chi * log_normal(rng, 1.5, 0.3)),
            ("magap", self.magnitude(small)),
            ("sigmagap", 1.7 * error(small, p.areas[0])),
            ("magapbig", self.magnitude(big)),
            ("sigmagapbig", 0.95 * error(big, p.areas[1])),
            ("sky", p.sky),
            ("magdiff", self.magnitude(small) - magpsf),
            ("magfromlim", limit - self.magnitude(small)),
            ("sumrat", 1.0 - 0.4 * (1.0 - p.sum_ratio)),
            ("nneg", p.negative),
            ("nbad", p.bad),
            ("scorr", self.significance()),
            ("dsnrms", dsnrms),
            ("ssnrms", ssnrms),
            ("dsdiff", dsnrms - ssnrms),
        ]);
    }

    fn shape(&self, row: &mut Row, rng: &mut Stream) {
        let snr = self.significance();
        // what is left of a star that was there disturbs the shape
        let star = self.depth.central / (self.depth.central + 3.0 * self.photometry.flux);
        let blur = 0.06 + 1.4 / snr + 0.17 * star;
        let seeing = 1.17 * self.exposure.psf.fwhm;
        let width = (1.02 * self.exposure.psf.fwhm).hypot(0.9 * self.trail) * self.width;
        let fwhm = (width * log_normal(rng, 1.0, blur) + 0.2 * exponential(rng, blur * 6.0)).clamp(1.03, 10.0);
        let a = (0.40 * width.powf(0.75) * log_normal(rng, 1.12, 0.6 * blur + 0.05)).clamp(0.33, 3.0);
        let elong =
            1.01 + 0.08 * self.trail.min(4.0) + exponential(rng, 0.09 + 0.2 * (self.width - 1.0).abs().min(0.4));
        let star_like =
            quantile(rng, &[(0.0, 0.42), (0.05, 0.66), (0.25, 0.93), (0.5, 0.98), (0.95, 0.999), (1.0, 1.0)]);
        row.set_all(&[
            ("fwhm", fwhm),
            ("seeratio", (seeing / fwhm).min(2.0)),
            ("aimage", a),
            ("bimage", a / elong),
            ("aimagerat", a / fwhm),
            ("bimagerat", a / elong / fwhm),
            ("elong", elong),
            ("classtar", star_like - uniform(rng, 0.0, 0.25) * (self.trail / 3.0).min(1.0)),
        ]);
    }

    /// The nearest source of the reference catalogue: its five-sigma limit is near magnitude 23.
    fn template_neighbour(&self, row: &mut Row, rng: &mut Stream) {
        let band = self.exposure.band;
        let listed = self.entries.iter().find(|e| e.magnitude(band) < 22.3);
        let faint = quantile(rng, &[(0.0, 21.9), (0.3, 22.4), (0.7, 22.9), (1.0, 23.4)]);
        let faint_at = Place::nearest_beyond(rng, 12.0, 0.5);
        let (distance, m, extended, at) = match listed {
            Some(e) if e.distance * PIXEL < faint_at => (e.distance * PIXEL, e.magnitude(band), e.extended, (e.x, e.y)),
            _ => (faint_at, faint, false, (faint_at, 0.0)),
        };
        let spread = 0.13 + 0.8 / self.significance();
        let blurred = distance.hypot(normal(rng, 0.0, spread)).hypot(normal(rng, 0.0, spread));
        let extent = if extended { 0.03 } else { 0.0 };
        let error = (0.014_f64 + extent).hypot(0.06 * 10_f64.powf(0.4 * (m - 21.3))) * log_normal(rng, 1.1, 0.25);
        let (chi, sharp) = if extended {
            let size = (20.5 - m).clamp(0.0, 4.0);
            (log_normal(rng, 0.9 + 0.9 * size, 0.6), normal(rng, 0.12 + 0.07 * size, 0.14))
        } else {
            (
                log_normal(rng, 0.68, 0.42),
                normal(rng, -0.018 - 0.05 * (m - 20.5).max(0.0), 0.022 + 0.09 * (m - 20.0).max(0.0)),
            )
        };
        let degrees = |pixels: f64| pixels * PIXEL / 3600.0;
        row.set_all(&[
            ("distnr", blurred),
            ("magnr", m + normal(rng, 0.0, 0.3 * error)),
            ("sigmagnr", error.min(0.36)),
            ("chinr", chi),
            ("sharpnr", sharp),
            ("ranr", (self.place.ra + degrees(at.0) / self.place.dec.to_radians().cos()).rem_euclid(360.0)),
            ("decnr", self.place.dec + degrees(at.1)),
        ]);
    }

    /// The three nearest sources of a deeper catalogue (PS1), within 30 arcseconds.
    fn catalogue(&self, row: &mut Row, rng: &mut Stream) {
        let near: Vec<&Entry> = self.entries.iter().filter(|e| e.distance * PIXEL < 30.0 && e.r < 22.6).collect();
        row.set("nmtchps", near.len() as f64);
        for (k, entry) in near.iter().take(3).enumerate() {
            let spread = 0.14 + 0.8 / self.significance();
            let offset = normal(rng, 0.0, spread).hypot(normal(rng, 0.0, spread));
            let distance = (entry.distance * PIXEL).hypot(offset);
            // blends and confusion lose objects' bands now and then
            let colours = [entry.colour, 0.0, -0.45 * entry.colour, -0.65 * entry.colour];
            for (band, shift) in ["g", "r", "i", "z"].iter().zip(colours) {
                let m = entry.r + shift + normal(rng, 0.0, 0.05);
                let depth = if *band == "z" { 21.3 } else { 22.2 };
                let seen = m < depth && !chance(rng, 0.03);
                row.set(&format!("s{band}mag{}", k + 1), if seen { m } else { MISSING });
            }
            row.set(&format!("sgscore{}", k + 1), star_score(rng, entry));
            row.set(&format!("distpsnr{}", k + 1), distance);
        }
    }

    /// Nearest Gaia source and nearest brighter than magnitude 14, within 90 arcseconds.
    fn gaia(&self, row: &mut Row, rng: &mut Stream) {
        let nearest = |rng: &mut Stream, limit: f64, density: f64| {
            let known = self.entries.iter().find(|e| !e.extended && e.r + 0.1 < limit);
            match known {
                Some(e) => ((e.distance * PIXEL).hypot(normal(rng, 0.0, 0.3)), e.r + 0.1),
                None => (Place::nearest_beyond(rng, density, 36.0), limit - exponential(rng, 1.6)),
            }
        };
        let (any, any_m) = nearest(rng, 20.6, 0.35 * self.place.stars);
        let (bright, bright_m) = nearest(rng, 14.0, 0.02 * self.place.stars);
        for (distance, m, names) in
            [(any, any_m, ["neargaia", "maggaia"]), (bright, bright_m, ["neargaiabright", "maggaiabright"])]
        {
            let found = distance < 90.0;
            row.set(names[0], if found { distance } else { MISSING });
            row.set(names[1], if found { m } else { MISSING });
        }
    }

    fn calibration(&self, row: &mut Row, rng: &mut Stream) {
        let matches = (log_normal(rng, 300.0, 0.6) * self.place.stars.powf(0.55)).clamp(40.0, 2200.0).round();
        let rms = quantile(rng, &[(0.0, 0.015), (0.05, 0.02), (0.5, 0.04), (0.95, 0.062), (1.0, 0.16)]);
        let unc = 0.8 / matches.powf(1.75) * rms / 0.04 * log_normal(rng, 1.0, 0.3);
        let colour = if self.exposure.band == Band::G { normal(rng, -0.06, 0.025) } else { normal(rng, 0.1, 0.018) };
        let clrmed = quantile(rng, &[(0.0, 0.44), (0.05, 0.5), (0.5, 0.63), (0.95, 0.88), (1.0, 1.5)]);
        row.set_all(&[
            ("magzpsci", self.exposure.zero_point),
            ("magzpsciunc", unc),
            ("magzpscirms", rms),
            ("nmatches", matches),
            ("clrcoeff", colour),
            ("clrcounc", 1.6 * unc),
            ("zpclrcov", -1.2 * unc),
            ("zpmed", self.exposure.zero_point + colour * clrmed * 0.2),
            ("clrmed", clrmed),
            (
                "clrrms",
                quantile(rng, &[(0.0, 0.12), (0.05, 0.155), (0.25, 0.21), (0.5, 0.29), (0.75, 0.312), (1.0, 0.345)]),
            ),
            ("jdstartref", self.reference.jd_start),
            ("jdendref", self.reference.jd_end),
            ("nframesref", self.reference.frames),
        ]);
    }

    fn history_and_scores(&self, row: &mut Row, rng: &mut Stream) {
        let near = self.class == Class::Asteroid;
        let snr = self.significance();
        let good = (snr / 12.0).min(1.0);
        let (rb, drb) = if self.class == Class::Bogus {
            (
                quantile(rng, &[(0.0, 0.02), (0.5, 0.42), (0.95, 0.8), (1.0, 0.92)]),
                quantile(rng, &[(0.0, 0.0), (0.5, 0.004), (0.9, 0.09), (1.0, 0.98)]),
            )
        } else {
            let deep = quantile(rng, &[(0.0, 0.02), (0.05, 0.88), (0.25, 0.99), (0.5, 0.9995), (1.0, 1.0)]);
            (
                quantile(rng, &[(0.0, 0.3), (0.1, 0.55), (0.5, 0.8), (0.9, 0.95), (1.0, 0.98)]),
                1.0 - (1.0 - deep) * (1.6 - good),
            )
        };
        let orbit = quantile(rng, &[(0.0, 0.0), (0.8, 0.0), (0.95, 1.0), (1.0, 5.0)]).round();
        let predicted = self.magnitude(self.photometry.flux) + normal(rng, -0.1, 0.3);
        row.set_all(&[
            ("rb", rb),
            ("drb", drb.clamp(0.0, 1.0)),
            ("ssdistnr", if near { orbit } else { MISSING }),
            ("ssmagnr", if near { predicted } else { MISSING }),
            ("ndethist", self.history.detections),
            ("ncovhist", self.history.visits),
            ("jdstarthist", self.history.first),
            ("jdendhist", self.exposure.jd),
        ]);
    }
}

/// Star-galaxy score of the deep catalogue: near 1 for stars, near 0 for galaxies, 0.5 for what is too faint to say.
fn star_score(rng: &mut Stream, entry: &Entry) -> f64 {
    let unsure = ((entry.r - 19.3) / 2.6).clamp(0.02, 0.9);
    if chance(rng, unsure) {
        return if chance(rng, 0.45) { 0.5 } else { uniform(rng, 0.0, 1.0) };
    }
    let off = exponential(rng, 0.025).min(1.0);
    if entry.extended { off } else { 1.0 - off }
}
