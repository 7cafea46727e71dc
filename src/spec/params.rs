//! From TOML values to checked parameters of one stage: unknown keys, types, limits, defaults.
//! Knows no stage names and no files on disk.

use std::collections::HashMap;
use std::sync::Arc;

use super::document::{Data, Name, Node};
use super::faults::{Faults, suggest};
use super::keys::{Key, Shape};
use super::needs::Needs;
use super::value::{Params, Value};
use crate::stage::StageKind;

/// Keys that every stage takes beside those of its kind and those that say what it needs of the machine.
pub const COMMON: [&str; 3] = ["kind", "inputs", "seed"];

/// Declared keys by kind and chosen variant, ordered by name, each list made once however many stages use it.
#[derive(Default)]
pub struct Declared(HashMap<(&'static str, &'static str), Arc<[Key]>>);

impl Declared {
    /// Every key that a stage of this kind takes, with those of the variant that its entries choose.
    pub fn keys_of(&mut self, kind: &dyn StageKind, entries: &[(Name, Node)]) -> Arc<[Key]> {
        if let Some(keys) = self.0.get(&(kind.name(), "")) {
            return keys.clone();
        }
        let Some(variants) = kind.variants() else {
            return self.0.entry((kind.name(), "")).or_insert_with(|| by_name(kind.keys())).clone();
        };
        let words: Vec<&'static str> = variants.list.iter().map(|v| v.name).collect();
        let default = words.first().copied().unwrap_or_default();
        let chosen = entries.iter().find(|(name, _)| name.text == variants.key).map(|(_, node)| node);
        let word = match chosen {
            Some(Node { data: Data::Text(word), .. }) => {
                // A word that is none of them is a fault of this key like any other; the keys are then those that all have.
                words.iter().copied().find(|known| known == word).unwrap_or("?")
            }
            _ => default,
        };
        let join = || {
            let choice = Shape::Choice(words.clone());
            let choice = Key::new(variants.key, choice, "Which one to use; it brings keys of its own.");
            let own = variants.list.into_iter().find(|v| v.name == word).into_iter().flat_map(|v| v.keys);
            let choice = choice.default(Value::Text(default.into()));
            by_name([choice].into_iter().chain(kind.keys()).chain(own).collect())
        };
        self.0.entry((kind.name(), word)).or_insert_with(join).clone()
    }
}

/// In the order in which they enter the cache key.
fn by_name(mut keys: Vec<Key>) -> Arc<[Key]> {
    keys.sort_by_key(|key| key.name);
    keys.into()
}

/// The parameters of a stage, every declared key present; faults go into `faults`. `stage` is where the stage is named.
pub fn check(
    kind: &dyn StageKind,
    keys: &[Key],
    stage: &Name,
    entries: &[(Name, Node)],
    faults: &mut Faults,
) -> Params {
    let known =
        |name: &str| keys.iter().any(|k| k.name == name) || COMMON.contains(&name) || Needs::KEYS.contains(&name);
    for (name, _) in entries.iter().filter(|(name, _)| !known(&name.text)) {
        let names: Vec<&str> = keys.iter().map(|k| k.name).chain(COMMON).chain(Needs::KEYS).collect();
        let message = format!("`{}` has no key `{}`", kind.name(), name.text);
        faults.add(name.place, message, suggest(&name.text, &names));
    }
    let mut params = Params::with_capacity(keys.len());
    for key in keys {
        let value = match entries.iter().find(|(name, _)| name.text == key.name) {
            Some((name, node)) => read(&key.shape, node, &name.text, faults),
            None => key.default.clone().or_else(|| {
                let message = format!("stage `{}` needs the key `{}`: {}", stage.text, key.name, key.shape.describe());
                faults.add(stage.place, message, Some(key.help.to_string()));
                None
            }),
        };
        if let Some(value) = value {
            params.insert(key.name, value);
        }
    }
    params
}

/// The value of `node` in canonical form if it has the shape.
fn read(shape: &Shape, node: &Node, key: &str, faults: &mut Faults) -> Option<Value> {
    let before = faults.reports();
    let value = match (shape, &node.data) {
        (Shape::Optional(inner), _) => return read(inner, node, key, faults),
        (Shape::Bool, Data::Bool(v)) => Some(Value::Bool(*v)),
        (Shape::Int(low, high), Data::Int(v)) if (low..=high).contains(&v) => Some(Value::Int(*v)),
        (Shape::Float(low, high), Data::Int(v)) if (*low..=*high).contains(&(*v as f64)) => {
            Some(Value::Float(*v as f64))
        }
        (Shape::Float(low, high), Data::Float(v)) if v.is_finite() && (low..=high).contains(&v) => {
            Some(Value::Float(*v + 0.0))
        }
        (Shape::Text | Shape::File | Shape::NamedFile, Data::Text(v)) => Some(Value::Text(v.clone())),
        (Shape::Choice(words), Data::Text(v)) => choose(words, v, node, key, faults),
        (Shape::OneOrMore(item), Data::Text(_) | Data::Int(_) | Data::Float(_) | Data::Bool(_)) => {
            read(item, node, key, faults).map(|one| Value::List(vec![one]))
        }
        (Shape::List(item) | Shape::OneOrMore(item), Data::List(nodes)) => {
            let items: Vec<Option<Value>> = nodes.iter().map(|n| read(item, n, key, faults)).collect();
            items.into_iter().collect::<Option<_>>().map(Value::List)
        }
        (Shape::Table(item), Data::Table(entries)) => {
            let entries: Vec<Option<(String, Value)>> =
                entries.iter().map(|(name, n)| read(item, n, key, faults).map(|v| (name.text.clone(), v))).collect();
            entries.into_iter().collect::<Option<_>>().map(Value::Table)
        }
        _ => None,
    };
    if value.is_none() && faults.reports() == before {
        faults.add(
            node.place,
            format!("`{key}` must be {}, not {}", with_article(&shape.describe()), shown(node)),
            None,
        );
    }
    value
}

/// What a shape is, as a sentence says it.
fn with_article(what: &str) -> String {
    let counted = ["whole number", "number", "path", "list", "table"].iter().any(|word| what.starts_with(word));
    if counted { format!("a {what}") } else { what.into() }
}

fn choose(words: &[&'static str], word: &str, node: &Node, key: &str, faults: &mut Faults) -> Option<Value> {
    if words.contains(&word) {
        return Some(Value::Text(word.into()));
    }
    faults.add(node.place, format!("`{word}` is not a value of `{key}`"), suggest(word, words));
    None
}

/// What was given, in words.
fn shown(node: &Node) -> String {
    match &node.data {
        Data::Int(v) => v.to_string(),
        Data::Float(v) => v.to_string(),
        Data::Bool(v) => v.to_string(),
        Data::Text(v) => format!("the text {v:?}"),
        Data::Other(v) => v.clone(),
        Data::List(_) | Data::Table(_) => format!("a {}", node.type_word()),
    }
}
