//! The key of a result: named parts, hashed in order. The same parts are what `explain` shows, so that the explanation
//! cannot drift from the key.

use std::collections::HashMap;
use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Version of the key and of the format on disk.
pub const FORMAT: &str = "1";

/// Bytes that are written as hexadecimal digits.
macro_rules! hexadecimal {
    ($name:ident, $bytes:literal) => {
        impl $name {
            /// From its hexadecimal digits.
            pub fn parse(text: &str) -> Option<Self> {
                let mut bytes = [0; $bytes];
                let digits = text.as_bytes();
                if digits.len() != 2 * $bytes {
                    return None;
                }
                for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                    let digit = |d: u8| (d as char).to_digit(16);
                    *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
                }
                Some(Self(bytes))
            }

            /// Enough of it to recognise it in a table.
            pub fn short(&self) -> String {
                self.to_string()[..10].into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 2 * $bytes];
                for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
                    pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
                    pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
                }
                f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| D::Error::custom(format!("not {} hexadecimal digits", 2 * $bytes)))
            }
        }
    };
}

/// Hash of all parts: 160 bits of BLAKE3, 40 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 20]);
hexadecimal!(Key, 20);

/// Hash of contents: 256 bits of BLAKE3, 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);
hexadecimal!(Digest, 32);

/// Takes the parts of a key one by one.
pub trait Sink {
    /// Takes a part.
    fn add(&mut self, name: &str, value: &str);
}

/// Makes the key of the parts that it takes: every name and value with its length before it, so that no two lists of
/// parts look alike.
pub struct KeyHasher(blake3::Hasher);

impl Default for KeyHasher {
    fn default() -> Self {
        Self(blake3::Hasher::new_derive_key("estampa 2026-11 key of a result"))
    }
}

impl Sink for KeyHasher {
    fn add(&mut self, name: &str, value: &str) {
        for text in [name, value] {
            self.0.update(&(text.len() as u64).to_le_bytes());
            self.0.update(text.as_bytes());
        }
    }
}

impl KeyHasher {
    /// The key.
    pub fn key(&self) -> Key {
        let mut key = [0; 20];
        self.0.finalize_xof().fill(&mut key);
        Key(key)
    }
}

/// Named parts of a key in a fixed order: first what the kind is, then parameters, seed, inputs and files by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parts(pub Vec<(String, String)>);

impl Sink for Parts {
    fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.into(), value.into()));
    }
}

impl Parts {
    /// The value of a part.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The key.
    pub fn key(&self) -> Key {
        let mut hasher = KeyHasher::default();
        self.0.iter().for_each(|(name, value)| hasher.add(name, value));
        hasher.key()
    }

    /// Parts in which `self` differs from `old`: name, old value, new value; absent ones are `None`. Files without labels have one
    /// name: the second of it is compared with the second.
    pub fn changes(&self, old: &Parts) -> Vec<Change> {
        let (new, old) = (self.numbered(), old.numbered());
        let (by_new, by_old): (HashMap<_, _>, HashMap<_, _>) =
            (new.iter().copied().collect(), old.iter().copied().collect());
        let change = |part: &(&str, usize)| {
            let value = |parts: &HashMap<(&str, usize), &str>| parts.get(part).map(|value| (*value).to_string());
            Change { part: part.0.into(), old: value(&by_old), new: value(&by_new) }
        };
        let gone = old.iter().filter(|(part, _)| !by_new.contains_key(part));
        new.iter().chain(gone).map(|(part, _)| change(part)).filter(|change| change.old != change.new).collect()
    }

    /// Each value with its name and how many parts of that name come before it.
    fn numbered(&self) -> Vec<((&str, usize), &str)> {
        let mut counts = HashMap::<&str, usize>::new();
        let mut numbered = Vec::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            let count = counts.entry(name).or_default();
            numbered.push(((name.as_str(), *count), value.as_str()));
            *count += 1;
        }
        numbered
    }
}

/// A part that changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    /// Name of the part.
    pub part: String,
    /// Value in the earlier run.
    pub old: Option<String>,
    /// Value now.
    pub new: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

    /// Published test vectors: derive-key hashing of length-prefixed names and values, checked with
    /// `blake3.blake3(b"".join(len(t).to_bytes(8, "little") + t for part in parts for t in part),
    /// derive_key_context="estampa 2026-11 key of a result").hexdigest()[:40]` of the Python package `blake3`.
    /// A change here makes every cache stale and needs a new `FORMAT`.
    #[test]
    fn key_of_known_parts() {
        let list = [("format", "1"), ("kind", "preprocess"), ("code version", "1")];
        assert_eq!(parts(&list).key().to_string(), "cfa8a07628264b3115caad5db96f52567cec563f");
        let other = [("format", "1"), ("kind", "preprocess"), ("code version", "2")];
        assert_ne!(parts(&list).key(), parts(&other).key());
        let key = parts(&list).key();
        assert_eq!(Key::parse(&key.to_string()), Some(key));
        assert_eq!(Key::parse("12"), None);
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

    #[test]
    fn parts_of_one_name_are_compared_in_their_order() {
        let old = parts(&[("file script", "a"), ("file script", "b"), ("file script", "c")]);
        let new = parts(&[("file script", "a"), ("file script", "d")]);
        let shown: Vec<String> = new.changes(&old).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["file script: b -> d", "file script: c -> absent"]);
        assert!(old.changes(&old).is_empty());
    }
}
