//! What an alert tells of the month before it: detections, upper limits and forced photometry of the visits of its place.
//! Draws from a stream of its own, so that the alerts are the same with it and without. Knows no pixel.

use super::chance::{Stream, normal, uniform};
use super::depth::Depth;
use super::identity;
use super::survey::{Band, Exposure, visits};
use crate::ztf::alert::Alert;
use crate::ztf::history::{Point, PointKind, VALUES};

/// How far back a packet of the survey looks, days.
const DAYS: f64 = 30.0;
/// More visits than thirty days have.
const MOST: usize = 80;

/// What one visit meets, before anything is rendered.
#[derive(Clone)]
pub(super) struct Look {
    pub(super) exposure: Exposure,
    /// Change of the object's flux, DN.
    pub(super) counts: f64,
    pub(super) depth: Depth,
}

/// The visits of one object so far.
pub(super) struct Past {
    index: usize,
    pub(super) rng: Stream,
    points: Vec<Point>,
}

impl Past {
    /// Nothing yet, of object `index` whose alerts are drawn from `rng`.
    pub(super) fn new(index: usize, rng: &Stream) -> Self {
        let mut rng = rng.clone();
        rng.set_stream(u64::MAX - index as u64);
        Self { index, rng, points: Vec::new() }
    }

    /// Visits of the month before `start`, in time order.
    pub(super) fn visits(&mut self, start: f64) -> Vec<(f64, Band)> {
        let first = start - DAYS - uniform(&mut self.rng, 0.0, 3.0);
        let mut visits = visits(&mut self.rng, first, MOST);
        // a night apart, as the survey's own are
        visits.retain(|(jd, _)| *jd < start - 0.5);
        visits
    }

    /// What is known of the month before `jd`.
    pub(super) fn before(&self, jd: f64) -> Vec<Point> {
        self.points.iter().filter(|point| point.jd < jd && point.jd > jd - DAYS).cloned().collect()
    }

    /// Adds a visit, and the alert that it gave if it did.
    pub(super) fn push(&mut self, look: &Look, alert: Option<&Alert>) {
        let Look { exposure, counts, depth } = look;
        let scatter = normal(&mut self.rng, 0.0, depth.noise);
        let limit = depth.magnitude_limit(exposure, &mut self.rng);
        let (flux, point) = match alert.and_then(Point::of_alert) {
            Some(point) => {
                let sign = if point.isdiffpos == Some(false) { -1.0 } else { 1.0 };
                (sign * exposure.counts(point.value("magpsf").into()), point)
            }
            None => (counts + scatter, self.seen(look, counts + scatter, limit)),
        };
        let forced = [
            ("diffmaglim", limit),
            ("forcediffimflux", flux),
            ("forcediffimfluxunc", depth.noise),
            ("magzpsci", exposure.zero_point),
        ];
        self.points.extend([point, measured(look, PointKind::Forced, &forced)]);
    }

    /// What the survey's search makes of this flux: a detection or an upper limit.
    fn seen(&self, look: &Look, flux: f64, limit: f64) -> Point {
        let Look { exposure, depth, .. } = look;
        let known = [("diffmaglim", limit), ("magzpsci", exposure.zero_point)];
        if !depth.sees(flux.abs()) {
            return measured(look, PointKind::Limit, &known);
        }
        let found = [("magpsf", exposure.magnitude(flux.abs())), ("sigmapsf", depth.magnitude_error(flux.abs()))];
        let point = measured(look, PointKind::Detection, &[known, found].concat());
        Point { candid: Some(identity::candid(self.index, exposure.jd)), isdiffpos: Some(flux > 0.0), ..point }
    }
}

/// A point of this visit; what is not among `known` is missing.
fn measured(look: &Look, kind: PointKind, known: &[(&str, f64)]) -> Point {
    let value = |name: &&str| known.iter().find(|(known, _)| known == name).map_or(f32::NAN, |(_, x)| *x as f32);
    let values = VALUES.each_ref().map(value);
    Point { jd: look.exposure.jd, fid: look.exposure.band.fid() as i64, values, ..Point::new(kind) }
}
