//! Metadata columns from light curves, for each alert from what was told by its date: points that this alert or an earlier one has.
//! Later alerts change nothing. Knows no split and no pixels.

use crate::artifacts::light_curves::{LightCurveRow, LightCurves};
use crate::artifacts::stamps::MetadataColumn;
use crate::stage::StageError;
use crate::ztf::history::{Point, PointKind};

use super::metadata::field;
use super::names::number;
use super::rows::Rows;
use super::source::Source;

/// The columns.
pub const COLUMNS: [&str; 10] = [
    "lc_detections",
    "lc_limits",
    "lc_days",
    "lc_since_limit",
    "lc_limit_gap",
    "lc_peak",
    "lc_from_peak",
    "lc_slope",
    "lc_colour",
    "lc_forced_snr",
];

/// What they need of an alert, beside its object.
const FIELDS: [&str; 4] = ["jd", "fid", "magpsf", "isdiffpos"];

/// Dates nearer than this are one, days.
const SAME_DATE: f64 = 1e-5;
/// A slope is over so many days at least.
const SLOPE_DAYS: f64 = 0.5;
/// Two filters make a colour within so many days.
const COLOUR_DAYS: f64 = 1.0;
/// Filters.
const G: i64 = 1;
const R: i64 = 2;

/// An alert, as the columns need it.
#[derive(Clone, Copy, Debug)]
struct Now {
    jd: f64,
    fid: i64,
    magpsf: f64,
    isdiffpos: f64,
}

/// Values by column and kept row; every one of `columns` is one of [`COLUMNS`].
pub fn values(sources: &[Source], rows: &Rows, columns: &[MetadataColumn]) -> Result<Vec<Vec<f64>>, StageError> {
    let wanted = columns.iter().filter_map(|wanted| COLUMNS.iter().position(|name| *name == wanted.name));
    let wanted: Vec<usize> = wanted.collect();
    let mut values: Vec<Vec<f64>> = vec![vec![f64::NAN; rows.kept.len()]; wanted.len()];
    for (at, source) in sources.iter().enumerate() {
        let Some(mut light_curves) = LightCurves::open(&source.folder)? else {
            let (column, input) = (&columns[0].name, &source.name);
            let what = format!("the metadata column `{column}` needs light curves, but input `{input}` has none");
            return Err(StageError::with_hint(what, "set `light_curves = true` in the stage of kind `load`"));
        };
        let table = source.numbers(&FIELDS)?;
        let [jd, fid, magpsf, isdiffpos] = FIELDS.map(|name| field(&table, name));
        let mut fill = |kept: usize, points: &[LightCurveRow]| {
            let row = rows.kept[kept].row;
            let now = Now { jd: jd(row), fid: fid(row) as i64, magpsf: magpsf(row), isdiffpos: isdiffpos(row) };
            let all = summary(points, now);
            wanted.iter().zip(&mut values).for_each(|(column, values)| values[kept] = all[*column]);
        };
        let is_of_source = |kept: &usize| rows.kept[*kept].source == number(at);
        (0..rows.kept.len()).filter(is_of_source).for_each(|kept| fill(kept, &[]));
        while let Some(points) = light_curves.object()? {
            rows.of_object(&points[0].object_id).filter(is_of_source).for_each(|kept| fill(kept, &points));
        }
    }
    Ok(values)
}

/// [`COLUMNS`] of an alert, from the light curve of its object by date; NaN where there is none.
fn summary(light_curve: &[LightCurveRow], now: Now) -> [f64; COLUMNS.len()] {
    let is_known = |row: &&LightCurveRow| row.told <= now.jd && row.point.jd <= now.jd + SAME_DATE;
    let known: Vec<&Point> = light_curve.iter().filter(is_known).map(|row| &row.point).collect();
    let of = |kind: PointKind| known.iter().copied().filter(move |point| point.kind == kind);
    // a source that is fainter than in the template has another magnitude, of what it lacks
    let detections = || of(PointKind::Detection).filter(|point| value(point, "magpsf").is_finite());
    let alike = |point: &&Point| point.isdiffpos.map(|sign| f64::from(u8::from(sign))) == Some(now.isdiffpos);
    let alike: Vec<&Point> = detections().filter(alike).collect();
    let first = detections().next();
    let limits_before = |jd: f64| of(PointKind::Limit).take_while(move |limit| limit.jd < jd);
    let limit = first.and_then(|first| limits_before(first.jd).last());
    // magnitudes of two filters differ by a colour
    let gap = |first: &Point| {
        let limit = limits_before(first.jd).filter(|limit| limit.fid == first.fid).last();
        limit.map_or(f64::NAN, |limit| value(limit, "diffmaglim") - value(first, "magpsf"))
    };
    let in_filter = alike.iter().filter(|point| point.fid == now.fid);
    let peak = in_filter.map(|point| value(point, "magpsf")).fold(f64::NAN, f64::min);
    [
        of(PointKind::Detection).count() as f64,
        of(PointKind::Limit).count() as f64,
        first.map_or(f64::NAN, |first| now.jd - first.jd),
        limit.zip(first).map_or(f64::NAN, |(limit, first)| first.jd - limit.jd),
        alike.first().map_or(f64::NAN, |first| gap(first)),
        peak,
        now.magpsf - peak,
        slope(&alike, now),
        colour(&alike),
        of(PointKind::Forced).map(signal_to_noise).fold(f64::NAN, f64::max),
    ]
}

fn value(point: &Point, name: &str) -> f64 {
    point.value(name).into()
}

/// Magnitudes a day since the last detection in the same filter that is long enough ago.
fn slope(detections: &[&Point], now: Now) -> f64 {
    let is_before = |point: &&&Point| point.fid == now.fid && point.jd <= now.jd - SLOPE_DAYS;
    let before = detections.iter().rfind(is_before);
    before.map_or(f64::NAN, |before| (now.magpsf - value(before, "magpsf")) / (now.jd - before.jd))
}

/// g minus r of the latest detection that one in the other filter comes shortly before.
fn colour(detections: &[&Point]) -> f64 {
    for (i, late) in detections.iter().enumerate().rev().filter(|(_, point)| [G, R].contains(&point.fid)) {
        let is_pair = |early: &&&Point| early.fid == G + R - late.fid && late.jd - early.jd <= COLOUR_DAYS;
        if let Some(early) = detections[..i].iter().rfind(is_pair) {
            let difference = value(late, "magpsf") - value(early, "magpsf");
            return if late.fid == G { difference } else { -difference };
        }
    }
    f64::NAN
}

fn signal_to_noise(forced: &Point) -> f64 {
    let error = value(forced, "forcediffimfluxunc");
    if error > 0.0 { value(forced, "forcediffimflux") / error } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ztf::history::VALUES;

    fn row(told: f64, jd: f64, fid: i64, kind: PointKind, values: &[(&str, f32)]) -> LightCurveRow {
        let mut point =
            Point { jd, fid, isdiffpos: (kind == PointKind::Detection).then_some(true), ..Point::new(kind) };
        for (name, value) in values {
            point.values[VALUES.iter().position(|known| known == name).unwrap()] = *value;
        }
        LightCurveRow { object_id: "a".into(), told, point }
    }

    /// A rise in g and r after two limits, in three alerts of the days 10, 12 and 20.
    fn light_curve() -> Vec<LightCurveRow> {
        use PointKind::{Detection, Forced, Limit};
        let flux = |flux, error| [("forcediffimflux", flux), ("forcediffimfluxunc", error)];
        vec![
            row(10.0, 3.0, R, Limit, &[("diffmaglim", 20.25)]),
            row(10.0, 7.0, G, Limit, &[("diffmaglim", 20.5)]),
            row(10.0, 8.0, G, Detection, &[("magpsf", 19.0)]),
            row(10.0, 9.0, G, Forced, &flux(100.0, 25.0)),
            row(20.0, 9.5, G, Forced, &flux(1e6, 1.0)),
            row(10.0, 9.75, R, Detection, &[("magpsf", 18.25)]),
            row(10.0, 10.0, G, Detection, &[("magpsf", 18.0)]),
            row(12.0, 11.0, R, Limit, &[("diffmaglim", 20.0)]),
            row(12.0, 12.0, G, Detection, &[("magpsf", 18.5)]),
            row(20.0, 20.0, R, Detection, &[("magpsf", 16.0)]),
        ]
    }

    #[test]
    fn columns_are_what_a_pencil_gives() {
        let now = |jd, fid, magpsf| Now { jd, fid, magpsf, isdiffpos: 1.0 };
        let light_curve = light_curve();
        let first = summary(&light_curve, now(10.0, G, 18.0));
        assert_eq!(first, [3.0, 2.0, 2.0, 1.0, 1.5, 18.0, 0.0, -0.5, -0.25, 4.0]);
        let second = summary(&light_curve, now(12.0, G, 18.5));
        assert_eq!(second, [4.0, 3.0, 4.0, 1.0, 1.5, 18.0, 0.5, 0.25, -0.25, 4.0]);
        let third = summary(&light_curve, now(20.0, R, 16.0));
        assert_eq!(third[5..], [16.0, 0.0, -2.25 / 10.25, -0.25, 1e6]);
        let none = summary(&[], now(10.0, G, 18.0));
        assert!(none[..2] == [0.0, 0.0] && none[2..].iter().all(|value| value.is_nan()));
        let faint = summary(&light_curve, Now { isdiffpos: 0.0, ..now(12.0, G, 18.5) });
        assert!(faint[5..9].iter().all(|value| value.is_nan()), "no detection is fainter than the template: {faint:?}");
    }

    #[test]
    fn magnitudes_are_compared_in_one_filter_and_with_one_sign() {
        use PointKind::{Detection, Limit};
        let mut lack = row(10.0, 7.75, G, Detection, &[("magpsf", 17.0)]);
        lack.point.isdiffpos = Some(false);
        let light_curve = [
            row(10.0, 6.5, R, Limit, &[("diffmaglim", 19.5)]),
            row(10.0, 7.0, R, Limit, &[("diffmaglim", 20.0)]),
            row(10.0, 7.5, G, Limit, &[("diffmaglim", 20.5)]),
            lack,
            row(10.0, 8.0, R, Detection, &[("magpsf", 19.0)]),
            row(10.0, 9.0, G, Detection, &[("magpsf", 18.0)]),
            row(10.0, 10.0, R, Detection, &[("magpsf", 19.5)]),
        ];
        let found = summary(&light_curve, Now { jd: 10.0, fid: R, magpsf: 19.5, isdiffpos: 1.0 });
        assert_eq!(found[..9], [4.0, 3.0, 2.25, 0.25, 1.0, 19.0, 0.5, 0.25, -1.5]);
    }

    #[test]
    fn slopes_and_colours_are_over_fitting_times_and_noise_is_positive() {
        use PointKind::{Detection, Forced};
        let flux = |error| [("forcediffimflux", 5.0), ("forcediffimfluxunc", error)];
        let light_curve = [
            row(10.0, 4.0, G, Forced, &flux(0.0)),
            row(10.0, 4.5, G, Forced, &flux(-1.0)),
            row(10.0, 5.0, G, Detection, &[("magpsf", 19.0)]),
            row(10.0, 9.75, G, Detection, &[("magpsf", 18.5)]),
            row(10.0, 10.0, G, Detection, &[("magpsf", 18.0)]),
            row(10.5, 10.5, R, Detection, &[("magpsf", 17.75)]),
        ];
        let now = Now { jd: 10.0, fid: G, magpsf: 18.0, isdiffpos: 1.0 };
        let [.., slope, colour, signal_to_noise] = summary(&light_curve, now);
        assert_eq!(slope, -0.2, "not over a quarter of a day");
        assert!(colour.is_nan() && signal_to_noise.is_nan(), "{colour} {signal_to_noise}");
        let colour = summary(&light_curve, Now { jd: 10.5, fid: R, magpsf: 17.75, ..now })[8];
        assert_eq!(colour, 0.25, "g minus r, whichever comes last");
    }

    #[test]
    fn what_is_told_later_changes_nothing() {
        let now = Now { jd: 10.0, fid: G, magpsf: 18.0, isdiffpos: 1.0 };
        let before = light_curve();
        let whole = summary(&before, now);
        let early: Vec<LightCurveRow> = before.iter().filter(|row| row.told <= 10.0).cloned().collect();
        assert!(early.len() < before.len());
        assert_eq!(summary(&early, now), whole);
        let later = row(10.5, 2.0, G, PointKind::Detection, &[("magpsf", 10.0)]);
        assert_eq!(summary(&[vec![later], before.clone()].concat(), now), whole);
        let of_the_future = row(10.0, 10.5, G, PointKind::Detection, &[("magpsf", 10.0)]);
        assert_eq!(summary(&[before, vec![of_the_future]].concat(), now), whole);
        assert!(summary(&light_curve(), Now { jd: f64::NAN, ..now })[..2] == [0.0, 0.0]);
    }
}
