//! A pipeline as it is written: stages with their entries, includes merged, overrides applied. Checks nothing but the
//! outline; looks at no file but TOML.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::document::{self, Data, Name, Node, Place};
use super::faults::{Faults, suggest};

/// Most files that include each other in a row.
const LONGEST_CHAIN: usize = 32;

/// A pipeline before it is checked. Copies share the stages that neither has overridden.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// Where the name is written, if it is.
    pub named_at: Option<Place>,
    /// Seed that all others derive from.
    pub seed: u64,
    /// Stages in the order of the text.
    pub stages: Vec<Rc<DraftStage>>,
}

/// A stage before it is checked.
#[derive(Clone, Debug)]
pub struct DraftStage {
    /// Its name.
    pub name: Name,
    /// Its keys and values.
    pub entries: Vec<(Name, Node)>,
}

impl DraftStage {
    /// The value of a key, if it is written.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(name, _)| name.text == key).map(|(_, node)| node)
    }
}

/// Reads a pipeline file with what it includes.
/// `from` is where it is named.
pub fn read(path: &Path, from: Option<Place>, faults: &mut Faults) -> Option<Draft> {
    read_within(path, from, faults, &mut Vec::new())
}

fn read_within(path: &Path, from: Option<Place>, faults: &mut Faults, chain: &mut Vec<PathBuf>) -> Option<Draft> {
    let identity = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    if chain.len() == LONGEST_CHAIN {
        faults.perhaps_at(from, format!("{} is included by {LONGEST_CHAIN} files in a row", path.display()));
        return None;
    }
    if chain.contains(&identity) {
        faults.perhaps_at(from, format!("{} includes itself", path.display()));
        return None;
    }
    chain.push(identity);
    let draft = document::read(path, from, faults).and_then(|root| draft(path, root, faults, chain));
    chain.pop();
    draft
}

/// The draft of a pipeline file that was parsed already.
pub fn of_root(path: &Path, root: Node, faults: &mut Faults) -> Option<Draft> {
    draft(path, root, faults, &mut vec![path.canonicalize().unwrap_or_else(|_| path.to_path_buf())])
}

/// The name of a pipeline that tells none: that of its file.
pub fn default_name(path: &Path) -> String {
    path.file_stem().map_or_else(|| "pipeline".into(), |stem| stem.to_string_lossy().into_owned())
}

/// A draft from the tree of a pipeline file.
fn draft(path: &Path, root: Node, faults: &mut Faults, chain: &mut Vec<PathBuf>) -> Option<Draft> {
    only(&root, &["pipeline", "stages"], "a pipeline file", faults);
    let mut draft = Draft { name: default_name(path), named_at: None, seed: 42, stages: Vec::new() };
    if let Some(head) = root.get("pipeline") {
        only(head, &["name", "seed", "include"], "`[pipeline]`", faults);
        if let Some(include) = text(head, "include", faults) {
            let base = path.parent().unwrap_or(Path::new("")).join(include);
            let base = read_within(&base, place_of(head, "include"), faults, chain)?;
            draft.seed = base.seed;
            draft.stages = base.stages;
        }
        if let Some(name) = text(head, "name", faults) {
            draft.name = name;
            draft.named_at = place_of(head, "name");
        }
        if let Some(seed) = whole(head, "seed", faults) {
            draft.seed = seed;
        }
    }
    let place = root.place;
    match root.take("stages") {
        Some(Node { data: Data::Table(entries), .. }) => merge_stages(&mut draft.stages, entries, faults),
        Some(node) => {
            faults.add(node.place, format!("`stages` must be a table, not a {}", node.type_word()), None);
        }
        None if draft.stages.is_empty() => {
            faults.add(
                place,
                "this pipeline has no `[stages.NAME]`".into(),
                Some("`estampa new pipeline NAME` writes a file to start from".into()),
            );
        }
        None => {}
    }
    Some(draft)
}

/// Adds stages, or the keys of a stage to one of the same name and kind that was included.
fn merge_stages(stages: &mut Vec<Rc<DraftStage>>, added: Vec<(Name, Node)>, faults: &mut Faults) {
    let included: HashMap<String, usize> = stages.iter().enumerate().map(|(i, s)| (s.name.text.clone(), i)).collect();
    let kind = |entries: &[(Name, Node)]| {
        entries.iter().find(|(n, _)| n.text == "kind").and_then(|(_, n)| n.text().map(str::to_string))
    };
    stages.reserve(added.len());
    for (name, node) in added {
        let Data::Table(entries) = node.data else {
            let message = format!("stage `{}` must be a table, not a {}", name.text, node.type_word());
            faults.add(node.place, message, None);
            continue;
        };
        match included.get(&name.text).map(|i| Rc::make_mut(&mut stages[*i])) {
            Some(old) if kind(&entries).is_none_or(|k| kind(&old.entries).as_ref() == Some(&k)) => {
                for (key, value) in entries {
                    override_entry(&mut old.entries, &key, value);
                }
            }
            Some(old) => old.entries = entries,
            None => stages.push(Rc::new(DraftStage { name, entries })),
        }
    }
}

/// Sets one entry of a table; tables are merged entry by entry.
fn override_entry(entries: &mut Vec<(Name, Node)>, key: &Name, value: Node) {
    match entries.iter_mut().find(|(n, _)| n.text == key.text) {
        Some((_, Node { data: Data::Table(old), .. })) if matches!(value.data, Data::Table(_)) => {
            if let Data::Table(new) = value.data {
                for (name, node) in new {
                    override_entry(old, &name, node);
                }
            }
        }
        Some((name, old)) => (*name, *old) = (key.clone(), value),
        None => entries.push((key.clone(), value)),
    }
}

/// Faults for entries of `node` that are not among `names`.
pub fn only(node: &Node, names: &[&str], what: &str, faults: &mut Faults) {
    let Some(entries) = node.entries() else {
        faults.add(node.place, format!("{what} must be a table, not a {}", node.type_word()), None);
        return;
    };
    for (name, _) in entries {
        if !names.contains(&name.text.as_str()) {
            faults.add(name.place, format!("{what} has no key `{}`", name.text), suggest(&name.text, names));
        }
    }
}

/// Where the value of `key` is written.
pub fn place_of(node: &Node, key: &str) -> Option<Place> {
    node.get(key).map(|value| value.place)
}

/// The text under `key`, if it is there.
pub fn text(node: &Node, key: &str, faults: &mut Faults) -> Option<String> {
    let value = node.get(key)?;
    if value.text().is_none() {
        faults.add(value.place, format!("`{key}` must be text, not a {}", value.type_word()), None);
    }
    value.text().map(str::to_string)
}

/// The whole number, at least 0, under `key`, if it is there.
pub fn whole(node: &Node, key: &str, faults: &mut Faults) -> Option<u64> {
    let value = node.get(key)?;
    match value.data {
        Data::Int(v) if v >= 0 => Some(v as u64),
        _ => {
            faults.add(value.place, format!("`{key}` must be a whole number, at least 0"), None);
            None
        }
    }
}

impl Draft {
    /// Sets `stage.key` (or `stage.inputs.name`) to a value, as axes, arms and `--set` do.
    pub fn set(&mut self, path: &Name, value: &Node, faults: &mut Faults) {
        let parts: Vec<&str> = path.text.split('.').collect();
        let (stage, keys) = match parts.as_slice() {
            [stage, keys @ ..] if !keys.is_empty() && keys.len() <= 2 => (*stage, keys),
            _ => {
                let hint = Some("write \"stage.key\"".to_string());
                faults.add(path.place, format!("`{}` names no key of a stage", path.text), hint);
                return;
            }
        };
        let Some(position) = self.stages.iter().position(|s| s.name.text == stage) else {
            let names: Vec<&str> = self.stages.iter().map(|s| s.name.text.as_str()).collect();
            faults.add(path.place, format!("the pipeline has no stage `{stage}`"), suggest(stage, &names));
            return;
        };
        let entries = &mut Rc::make_mut(&mut self.stages[position]).entries;
        let name = |text: &str| Name { text: text.into(), place: path.place };
        let mut node = value.clone();
        if let [_, inner] = keys {
            node = Node { data: Data::Table(vec![(name(inner), node)]), place: value.place };
        }
        override_entry(entries, &name(keys[0]), node);
    }
}
