//! From drafts to checked pipelines: parameters, files, edges and order of stages. What many stages or arms have in
//! common (declared keys, found files, untouched stages) is made once. Looks at the disk only for declared files.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::document::{Data, Name, Node, Place};
use super::draft::{Draft, DraftStage};
use super::faults::{Faults, nearest, suggest};
use super::files;
use super::keys::{Key, Shape};
use super::needs::Needs;
use super::params::{self, Declared};
use super::pipeline::{Pipeline, Stage, holds_files, holds_named_files};
use super::value::{Params, Value};
use crate::stage::{Around, ExternalFile, Port, StageKind};
use crate::stages;

/// Files by the folder that a path starts from and the path as it is written.
pub type FoundFiles = HashMap<(Arc<Path>, String), Result<Arc<[ExternalFile]>, String>>;

/// Checks drafts, and remembers what later ones will need again.
#[derive(Default)]
pub struct Checker {
    declared: Declared,
    /// Paths that were looked up.
    pub found: FoundFiles,
}

impl Checker {
    /// Checks every stage and edge. The draft is taken apart on the way: of a large one there is no room for two.
    pub fn check(&mut self, draft: Draft, faults: &mut Faults) -> Option<Pipeline> {
        let before = faults.reports();
        let kinds: Vec<_> = draft.stages.iter().map(|stage| kind_of(stage, faults)).collect();
        let places: Vec<Place> = draft.stages.iter().map(|stage| stage.name.place).collect();
        let names = draft.stages.iter().map(|stage| stage.name.text.clone());
        let edges = Edges { kinds: &kinds, positions: names.zip(0..).collect() };
        let mut stages: Vec<Arc<Stage>> = Vec::with_capacity(kinds.len());
        for (stage, kind) in draft.stages.into_iter().zip(&kinds) {
            let Some(kind) = kind else { continue };
            let inputs = edges.of(*kind, &stage, faults);
            stages.push(Arc::new(self.contents(&stage, *kind, inputs, faults)));
        }
        if faults.reports() > before {
            return None;
        }
        let order = order(&places, &stages, faults)?.into();
        Some(Pipeline { name: draft.name, seed: draft.seed, stages, order })
    }

    /// As [`Checker::check`] for a variant of a draft whose pipeline is known: only stages that differ are checked. When
    /// one of them has another kind or other inputs, everything is.
    pub fn check_variant(&mut self, draft: &Draft, base: (&Draft, &Pipeline), faults: &mut Faults) -> Option<Pipeline> {
        let mut pipeline = base.1.clone();
        for (i, (stage, old)) in draft.stages.iter().zip(&base.0.stages).enumerate() {
            if Rc::ptr_eq(stage, old) {
                continue;
            }
            let same = |key| format!("{:?}", stage.get(key)) == format!("{:?}", old.get(key));
            if !same("kind") || !same("inputs") {
                return self.check(draft.clone(), faults);
            }
            let before = faults.reports();
            let inputs = pipeline.stages[i].inputs.clone();
            let checked = self.contents(stage, pipeline.stages[i].kind, inputs, faults);
            if faults.reports() > before {
                return None;
            }
            pipeline.stages[i] = Arc::new(checked);
        }
        Some(pipeline)
    }

    /// The stage with its parameters, files and needs.
    fn contents(
        &mut self,
        stage: &DraftStage,
        kind: &'static dyn StageKind,
        inputs: Vec<(String, usize)>,
        faults: &mut Faults,
    ) -> Stage {
        let before = faults.reports();
        let keys = self.declared.keys_of(kind, &stage.entries);
        let params = params::check(kind, &keys, &stage.name, &stage.entries, faults);
        if faults.reports() == before {
            for (key, message) in kind.check(&params) {
                faults.add(place_of(stage, key), message, None);
            }
        }
        let seed = stage.get("seed").and_then(|node| match node.data {
            Data::Int(v) if v >= 0 => Some(v as u64),
            _ => {
                faults.add(node.place, "`seed` must be a whole number, at least 0".into(), None);
                None
            }
        });
        let mut files = Vec::new();
        for key in keys.iter().filter(|key| holds_files(&key.shape)) {
            if let Some(list) = self.files(key, &params, stage, faults) {
                files.push((key.name, list));
            }
        }
        files.sort_by_key(|(name, _)| *name);
        files.shrink_to_fit();
        if faults.reports() == before {
            let given = stage.get("inputs").and_then(Node::entries).unwrap_or_default();
            let around = Around { inputs: given.iter().map(|(name, _)| name.text.as_str()).collect(), files: &files };
            for (key, message) in kind.check_around(&params, &around) {
                faults.add(place_of(stage, key), message, None);
            }
        }
        let needs = Needs::read(stage, faults);
        let home = folder(place_of(stage, "kind"), faults);
        Stage { name: stage.name.text.clone(), kind, params, keys, files, inputs, seed, needs, home }
    }

    /// The user's files that the value of a key means; `None` when it has no value.
    fn files(
        &mut self,
        key: &Key,
        params: &Params,
        stage: &DraftStage,
        faults: &mut Faults,
    ) -> Option<Arc<[ExternalFile]>> {
        let patterns: Vec<&str> = match params.get(key.name)? {
            Value::Text(path) => vec![path],
            Value::List(paths) => {
                paths.iter().filter_map(|p| if let Value::Text(p) = p { Some(p.as_str()) } else { None }).collect()
            }
            _ => return None,
        };
        let place = place_of(stage, key.name);
        let base = folder(place, faults);
        let mut lists = Vec::new();
        for pattern in &patterns {
            let found = self.found.entry((base.clone(), (*pattern).to_string()));
            match found.or_insert_with(|| files::expand(&base, pattern).map(Arc::from)) {
                Ok(list) => lists.push(list.clone()),
                Err(message) => faults.add(place, message.clone(), None),
            }
        }
        match lists.as_slice() {
            _ if holds_named_files(&key.shape) => {
                Some(lists.iter().flat_map(|list| list.iter().map(ExternalFile::with_name)).collect())
            }
            [list] => Some(list.clone()),
            // Files of several folders are told apart by the folder's name.
            lists if matches!(key.shape, Shape::OneOrMore(_)) => {
                let under = |(list, pattern): (&Arc<[ExternalFile]>, &&str)| {
                    list.iter().map(|file| file.under(files::last_name(pattern))).collect::<Vec<_>>()
                };
                Some(lists.iter().zip(&patterns).flat_map(under).collect())
            }
            lists => Some(lists.iter().flat_map(|list| list.iter().cloned()).collect()),
        }
    }
}

/// Folder of the text that holds a place.
fn folder(place: Place, faults: &Faults) -> Arc<Path> {
    faults.sources[place.source as usize].folder.clone()
}

fn place_of(stage: &DraftStage, key: &str) -> Place {
    stage.get(key).map_or(stage.name.place, |node| node.place)
}

fn kind_of(stage: &DraftStage, faults: &mut Faults) -> Option<&'static dyn StageKind> {
    let Some(node) = stage.get("kind") else {
        let written = stage.entries.iter().find(|(n, _)| nearest(&n.text, ["kind"]).is_some());
        let hint = written
            .map_or("`estampa stages` lists the kinds".into(), |(n, _)| format!("is `{}` meant to be `kind`?", n.text));
        faults.add(stage.name.place, format!("stage `{}` has no `kind`", stage.name.text), Some(hint));
        return None;
    };
    let word = node.text().unwrap_or_default();
    let kind = stages::kind(word);
    if kind.is_none() {
        let names: Vec<&str> = stages::KINDS.iter().map(|k| k.name()).collect();
        faults.add(node.place, format!("there is no stage kind `{word}`"), suggest(word, &names));
    }
    kind
}

/// What edges are checked against.
struct Edges<'a> {
    kinds: &'a [Option<&'static dyn StageKind>],
    positions: HashMap<String, usize>,
}

impl Edges<'_> {
    /// Input names with the positions of the stages that feed them.
    fn of(&self, kind: &dyn StageKind, stage: &DraftStage, faults: &mut Faults) -> Vec<(String, usize)> {
        let ports = kind.ports();
        let given = match stage.get("inputs") {
            Some(Node { data: Data::Table(given), .. }) => given.as_slice(),
            Some(node) => {
                faults.add(node.place, "`inputs` must be a table: { name = \"stage\" }".into(), None);
                &[]
            }
            None => &[],
        };
        let mut edges: Vec<(String, usize)> =
            given.iter().filter_map(|(input, node)| self.edge(kind, input, node, faults)).collect();
        for port in ports.iter().filter(|p| p.required) {
            let connected =
                if port.name == "*" { !edges.is_empty() } else { edges.iter().any(|(n, _)| n == port.name) };
            if !connected {
                let example = if port.name == "*" { "NAME" } else { port.name };
                let (name, kind) = (&stage.name.text, kind.name());
                let message = format!("stage `{name}` (`{kind}`) needs an input of type {}", words(port));
                let hint = format!("add `inputs = {{ {example} = \"STAGE\" }}`: {}", port.help);
                faults.add(stage.name.place, message, Some(hint));
            }
        }
        edges.sort();
        edges.shrink_to_fit();
        edges
    }

    fn edge(&self, kind: &dyn StageKind, input: &Name, node: &Node, faults: &mut Faults) -> Option<(String, usize)> {
        let port = port_of(kind, input, faults)?;
        let Some(source) = node.text() else {
            faults.add(node.place, format!("input `{}` must be the name of a stage", input.text), None);
            return None;
        };
        let Some(from) = self.positions.get(source) else {
            let mut names: Vec<&str> = self.positions.keys().map(String::as_str).collect();
            names.sort_unstable_by_key(|name| self.positions[*name]);
            faults.add(node.place, format!("there is no stage `{source}`"), suggest(source, &names));
            return None;
        };
        if let Some(giver) = self.kinds[*from] {
            check_type(port, input, node, source, giver, faults);
        }
        Some((input.text.clone(), *from))
    }
}

/// What a port takes, in words.
fn words(port: &Port) -> String {
    port.accepts.iter().map(|a| a.word()).collect::<Vec<_>>().join(" or ")
}

fn port_of(kind: &dyn StageKind, input: &Name, faults: &mut Faults) -> Option<&'static Port> {
    let ports = kind.ports();
    let port = ports.iter().find(|p| p.name == input.text).or_else(|| ports.iter().find(|p| p.name == "*"));
    if port.is_none() {
        let names: Vec<&str> = ports.iter().map(|p| p.name).collect();
        let message = format!("`{}` has no input `{}`", kind.name(), input.text);
        let hint = if names.is_empty() { Some("it takes no inputs".into()) } else { suggest(&input.text, &names) };
        faults.add(input.place, message, hint);
    }
    port
}

fn check_type(port: &Port, input: &Name, node: &Node, source: &str, giver: &dyn StageKind, faults: &mut Faults) {
    if port.accepts.is_empty() || port.accepts.iter().any(|wanted| giver.output().serves_as(*wanted)) {
        return;
    }
    let (input, takes, kind, makes) = (&input.text, words(port), giver.name(), giver.output().word());
    faults.add(node.place, format!("input `{input}` takes {takes}, but `{source}` (`{kind}`) makes {makes}"), None);
}

/// Positions of the stages, each after its inputs and else in the order of the text; a cycle is a fault.
fn order(places: &[Place], stages: &[Arc<Stage>], faults: &mut Faults) -> Option<Vec<usize>> {
    let mut missing: Vec<usize> = stages.iter().map(|stage| stage.inputs.len()).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); stages.len()];
    for (i, stage) in stages.iter().enumerate() {
        stage.inputs.iter().for_each(|(_, from)| users[*from].push(i));
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..stages.len()).filter(|i| missing[*i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(stages.len());
    while let Some(Reverse(i)) = ready.pop() {
        order.push(i);
        for user in &users[i] {
            missing[*user] -= 1;
            if missing[*user] == 0 {
                ready.push(Reverse(*user));
            }
        }
    }
    if order.len() < stages.len() {
        report_cycle(places, stages, &missing, faults);
        return None;
    }
    Some(order)
}

/// Names the members of a cycle in order; `missing` inputs are those that no order can place.
fn report_cycle(places: &[Place], stages: &[Arc<Stage>], missing: &[usize], faults: &mut Faults) {
    let Some(start) = missing.iter().position(|n| *n > 0) else { return };
    let (mut path, mut visited) = (vec![start], HashMap::from([(start, 0)]));
    while let Some((_, next)) = stages[path[path.len() - 1]].inputs.iter().find(|(_, from)| missing[*from] > 0) {
        if let Some(begin) = visited.get(next) {
            let mut names: Vec<&str> = path[*begin..].iter().map(|p| stages[*p].name.as_str()).collect();
            names.push(names[0]);
            names.reverse();
            faults.add(places[*next], format!("the stages form a cycle: {}", names.join(" -> ")), None);
            return;
        }
        visited.insert(*next, path.len());
        path.push(*next);
    }
}
