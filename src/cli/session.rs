//! What every command with a target shares: where the project is, the checked experiment, its graph and its cache.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::graph::{Graph, StepId, Use};
use crate::plan::Plan;
use crate::report::ArmsRow;
use crate::report::manifest;
use crate::report::record::{ArmRecord, Record, StepRecord};
use crate::spec::experiment::{self, Arm, Experiment};
use crate::spec::faults::{Faults, suggest};
use crate::spec::pipeline::Stage;
use crate::spec::value::Value;
use crate::store::Store;
use crate::store::entry::Entry;
use crate::store::key::Digest;
use crate::store::memory::Memory;

use super::{Ending, styled, targets};

/// Arguments that say what and where.
#[derive(Args, Debug)]
pub(super) struct Target {
    /// A pipeline file, an experiment file, or an experiment's folder
    pub target: PathBuf,
    #[command(flatten)]
    pub places: Places,
    /// Set a value in every arm (may be repeated)
    #[arg(long = "set", value_name = "STAGE.KEY=VALUE")]
    pub set: Vec<String>,
}

/// Arguments that say where results are kept.
#[derive(Args, Debug, Clone, Default)]
pub(super) struct Places {
    /// Folder of the cache [default: cache/ of the project]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Folder of the results [default: results/ of the project]
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
}

impl Places {
    /// The cache of the project that holds `target`.
    pub(super) fn cache(&self, target: &Path) -> PathBuf {
        self.cache.clone().unwrap_or_else(|| root(target).join("cache"))
    }

    /// The results of the project that holds `target`.
    pub(super) fn results(&self, target: &Path) -> PathBuf {
        self.results.clone().unwrap_or_else(|| root(target).join("results"))
    }
}

/// The nearest parent folder of `target` that holds `pipelines/` or `experiments/`, else the current folder.
pub(super) fn root(target: &Path) -> PathBuf {
    let full = target.canonicalize().unwrap_or_else(|_| target.to_path_buf());
    let is_root = |folder: &&Path| folder.join("pipelines").is_dir() || folder.join("experiments").is_dir();
    let found = full.ancestors().skip(1).find(is_root);
    let current = std::env::current_dir().unwrap_or_default();
    // Shown to the user: short where it is the current folder.
    match found {
        Some(folder) if folder == current => PathBuf::new(),
        Some(folder) => folder.to_path_buf(),
        None => PathBuf::new(),
    }
}

/// A checked target.
pub(super) struct Session {
    /// The experiment.
    pub experiment: Experiment,
    /// Its steps.
    pub graph: Graph,
    /// The name of its results, recorded runs and pin.
    pub name: String,
    /// Where entries are.
    pub cache: PathBuf,
    /// Where its tables and figures go.
    pub results: PathBuf,
    /// The TOML files and digests of what was read of them.
    pub sources: Vec<(PathBuf, Digest)>,
    /// What the command line sets.
    pub set: Vec<String>,
}

/// The name of a target's results, recorded runs and pin: its own. A pipeline that is run by itself and has an experiment of its
/// name in the project, as most have, leaves that name to the experiment.
fn own_name(target: &Path, name: &str, is_pipeline: bool) -> String {
    let experiment = root(target).join("experiments").join(name).join(experiment::FILE);
    if is_pipeline && experiment.is_file() { format!("{name}-pipeline") } else { name.into() }
}

/// The same, of a target that may have faults; `None` when it is no file of ours.
pub(super) fn name_of(target: &Path) -> Option<String> {
    let (name, is_pipeline) = experiment::name_of(target)?;
    Some(own_name(target, &name, is_pipeline))
}

/// The path without links, as far as it is there.
fn full(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let found = path.ancestors().find_map(|there| Some((there.canonicalize().ok()?, path.strip_prefix(there).ok()?)));
    // Joined with nothing, a file would end with `/`.
    let join = |(there, rest): (PathBuf, &Path)| if rest == Path::new("") { there } else { there.join(rest) };
    found.map_or_else(|| path.clone(), join)
}

impl Session {
    /// Reads and checks the target; every fault is in the error.
    pub(super) fn open(target: &Target) -> Result<Self, Ending> {
        let (experiment, sources) = read(&target.target, &target.set)?;
        let graph = Graph::of(&experiment);
        let name = own_name(&target.target, &experiment.name, experiment.is_pipeline);
        let results = target.places.results(&target.target).join(&name);
        Ok(Self {
            experiment,
            graph,
            name,
            cache: target.places.cache(&target.target),
            results,
            sources,
            set: target.set.clone(),
        })
    }

    /// The file that is the target, as it is told in `place`: from the project's root on, so that a project can be moved, or the
    /// whole path where the place may be shared with other projects.
    pub(super) fn file_told_in(&self, place: &Path) -> String {
        let (path, root) = (full(&self.experiment.path), full(&root(&self.experiment.path).join(".")));
        let is_inside = full(place).starts_with(&root);
        path.strip_prefix(root).ok().filter(|_| is_inside).unwrap_or(&path).display().to_string()
    }

    /// The file that is the target, as its results tell it.
    pub(super) fn file(&self) -> String {
        self.file_told_in(&self.results)
    }

    /// An error when the folder of the results is that of another file.
    pub(super) fn check_owner(&self) -> Result<(), Ending> {
        check_owner(&self.experiment, &self.name, &self.results)
    }

    /// The remembered digests; `keep`: new ones are written.
    pub(super) fn memory(&self, keep: bool) -> Memory {
        Memory::open(&self.cache, keep)
    }

    /// The plan, from what is in the cache now.
    pub(super) fn plan(&self, store: &Store, memory: &Memory, forced: &[bool]) -> Result<Plan, Ending> {
        Plan::of(&self.graph, store, memory, forced).map_err(Ending::input)
    }

    /// Steps that the stage of this name is, in the given arm or in all.
    pub(super) fn steps_of(&self, stage: &str, arm: Option<&str>) -> Result<Vec<StepId>, Ending> {
        let arm = arm.map(|name| self.arm(name)).transpose()?;
        let uses = self.graph.uses.iter().filter(|u| arm.is_none_or(|a| u.arm as usize == a));
        let ids: Vec<StepId> = uses.clone().filter(|u| self.stage(u).name == stage).map(|u| u.step).collect();
        if ids.is_empty() {
            let mut names: Vec<&str> = uses.map(|u| self.stage(u).name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let hint = suggest(stage, &names).unwrap_or_default();
            return Err(Ending::input(format!("error: there is no stage `{stage}`; {hint}")));
        }
        Ok(ids)
    }

    /// The stage that is used.
    pub(super) fn stage(&self, used: &Use) -> &Stage {
        &self.experiment.arms[used.arm as usize].pipeline.stages[used.stage as usize]
    }

    /// Position of the arm of this name.
    pub(super) fn arm(&self, name: &str) -> Result<usize, Ending> {
        let names: Vec<&str> = self.experiment.arms.iter().map(|a| a.name.as_str()).collect();
        names.iter().position(|n| *n == name).ok_or_else(|| {
            let hint = suggest(name, &names).unwrap_or_default();
            Ending::input(format!("error: there is no arm `{name}`; {hint}"))
        })
    }

    /// Steps that are asked for: all, or those of one arm, or up to one stage.
    pub(super) fn wanted(&self, arm: Option<&str>, until: Option<&str>) -> Result<Vec<bool>, Ending> {
        let targets: Vec<StepId> = match (arm, until) {
            (arm, Some(stage)) => self.steps_of(stage, arm)?,
            (Some(arm), None) => {
                let arm = self.arm(arm)?;
                self.graph.uses.iter().filter(|u| u.arm as usize == arm).map(|u| u.step).collect()
            }
            (None, None) => (0..self.graph.steps.len()).map(StepId).collect(),
        };
        Ok(self.graph.needed(targets))
    }

    /// Marks of the steps to run again whatever is cached.
    pub(super) fn forced(&self, stages: &[String], arm: Option<&str>) -> Result<Vec<bool>, Ending> {
        let mut forced = vec![false; self.graph.steps.len()];
        for stage in stages {
            for id in self.steps_of(stage, arm)? {
                forced[id.0] = true;
            }
        }
        Ok(forced)
    }

    /// Digest of all that the results are made from, without making them: equal exactly while results need not change.
    pub(super) fn identity(&self, plan: &Plan, state: impl Fn(StepId) -> &'static str) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("estampa 2026-11 what results are made from");
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        let experiment = &self.experiment;
        add(env!("CARGO_PKG_VERSION"));
        add(&experiment.name);
        add(&experiment.question);
        self.set.iter().for_each(|setting| add(setting));
        add(experiment.baseline.as_deref().unwrap_or("\n"));
        add(&format!("{} {}", experiment.replicates, experiment.arms.len()));
        for arm in &experiment.arms {
            add(&format!("{:?} {:?} {}", arm.name, arm.settings, arm.pipeline.seed));
        }
        for used in &self.graph.uses {
            let (stage, planned) = (self.stage(used), plan.step(used.step));
            add(&stage.name);
            for (name, from) in &stage.inputs {
                add(name);
                add(&from.to_string());
            }
            match (&planned.entry, planned.key) {
                (Some(entry), Some(key)) => add(&format!("{key} {}", entry.digest)),
                _ => add(state(used.step)),
            }
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// The experiment as reports see it; `state` gives the word and `plan` the entries.
    pub(super) fn record(&self, plan: &Plan, state: impl Fn(StepId) -> &'static str) -> Record {
        let arms = self.experiment.arms.iter();
        Record {
            experiment: self.experiment.name.clone(),
            question: self.experiment.question.clone(),
            baseline: self.experiment.baseline.clone(),
            seed: self.experiment.arms.first().map_or(0, |arm| arm.pipeline.seed),
            replicates: self.experiment.replicates,
            arms: arms.map(|arm| ArmRecord { name: arm.name.clone(), settings: self.settings(arm) }).collect(),
            steps: self.graph.uses.iter().map(|u| self.step_record(plan, u, &state)).collect(),
            provenance: serde_json::Value::Null,
        }
    }

    /// What the arm's pipeline has for every setting that any arm sets, so that equal values read equal.
    fn settings(&self, arm: &Arm) -> BTreeMap<String, String> {
        let paths: BTreeSet<&String> = self.experiment.arms.iter().flat_map(|arm| arm.settings.keys()).collect();
        let value = |path: &String| {
            let (stage, key) = path.rsplit_once('.')?;
            arm.pipeline.stages.iter().find(|s| s.name == stage)?.params.get(key).map(Value::plain)
        };
        let own = |path: &String| value(path).or_else(|| arm.settings.get(path).cloned());
        paths.into_iter().filter_map(|path| Some((path.clone(), own(path)?))).collect()
    }

    /// The row of a stage in `arms.csv`.
    pub(super) fn arms_row<'a>(&'a self, plan: &Plan, used: &Use, state: &'a str) -> ArmsRow<'a> {
        let (stage, planned) = (self.stage(used), plan.step(used.step));
        ArmsRow {
            arm: &self.experiment.arms[used.arm as usize].name,
            replicate: used.replicate as usize,
            stage: &stage.name,
            kind: stage.kind.name(),
            key: planned.key,
            state,
            seconds: planned.entry.as_ref().map(|entry| entry.seconds),
        }
    }

    fn step_record(&self, plan: &Plan, used: &Use, state: &impl Fn(StepId) -> &'static str) -> StepRecord {
        let arm = &self.experiment.arms[used.arm as usize];
        let stage = self.stage(used);
        let inputs = stage.inputs.iter();
        let planned = plan.step(used.step);
        StepRecord {
            arm: arm.name.clone(),
            replicate: used.replicate as usize,
            stage: stage.name.clone(),
            kind: stage.kind.name().into(),
            artifact: stage.kind.output(),
            key: planned.key.map(|k| k.to_string()).unwrap_or_default(),
            state: state(used.step).into(),
            seconds: planned.entry.as_ref().map(|e| e.seconds),
            folder: planned.entry.as_ref().map(Entry::out),
            inputs: inputs.map(|(name, from)| (name.clone(), arm.pipeline.stages[*from].name.clone())).collect(),
            scale: stage.kind.scale(&stage.params).into_iter().map(|(key, value)| (key.into(), value)).collect(),
        }
    }
}

/// Reads and checks a target; every fault is in the error. Also gives the files and digests of what was read of them.
pub(super) fn read(target: &Path, set: &[String]) -> Result<(Experiment, Vec<(PathBuf, Digest)>), Ending> {
    targets::check(target)?;
    let mut faults = Faults::default();
    let experiment = experiment::read(target, set, &mut faults);
    match experiment {
        Some(experiment) if faults.is_empty() => {
            let files = faults.sources.iter().filter(|source| !source.path.as_os_str().is_empty());
            let digest = |text: &str| Digest(*blake3::hash(text.as_bytes()).as_bytes());
            Ok((experiment, files.map(|source| (source.path.clone(), digest(&source.text))).collect()))
        }
        _ => Err(Ending::input(rendered(&faults))),
    }
}

/// Reads and checks a target as a run of it would.
pub(super) fn checked(target: &Path) -> Result<Experiment, Ending> {
    let (experiment, _) = read(target, &[])?;
    let name = own_name(target, &experiment.name, experiment.is_pipeline);
    check_owner(&experiment, &name, &Places::default().results(target).join(&name))?;
    Ok(experiment)
}

/// An error when `results` hold those of another file, which still has the same name and would write there again.
fn check_owner(experiment: &Experiment, name: &str, results: &Path) -> Result<(), Ending> {
    let Some(owner) = manifest::owner(results) else { return Ok(()) };
    let file = root(&experiment.path).join(&owner);
    if full(&file) == full(&experiment.path) || name_of(&file).is_none_or(|other| other != name) {
        return Ok(());
    }
    let what = format!(
        "error: {} holds the results of {owner}, which is called `{}` as well",
        results.display(),
        experiment.name
    );
    Err(Ending::input(format!("{what}\nhelp: give one of them another `name`, or use --results DIR")))
}

/// All faults as text, with their number.
pub(super) fn rendered(faults: &Faults) -> String {
    let n = faults.list.len();
    format!("{}\n\n{n} fault{} found, nothing was run", faults.render(styled()), if n == 1 { "" } else { "s" })
}
