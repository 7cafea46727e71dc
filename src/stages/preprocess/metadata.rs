//! Metadata columns of the stamps: which there are, their clips, and their z-score with the training split's statistics.
//! Knows no pixels and no split rule.

use std::collections::BTreeMap;

use crate::artifacts::stamps::MetadataColumn;
use crate::artifacts::table::Table;
use crate::choice;
use crate::ztf::alert::FIELDS;
use crate::ztf::sky::{ecliptic, galactic};

use super::light_curves;

/// What survey catalogues say for "no counterpart".
const SENTINEL: f64 = -999.0;

/// Columns that are computed from fields.
const DERIVED: [&str; 5] = ["ecl_lat", "ecl_long", "gal_lat", "gal_long", "non_detections"];

/// A column with its lower and upper clip.
type Clipped = (&'static str, Option<f64>, Option<f64>);

/// The 23 features of the Stamp Classifier \[2\] in its order, with its clips (`ztf_preprocessor.py`).
const STAMP_CLASSIFIER: [Clipped; 23] = [
    ("sgscore1", Some(-1.0), None),
    ("distpsnr1", Some(-1.0), None),
    ("sgscore2", Some(-1.0), None),
    ("distpsnr2", Some(-1.0), None),
    ("sgscore3", Some(-1.0), None),
    ("distpsnr3", Some(-1.0), None),
    ("isdiffpos", None, None),
    ("fwhm", None, Some(10.0)),
    ("magpsf", None, None),
    ("sigmapsf", None, None),
    ("ra", None, None),
    ("dec", None, None),
    ("diffmaglim", None, None),
    ("classtar", None, None),
    ("ndethist", None, Some(20.0)),
    ("ncovhist", None, Some(3000.0)),
    ("ecl_lat", None, None),
    ("ecl_long", None, None),
    ("gal_lat", None, None),
    ("gal_long", None, None),
    ("non_detections", None, Some(2000.0)),
    ("chinr", Some(-1.0), Some(15.0)),
    ("sharpnr", Some(-1.0), Some(1.5)),
];

choice! {
    /// What -999 ("no counterpart in the catalogue") means.
    pub enum Sentinel {
        /// Clipped like a number where the column has a lower clip \[2\], missing elsewhere.
        Clip = "clip",
        /// Missing everywhere.
        Missing = "missing",
    }
}

/// The names of the 23 features of \[2\].
pub fn stamp_classifier() -> Vec<String> {
    STAMP_CLASSIFIER.iter().map(|(name, ..)| (*name).into()).collect()
}

/// Whether there is a column of this name.
pub fn is_known(name: &str) -> bool {
    FIELDS.contains(&name) || DERIVED.contains(&name) || light_curves::COLUMNS.contains(&name)
}

/// The fault "no such column", with the nearest name when one is near.
pub fn unknown(name: &str) -> String {
    let distance = |known: &&&str| strsim::damerau_levenshtein(name, known);
    let computed = || DERIVED.iter().chain(&light_curves::COLUMNS);
    match FIELDS.iter().chain(computed()).min_by_key(distance) {
        Some(near) if strsim::damerau_levenshtein(name, near) <= 1 + name.len() / 4 => {
            format!("no metadata column `{name}`; did you mean `{near}`?")
        }
        _ => {
            let computed = computed().copied().collect::<Vec<_>>().join(", ");
            format!("no metadata column `{name}`; known are the numeric fields of a packet and {computed}")
        }
    }
}

/// The columns asked for, with the clips of \[2\] unless `low` or `high` say otherwise; statistics not yet fitted.
pub fn columns(names: &[String], low: &BTreeMap<String, f64>, high: &BTreeMap<String, f64>) -> Vec<MetadataColumn> {
    let default = |name: &str| STAMP_CLASSIFIER.iter().find(|(n, ..)| *n == name).map_or((None, None), |c| (c.1, c.2));
    let column = |name: &String| {
        let (default_low, default_high) = default(name);
        MetadataColumn {
            name: name.clone(),
            low: low.get(name).copied().or(default_low),
            high: high.get(name).copied().or(default_high),
            mean: 0.0,
            std: 0.0,
        }
    };
    names.iter().map(column).collect()
}

/// The fields of an alert that a column comes from, if it is none of light curves.
pub fn fields_of(name: &str) -> Vec<&str> {
    match name {
        "ecl_lat" | "ecl_long" | "gal_lat" | "gal_long" => vec!["ra", "dec"],
        "non_detections" => vec!["ncovhist", "ndethist"],
        _ => vec![name],
    }
}

/// A value of the column, clipped; NaN where it is missing.
pub fn clip(x: f64, column: &MetadataColumn, sentinel: Sentinel) -> f64 {
    let keeps_sentinel = sentinel == Sentinel::Clip && column.low.is_some();
    if x == SENTINEL && !keeps_sentinel || !x.is_finite() {
        return f64::NAN;
    }
    x.max(column.low.unwrap_or(f64::NEG_INFINITY)).min(column.high.unwrap_or(f64::INFINITY))
}

/// The value of the column called `name` in each row of `alerts`, which have [`fields_of`] it.
pub fn raw<'a>(alerts: &'a Table, name: &str) -> Box<dyn Fn(usize) -> f64 + 'a> {
    let of_two = |a: &str, b: &str, f: fn(f64, f64) -> f64| -> Box<dyn Fn(usize) -> f64 + 'a> {
        let (a, b) = (field(alerts, a), field(alerts, b));
        Box::new(move |row| f(a(row), b(row)))
    };
    match name {
        "ecl_lat" => of_two("ra", "dec", |ra, dec| ecliptic(ra, dec).lat),
        "ecl_long" => of_two("ra", "dec", |ra, dec| ecliptic(ra, dec).long),
        "gal_lat" => of_two("ra", "dec", |ra, dec| galactic(ra, dec).lat),
        "gal_long" => of_two("ra", "dec", |ra, dec| galactic(ra, dec).long),
        "non_detections" => of_two("ncovhist", "ndethist", |coverages, detections| coverages - detections),
        _ => Box::new(field(alerts, name)),
    }
}

/// The field `name` of each alert; NaN when there is none.
pub fn field<'a>(alerts: &'a Table, name: &str) -> impl Fn(usize) -> f64 + use<'a> {
    let column = alerts.column(name);
    move |row| column.map_or(f64::NAN, |column| column.number(row))
}

/// Mean and population standard deviation of the values that are there; both 0 when there are none.
pub fn statistics(training: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let there = training.filter(|x| !x.is_nan());
    let n = there.clone().count();
    if n == 0 {
        return (0.0, 0.0);
    }
    let mean = there.clone().sum::<f64>() / n as f64;
    let variance = there.map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
    (mean, variance.sqrt())
}

/// `(x - mean) / std`; 0 when the value is missing (that is the training mean) or the column does not vary in training.
pub fn standardise(x: f64, mean: f64, std: f64) -> f32 {
    // A column that is constant up to rounding does not vary.
    let varies = std > 1e-12 * mean.abs();
    if x.is_nan() || !varies { 0.0 } else { ((x - mean) / std) as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::table::Column;

    fn alerts() -> Table {
        let numbers = |v: &[f64]| Column::Number(v.to_vec());
        Table::new()
            .with("sgscore1", numbers(&[0.5, -999.0, f64::NAN, 1.0]))
            .with("sgmag1", numbers(&[20.0, -999.0, 21.0, 22.0]))
            .with("ncovhist", Column::Int(vec![5000, 30, 10, 4]))
            .with("ndethist", Column::Int(vec![25, 10, 1, 4]))
            .with("ra", numbers(&[0.0; 4]))
            .with("dec", numbers(&[0.0; 4]))
    }

    fn values(alerts: &Table, column: &MetadataColumn, sentinel: Sentinel) -> Vec<f64> {
        let raw = raw(alerts, &column.name);
        (0..alerts.rows()).map(|row| clip(raw(row), column, sentinel)).collect()
    }

    fn column(name: &str) -> MetadataColumn {
        columns(&[name.into()], &BTreeMap::new(), &BTreeMap::new()).remove(0)
    }

    #[test]
    fn sentinel_is_clipped_where_there_is_a_clip_and_missing_elsewhere() {
        let clipped = values(&alerts(), &column("sgscore1"), Sentinel::Clip);
        assert_eq!(clipped[..2], [0.5, -1.0]);
        assert!(clipped[2].is_nan());
        assert!(values(&alerts(), &column("sgmag1"), Sentinel::Clip)[1].is_nan());
        assert!(values(&alerts(), &column("sgscore1"), Sentinel::Missing)[1].is_nan());
    }

    #[test]
    fn derived_columns_come_from_unclipped_fields() {
        assert_eq!(values(&alerts(), &column("non_detections"), Sentinel::Clip), [2000.0, 20.0, 9.0, 0.0]);
        assert!((values(&alerts(), &column("gal_lat"), Sentinel::Clip)[0] + 60.188_551_731).abs() < 1e-6);
        assert!(values(&alerts(), &column("drb"), Sentinel::Clip).iter().all(|x| x.is_nan()));
    }

    #[test]
    fn every_column_needs_no_other_fields_than_it_says() {
        for name in DERIVED.iter().chain(FIELDS) {
            let fields = fields_of(name);
            assert!(fields.iter().all(|field| FIELDS.contains(field)), "{name}");
            let number = |i: usize| Column::Number(vec![1.5 + i as f64]);
            let table = |wanted: &dyn Fn(&str) -> bool| {
                let there = FIELDS.iter().enumerate().filter(|(_, field)| wanted(field));
                there.fold(Table::new(), |table, (i, field)| table.with(field, number(i)))
            };
            let of_all = raw(&table(&|_| true), name)(0);
            assert!(of_all.is_finite(), "{name}");
            assert_eq!(raw(&table(&|field| fields.contains(&field)), name)(0), of_all, "{name}");
        }
    }

    #[test]
    fn clips_of_the_user_replace_those_of_the_paper() {
        let table = |limit| BTreeMap::from([("chinr".to_string(), limit)]);
        let column = columns(&["chinr".into()], &BTreeMap::new(), &table(3.0)).remove(0);
        assert_eq!((column.low, column.high), (Some(-1.0), Some(3.0)));
    }

    /// `x = np.array([1, 2, 4, 9]); x.mean(), x.std()` gives 4.0 and 3.082207001484488.
    #[test]
    fn z_score_is_that_of_numpy_and_missing_is_the_mean() {
        let (mean, std) = statistics([1.0, 2.0, f64::NAN, 4.0, 9.0].into_iter());
        assert!(mean == 4.0 && (std - 3.082_207_001_484_488).abs() < 1e-15);
        assert!((standardise(9.0, mean, std) - 1.622_214_2).abs() < 1e-6);
        assert_eq!([standardise(f64::NAN, mean, std), standardise(7.0, 5.0, 0.0)], [0.0, 0.0]);
        let (mean, std) = statistics([0.1; 7].into_iter());
        assert_eq!(standardise(0.1, mean, std), 0.0);
        assert_eq!(statistics(std::iter::empty()), (0.0, 0.0));
    }

    #[test]
    fn near_names_are_suggested() {
        assert_eq!(unknown("magspf"), "no metadata column `magspf`; did you mean `magpsf`?");
        assert!(!unknown("temperature_of_sky").contains("did you mean"));
        assert_eq!(stamp_classifier().len(), 23);
        assert!(stamp_classifier().iter().all(|name| is_known(name)));
    }
}
