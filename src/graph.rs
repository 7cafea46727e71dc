//! The steps of an experiment and their edges: every arm and replicate of every stage, equal ones merged.
//! Knows nothing of caches, keys of contents or execution.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use crate::spec::experiment::Experiment;
use crate::spec::keys::Key;
use crate::spec::pipeline::{Stage, holds_files};
use crate::spec::value::Params;
use crate::stage::{Randomness, StageKind};

/// A step by its position in [`Graph::steps`]; every step comes after its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub usize);

/// One thing to compute, however many arms and replicates want it.
pub struct Step {
    /// The stage in the first arm that wants it.
    pub stage: Arc<Stage>,
    /// Seed, for kinds that draw random numbers.
    pub seed: Option<u64>,
    /// Steps that feed it, in the order of the stage's inputs.
    pub sources: Box<[StepId]>,
}

impl Step {
    /// What does it.
    pub fn kind(&self) -> &'static dyn StageKind {
        self.stage.kind
    }

    /// Name of the stage in the first arm that wants it, for messages.
    pub fn label(&self) -> &str {
        &self.stage.name
    }

    /// Input names and steps, ordered by name.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, StepId)> {
        self.stage.inputs.iter().map(|(name, _)| name.as_str()).zip(self.sources.iter().copied())
    }
}

/// Where a step is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Position of the arm.
    pub arm: u32,
    /// Replicate, from 0.
    pub replicate: u32,
    /// Position of the stage in the arm's pipeline.
    pub stage: u32,
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
        let mut merger = Merger::default();
        for (arm, variant) in experiment.arms.iter().enumerate() {
            let pipeline = &variant.pipeline;
            let mut ids = vec![StepId(0); pipeline.stages.len()];
            for replicate in 0..experiment.replicates {
                for position in pipeline.order.iter().copied() {
                    let stage = &pipeline.stages[position];
                    let seed = seed_of(stage, pipeline.seed, replicate);
                    let sources = stage.inputs.iter().map(|(_, from)| ids[*from]).collect();
                    let id = graph.add(stage, seed, sources, &mut merger);
                    ids[position] = id;
                    let (arm, replicate, stage) = (arm as u32, replicate as u32, position as u32);
                    graph.uses.push(Use { arm, replicate, stage, step: id });
                }
            }
        }
        graph
    }

    /// The step for a stage: a new one, or the equal one that is there.
    fn add(&mut self, stage: &Arc<Stage>, seed: Option<u64>, sources: Box<[StepId]>, merger: &mut Merger) -> StepId {
        let recipe = merger.recipe(stage, seed, &sources);
        *merger.steps.entry(recipe).or_insert_with(|| {
            self.steps.push(Step { stage: stage.clone(), seed, sources });
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
            for from in &step.sources {
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
                for from in &self.steps[i].sources {
                    needed[from.0] = true;
                }
            }
        }
        needed
    }
}

/// 160 bits of BLAKE3: equal exactly for equal stages, or for equal steps.
type Recipe = [u8; 20];

/// Finds equal steps.
#[derive(Default)]
struct Merger {
    /// Recipes of stages by address: arms share the stages that they leave alone.
    stages: HashMap<*const Stage, Recipe>,
    steps: HashMap<Recipe, StepId>,
}

impl Merger {
    fn recipe(&mut self, stage: &Arc<Stage>, seed: Option<u64>, sources: &[StepId]) -> Recipe {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.stages.entry(Arc::as_ptr(stage)).or_insert_with(|| of_stage(stage)));
        hasher.update(&seed.unwrap_or(u64::MAX).to_le_bytes());
        for id in sources {
            hasher.update(&(id.0 as u64).to_le_bytes());
        }
        cut(&hasher)
    }
}

fn cut(hasher: &blake3::Hasher) -> Recipe {
    let mut recipe = Recipe::default();
    hasher.finalize_xof().fill(&mut recipe);
    recipe
}

/// Everything of a stage that can make its result differ, but for seed and inputs.
fn of_stage(stage: &Stage) -> Recipe {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add(stage.kind.name());
    settings(stage, &mut |name, value| {
        add(name);
        add(value);
    });
    for (name, _) in &stage.inputs {
        add(name);
    }
    for (name, files) in &stage.files {
        add(name);
        for file in files.iter() {
            add(&file.label);
            add(&file.path.to_string_lossy());
        }
    }
    cut(&hasher)
}

/// Every parameter that enters the key, ordered by name, with its canonical text; paths are left out.
pub fn settings(stage: &Stage, visit: &mut dyn FnMut(&str, &str)) {
    let mut text = String::new();
    let counts = |key: &&Key| !holds_files(&key.shape) && !is_quiet(key, &stage.params);
    for key in stage.keys.iter().filter(counts) {
        text.clear();
        if let Some(value) = stage.params.get(key.name) {
            let _ = write!(text, "{value}");
        }
        visit(key.name, &text);
    }
}

/// A key that came later stays out while it has its default.
fn is_quiet(key: &Key, params: &Params) -> bool {
    key.added_later && params.get(key.name) == key.default.as_ref()
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
