//! TOML text as a tree in which every name and value knows its place; the only file that knows the TOML parser.
//! Knows no key of ours.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::faults::Faults;

/// One text that was read: a file, or the command line.
#[derive(Clone, Debug)]
pub struct Source {
    /// What to call it in messages.
    pub name: String,
    /// The file; empty for the command line.
    pub path: PathBuf,
    /// Folder that its relative paths start from.
    pub folder: Arc<Path>,
    /// Its text.
    pub text: String,
}

/// Where something is written: source by number, byte range. Small, since every name and value has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Position in [`Faults::sources`].
    pub source: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
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

    /// The entry `name` of a table, taken out of it.
    pub fn take(self, name: &str) -> Option<Node> {
        let Data::Table(entries) = self.data else { return None };
        entries.into_iter().find(|(n, _)| n.text == name).map(|(_, node)| node)
    }

    /// The text.
    pub fn text(&self) -> Option<&str> {
        if let Data::Text(text) = &self.data { Some(text) } else { None }
    }
}

/// Reads the file at `path`, which is named at `from`; its faults go into `faults`. `None` when it cannot be read at all.
pub fn read(path: &Path, from: Option<Place>, faults: &mut Faults) -> Option<Node> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).into();
    match std::fs::read_to_string(path) {
        Ok(text) => Some(parse(Source { name: shown(path), path: path.into(), folder, text }, faults)),
        Err(error) => {
            faults.perhaps_at(from, format!("cannot read {}: {error}", path.display()));
            None
        }
    }
}

/// The path without `FOLDER/..`, for messages.
pub fn shown(path: &Path) -> String {
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

/// Deepest nesting of a value that is looked into; nothing of ours has more than four levels.
const DEEPEST: usize = 32;
/// Texts above this size are read in pieces: the parser's own tree takes several times the memory of ours.
const PIECE: usize = 1 << 19;

/// Parses one source; the tree holds what could be understood.
pub fn parse(source: Source, faults: &mut Faults) -> Node {
    let number = faults.sources.len() as u32;
    let root = in_pieces(number, &source.text).unwrap_or_else(|| {
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            faults.add(Origin { source: number, offset: 0 }.place(span), error.message().to_string(), None);
        }
        let span = table.span();
        Origin { source: number, offset: 0 }.node(span, DeValue::Table(table.into_inner()), 0)
    });
    faults.add_source(source);
    root
}

/// A long text cut before headers of stages, its pieces parsed one by one; `None` when it is short, or when a piece has
/// any fault or repeats a name, so that the verdict on such a text is always that of the whole.
fn in_pieces(source: u32, text: &str) -> Option<Node> {
    if text.len() <= PIECE {
        return None;
    }
    let mut root: Vec<(Name, Node)> = Vec::new();
    let mut stages: HashSet<String> = HashSet::new();
    let mut start = 0;
    while start < text.len() {
        let from = text.ceil_char_boundary((start + PIECE).min(text.len()));
        let end = next_stage(text, from);
        let (table, errors) = DeTable::parse_recoverable(&text[start..end]);
        if !errors.is_empty() {
            return None;
        }
        let origin = Origin { source, offset: start };
        for (name, node) in origin.entries(table.into_inner(), 0) {
            merge(&mut root, &mut stages, name, node)?;
        }
        start = end;
    }
    Some(Node { data: Data::Table(root), place: Origin { source, offset: 0 }.place(0..text.len()) })
}

/// Where the next header of a stage begins, not that of a table inside one: both halves would name the stage.
fn next_stage(text: &str, from: usize) -> usize {
    const HEADER: &str = "\n[stages.";
    let is_whole = |at: &usize| {
        let name = text[at + HEADER.len()..].split(']').next().unwrap_or_default();
        !name.contains(['.', '"', '\'', '\n'])
    };
    let mut headers = text[from..].match_indices(HEADER).map(|(n, _)| from + n);
    headers.find(is_whole).map_or(text.len(), |at| at + 1)
}

/// Adds a name of a piece to the root; only `stages` may come again, with stages of other names.
fn merge(root: &mut Vec<(Name, Node)>, stages: &mut HashSet<String>, name: Name, node: Node) -> Option<()> {
    if name.text != "stages" {
        return (!root.iter().any(|(n, _)| n.text == name.text)).then(|| root.push((name, node)));
    }
    let Data::Table(entries) = &node.data else { return None };
    if !entries.iter().all(|(stage, _)| stages.insert(stage.text.clone())) {
        return None;
    }
    match (root.iter_mut().find(|(n, _)| n.text == name.text), node) {
        (None, node) => root.push((name, node)),
        (Some((_, Node { data: Data::Table(all), .. })), Node { data: Data::Table(more), .. }) => all.extend(more),
        _ => return None,
    }
    Some(())
}

/// Where spans of a parsed text belong.
#[derive(Clone, Copy)]
struct Origin {
    source: u32,
    offset: usize,
}

impl Origin {
    fn place(self, span: Range<usize>) -> Place {
        let at = |n: usize| (self.offset + n) as u32;
        Place { source: self.source, start: at(span.start), end: at(span.end) }
    }

    fn node(self, span: Range<usize>, value: DeValue, depth: usize) -> Node {
        let data = match value {
            DeValue::Array(_) | DeValue::Table(_) if depth > DEEPEST => {
                Data::Other(format!("values nested more than {DEEPEST} deep"))
            }
            DeValue::String(text) => Data::Text(text.into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Data::Other(number.as_str().into()), Data::Int),
            DeValue::Float(number) => number.as_str().parse().map_or(Data::Other(number.as_str().into()), Data::Float),
            DeValue::Boolean(value) => Data::Bool(value),
            DeValue::Datetime(date) => Data::Other(date.to_string()),
            DeValue::Array(items) => {
                Data::List(items.into_iter().map(|item| self.node(item.span(), item.into_inner(), depth + 1)).collect())
            }
            DeValue::Table(table) => Data::Table(self.entries(table, depth)),
        };
        Node { data, place: self.place(span) }
    }

    /// Entries of a table in the order of the text.
    fn entries(self, table: DeTable, depth: usize) -> Vec<(Name, Node)> {
        let entry = |(name, value): (toml::Spanned<std::borrow::Cow<str>>, toml::Spanned<DeValue>)| {
            let place = self.place(name.span());
            (
                Name { text: name.into_inner().into_owned(), place },
                self.node(value.span(), value.into_inner(), depth + 1),
            )
        };
        let mut entries: Vec<(Name, Node)> = table.into_iter().map(entry).collect();
        entries.sort_by_key(|(name, _)| name.place.start);
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long_text(stages: usize) -> String {
        let stage = |i| {
            let inputs = format!("[stages.s{i}.inputs]\nbefore = \"s0\"\n");
            format!("[stages.s{i}]\nkind = \"command\"\nrun = \"echo {i} > {{out}}/x\"\n{inputs}")
        };
        format!("[pipeline]\nname = \"long\"\n{}", (0..stages).map(stage).collect::<String>())
    }

    fn source(text: String) -> Source {
        Source { name: "p.toml".into(), path: PathBuf::new(), folder: Path::new(".").into(), text }
    }

    #[test]
    fn pieces_give_the_tree_of_the_whole() {
        let text = long_text(20_000);
        let pieces = in_pieces(0, &text).expect("long and without fault");
        let (table, errors) = DeTable::parse_recoverable(&text);
        assert!(errors.is_empty() && text.len() > 2 * PIECE);
        let whole = Origin { source: 0, offset: 0 }.node(table.span(), DeValue::Table(table.into_inner()), 0);
        assert_eq!(format!("{:?}", pieces.entries()), format!("{:?}", whole.entries()).as_str());
    }

    #[test]
    fn a_fault_in_a_long_text_is_that_of_the_whole() {
        for flaw in ["[stages.s7]\nkind = \"command\"\n", "[stages.x\n", "run = \"\"\"\n[stages.y]\n"] {
            let mut faults = Faults::default();
            parse(source(long_text(20_000) + flaw), &mut faults);
            let shown = faults.render(false);
            assert!(shown.contains("p.toml:10000"), "{flaw:?}: {shown}");
        }
    }
}
