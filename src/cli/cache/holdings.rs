//! Everything in a cache with who needs it: targets as their files are now, the last recorded runs, pins.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::cli::Ending;
use crate::cli::session::{Session, Target, root};
use crate::plan::reach::Catalogue;
use crate::store::Store;
use crate::store::key::Key;
use crate::store::runs::{Recorded, RunStep};
use crate::store::sweep::{Item, What, users as users_of_files};

use super::Keep;

/// What is in a cache.
pub(super) struct Holdings {
    /// Everything that could go, with who needs it.
    pub items: Vec<Item>,
    /// Bytes of the rest.
    pub rest: u64,
    /// What could not be found out.
    pub warnings: Vec<String>,
    /// EXPERIMENT/ARM/STAGE that last used a key.
    labels: HashMap<Key, String>,
    /// Recorded runs beyond those whose results are kept.
    old: Vec<(String, Recorded)>,
}

impl Holdings {
    /// Of this cache. A target that was named and has faults is an error; of one that was found by itself, everything
    /// is kept that may belong to it.
    pub(super) fn of(store: &Store, keep: &Keep) -> Result<Self, Ending> {
        let (mut items, rest) = store.inventory();
        let mut keepers = Keepers::default();
        let mut warnings = Vec::new();
        let targets = if keep.targets.is_empty() { found() } else { keep.targets.clone() };
        let mut readable = HashSet::new();
        for target in &targets {
            match keepers.add_target(store, &items, target, keep) {
                Ok(name) => {
                    readable.insert(name);
                }
                Err(ending) if keep.targets.is_empty() => {
                    let advice = "what it may use is kept; name the targets to keep if that is too much";
                    warnings.push(format!("warning: {} has faults: {advice}", target.display()));
                    drop(ending);
                }
                Err(ending) => return Err(ending),
            }
        }
        let runs = store.all_runs();
        for (name, list) in &runs {
            for (i, run) in list.iter().enumerate().take(keep.keep_last) {
                keepers.add_steps(&run.record.steps, &format!("{name}@{}", i + 1));
            }
        }
        store
            .pins()
            .iter()
            .for_each(|pin| keepers.add_steps(&pin.record.steps, &format!("pin {}", pin.record.experiment)));
        let users = users(&runs);
        let used = last_use(&runs);
        for item in &mut items {
            let Some(key) = item.key() else { continue };
            item.keepers = keepers.0.get(&key).cloned().unwrap_or_default();
            item.used = item.used.max(used.get(&key).copied().unwrap_or(0));
            let is_known = users.get(&key).is_some_and(|names| names.iter().all(|name| readable.contains(*name)));
            if !warnings.is_empty() && !is_known && matches!(item.what, What::Entry(_)) && item.keepers.is_empty() {
                item.keepers.push("perhaps a target with faults".into());
            }
        }
        let mut labels = labels(&runs);
        for (holder, users) in users_of_files(&items).into_iter().enumerate() {
            for user in users {
                let (keepers, label) =
                    (items[user].keepers.clone(), items[user].key().and_then(|key| labels.get(&key)));
                if let (Some(key), Some(label)) = (items[holder].key(), label.cloned()) {
                    labels.entry(key).or_insert(label);
                }
                let held = &mut items[holder].keepers;
                for keeper in keepers {
                    if !held.contains(&keeper) {
                        held.push(keeper);
                    }
                }
            }
        }
        let old = runs.into_iter().flat_map(|(name, list)| {
            let title = move |(i, run)| (format!("{name}@{}", i + 1), run);
            list.into_iter().enumerate().skip(keep.keep_last).map(title)
        });
        Ok(Self { items, rest, warnings, labels, old: old.collect() })
    }

    /// Recorded runs of which not all results are there once these items are gone.
    pub(super) fn incomplete(&self, removed: &[&Item]) -> Vec<&(String, Recorded)> {
        let key = |item: &Item| if let What::Entry(meta) = &item.what { Some(meta.key) } else { None };
        let mut left: HashSet<Key> = self.items.iter().filter_map(key).collect();
        removed.iter().filter_map(|item| key(item)).for_each(|key| {
            left.remove(&key);
        });
        self.old.iter().filter(|(_, run)| !run.record.steps.iter().all(|step| left.contains(&step.key))).collect()
    }

    /// What an item is to people.
    pub(super) fn label(&self, item: &Item) -> String {
        let label = item.key().and_then(|key| self.labels.get(&key).cloned());
        label.unwrap_or_else(|| match &item.what {
            What::Entry(meta) => format!("?/?/{}", meta.stage),
            What::Unfinished(_) => "interrupted work".into(),
            What::Damaged => item.folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        })
    }
}

/// Who needs each key.
#[derive(Default)]
struct Keepers(HashMap<Key, Vec<String>>);

impl Keepers {
    fn add(&mut self, key: Key, name: &str) {
        let list = self.0.entry(key).or_default();
        if list.last().is_none_or(|last| last != name) {
            list.push(name.into());
        }
    }

    fn add_steps(&mut self, steps: &[RunStep], name: &str) {
        for step in steps {
            self.add(step.key, name);
        }
    }

    /// All that a target reaches, and the name of its runs.
    fn add_target(&mut self, store: &Store, items: &[Item], target: &Path, keep: &Keep) -> Result<String, Ending> {
        let target = Target { target: target.to_path_buf(), places: keep.places.clone(), set: Vec::new() };
        let session = Session::open(&target)?;
        let memory = crate::store::memory::Memory::open(store.root(), false);
        let plan = session.plan(store, &memory, &[])?;
        let metas = items.iter().filter_map(|item| match &item.what {
            What::Entry(meta) => Some(meta.as_ref()),
            _ => None,
        });
        let reached = Catalogue::of(metas).reached(&session.graph, &plan, &memory).map_err(Ending::input)?;
        let keys = reached.into_iter().map(|(key, _)| key).chain(plan.steps.iter().filter_map(|p| p.key));
        keys.for_each(|key| self.add(key, &session.name));
        Ok(session.name)
    }
}

/// The folder of the project: the current one, or the nearest above it that holds pipelines or experiments.
pub(super) fn base() -> PathBuf {
    let is_here = Path::new("pipelines").is_dir() || Path::new("experiments").is_dir();
    if is_here { PathBuf::new() } else { root(Path::new(".")) }
}

/// The project's own experiments and pipelines.
fn found() -> Vec<PathBuf> {
    let base = glob::Pattern::escape(&base().to_string_lossy());
    let below = |pattern: &str| Path::new(&base).join(pattern).to_string_lossy().into_owned();
    let matches = |pattern: &str| glob::glob(&below(pattern)).into_iter().flatten().flatten();
    matches("experiments/*/experiment.toml").chain(matches("pipelines/*.toml")).collect()
}

type Runs = [(String, Vec<Recorded>)];

fn steps(runs: &Runs) -> impl Iterator<Item = (&Recorded, &RunStep)> {
    runs.iter().flat_map(|(_, list)| list).flat_map(|run| run.record.steps.iter().map(move |s| (run, s)))
}

/// When each key was last asked for.
fn last_use(runs: &Runs) -> HashMap<Key, u64> {
    let mut times = HashMap::new();
    for (run, step) in steps(runs) {
        let time = times.entry(step.key).or_insert(0);
        *time = run.used.max(*time);
    }
    times
}

/// Names of the experiments that used each key.
fn users(runs: &Runs) -> BTreeMap<Key, HashSet<&str>> {
    let mut users = BTreeMap::<Key, HashSet<&str>>::new();
    for (run, step) in steps(runs) {
        users.entry(step.key).or_default().insert(run.record.experiment.as_str());
    }
    users
}

/// A name for each key: that of its first arm in the last run that used it.
fn labels(runs: &Runs) -> HashMap<Key, String> {
    let mut labels = HashMap::new();
    for (run, step) in steps(runs) {
        labels.entry(step.key).or_insert_with(|| format!("{}/{}/{}", run.record.experiment, step.arm, step.stage));
    }
    labels
}
