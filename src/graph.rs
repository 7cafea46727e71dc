//! The steps of an experiment and their edges: every arm and replicate of every stage, equal ones merged.
//! Knows nothing of caches, keys of contents or execution.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::PathBuf;

use crate::spec::experiment::Experiment;
use crate::spec::keys::Key;
use crate::spec::pipeline::{Stage, holds_files};
use crate::spec::value::Params;
use crate::stage::{ExternalFile, Randomness, StageKind};

/// A step by its position in [`Graph::steps`]; every step comes after its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub usize);

/// One thing to compute, however many arms and replicates want it.
pub struct Step {
    /// What does it.
    pub kind: &'static dyn StageKind,
    /// Checked parameters, every declared key present.
    pub params: Params,
    /// What of the parameters enters the key: canonical text by key, without paths.
    pub settings: Vec<(&'static str, String)>,
    /// Seed, for kinds that draw random numbers.
    pub seed: Option<u64>,
    /// Files of the user by key.
    pub files: BTreeMap<String, Vec<ExternalFile>>,
    /// Input name and step, ordered by name.
    pub inputs: Vec<(String, StepId)>,
    /// Folder of the TOML file.
    pub home: PathBuf,
    /// Name of the stage in the first arm that wants it, for messages.
    pub label: String,
}

/// Where a step is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Position of the arm.
    pub arm: usize,
    /// Replicate, from 0.
    pub replicate: usize,
    /// Name of the stage.
    pub stage: String,
    /// The step.
    pub step: StepId,
}

/// All steps of an experiment.
#[derive(Default)]
pub struct Graph {
    /// The steps, each after its inputs.
    pub steps: Vec<Step>,
    /// Every stage of every arm and replicate.
    pub uses: Vec<Use>,
}

impl Graph {
    /// The steps that the experiment's arms and replicates need.
    pub fn of(experiment: &Experiment) -> Self {
        let mut graph = Self::default();
        let mut known: HashMap<String, StepId> = HashMap::new();
        for (arm, variant) in experiment.arms.iter().enumerate() {
            for replicate in 0..experiment.replicates {
                let mut ids: Vec<StepId> = Vec::new();
                for stage in &variant.pipeline.stages {
                    let seed = seed_of(stage, variant.pipeline.seed, replicate);
                    let inputs = stage.inputs.iter().map(|(name, from)| (name.clone(), ids[*from])).collect();
                    let id = graph.add(stage, seed, inputs, &mut known);
                    ids.push(id);
                    graph.uses.push(Use { arm, replicate, stage: stage.name.clone(), step: id });
                }
            }
        }
        graph
    }

    /// The step for a stage: a new one, or the equal one that is there.
    fn add(
        &mut self,
        stage: &Stage,
        seed: Option<u64>,
        inputs: Vec<(String, StepId)>,
        known: &mut HashMap<String, StepId>,
    ) -> StepId {
        let settings = settings(&stage.keys, &stage.params);
        let recipe = recipe(stage, &settings, seed, &inputs);
        *known.entry(recipe).or_insert_with(|| {
            self.steps.push(Step {
                kind: stage.kind,
                params: stage.params.clone(),
                settings,
                seed,
                files: stage.files.clone(),
                inputs,
                home: stage.home.clone(),
                label: stage.name.clone(),
            });
            StepId(self.steps.len() - 1)
        })
    }

    /// The step called `id`.
    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[id.0]
    }

    /// The steps that take this one's result, by position.
    pub fn dependents(&self) -> Vec<Vec<StepId>> {
        let mut dependents = vec![Vec::new(); self.steps.len()];
        for (i, step) in self.steps.iter().enumerate() {
            for (_, from) in &step.inputs {
                if dependents[from.0].last() != Some(&StepId(i)) {
                    dependents[from.0].push(StepId(i));
                }
            }
        }
        dependents
    }

    /// The given steps with everything that they need, as a mark per step.
    pub fn needed(&self, targets: impl IntoIterator<Item = StepId>) -> Vec<bool> {
        let mut needed = vec![false; self.steps.len()];
        for id in targets {
            needed[id.0] = true;
        }
        for i in (0..self.steps.len()).rev() {
            if needed[i] {
                for (_, from) in &self.steps[i].inputs {
                    needed[from.0] = true;
                }
            }
        }
        needed
    }
}

/// Canonical text of every parameter that enters the key, ordered by name.
fn settings(keys: &[Key], params: &Params) -> Vec<(&'static str, String)> {
    let mut settings: Vec<(&'static str, String)> = keys
        .iter()
        .filter(|key| !holds_files(&key.shape) && !is_quiet(key, params))
        .map(|key| (key.name, params.get(key.name).map(ToString::to_string).unwrap_or_default()))
        .collect();
    settings.sort();
    settings
}

/// A key that came later stays out while it has its default.
fn is_quiet(key: &Key, params: &Params) -> bool {
    key.added_later && params.get(key.name) == key.default.as_ref()
}

fn recipe(stage: &Stage, settings: &[(&str, String)], seed: Option<u64>, inputs: &[(String, StepId)]) -> String {
    let mut text = format!("{}\n{seed:?}\n", stage.kind.name());
    for (name, value) in settings {
        let _ = writeln!(text, "{name}={value}");
    }
    for (name, id) in inputs {
        let _ = writeln!(text, "<{name}={}", id.0);
    }
    for (name, files) in &stage.files {
        for file in files {
            let _ = writeln!(text, "@{name}={}={}", file.label, file.path.display());
        }
    }
    text
}

/// The seed of a stage: its own, or derived from pipeline seed, replicate and kind; none for kinds that draw nothing.
/// Never from names or arms, so that arms are paired.
fn seed_of(stage: &Stage, pipeline: u64, replicate: usize) -> Option<u64> {
    let replicate = match stage.kind.randomness(&stage.params) {
        Randomness::None => return None,
        Randomness::Shared => 0,
        Randomness::PerReplicate => replicate,
    };
    let base = stage.seed.unwrap_or(pipeline);
    Some(derive_seed(base, replicate, stage.kind.name()))
}

/// A seed of 63 bits from the three things that it may depend on.
pub fn derive_seed(base: u64, replicate: usize, kind: &str) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("estampa 2026-11 seed of a stage");
    hasher.update(&base.to_le_bytes());
    hasher.update(&(replicate as u64).to_le_bytes());
    hasher.update(kind.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(bytes) >> 1
}
