//! What a packet tells of its object at other times: earlier detections and upper limits (`prv_candidates`) and forced photometry
//! (`fp_hists`). Knows names and values of fields (packet schema 4.02), no Avro.

use std::collections::HashSet;

use super::alert::Alert;
use super::dates;
use super::packet::{Scalar, sign, sign_of_number};
use super::sky::separation;

/// What forced photometry says for "not measured", and what other fields say; both are missing values here.
const MISSING: [f32; 2] = [-99_999.0, -999.0];
/// Values that are magnitudes: none of the survey is 0 or below, but there are alerts with a `diffmaglim` of -1007.
const MAGNITUDES: [&str; 2] = ["magpsf", "diffmaglim"];

/// What a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PointKind {
    /// The source was found in the difference image.
    Detection,
    /// It was not found: `diffmaglim` says how bright it was not.
    Limit,
    /// Its flux was measured where it was known to be, found or not.
    Forced,
}

impl PointKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Detection, Self::Limit, Self::Forced];

    /// The word in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Detection => "detection",
            Self::Limit => "limit",
            Self::Forced => "forced",
        }
    }
}

/// One measurement of an object.
#[derive(Clone, Debug)]
pub struct Point {
    /// Julian date, days.
    pub jd: f64,
    /// Filter: 1 is g, 2 is r, 3 is i; 0 when it is not told.
    pub fid: i64,
    /// What it is.
    pub kind: PointKind,
    /// Identifier of a detection.
    pub candid: Option<i64>,
    /// Identifier of the image; 0 when it is not told.
    pub pid: i64,
    /// Whether the source is brighter than in the template.
    pub isdiffpos: Option<bool>,
    /// Right ascension and declination of a detection of `prv_candidates`, degrees; NaN when they are not told.
    pub place: [f64; 2],
    /// [`VALUES`], finite or NaN.
    pub values: [f32; VALUES.len()],
}

/// Names of a point's real values: magnitudes, and for forced photometry the flux and its error, DN.
pub const VALUES: [&str; 6] = ["magpsf", "sigmapsf", "diffmaglim", "forcediffimflux", "forcediffimfluxunc", "magzpsci"];

/// The array of a packet that a point is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Series {
    /// `prv_candidates`.
    Previous,
    /// `fp_hists`.
    Forced,
}

/// A wanted field of one element of either array.
#[derive(Clone, Copy, Debug)]
pub(super) enum PointColumn {
    Jd,
    Fid,
    Candid,
    Pid,
    Isdiffpos,
    /// Position in [`Point::place`].
    Place(usize),
    /// Position in [`VALUES`].
    Value(usize),
}

impl PointColumn {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "jd" => Some(Self::Jd),
            "fid" => Some(Self::Fid),
            "candid" => Some(Self::Candid),
            "pid" => Some(Self::Pid),
            "isdiffpos" => Some(Self::Isdiffpos),
            "ra" => Some(Self::Place(0)),
            "dec" => Some(Self::Place(1)),
            _ => VALUES.iter().position(|value| *value == name).map(Self::Value),
        }
    }
}

impl Point {
    /// Without any value.
    #[must_use]
    pub fn new(kind: PointKind) -> Self {
        let (place, values) = ([f64::NAN; 2], [f32::NAN; VALUES.len()]);
        Self { jd: f64::NAN, fid: 0, kind, candid: None, pid: 0, isdiffpos: None, place, values }
    }

    /// Before the fields of an element come.
    pub(super) fn of(series: Series) -> Self {
        Self::new(if series == Series::Forced { PointKind::Forced } else { PointKind::Limit })
    }

    /// The detection that an alert is; none without a date.
    #[must_use]
    pub fn of_alert(alert: &Alert) -> Option<Self> {
        let mut point = Self::new(PointKind::Detection);
        for name in ["jd", "fid", "isdiffpos"].iter().chain(&VALUES) {
            let value = Scalar::Float(alert.value(name));
            if let Some(column) = PointColumn::of(name) {
                point.set(column, &value);
            }
        }
        point.candid = Some(alert.candid);
        point.complete()
    }

    pub(super) fn set(&mut self, column: PointColumn, scalar: &Scalar) {
        match column {
            PointColumn::Jd => self.jd = scalar.number(),
            // NaN becomes 0
            PointColumn::Fid => self.fid = scalar.number() as i64,
            PointColumn::Candid => self.candid = scalar.integer(),
            PointColumn::Pid => self.pid = scalar.integer().unwrap_or_default(),
            PointColumn::Isdiffpos => {
                self.isdiffpos = match scalar {
                    Scalar::Text(text) => sign(text),
                    number => sign_of_number(number.number()),
                }
            }
            PointColumn::Place(index) => self.place[index] = scalar.number(),
            PointColumn::Value(index) => {
                let value = scalar.number() as f32;
                let is_odd = MISSING.contains(&value) || value <= 0.0 && MAGNITUDES.contains(&VALUES[index]);
                self.values[index] = if value.is_finite() && !is_odd { value } else { f32::NAN };
            }
        }
    }

    /// The point once all its fields came; one that no date tells is none.
    pub(super) fn complete(mut self) -> Option<Self> {
        if self.kind == PointKind::Limit && !self.value("magpsf").is_nan() {
            self.kind = PointKind::Detection;
        }
        self.jd.is_finite().then_some(self)
    }

    /// The date that its identifiers tell, where its own is another.
    fn other_date(&self) -> Option<f64> {
        let told = self.candid.and_then(dates::of_candid).or_else(|| dates::of_pid(self.pid));
        told.filter(|told| dates::contradicts(*told, self.jd))
    }

    /// Takes the date that its identifiers tell, where its own is another.
    pub(super) fn mend_date(&mut self) {
        self.jd = self.other_date().unwrap_or(self.jd);
    }

    /// The value called `name` in [`VALUES`]; NaN when it is missing.
    #[must_use]
    pub fn value(&self, name: &str) -> f32 {
        VALUES.iter().position(|value| *value == name).map_or(f32::NAN, |index| self.values[index])
    }
}

/// How many points of each kind have another date than their identifiers tell, and by how much; nothing where none has.
pub(super) fn wrong_dates(points: &[Point]) -> Option<String> {
    let off = |point: &Point| point.other_date().map(|told| (point.jd - told).abs());
    let most = points.iter().filter_map(off).reduce(f64::max)?;
    let of_kind = |kind: PointKind| {
        let all = || points.iter().filter(move |point| point.kind == kind);
        let wrong = all().filter(|point| off(point).is_some()).count();
        (wrong > 0).then(|| format!("{} {wrong} of {}", kind.name(), all().count()))
    };
    let wrong: Vec<String> = PointKind::ALL.into_iter().filter_map(of_kind).collect();
    Some(format!("{}, by up to {most:.2} days", wrong.join(", ")))
}

/// All that a packet tells: the alert itself, and its history. Packets have all sources of an exposure within 1.5 arcsec of the
/// alert, each with a `candid`; the object is the one nearest to the alert, which is its own nearest.
#[must_use]
pub fn points_of(alert: &Alert, history: Vec<Point>) -> Vec<Point> {
    let here = (alert.value("ra"), alert.value("dec"));
    let distance =
        |point: &Point| if point.candid == Some(alert.candid) { 0.0 } else { separation(here, point.place.into()) };
    let mut points: Vec<Point> = Point::of_alert(alert).into_iter().chain(history).collect();
    // NaN is behind all distances
    points.sort_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.candid.cmp(&b.candid)));
    let mut exposures = HashSet::new();
    points.retain(|point| point.kind != PointKind::Detection || exposures.insert((point.fid, point.jd.to_bits())));
    points
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ztf::container::Container;
    use crate::ztf::packet::Packet;
    use crate::ztf::schemas::Schemas;
    use crate::ztf::writer::PacketWriter;
    use crate::ztf::writer::tests::alert;

    fn point(jd: f64, kind: PointKind, values: &[(&str, f32)]) -> Point {
        let mut point = Point { jd, fid: 1 + jd as i64 % 2, ..Point::new(kind) };
        for (name, value) in values {
            point.values[VALUES.iter().position(|known| known == name).unwrap()] = *value;
        }
        point
    }

    /// One of each kind.
    pub(crate) fn history() -> Vec<Point> {
        let magnitudes = [("magpsf", 18.3), ("sigmapsf", 0.1), ("diffmaglim", 20.1), ("magzpsci", 26.2)];
        let detection = point(2_458_880.75, PointKind::Detection, &magnitudes);
        let detection = Point { candid: Some(5), isdiffpos: Some(false), ..detection };
        let flux = [("forcediffimflux", -12.5), ("forcediffimfluxunc", 3.25), ("diffmaglim", 20.3)];
        vec![
            point(2_458_879.5, PointKind::Limit, &[("diffmaglim", 19.7)]),
            detection,
            point(2_458_880.75, PointKind::Forced, &flux),
        ]
    }

    /// The points of a packet with this history, and those of one that is read without.
    fn read(history: &[Point]) -> [Option<Vec<Point>>; 2] {
        let packet = PacketWriter::default().packet_with(&alert(7), history);
        let mut container = Container::open(std::io::Cursor::new(&packet)).unwrap();
        let schema = Schemas::default().get(&container.header().schema).unwrap();
        let record = container.next().unwrap().data;
        [true, false].map(|wanted| {
            let mut packet = Packet::new(wanted);
            assert_eq!(packet.decode(&schema, &record).unwrap(), record.len());
            packet.history
        })
    }

    #[test]
    fn a_history_comes_back_where_it_is_wanted() {
        let [with, without] = read(&history());
        assert_eq!(format!("{:?}", with.unwrap()), format!("{:?}", history()));
        assert!(without.is_none());
        assert!(read(&[])[0].as_ref().is_some_and(Vec::is_empty));
    }

    #[test]
    fn what_is_missing_is_nan_and_without_a_date_there_is_no_point() {
        let flux = [("forcediffimflux", -99_999.0), ("forcediffimfluxunc", f32::INFINITY), ("magzpsci", -999.0)];
        let undated = point(f64::NAN, PointKind::Limit, &[("diffmaglim", 20.0)]);
        let infinite = point(f64::INFINITY, PointKind::Limit, &[("diffmaglim", 20.0)]);
        let [points, _] = read(&[undated, infinite, point(2_458_880.5, PointKind::Forced, &flux)]);
        // the survey's schema has no null for a date; -999 is what the writer says
        let points: Vec<Point> = points.unwrap().into_iter().filter(|point| point.jd > 0.0).collect();
        assert_eq!(points.len(), 1);
        assert!(points[0].kind == PointKind::Forced && points[0].values.iter().all(|value| value.is_nan()));
    }

    #[test]
    fn impossible_magnitudes_are_missing() {
        let [points, _] = read(&[
            point(2_458_880.5, PointKind::Limit, &[("diffmaglim", -1006.94), ("magpsf", 0.0)]),
            point(2_458_881.5, PointKind::Forced, &[("forcediffimflux", -1006.94)]),
        ]);
        let points = points.unwrap();
        assert!(points[0].kind == PointKind::Limit && points[0].values.iter().all(|value| value.is_nan()));
        assert_eq!(points[1].value("forcediffimflux"), -1006.94);
    }

    #[test]
    fn a_sign_is_what_it_is_of_an_alert() {
        let sign = |scalar: Scalar| {
            let mut point = Point::new(PointKind::Detection);
            point.set(PointColumn::Isdiffpos, &scalar);
            point.isdiffpos
        };
        assert_eq!([1.0, 0.0, -1.0].map(|number| sign(Scalar::Float(number))), [Some(true), Some(false), Some(false)]);
        assert_eq!([-999.0, 2.0, f64::NAN].map(|number| sign(Scalar::Float(number))), [None; 3]);
        assert_eq!([sign(Scalar::Text("t")), sign(Scalar::Text("neg"))], [Some(true), None]);
    }

    #[test]
    fn an_alert_is_a_detection_unless_it_has_no_date() {
        let mut alert = alert(3);
        let point = Point::of_alert(&alert).unwrap();
        assert_eq!((point.kind, point.candid, point.isdiffpos), (PointKind::Detection, Some(3), Some(true)));
        assert_eq!((point.jd, point.value("magpsf")), (alert.value("jd"), alert.value("magpsf") as f32));
        assert_eq!(point.fid, alert.value("fid") as i64);
        assert_eq!(Point::of_alert(&crate::ztf::writer::tests::alert(4)).unwrap().isdiffpos, Some(false));
        alert.values[0] = f64::NAN;
        assert!(Point::of_alert(&alert).is_none());
    }

    #[test]
    fn of_an_exposure_the_detection_nearest_to_the_alert_is_told() {
        let alert = alert(7);
        let (ra, dec) = (alert.value("ra"), alert.value("dec"));
        let detection = |candid, jd, arcsec: f64, magpsf| {
            let place = [ra, dec + arcsec / 3600.0];
            Point { candid: Some(candid), place, ..point(jd, PointKind::Detection, &[("magpsf", magpsf)]) }
        };
        let (own, before) = (alert.value("jd"), alert.value("jd") - 5.0);
        let forced = point(before, PointKind::Forced, &[("forcediffimflux", 3.0)]);
        let unplaced = Point { place: [f64::NAN; 2], ..detection(1, before, 0.0, 15.0) };
        let history = [
            unplaced.clone(),
            detection(21, before, 0.53, 15.742),
            detection(20, before, -0.54, 15.852),
            forced.clone(),
            forced,
            Point { fid: 9, ..detection(22, before, 1.0, 16.0) },
            Point { fid: alert.value("fid") as i64, ..detection(23, own, 0.1, 17.0) },
        ];
        let found = |history: &[Point]| {
            let mut candids: Vec<Option<i64>> =
                points_of(&alert, read(history)[0].clone().unwrap()).iter().map(|p| p.candid).collect();
            candids.sort_unstable();
            candids
        };
        assert_eq!(found(&history), [None, None, Some(7), Some(21), Some(22)]);
        assert_eq!(
            found(&history.iter().rev().cloned().collect::<Vec<_>>()),
            [None, None, Some(7), Some(21), Some(22)]
        );
        assert_eq!(found(&[unplaced.clone(), Point { candid: Some(2), ..unplaced }]), [Some(1), Some(7)]);
    }
}
