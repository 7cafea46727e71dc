//! The value of a parameter, checked and in canonical form: what a key hashes and what `explain` prints.
//! Knows nothing of TOML positions.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A checked parameter value. Tables are ordered by name, so equal values have equal canonical text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// Absent: an optional key that was not given.
    Nothing,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite real number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A table.
    Table(BTreeMap<String, Value>),
}

/// Checked parameters of one stage, by key; every declared key is present.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params(Vec<(&'static str, Value)>);

impl Params {
    /// No parameters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No parameters yet, room for some.
    pub fn with_capacity(keys: usize) -> Self {
        Self(Vec::with_capacity(keys))
    }

    /// The value of a key.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Sets the value of a key; gives the one that it had.
    pub fn insert(&mut self, name: &'static str, value: Value) -> Option<Value> {
        if let Some((_, old)) = self.0.iter_mut().find(|(key, _)| *key == name) {
            return Some(std::mem::replace(old, value));
        }
        self.0.push((name, value));
        None
    }
}

impl Extend<(&'static str, Value)> for Params {
    fn extend<I: IntoIterator<Item = (&'static str, Value)>>(&mut self, entries: I) {
        for (name, value) in entries {
            self.insert(name, value);
        }
    }
}

impl FromIterator<(&'static str, Value)> for Params {
    fn from_iter<I: IntoIterator<Item = (&'static str, Value)>>(entries: I) -> Self {
        let mut params = Self::new();
        params.extend(entries);
        params
    }
}

impl<const N: usize> From<[(&'static str, Value); N]> for Params {
    fn from(entries: [(&'static str, Value); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl Value {
    /// Short text for tables: no quotes, lists joined by `+`.
    pub fn plain(&self) -> String {
        match self {
            Self::Float(v) => v.to_string(),
            Self::Text(v) => v.clone(),
            Self::List(items) => items.iter().map(Self::plain).collect::<Vec<_>>().join("+"),
            other => other.to_string(),
        }
    }
}

/// Canonical text: reads like TOML, equal exactly when the values are equal.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(f, "none"),
            Self::Bool(v) => write!(f, "{v}"),
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v:?}"),
            Self::Text(v) => write!(f, "{v:?}"),
            Self::List(items) => {
                write!(f, "[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
                }
                write!(f, "]")
            }
            Self::Table(entries) => {
                write!(f, "{{")?;
                for (i, (name, value)) in entries.iter().enumerate() {
                    write!(f, "{}{name:?} = {value}", if i == 0 { " " } else { ", " })?;
                }
                write!(f, " }}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_text_tells_types_apart() {
        let texts: Vec<String> =
            [Value::Int(1), Value::Float(1.0), Value::Text("1".into()), Value::Bool(true), Value::Nothing]
                .iter()
                .map(ToString::to_string)
                .collect();
        assert_eq!(texts, ["1", "1.0", "\"1\"", "true", "none"]);
    }

    #[test]
    fn tables_are_ordered_by_name() {
        let table = Value::Table(BTreeMap::from([("b".into(), Value::Int(2)), ("a".into(), Value::Int(1))]));
        assert_eq!(table.to_string(), "{ \"a\" = 1, \"b\" = 2 }");
    }
}
