//! One Avro record to the parts of an alert, decoded with the schema that its own file carries.
//! Any field order, union order and schema version: fields are found by name, what is unknown is passed over. Knows no files.

use super::alert::{CUTOUTS, FIELDS, field};
use super::dates;
use super::history::{self, Point, PointColumn, Series};
use super::quality::{Fault, Reason};
use super::record::Told;
use super::rubin::{DiaColumn, Flux};
use super::schemas::WriterSchema;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_avro_fast::Schema;
use serde_avro_fast::de::read::SliceRead;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Formatter;
use std::io::BufRead;
use std::sync::LazyLock;

/// Longest array that is believed, elements; `prv_candidates` has tens.
pub(super) const LONGEST_ARRAY: usize = 100_000;
/// Deepest nesting that is followed; a packet has four levels.
const DEEPEST: usize = 32;
/// What stands for a number that is missing where null is not allowed.
const MISSING: f64 = -999.0;

/// The parts of a record that matter, borrowed from its bytes; absent parts stay `None` or NaN.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// `schemavsn`, e.g. `4.02`.
    pub version: Option<&'a str>,
    /// `candid`.
    pub candid: Option<i64>,
    /// `objectId`.
    pub object_id: Option<Cow<'a, str>>,
    /// Values of [`FIELDS`], NaN where absent.
    pub values: Vec<f64>,
    /// An `isdiffpos` that means neither sign.
    pub odd_isdiffpos: Option<String>,
    /// `stampData` of science, template, difference.
    pub cutouts: [Option<&'a [u8]>; 3],
    /// Whether it is Rubin's, whose cutouts have any size.
    pub rubin: bool,
    /// What it tells of its object at other times; only where there is a list is it filled.
    pub history: Option<Vec<Point>>,
    pub(super) flux: Flux,
}

impl Default for Packet<'_> {
    fn default() -> Self {
        let values = vec![f64::NAN; FIELDS.len()];
        let (cutouts, flux) = ([None; 3], Flux::default());
        Self {
            version: None,
            candid: None,
            object_id: None,
            values,
            odd_isdiffpos: None,
            cutouts,
            rubin: false,
            history: None,
            flux,
        }
    }
}

impl<'a> Packet<'a> {
    /// Before it is filled; with its history or without.
    #[must_use]
    pub fn new(history: bool) -> Self {
        Self { history: history.then(Vec::new), ..Self::default() }
    }

    /// Fills `self` from the record at the start of `bytes`; returns how many bytes it took.
    ///
    /// # Errors
    /// [`Reason::BadRecord`]; what was read before the fault stays in `self`.
    pub fn decode(&mut self, schema: &WriterSchema, bytes: &'a [u8]) -> Result<usize, Fault> {
        if let Some(taken) = schema.route.as_ref().and_then(|route| route.follow(self, bytes)) {
            return Ok(taken);
        }
        *self = Self::new(self.history.is_some());
        self.decode_any(&schema.schema, bytes)
    }

    /// As [`Packet::decode`], by the general decoder, whatever the record holds.
    pub(super) fn decode_any(&mut self, schema: &Schema, bytes: &'a [u8]) -> Result<usize, Fault> {
        let fault = |detail: String| Fault::new(Reason::BadRecord, detail);
        let mut config = DeserializerConfig::new(schema);
        config.max_seq_size = LONGEST_ARRAY;
        config.allowed_depth = DEEPEST;
        let mut state = DeserializerState::with_config(SliceRead::new(bytes), config);
        Record(self).deserialize(state.deserializer()).map_err(|e| fault(e.to_string()))?;
        let left = state.fill_buf().map_err(|e| fault(e.to_string()))?.len();
        match bytes.len() - left {
            0 => Err(fault("a record of no bytes".to_owned())),
            taken => Ok(taken),
        }
    }

    /// What is missing or odd in the record itself, its cutouts aside.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let jd = field("jd").is_none_or(|jd| self.values[jd].is_nan());
        let odd = self.odd_isdiffpos.clone();
        let [wrong, wrong_past] = self.wrong_dates();
        [
            (self.candid.is_none(), Reason::MissingCandid, String::new()),
            (self.object_id.is_none(), Reason::MissingObject, String::new()),
            (jd, Reason::MissingJd, String::new()),
            (wrong.is_some(), Reason::WrongJd, wrong.unwrap_or_default()),
            (wrong_past.is_some(), Reason::WrongPastJd, wrong_past.unwrap_or_default()),
            (odd.is_some(), Reason::OddIsdiffpos, odd.unwrap_or_default()),
        ]
        .into_iter()
        .filter(|(found, ..)| *found)
        .map(|(_, reason, detail)| Fault::new(reason, detail))
        .collect()
    }

    /// What is wrong about the dates of the alert and of its history; identifiers of other surveys tell no date.
    fn wrong_dates(&self) -> [Option<String>; 2] {
        if self.rubin || !self.object_id.as_deref().is_some_and(|name| name.starts_with("ZTF")) {
            return [None, None];
        }
        let jd = field("jd").map_or(f64::NAN, |jd| self.values[jd]);
        let told = self.candid.and_then(dates::of_candid).filter(|told| dates::contradicts(*told, jd));
        let own = told.map(|told| format!("{jd:.5} where candid says {told:.5}"));
        [own, self.history.as_deref().and_then(history::wrong_dates)]
    }

    /// What it says of its alert, the cutouts aside.
    pub(super) fn told(self) -> Told {
        let (faults, object_id) = (self.faults(), self.object_id.map(Cow::into_owned));
        let Self { candid, values, odd_isdiffpos, rubin: any_size, history, .. } = self;
        let history = history.unwrap_or_default();
        Told { candid, object_id, values, faults, odd_isdiffpos, any_size, label: None, history }
    }

    pub(super) fn set_column(&mut self, column: Column, scalar: &Scalar) {
        match column {
            Column::Candid => self.candid = self.candid.or(scalar.integer()),
            Column::Value(index) => self.set_value(index, scalar),
            Column::Dia(column) => {
                self.rubin = true;
                self.set_dia(column, scalar);
            }
        }
    }

    pub(super) fn set_value(&mut self, index: usize, scalar: &Scalar) {
        static ISDIFFPOS: LazyLock<Option<usize>> = LazyLock::new(|| field("isdiffpos"));
        let number = scalar.number();
        self.values[index] = match scalar {
            _ if Some(index) != *ISDIFFPOS => number,
            Scalar::Text(text) => self.judged_sign(sign(text), text),
            _ if number.is_nan() || number == MISSING => f64::NAN,
            _ => self.judged_sign(sign_of_number(number), &number.to_string()),
        };
    }

    /// `isdiffpos` as a number, NaN with a note where what stands there is no sign.
    fn judged_sign(&mut self, sign: Option<bool>, written: &str) -> f64 {
        if sign.is_none() {
            self.odd_isdiffpos = Some(written.chars().take(20).collect());
        }
        sign.map_or(f64::NAN, |positive| f64::from(u8::from(positive)))
    }
}

/// What a number says as `isdiffpos`: brokers and tables write 1 and -1, or 1 and 0.
pub(super) fn sign_of_number(number: f64) -> Option<bool> {
    match number {
        1.0 => Some(true),
        0.0 | -1.0 => Some(false),
        _ => None,
    }
}

/// What a word of `isdiffpos` says.
pub(super) fn sign(word: &str) -> Option<bool> {
    match word {
        "t" | "T" | "1" | "true" | "True" => Some(true),
        "f" | "F" | "0" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// What a field of the top level is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Version,
    Candid,
    Object,
    Candidate,
    /// Rubin's candidate.
    DiaSource,
    History(Series),
    Cutout(usize),
    Other,
}

impl Part {
    pub(super) fn of(name: &str) -> Self {
        let cutout = |name: &str| CUTOUTS.iter().position(|kind| name.eq_ignore_ascii_case(kind));
        match name {
            "schemavsn" => Self::Version,
            "candid" | "diaSourceId" => Self::Candid,
            "objectId" => Self::Object,
            "candidate" => Self::Candidate,
            "diaSource" => Self::DiaSource,
            "prv_candidates" => Self::History(Series::Previous),
            "fp_hists" => Self::History(Series::Forced),
            _ => name.strip_prefix("cutout").and_then(cutout).map_or(Self::Other, Self::Cutout),
        }
    }
}

/// What a wanted field of `candidate` or `diaSource` is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    Candid,
    /// Position in [`FIELDS`].
    Value(usize),
    Dia(DiaColumn),
}

impl Column {
    pub(super) fn of(name: &str) -> Option<Self> {
        static COLUMNS: LazyLock<HashMap<&str, usize>> =
            LazyLock::new(|| FIELDS.iter().enumerate().map(|(i, name)| (*name, i)).collect());
        if name == "candid" { Some(Self::Candid) } else { COLUMNS.get(name).copied().map(Self::Value) }
    }

    /// As [`Column::of`], for a field of `diaSource`.
    pub(super) fn of_dia(name: &str) -> Option<Self> {
        if name == "diaSourceId" { Some(Self::Candid) } else { DiaColumn::of(name).map(Self::Dia) }
    }
}

/// The top level of a packet.
struct Record<'p, 'a>(&'p mut Packet<'a>);
/// Its `candidate` or `diaSource`, and which fields of it are wanted.
struct Candidate<'p, 'a>(&'p mut Packet<'a>, fn(&str) -> Option<Column>);
/// One of its arrays of points.
struct History<'p>(&'p mut Vec<Point>, Series);
/// One element of it.
struct Element<'p>(&'p mut Point);
/// The bytes of one of its cutouts.
struct Cutout<'p, 'a>(&'p mut Option<&'a [u8]>);

impl<'de> Record<'_, 'de> {
    fn fill<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(part) = map.next_key_seed(Key(Part::of))? {
            match part {
                Part::Version => self.0.version = map.next_value::<Scalar>()?.text(),
                Part::Object => self.0.object_id = map.next_value::<Scalar>()?.text().map(Cow::Borrowed),
                Part::Candid => self.0.candid = map.next_value::<Scalar>()?.integer(),
                Part::Candidate => map.next_value_seed(Candidate(self.0, Column::of))?,
                Part::DiaSource => map.next_value_seed(Candidate(self.0, Column::of_dia))?,
                Part::History(series) => match &mut self.0.history {
                    Some(points) => map.next_value_seed(History(points, series))?,
                    None => drop(map.next_value::<IgnoredAny>()?),
                },
                Part::Cutout(index) => map.next_value_seed(Cutout(&mut self.0.cutouts[index]))?,
                Part::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> Candidate<'_, 'de> {
    fn fill<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(column) = map.next_key_seed(Key(self.1))? {
            match column {
                Some(column) => self.0.set_column(column, &map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl Element<'_> {
    fn fill<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(column) = map.next_key_seed(Key(PointColumn::of))? {
            match column {
                Some(column) => self.0.set(column, &map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> Cutout<'_, 'de> {
    fn fill<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(is_data) = map.next_key_seed(Key(|name: &str| name == "stampData"))? {
            if is_data {
                *self.0 = map.next_value::<Scalar>()?.bytes();
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

macro_rules! nullable_record {
    ($type:ty, $name:literal, { $($other:tt)* }) => {
        impl<'de> DeserializeSeed<'de> for $type {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_any(self)
            }
        }

        impl<'de> Visitor<'de> for $type {
            type Value = ();

            fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
                f.write_str($name)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
                self.fill(map)
            }

            fn visit_unit<E>(self) -> Result<(), E> {
                Ok(())
            }
            $($other)*
        }
    };
}

nullable_record!(Record<'_, 'de>, "an alert record", {});
nullable_record!(Candidate<'_, 'de>, "a candidate record", {});
nullable_record!(Element<'_>, "a record of one measurement", {});
nullable_record!(Cutout<'_, 'de>, "a cutout record, or bytes", {
    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<(), E> {
        *self.0 = Some(bytes);
        Ok(())
    }
});

impl<'de> DeserializeSeed<'de> for History<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for History<'_> {
    type Value = ();

    fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
        f.write_str("an array of measurements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        loop {
            let mut point = Point::of(self.1);
            if elements.next_element_seed(Element(&mut point))?.is_none() {
                return Ok(());
            }
            self.0.extend(point.complete());
        }
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A field's name, turned into what `F` makes of it.
struct Key<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Key<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Key<F> {
    type Value = T;

    fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<T, E> {
        Ok(self.0(name))
    }
}

/// A value of any simple type, whatever the schema of the day calls it.
pub(super) enum Scalar<'a> {
    /// Null, or an array or record, which no wanted field is.
    Nothing,
    Integer(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> Scalar<'a> {
    pub(super) fn integer(&self) -> Option<i64> {
        if let Self::Integer(value) = self { Some(*value) } else { None }
    }

    /// NaN when it is no number.
    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Integer(value) => *value as f64,
            Self::Float(value) => *value,
            _ => f64::NAN,
        }
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        if let Self::Text(value) = self { Some(value) } else { None }
    }

    pub(super) fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(value) = self { Some(value) } else { None }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Integer(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Integer(value.cast_signed()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Float(value))
    }

    fn visit_str<E>(self, _: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(value))
    }

    fn visit_borrowed_bytes<E>(self, value: &'de [u8]) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Bytes(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Scalar<'de>, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nothing)
    }
}

#[cfg(test)]
mod tests;
