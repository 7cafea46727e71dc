//! Key types for values that come alone or in a list, and for files whose names are told.
//! Knows no particular key.

use std::path::PathBuf;

use super::keys::{KeyType, Shape};
use super::value::Value;

/// A value or a list of such: `x = "a"` means `x = ["a"]`, also in the cache key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneOrMore<T>(pub Vec<T>);

impl<T> OneOrMore<T> {
    /// None.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The value for the `i`-th of many: a single one serves all; `None` when there is none.
    pub fn of(&self, i: usize) -> Option<&T> {
        if let [only] = self.0.as_slice() { Some(only) } else { self.0.get(i) }
    }

    /// Whether there is none, one for all, or one for each of `many`.
    pub fn serves(&self, many: usize) -> bool {
        self.0.len() <= 1 || self.0.len() == many
    }
}

impl<T: KeyType> KeyType for OneOrMore<T> {
    fn shape() -> Shape {
        Shape::OneOrMore(Box::new(T::shape()))
    }
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::List(items) => items.iter().map(T::read).collect::<Option<_>>().map(Self),
            one => T::read(one).map(|one| Self(vec![one])),
        }
    }
    fn value(&self) -> Value {
        Value::List(self.0.iter().map(KeyType::value).collect())
    }
}

/// A path as [`FilePath`](super::keys::FilePath), for files whose own names (not their folders) the artifact tells: these
/// names enter the key, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile(pub PathBuf);

impl KeyType for NamedFile {
    fn shape() -> Shape {
        Shape::NamedFile
    }
    fn read(value: &Value) -> Option<Self> {
        String::read(value).map(|text| Self(text.into()))
    }
    fn value(&self) -> Value {
        Value::Text(self.0.to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_a_list_of_one_and_serves_all() {
        let read = |value: &Value| OneOrMore::<String>::read(value).unwrap();
        let one = read(&Value::Text("a".into()));
        assert_eq!(one.value(), Value::List(vec![Value::Text("a".into())]));
        assert_eq!((one.of(0), one.of(7)), (Some(&"a".to_owned()), Some(&"a".to_owned())));
        let two = read(&Value::List(vec![Value::Text("a".into()), Value::Text("b".into())]));
        assert_eq!((two.of(1), two.of(2)), (Some(&"b".to_owned()), None));
        assert!(one.serves(3) && two.serves(2) && !two.serves(3) && OneOrMore::<String>::none().serves(3));
        assert_eq!(OneOrMore::<String>::read(&Value::List(vec![Value::Int(1)])), None);
    }
}
