//! An experiment: one pipeline in several arms.
//! Runs nothing.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::arms::{self, ArmOutline, flatten, written};
use super::check::{Checker, FoundFiles};
use super::document::{self, Name, Node, Place, Source};
use super::draft::{self, Draft, only, place_of, text, whole};
use super::faults::{Faults, suggest};
use super::pipeline::Pipeline;

/// One variant of the pipeline.
#[derive(Clone)]
pub struct Arm {
    /// Its name, such as `latent=21`.
    pub name: String,
    /// What it sets, as it is written: `stage.key` to value.
    pub settings: BTreeMap<String, String>,
    /// The pipeline with these settings.
    pub pipeline: Pipeline,
}

/// A checked experiment; a pipeline by itself is one with a single arm.
#[derive(Clone)]
pub struct Experiment {
    /// Its name, also that of its folder in `results/`.
    pub name: String,
    /// What it is to find out.
    pub question: String,
    /// Number of independent seeds.
    pub replicates: usize,
    /// The arm that the others are compared with.
    pub baseline: Option<String>,
    /// The arms, in the order of the text.
    pub arms: Vec<Arm>,
    /// The TOML file.
    pub path: PathBuf,
    /// Whether it is a pipeline by itself.
    pub is_pipeline: bool,
    /// Paths in the TOML files and what they were found to mean.
    pub found: FoundFiles,
}

/// Most stages of all arms and replicates; planning takes some two kilobytes for each.
const MOST_STEPS: usize = 1_000_000;
/// Most bytes of stages that arms have for themselves, as they are written.
const MOST_BYTES: usize = 1 << 30;

/// Name of an experiment's file in its folder.
pub const FILE: &str = "experiment.toml";

/// Settings from the command line, `STAGE.KEY=VALUE`, which every arm takes.
pub type Overrides = [String];

/// Reads the experiment or pipeline that `target` names: a file, or an experiment's folder.
pub fn read(target: &Path, overrides: &Overrides, faults: &mut Faults) -> Option<Experiment> {
    let path = file_of(target);
    let before = faults.list.len();
    let root = document::read(&path, None, faults)?;
    let is_experiment = root.get("experiment").is_some();
    let plan = if is_experiment { outline(&path, &root, faults) } else { lone(&path, root, faults) };
    let experiment = plan.map(|outline| outline.check(overrides, faults));
    if faults.list.len() > before { None } else { experiment }
}

/// Name of the experiment or pipeline in a file, and whether it is a pipeline; nothing else in it is looked at.
pub fn name_of(target: &Path) -> Option<(String, bool)> {
    let path = file_of(target);
    let root = document::read(&path, None, &mut Faults::default())?;
    let written = |head: &Node| head.get("name").and_then(Node::text).map(str::to_string);
    match root.get("experiment") {
        Some(head) => Some((written(head).unwrap_or_else(|| default_name(&path)), false)),
        None => Some((root.get("pipeline").and_then(written).unwrap_or_else(|| draft::default_name(&path)), true)),
    }
}

fn file_of(target: &Path) -> PathBuf {
    if target.is_dir() { target.join(FILE) } else { target.to_path_buf() }
}

/// The name of an experiment that tells none: that of its folder.
fn default_name(path: &Path) -> String {
    let folder = path.canonicalize().ok().and_then(|p| Some(p.parent()?.file_name()?.to_string_lossy().into_owned()));
    folder.unwrap_or_else(|| "experiment".into())
}

/// An experiment before its arms are checked: each arm is a name with its settings.
struct Outline {
    name: String,
    named_at: Option<Place>,
    question: String,
    replicates: usize,
    baseline: Option<(String, Node)>,
    /// Its head; none of a pipeline by itself.
    place: Option<Place>,
    draft: Draft,
    arms: Vec<ArmOutline>,
    path: PathBuf,
}

/// A pipeline as an experiment with one arm.
fn lone(path: &Path, root: Node, faults: &mut Faults) -> Option<Outline> {
    let draft = draft::of_root(path, root, faults)?;
    Some(Outline {
        name: draft.name.clone(),
        named_at: draft.named_at,
        question: String::new(),
        replicates: 1,
        baseline: None,
        place: None,
        arms: vec![ArmOutline::default_arm()],
        draft,
        path: path.to_path_buf(),
    })
}

fn outline(path: &Path, root: &Node, faults: &mut Faults) -> Option<Outline> {
    only(root, &["experiment", "set", "axes", "zip", "leave_one_out", "arms"], "an experiment file", faults);
    let head = root.get("experiment")?;
    only(head, &["name", "question", "pipeline", "replicates", "baseline"], "`[experiment]`", faults);
    let folder = path.parent().unwrap_or(Path::new(""));
    let file = text(head, "pipeline", faults).or_else(|| {
        faults.add(head.place, "`[experiment]` needs the key `pipeline`: path of a pipeline file".into(), None);
        None
    })?;
    let mut draft = draft::read(&folder.join(file), place_of(head, "pipeline"), faults)?;
    for (path, value) in flatten(root.get("set").and_then(Node::entries).unwrap_or_default()) {
        draft.set(&path, &value, faults);
    }
    let replicates = whole(head, "replicates", faults).unwrap_or(1);
    if replicates == 0 {
        faults.perhaps_at(place_of(head, "replicates"), "`replicates` must be at least 1".into());
    }
    let arms = arms::outlines(root, faults);
    Some(Outline {
        named_at: place_of(head, "name"),
        name: text(head, "name", faults).unwrap_or_else(|| default_name(path)),
        question: text(head, "question", faults).unwrap_or_default(),
        replicates: replicates as usize,
        baseline: head.get("baseline").and_then(|n| Some((n.text()?.to_string(), n.clone()))),
        place: Some(head.place),
        draft,
        arms,
        path: path.to_path_buf(),
    })
}

impl Outline {
    fn check(self, overrides: &Overrides, faults: &mut Faults) -> Experiment {
        if !is_name(&self.name) {
            faults
                .perhaps_at(self.named_at, format!("the name {:?} cannot be that of a folder in results/", self.name));
        }
        let names: Vec<String> = self.arms.iter().map(|arm| arm.name.clone()).collect();
        let mut checker = Checker::default();
        let arms = match self.check_size() {
            Ok(()) => checked(self.draft, self.arms, overrides, &mut checker, faults),
            Err(message) => {
                faults.perhaps_at(self.place, message);
                Vec::new()
            }
        };
        if let Some((name, node)) = &self.baseline {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            if !names.contains(&name.as_str()) {
                faults.add(node.place, format!("there is no arm `{name}`"), suggest(name, &names));
            }
        }
        Experiment {
            name: self.name,
            question: self.question,
            replicates: self.replicates,
            baseline: self.baseline.map(|(name, _)| name),
            arms,
            path: self.path,
            is_pipeline: self.place.is_none(),
            found: checker.found,
        }
    }
}

impl Outline {
    /// Whether arms, replicates and stages multiply to what can be held in memory.
    fn check_size(&self) -> Result<(), String> {
        let stages = self.draft.stages.len();
        let steps = self.arms.len().saturating_mul(self.replicates).saturating_mul(stages.max(1));
        if self.place.is_some() && steps > MOST_STEPS {
            let (arms, replicates) = (self.arms.len(), self.replicates);
            let product = format!("{arms} arms x {replicates} replicates x {stages} stages");
            return Err(format!("{product} are more than the limit of {MOST_STEPS}"));
        }
        let bytes = |node: &Node| (node.place.end - node.place.start) as usize;
        let stage = |entries: &[(Name, Node)]| entries.iter().map(|(_, node)| bytes(node)).sum::<usize>();
        let largest = self.draft.stages.iter().map(|s| stage(&s.entries)).max().unwrap_or(0);
        let settings: usize = self.arms.iter().map(|arm| arm.settings.len()).sum();
        if settings.saturating_mul(largest) > MOST_BYTES {
            return Err(format!("{settings} settings of stages of up to {largest} bytes are more than fits in memory"));
        }
        Ok(())
    }
}

/// Every arm's pipeline. Stages that no arm touches are checked once, and shared.
fn checked(
    mut base: Draft,
    outlines: Vec<ArmOutline>,
    overrides: &Overrides,
    checker: &mut Checker,
    faults: &mut Faults,
) -> Vec<Arm> {
    for text in overrides {
        apply_override(&mut base, text, &outlines, faults);
    }
    if let [ArmOutline { name, settings, .. }] = outlines.as_slice()
        && settings.is_empty()
    {
        let pipeline = checker.check(base, faults);
        return pipeline
            .map(|pipeline| Arm { name: name.clone(), settings: BTreeMap::new(), pipeline })
            .into_iter()
            .collect();
    }
    let before = faults.list.len();
    let checked = checker.check(base.clone(), faults);
    if outlines.iter().all(|arm| !arm.settings.is_empty()) {
        // Every arm sets something, perhaps just what the pipeline by itself lacks.
        faults.truncate(before);
    }
    let mut arms: Vec<Arm> = Vec::with_capacity(outlines.len());
    let mut names = HashSet::new();
    for ArmOutline { name, named_at, settings } in outlines {
        if !names.insert(name.clone()) {
            faults.perhaps_at(named_at, format!("two arms are called `{name}`"));
        }
        let mut draft = base.clone();
        for (path, value) in &settings {
            draft.set(path, value, faults);
        }
        let pipeline = match &checked {
            Some(pipeline) => checker.check_variant(&draft, (&base, pipeline), faults),
            None => checker.check(draft, faults),
        };
        if let Some(pipeline) = pipeline {
            let settings = settings.iter().map(|(path, value)| (path.text.clone(), written(value))).collect();
            arms.push(Arm { name, settings, pipeline });
        }
    }
    arms
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

/// A text as TOML has it between quotes.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted += &format!("\\u{:04x}", u32::from(letter)),
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

/// The paths, part by part, of the single values that `path = value` sets: tables are merged with what is there.
fn leaves<'a>(path: &'a str, value: &'a Node) -> Vec<Vec<&'a str>> {
    fn add<'a>(mut path: Vec<&'a str>, value: &'a Node, leaves: &mut Vec<Vec<&'a str>>) {
        match value.entries() {
            Some(entries) => entries.iter().for_each(|(key, value)| {
                path.push(&key.text);
                add(path.clone(), value, leaves);
                path.pop();
            }),
            None => leaves.push(path),
        }
    }
    let mut leaves = Vec::new();
    add(path.split('.').collect(), value, &mut leaves);
    leaves
}

/// Whether one of two settings leaves nothing or not all of the other: they have a value in common, or one is a part of the other.
fn meet(one: &[Vec<&str>], other: &[Vec<&str>]) -> bool {
    let is_part = |a: &Vec<&str>, b: &Vec<&str>| a.starts_with(b) || b.starts_with(a);
    one.iter().any(|a| other.iter().any(|b| is_part(a, b)))
}

/// Applies `STAGE.KEY=VALUE`; a value that is not TOML is taken as text. A key that the arms vary is a fault: they would not
/// take the value.
fn apply_override(draft: &mut Draft, text: &str, arms: &[ArmOutline], faults: &mut Faults) {
    let Some((path, value)) = text.split_once('=') else {
        faults.anywhere(format!("--set {text}: write STAGE.KEY=VALUE"));
        return;
    };
    let name = path.trim();
    // What is parsed has the value where the user has it, so that faults show what was typed.
    let line = |value: &str| format!("{:width$}={value}", "v", width = path.len().max(1));
    let is_toml = toml::de::DeTable::parse(&line(value)).is_ok_and(|table| table.get_ref().len() == 1);
    let parsed = if is_toml { line(value) } else { line(&quoted(value.trim())) };
    let source = Source { name: "--set".into(), path: PathBuf::new(), folder: Path::new(".").into(), text: parsed };
    let root = document::parse(source, faults);
    if let Some(typed) = faults.sources.last_mut() {
        typed.text = text.into();
    }
    let Some((Name { place, .. }, node)) = root.entries().and_then(<[_]>::first) else { return };
    let place = Place { end: place.start + path.len() as u32, ..*place };
    let asked = leaves(name, node);
    let meets = |(set, value): &(Name, Node)| meet(&asked, &leaves(&set.text, value));
    let own = arms.iter().filter(|arm| arm.settings.iter().any(meets)).count();
    // One arm of several that departs from the value has a name that says so.
    if own > 1 || own == arms.len() {
        let hint = "use --arm NAME for one of them, or edit the experiment's file".to_string();
        faults.add(place, format!("the arms set `{name}` themselves"), Some(hint));
        return;
    }
    draft.set(&Name { text: name.into(), place }, node, faults);
}
