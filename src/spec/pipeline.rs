//! A pipeline: stages with checked parameters and edges, in an order in which every input comes before its use.
//! Runs nothing; looks at the disk only to see whether declared files exist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::document::{self, Data, Name, Node, Place};
use super::faults::{Faults, nearest, suggest};
use super::files;
use super::keys::{Key, Shape};
use super::params;
use super::value::{Params, Value};
use crate::stage::{ExternalFile, Port, StageKind};
use crate::stages;

/// A pipeline as it is written, before the overrides of an arm.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// Seed that all others derive from.
    pub seed: u64,
    /// Stages in the order of the text.
    pub stages: Vec<(Name, Vec<(Name, Node)>)>,
}

/// A stage with everything checked.
#[derive(Clone)]
pub struct Stage {
    /// The user's name for it.
    pub name: String,
    /// Its kind.
    pub kind: &'static dyn StageKind,
    /// Checked parameters, every declared key present.
    pub params: Params,
    /// The declared keys, in order.
    pub keys: Vec<Key>,
    /// Files of the user by key.
    pub files: BTreeMap<String, Vec<ExternalFile>>,
    /// Input name and position of the stage that feeds it, ordered by input name.
    pub inputs: Vec<(String, usize)>,
    /// Its own seed, if it has one.
    pub seed: Option<u64>,
    /// Folder of the TOML file.
    pub home: PathBuf,
}

/// A checked pipeline.
#[derive(Clone)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Seed that all others derive from.
    pub seed: u64,
    /// Stages, each after its inputs.
    pub stages: Vec<Stage>,
}

/// Reads a pipeline file with what it includes.
pub fn read(path: &Path, faults: &mut Faults) -> Option<Draft> {
    read_within(path, faults, &mut Vec::new())
}

fn read_within(path: &Path, faults: &mut Faults, chain: &mut Vec<PathBuf>) -> Option<Draft> {
    let identity = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    if chain.contains(&identity) {
        faults.anywhere(format!("{} includes itself", path.display()));
        return None;
    }
    chain.push(identity);
    let root = document::read(path, faults)?;
    let draft = draft(path, &root, faults, chain);
    chain.pop();
    draft
}

/// A draft from the tree of a pipeline file.
fn draft(path: &Path, root: &Node, faults: &mut Faults, chain: &mut Vec<PathBuf>) -> Option<Draft> {
    only(root, &["pipeline", "stages"], "a pipeline file", faults);
    let stem = path.file_stem().map_or_else(|| "pipeline".into(), |s| s.to_string_lossy().into_owned());
    let mut draft = Draft { name: stem, seed: 42, stages: Vec::new() };
    if let Some(head) = root.get("pipeline") {
        only(head, &["name", "seed", "include"], "`[pipeline]`", faults);
        if let Some(include) = text(head, "include", faults) {
            let base = path.parent().unwrap_or(Path::new("")).join(include);
            let base = read_within(&base, faults, chain)?;
            draft.seed = base.seed;
            draft.stages = base.stages;
        }
        if let Some(name) = text(head, "name", faults) {
            draft.name = name;
        }
        if let Some(seed) = whole(head, "seed", faults) {
            draft.seed = seed;
        }
    }
    match root.get("stages") {
        Some(Node { data: Data::Table(entries), .. }) => {
            for (name, node) in entries {
                merge_stage(&mut draft.stages, name, node, faults);
            }
        }
        Some(node) => {
            faults.add(node.place.clone(), format!("`stages` must be a table, not a {}", node.type_word()), None);
        }
        None if draft.stages.is_empty() => {
            faults.add(
                root.place.clone(),
                "this pipeline has no `[stages.NAME]`".into(),
                Some("`estampa new pipeline NAME` writes a file to start from".into()),
            );
        }
        None => {}
    }
    Some(draft)
}

/// Adds a stage, or its keys to a stage of the same name and kind that was included.
fn merge_stage(stages: &mut Vec<(Name, Vec<(Name, Node)>)>, name: &Name, node: &Node, faults: &mut Faults) {
    let Some(entries) = node.entries() else {
        faults.add(
            node.place.clone(),
            format!("stage `{}` must be a table, not a {}", name.text, node.type_word()),
            None,
        );
        return;
    };
    let kind = |entries: &[(Name, Node)]| {
        entries.iter().find(|(n, _)| n.text == "kind").and_then(|(_, n)| n.text().map(str::to_string))
    };
    match stages.iter_mut().find(|(n, _)| n.text == name.text) {
        Some((_, old)) if kind(entries).is_none_or(|k| kind(old).as_ref() == Some(&k)) => {
            for (key, value) in entries {
                override_entry(old, key, value.clone());
            }
        }
        Some((_, old)) => *old = entries.to_vec(),
        None => stages.push((name.clone(), entries.to_vec())),
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
        faults.add(node.place.clone(), format!("{what} must be a table, not a {}", node.type_word()), None);
        return;
    };
    for (name, _) in entries {
        if !names.contains(&name.text.as_str()) {
            faults.add(name.place.clone(), format!("{what} has no key `{}`", name.text), suggest(&name.text, names));
        }
    }
}

/// The text under `key`, if it is there.
pub fn text(node: &Node, key: &str, faults: &mut Faults) -> Option<String> {
    let value = node.get(key)?;
    if value.text().is_none() {
        faults.add(value.place.clone(), format!("`{key}` must be text, not a {}", value.type_word()), None);
    }
    value.text().map(str::to_string)
}

/// The whole number, at least 0, under `key`, if it is there.
pub fn whole(node: &Node, key: &str, faults: &mut Faults) -> Option<u64> {
    let value = node.get(key)?;
    match value.data {
        Data::Int(v) if v >= 0 => Some(v as u64),
        _ => {
            faults.add(value.place.clone(), format!("`{key}` must be a whole number, at least 0"), None);
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
                faults.add(path.place.clone(), format!("`{}` names no key of a stage", path.text), hint);
                return;
            }
        };
        let names: Vec<String> = self.stages.iter().map(|(n, _)| n.text.clone()).collect();
        let Some((_, entries)) = self.stages.iter_mut().find(|(n, _)| n.text == stage) else {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            faults.add(path.place.clone(), format!("the pipeline has no stage `{stage}`"), suggest(stage, &names));
            return;
        };
        let name = |text: &str| Name { text: text.into(), place: path.place.clone() };
        let mut node = value.clone();
        if let [_, inner] = keys {
            node = Node { data: Data::Table(vec![(name(inner), node)]), place: value.place.clone() };
        }
        override_entry(entries, &name(keys[0]), node);
    }

    /// Checks every stage and edge.
    pub fn check(&self, faults: &mut Faults) -> Option<Pipeline> {
        let before = faults.list.len();
        let kinds: Vec<Option<&'static dyn StageKind>> =
            self.stages.iter().map(|(name, entries)| kind_of(name, entries, faults)).collect();
        let stages: Vec<Option<Stage>> = (0..self.stages.len()).map(|i| self.stage(i, &kinds, faults)).collect();
        if faults.list.len() > before {
            return None;
        }
        let stages: Vec<Stage> = stages.into_iter().flatten().collect();
        let order = self.order(&stages, faults)?;
        Some(Pipeline { name: self.name.clone(), seed: self.seed, stages: reorder(stages, &order) })
    }

    fn stage(&self, index: usize, kinds: &[Option<&'static dyn StageKind>], faults: &mut Faults) -> Option<Stage> {
        let (name, entries) = &self.stages[index];
        let kind = kinds[index]?;
        let before = faults.list.len();
        let (params, keys) = params::check(kind, name, entries, faults);
        if faults.list.len() == before {
            for (key, message) in kind.check(&params) {
                faults.add(place_of(entries, key, name), message, None);
            }
        }
        let inputs = self.edges(kind, name, entries, kinds, faults);
        let seed = entries.iter().find(|(n, _)| n.text == "seed").and_then(|(_, node)| match node.data {
            Data::Int(v) if v >= 0 => Some(v as u64),
            _ => {
                faults.add(node.place.clone(), "`seed` must be a whole number, at least 0".into(), None);
                None
            }
        });
        let (home, files) = external(&keys, &params, entries, name, faults);
        Some(Stage { name: name.text.clone(), kind, params, keys, files, inputs, seed, home })
    }

    /// Input names with the positions of the stages that feed them.
    fn edges(
        &self,
        kind: &dyn StageKind,
        stage: &Name,
        entries: &[(Name, Node)],
        kinds: &[Option<&'static dyn StageKind>],
        faults: &mut Faults,
    ) -> Vec<(String, usize)> {
        let ports = kind.ports();
        let given = match entries.iter().find(|(n, _)| n.text == "inputs") {
            Some((_, Node { data: Data::Table(given), .. })) => given.as_slice(),
            Some((_, node)) => {
                faults.add(node.place.clone(), "`inputs` must be a table: { name = \"stage\" }".into(), None);
                &[]
            }
            None => &[],
        };
        let mut edges = Vec::new();
        for (input, node) in given {
            let Some(port) = port_of(ports, input, kind, faults) else { continue };
            let names: Vec<&str> = self.stages.iter().map(|(n, _)| n.text.as_str()).collect();
            let Some(source) = node.text() else {
                faults.add(node.place.clone(), format!("input `{}` must be the name of a stage", input.text), None);
                continue;
            };
            let Some(from) = names.iter().position(|n| *n == source) else {
                faults.add(node.place.clone(), format!("there is no stage `{source}`"), suggest(source, &names));
                continue;
            };
            if let Some(giver) = kinds[from] {
                check_edge(port, input, node, source, giver, faults);
            }
            edges.push((input.text.clone(), from));
        }
        for port in ports.iter().filter(|p| p.required) {
            let connected =
                if port.name == "*" { !edges.is_empty() } else { edges.iter().any(|(n, _)| n == port.name) };
            if !connected {
                let takes = port.accepts.iter().map(|a| a.word()).collect::<Vec<_>>().join(" or ");
                let example = if port.name == "*" { "NAME" } else { port.name };
                faults.add(
                    stage.place.clone(),
                    format!("stage `{}` (`{}`) needs an input of type {takes}", stage.text, kind.name()),
                    Some(format!("add `inputs = {{ {example} = \"STAGE\" }}`: {}", port.help)),
                );
            }
        }
        edges.sort();
        edges
    }

    /// Positions of the stages, each after its inputs; a cycle is a fault that names its members in order.
    fn order(&self, stages: &[Stage], faults: &mut Faults) -> Option<Vec<usize>> {
        let mut left: Vec<usize> = (0..stages.len()).collect();
        let mut order: Vec<usize> = Vec::new();
        let mut placed = vec![false; stages.len()];
        while !left.is_empty() {
            let (ready, rest): (Vec<usize>, Vec<usize>) =
                left.iter().partition(|i| stages[**i].inputs.iter().all(|(_, from)| placed[*from]));
            if ready.is_empty() {
                self.report_cycle(stages, &placed, rest[0], faults);
                return None;
            }
            for i in &ready {
                placed[*i] = true;
            }
            order.extend(ready);
            left = rest;
        }
        Some(order)
    }

    fn report_cycle(&self, stages: &[Stage], placed: &[bool], start: usize, faults: &mut Faults) {
        let mut path = vec![start];
        loop {
            let here = path[path.len() - 1];
            let Some((_, next)) = stages[here].inputs.iter().find(|(_, from)| !placed[*from]) else { return };
            if let Some(begin) = path.iter().position(|p| p == next) {
                let mut names: Vec<&str> = path[begin..].iter().map(|p| stages[*p].name.as_str()).collect();
                names.push(names[0]);
                names.reverse();
                let place = self.stages[*next].0.place.clone();
                faults.add(place, format!("the stages form a cycle: {}", names.join(" -> ")), None);
                return;
            }
            path.push(*next);
        }
    }
}

fn reorder(stages: Vec<Stage>, order: &[usize]) -> Vec<Stage> {
    let mut position = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        position[*old] = new;
    }
    let mut slots: Vec<Option<Stage>> = stages.into_iter().map(Some).collect();
    let moved = order.iter().filter_map(|old| slots[*old].take());
    moved
        .map(|mut stage| {
            for (_, from) in &mut stage.inputs {
                *from = position[*from];
            }
            stage
        })
        .collect()
}

fn place_of(entries: &[(Name, Node)], key: &str, stage: &Name) -> Place {
    entries.iter().find(|(n, _)| n.text == key).map_or_else(|| stage.place.clone(), |(_, node)| node.place.clone())
}

fn kind_of(stage: &Name, entries: &[(Name, Node)], faults: &mut Faults) -> Option<&'static dyn StageKind> {
    let Some((_, node)) = entries.iter().find(|(n, _)| n.text == "kind") else {
        let written = entries.iter().find(|(n, _)| nearest(&n.text, ["kind"]).is_some());
        let hint = written
            .map_or("`estampa stages` lists the kinds".into(), |(n, _)| format!("is `{}` meant to be `kind`?", n.text));
        faults.add(stage.place.clone(), format!("stage `{}` has no `kind`", stage.text), Some(hint));
        return None;
    };
    let word = node.text().unwrap_or_default();
    let kind = stages::kind(word);
    if kind.is_none() {
        let names: Vec<&str> = stages::KINDS.iter().map(|k| k.name()).collect();
        faults.add(node.place.clone(), format!("there is no stage kind `{word}`"), suggest(word, &names));
    }
    kind
}

fn port_of(ports: &'static [Port], input: &Name, kind: &dyn StageKind, faults: &mut Faults) -> Option<&'static Port> {
    let port = ports.iter().find(|p| p.name == input.text).or_else(|| ports.iter().find(|p| p.name == "*"));
    if port.is_none() {
        let names: Vec<&str> = ports.iter().map(|p| p.name).collect();
        let message = format!("`{}` has no input `{}`", kind.name(), input.text);
        let hint = if names.is_empty() { Some("it takes no inputs".into()) } else { suggest(&input.text, &names) };
        faults.add(input.place.clone(), message, hint);
    }
    port
}

fn check_edge(port: &Port, input: &Name, node: &Node, source: &str, giver: &dyn StageKind, faults: &mut Faults) {
    if port.accepts.is_empty() || port.accepts.contains(&giver.output()) {
        return;
    }
    let takes = port.accepts.iter().map(|a| a.word()).collect::<Vec<_>>().join(" or ");
    let makes = giver.output().word();
    let message = format!("input `{}` takes {takes}, but `{source}` (`{}`) makes {makes}", input.text, giver.name());
    faults.add(node.place.clone(), message, None);
}

/// The folder of the file that names the stage, and the user's files under every key that holds paths.
fn external(
    keys: &[Key],
    params: &Params,
    entries: &[(Name, Node)],
    stage: &Name,
    faults: &mut Faults,
) -> (PathBuf, BTreeMap<String, Vec<ExternalFile>>) {
    let folder = |place: &Place, faults: &Faults| faults.sources[place.source].folder.clone();
    let kind_place = place_of(entries, "kind", stage);
    let mut found = BTreeMap::new();
    for key in keys.iter().filter(|k| holds_files(&k.shape)) {
        let patterns: Vec<&str> = match params.get(key.name) {
            Some(Value::Text(path)) => vec![path],
            Some(Value::List(paths)) => {
                paths.iter().filter_map(|p| if let Value::Text(p) = p { Some(p.as_str()) } else { None }).collect()
            }
            _ => continue,
        };
        let place = place_of(entries, key.name, stage);
        let base = folder(&place, faults);
        let mut list = Vec::new();
        for pattern in patterns {
            match files::expand(&base, pattern) {
                Ok(files) => list.extend(files),
                Err(message) => faults.add(place.clone(), message, None),
            }
        }
        found.insert(key.name.to_string(), list);
    }
    (folder(&kind_place, faults), found)
}

/// Whether values of this shape name files.
pub fn holds_files(shape: &Shape) -> bool {
    match shape {
        Shape::File => true,
        Shape::List(item) | Shape::Optional(item) => holds_files(item),
        _ => false,
    }
}
