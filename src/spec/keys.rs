//! The TOML keys of a stage kind or a model, declared once: type, default, unit and help.
//! The checker, the documentation, the JSON Schema and the typed struct all come from that one declaration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::value::{Params, Value};

/// What values a key takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// `true` or `false`.
    Bool,
    /// A whole number within limits, ends included.
    Int(i64, i64),
    /// A finite real number within limits, ends included.
    Float(f64, f64),
    /// Any text.
    Text,
    /// One of these words.
    Choice(Vec<&'static str>),
    /// A file, folder or glob outside the project's cache; its contents enter the key, its place does not.
    File,
    /// As `File`, and its own name enters the key as well, because the artifact tells it.
    NamedFile,
    /// A list of such values.
    List(Box<Shape>),
    /// Such a value, or a list of such.
    OneOrMore(Box<Shape>),
    /// A table from any name to such values.
    Table(Box<Shape>),
    /// Such a value, or the key is left out.
    Optional(Box<Shape>),
}

impl Shape {
    /// The shape in words, for documentation and messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::Int(low, high) => format!("whole number{}", limits(*low, *high, i64::MIN, i64::MAX)),
            Self::Float(low, high) => format!("number{}", limits(*low, *high, f64::MIN, f64::MAX)),
            Self::Text => "text".into(),
            Self::Choice(words) => words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(" or "),
            Self::File | Self::NamedFile => "path of a file, a folder or a glob".into(),
            Self::List(item) => format!("list of: {}", item.describe()),
            Self::OneOrMore(item) => format!("{}, or a list of such", item.describe()),
            Self::Table(item) => format!("table of: {}", item.describe()),
            Self::Optional(item) => item.describe(),
        }
    }
}

fn limits<T: PartialEq + std::fmt::Display>(low: T, high: T, min: T, max: T) -> String {
    match (low == min, high == max) {
        (true, true) => String::new(),
        (false, true) => format!(", at least {low}"),
        (true, false) => format!(", at most {high}"),
        (false, false) => format!(" from {low} to {high}"),
    }
}

/// One declared key.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name in TOML.
    pub name: &'static str,
    /// What values it takes.
    pub shape: Shape,
    /// The value when it is left out; `None`: it must be given.
    pub default: Option<Value>,
    /// Unit of the value, empty when it has none.
    pub unit: &'static str,
    /// What it does, one sentence.
    pub help: &'static str,
    /// A key that was added after results existed: at its default it stays out of the cache key, so they remain valid.
    pub added_later: bool,
}

impl Key {
    /// A key that must be given.
    pub fn new(name: &'static str, shape: Shape, help: &'static str) -> Self {
        Self { name, shape, default: None, unit: "", help: help.trim_ascii(), added_later: false }
    }

    /// With a default value.
    #[must_use]
    pub fn default(mut self, value: Value) -> Self {
        self.default = Some(value);
        self
    }

    /// With limits, ends included, on the number (or on each number of a list).
    #[must_use]
    pub fn range(mut self, low: impl Into<f64>, high: impl Into<f64>) -> Self {
        self.shape = with_range(self.shape, low.into(), high.into());
        self
    }

    /// With a lower limit, included.
    #[must_use]
    pub fn at_least(self, low: impl Into<f64>) -> Self {
        self.range(low, f64::MAX)
    }

    /// With a unit.
    #[must_use]
    pub fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Marked as added after results existed.
    #[must_use]
    pub fn added_later(mut self) -> Self {
        self.added_later = true;
        self
    }
}

fn with_range(shape: Shape, low: f64, high: f64) -> Shape {
    match shape {
        Shape::Int(..) => Shape::Int(low as i64, if high >= i64::MAX as f64 { i64::MAX } else { high as i64 }),
        Shape::Float(..) => Shape::Float(low, high),
        Shape::List(item) => Shape::List(Box::new(with_range(*item, low, high))),
        Shape::OneOrMore(item) => Shape::OneOrMore(Box::new(with_range(*item, low, high))),
        Shape::Optional(item) => Shape::Optional(Box::new(with_range(*item, low, high))),
        other => other,
    }
}

/// A Rust type that a key's value turns into.
pub trait KeyType: Sized {
    /// The values it takes.
    fn shape() -> Shape;
    /// Reads a value that was checked against [`KeyType::shape`]; `None` would be a fault of the checker.
    fn read(value: &Value) -> Option<Self>;
    /// The canonical value.
    fn value(&self) -> Value;
}

/// A struct made by [`keys!`](crate::keys): the typed keys of a kind.
pub trait Keys: Sized {
    /// The declared keys in order.
    fn keys() -> Vec<Key>;
    /// The typed struct from checked parameters.
    fn read(params: &Params) -> Option<Self>;
}

/// A kind without keys.
#[derive(Clone, Copy, Debug)]
pub struct NoKeys;

impl Keys for NoKeys {
    fn keys() -> Vec<Key> {
        Vec::new()
    }
    fn read(_: &Params) -> Option<Self> {
        Some(Self)
    }
}

/// A path written in TOML (file, folder or glob), as the user wrote it. The engine resolves and hashes it; a stage
/// finds the files in `Job::files` under the key's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

impl KeyType for FilePath {
    fn shape() -> Shape {
        Shape::File
    }
    fn read(value: &Value) -> Option<Self> {
        String::read(value).map(|text| Self(text.into()))
    }
    fn value(&self) -> Value {
        Value::Text(self.0.to_string_lossy().into_owned())
    }
}

impl KeyType for bool {
    fn shape() -> Shape {
        Shape::Bool
    }
    fn read(value: &Value) -> Option<Self> {
        if let Value::Bool(v) = value { Some(*v) } else { None }
    }
    fn value(&self) -> Value {
        Value::Bool(*self)
    }
}

impl KeyType for String {
    fn shape() -> Shape {
        Shape::Text
    }
    fn read(value: &Value) -> Option<Self> {
        if let Value::Text(v) = value { Some(v.clone()) } else { None }
    }
    fn value(&self) -> Value {
        Value::Text(self.clone())
    }
}

impl KeyType for f64 {
    fn shape() -> Shape {
        Shape::Float(f64::MIN, f64::MAX)
    }
    fn read(value: &Value) -> Option<Self> {
        if let Value::Float(v) = value { Some(*v) } else { None }
    }
    fn value(&self) -> Value {
        Value::Float(*self)
    }
}

macro_rules! whole_numbers {
    ($($kind:ty, $low:expr);*) => { $(
        impl KeyType for $kind {
            fn shape() -> Shape {
                Shape::Int($low, i64::MAX)
            }
            fn read(value: &Value) -> Option<Self> {
                if let Value::Int(v) = value { (*v).try_into().ok() } else { None }
            }
            fn value(&self) -> Value {
                Value::Int(*self as i64)
            }
        }
    )* };
}
whole_numbers!(i64, i64::MIN; u64, 0; u32, 0; usize, 0);

impl<T: KeyType> KeyType for Vec<T> {
    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }
    fn read(value: &Value) -> Option<Self> {
        if let Value::List(items) = value { items.iter().map(T::read).collect() } else { None }
    }
    fn value(&self) -> Value {
        Value::List(self.iter().map(KeyType::value).collect())
    }
}

impl<T: KeyType> KeyType for BTreeMap<String, T> {
    fn shape() -> Shape {
        Shape::Table(Box::new(T::shape()))
    }
    fn read(value: &Value) -> Option<Self> {
        let Value::Table(entries) = value else { return None };
        entries.iter().map(|(name, v)| T::read(v).map(|v| (name.clone(), v))).collect()
    }
    fn value(&self) -> Value {
        Value::Table(self.iter().map(|(name, v)| (name.clone(), v.value())).collect())
    }
}

impl<T: KeyType> KeyType for Option<T> {
    fn shape() -> Shape {
        Shape::Optional(Box::new(T::shape()))
    }
    fn read(value: &Value) -> Option<Self> {
        if *value == Value::Nothing { Some(None) } else { T::read(value).map(Some) }
    }
    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Nothing, KeyType::value)
    }
}

/// Declares a struct of typed keys.
///
/// ```
/// estampa::keys! {
///     /// Keys of a kind.
///     pub struct CropKeys {
///         /// Side of the centre crop.
///         crop: usize = 21, range(1, 63), unit("px");
///         /// A label table.
///         labels: Option<estampa::spec::keys::FilePath> = None;
///         /// Must be given: no default.
///         name: String;
///     }
/// }
/// # use estampa::spec::keys::Keys;
/// assert_eq!(CropKeys::keys().len(), 3);
/// ```
#[macro_export]
macro_rules! keys {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( #[doc = $help:literal] $key:ident : $kind:ty $(= $default:expr)? $(, $with:ident ( $($arg:expr),* ) )* ; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $vis struct $name {
            $( #[doc = $help] pub $key: $kind, )*
        }

        impl $crate::spec::keys::Keys for $name {
            fn keys() -> Vec<$crate::spec::keys::Key> {
                use $crate::spec::keys::{Key, KeyType};
                vec![ $(
                    Key::new(stringify!($key).trim_start_matches("r#"), <$kind as KeyType>::shape(), $help)
                        $( .default({ let value: $kind = $default; value.value() }) )?
                        $( .$with($($arg),*) )*,
                )* ]
            }

            fn read(params: &$crate::spec::value::Params) -> Option<Self> {
                use $crate::spec::keys::KeyType;
                Some(Self { $( $key: <$kind as KeyType>::read(params.get(stringify!($key).trim_start_matches("r#"))?)?, )* })
            }
        }
    };
}

/// Declares an enum whose variants are the words that a key takes.
///
/// ```
/// estampa::choice! {
///     /// How a channel is scaled.
///     pub enum Scale { MinMax = "min_max", Unit = "l2" }
/// }
/// # use estampa::spec::keys::KeyType;
/// assert_eq!(Scale::Unit.word(), "l2");
/// ```
#[macro_export]
macro_rules! choice {
    ( $(#[$meta:meta])* $vis:vis enum $name:ident { $( $(#[$vmeta:meta])* $variant:ident = $word:literal ),* $(,)? } ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        $vis enum $name {
            $( $(#[$vmeta])* #[doc = concat!("`", $word, "`")] $variant, )*
        }

        impl $name {
            /// The word in TOML.
            $vis fn word(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }

        impl $crate::spec::keys::KeyType for $name {
            fn shape() -> $crate::spec::keys::Shape {
                $crate::spec::keys::Shape::Choice(vec![ $( $word ),* ])
            }
            fn read(value: &$crate::spec::value::Value) -> Option<Self> {
                match value {
                    $( $crate::spec::value::Value::Text(word) if word == $word => Some(Self::$variant), )*
                    _ => None,
                }
            }
            fn value(&self) -> $crate::spec::value::Value {
                $crate::spec::value::Value::Text(self.word().into())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    choice! {
        /// A test choice.
        enum Sign { Physical = "physical", Packet = "packet" }
    }

    keys! {
        /// Test keys.
        struct Sample {
            /// Side of the crop.
            crop: usize = 21, range(1, 63), unit("px");
            /// Sign of the difference.
            sign: Sign = Sign::Packet;
            /// Given by the user.
            name: String;
            /// Left out or not.
            rate: Option<f64> = None, at_least(0);
        }
    }

    #[test]
    fn declaration_gives_shapes_and_defaults() {
        let keys = Sample::keys();
        assert_eq!(keys[0].shape, Shape::Int(1, 63));
        assert_eq!(keys[0].default, Some(Value::Int(21)));
        assert_eq!(keys[0].help, "Side of the crop.");
        assert_eq!(keys[1].default, Some(Value::Text("packet".into())));
        assert_eq!(keys[2].default, None);
        assert_eq!(keys[3].shape, Shape::Optional(Box::new(Shape::Float(0.0, f64::MAX))));
    }

    #[test]
    fn typed_struct_reads_back() {
        let params = Params::from([
            ("crop", Value::Int(5)),
            ("sign", Value::Text("physical".into())),
            ("name", Value::Text("x".into())),
            ("rate", Value::Nothing),
        ]);
        let sample = Sample::read(&params).expect("valid");
        assert_eq!((sample.crop, sample.sign, sample.name.as_str(), sample.rate), (5, Sign::Physical, "x", None));
    }
}
