//! TOML text as a tree in which every name and value knows its place; the only file that knows the TOML parser.
//! Knows no key of ours.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::faults::Faults;

/// One text that was read: a file, or the command line.
#[derive(Clone, Debug)]
pub struct Source {
    /// What to call it in messages.
    pub name: String,
    /// Folder that its relative paths start from.
    pub folder: PathBuf,
    /// Its text.
    pub text: String,
}

/// Where something is written: source by number, byte range.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Position in [`Faults::sources`].
    pub source: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A name at its place.
#[derive(Clone, Debug)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where it is written.
    pub place: Place,
}

/// A value at its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub data: Data,
    /// Where it is written.
    pub place: Place,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Data {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A text.
    Text(String),
    /// A date or a number out of range, as it is written.
    Other(String),
    /// A list.
    List(Vec<Node>),
    /// A table in the order of the text.
    Table(Vec<(Name, Node)>),
}

impl Node {
    /// Type of the value in words.
    pub fn type_word(&self) -> &'static str {
        match self.data {
            Data::Bool(_) => "true or false",
            Data::Int(_) => "whole number",
            Data::Float(_) => "number",
            Data::Text(_) => "text",
            Data::Other(_) => "date or a number out of range",
            Data::List(_) => "list",
            Data::Table(_) => "table",
        }
    }

    /// Entries of a table.
    pub fn entries(&self) -> Option<&[(Name, Node)]> {
        if let Data::Table(entries) = &self.data { Some(entries) } else { None }
    }

    /// The entry `name` of a table.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries()?.iter().find(|(n, _)| n.text == name).map(|(_, node)| node)
    }

    /// The text.
    pub fn text(&self) -> Option<&str> {
        if let Data::Text(text) = &self.data { Some(text) } else { None }
    }
}

/// Reads the file at `path`; its faults go into `faults`. `None` when it cannot be read at all.
pub fn read(path: &Path, faults: &mut Faults) -> Option<Node> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
    match std::fs::read_to_string(path) {
        Ok(text) => Some(parse(Source { name: shown(path), folder, text }, faults)),
        Err(error) => {
            faults.anywhere(format!("cannot read {}: {error}", path.display()));
            None
        }
    }
}

/// The path without `FOLDER/..`.
fn shown(path: &Path) -> String {
    let mut parts: Vec<Component> = Vec::new();
    for part in path.components() {
        match (part, parts.last()) {
            (Component::ParentDir, Some(Component::Normal(_))) => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.iter().collect::<PathBuf>().display().to_string()
}

/// Parses one source; the tree holds what could be understood.
pub fn parse(source: Source, faults: &mut Faults) -> Node {
    let text = source.text.clone();
    let source = faults.add_source(source);
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        faults.add(place(source, span), error.message().to_string(), None);
    }
    let span = table.span();
    node(source, span, DeValue::Table(table.into_inner()))
}

fn place(source: usize, span: Range<usize>) -> Place {
    Place { source, start: span.start, end: span.end }
}

fn node(source: usize, span: Range<usize>, value: DeValue) -> Node {
    let data = match value {
        DeValue::String(text) => Data::Text(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Data::Other(number.as_str().into()), Data::Int),
        DeValue::Float(number) => number.as_str().parse().map_or(Data::Other(number.as_str().into()), Data::Float),
        DeValue::Boolean(value) => Data::Bool(value),
        DeValue::Datetime(date) => Data::Other(date.to_string()),
        DeValue::Array(items) => Data::List(
            items
                .into_iter()
                .map(|item| {
                    let span = item.span();
                    node(source, span, item.into_inner())
                })
                .collect(),
        ),
        DeValue::Table(table) => Data::Table(entries(source, table)),
    };
    Node { data, place: place(source, span) }
}

fn entries(source: usize, table: DeTable) -> Vec<(Name, Node)> {
    let mut entries: Vec<(Name, Node)> = table
        .into_iter()
        .map(|(name, value)| {
            let name_place = place(source, name.span());
            let span = value.span();
            (Name { text: name.into_inner().into_owned(), place: name_place }, node(source, span, value.into_inner()))
        })
        .collect();
    entries.sort_by_key(|(name, _)| name.place.start);
    entries
}
