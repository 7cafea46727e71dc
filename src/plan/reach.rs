//! Which entries of a cache a graph's run would use: those of its plan and, behind stages that are still to run, every
//! entry that may turn out to be the one. Opens no artifact.

use std::collections::{HashMap, HashSet};

use crate::graph::{Graph, Step, StepId};
use crate::store::StoreError;
use crate::store::entry::Meta;
use crate::store::key::{Key, Parts};
use crate::store::memory::Memory;

use super::{Plan, State, parts};

/// Entries, found by their key or by what is known of one.
pub struct Catalogue<'a> {
    metas: Vec<&'a Meta>,
    keys: HashMap<Key, usize>,
    /// By the parts that are no input.
    rest: HashMap<Key, Vec<usize>>,
}

impl<'a> Catalogue<'a> {
    /// Of these entries.
    pub fn of(metas: impl IntoIterator<Item = &'a Meta>) -> Self {
        let metas: Vec<&Meta> = metas.into_iter().collect();
        let keys = metas.iter().enumerate().map(|(i, meta)| (meta.key, i)).collect();
        let mut rest = HashMap::<Key, Vec<usize>>::new();
        for (i, meta) in metas.iter().enumerate() {
            rest.entry(without_inputs(&meta.parts)).or_default().push(i);
        }
        Self { metas, keys, rest }
    }

    /// Keys of the entries that a run of the plan would use, with the step that does; a step that waits for stages to
    /// run may use any entry that agrees with what is known of its key, and one that is not cached what was made of its files.
    pub fn reached(&self, graph: &Graph, plan: &Plan, memory: &Memory) -> Result<Vec<(Key, StepId)>, StoreError> {
        let mut reached = Vec::new();
        for (i, planned) in plan.steps.iter().enumerate() {
            let id = StepId(i);
            if planned.state != State::Cached {
                reached.extend(self.portions(graph.step(id), memory)?.into_iter().map(|key| (key, id)));
            }
            if let Some(key) = planned.key {
                reached.extend(self.keys.contains_key(&key).then_some((key, id)));
            } else {
                let known = plan.parts(graph, id, memory)?;
                reached.extend(self.agreeing(&known).into_iter().map(|key| (key, id)));
            }
        }
        Ok(reached)
    }

    /// What was made of the files of a step one by one.
    fn portions(&self, step: &Step, memory: &Memory) -> Result<Vec<Key>, StoreError> {
        let kind = parts::kind_of_portion(step);
        let portions = self.metas.iter().filter(|meta| meta.kind == kind);
        // Its file is the last part of a portion; most files are small and have none.
        let names: HashSet<&str> = portions.filter_map(|meta| Some(meta.parts.0.last()?.0.as_str())).collect();
        let files = parts::files(step).filter(|(key, file)| names.contains(&*parts::part_of(key, file)));
        let key = |(key, file)| parts::of_portion(step, key, file, memory).map(|parts| parts.key());
        let keys = files.map(key).collect::<Result<Vec<_>, _>>()?;
        Ok(keys.into_iter().filter(|key| self.keys.contains_key(key)).collect())
    }

    fn agreeing(&self, known: &Parts) -> Vec<Key> {
        let same_rest = self.rest.get(&without_inputs(known)).into_iter().flatten();
        // Of inputs each name comes once, of files perhaps not.
        let inputs = known.0.iter().filter(|(name, _)| is_input(name));
        let agrees = |meta: &&Meta| inputs.clone().all(|(name, value)| meta.parts.get(name) == Some(value));
        same_rest.map(|i| self.metas[*i]).filter(agrees).map(|meta| meta.key).collect()
    }
}

/// A hash of all parts but the inputs.
fn without_inputs(parts: &Parts) -> Key {
    Parts(parts.0.iter().filter(|(name, _)| !is_input(name)).cloned().collect()).key()
}

fn is_input(part: &str) -> bool {
    part.starts_with("input ")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::Planned;
    use crate::spec::experiment;
    use crate::spec::faults::Faults;
    use crate::stage::ExternalFile;
    use crate::store::Store;
    use crate::store::key::Digest;
    use crate::store::sweep::{Limits, What, choose};

    /// A pipeline by the inputs and the parameter of each stage; a stage takes its inputs from those before it.
    #[derive(Clone, Debug)]
    struct Made(Vec<(Vec<usize>, u8)>);

    impl Made {
        fn graph(&self, folder: &Path) -> Graph {
            let mut text = String::from("[pipeline]\nname = \"p\"\n");
            for (i, (inputs, value)) in self.0.iter().enumerate() {
                let sources: HashSet<usize> =
                    if i == 0 { HashSet::new() } else { inputs.iter().map(|n| n % i).collect() };
                let inputs: Vec<String> = sources.iter().map(|n| format!("i{n} = \"s{n}\"")).collect();
                let _ = writeln!(text, "[stages.s{i}]\nkind = \"command\"\nrun = \"do {value}\"");
                if !inputs.is_empty() {
                    let _ = writeln!(text, "inputs = {{ {} }}", inputs.join(", "));
                }
            }
            std::fs::write(folder.join("p.toml"), text).unwrap();
            let mut faults = Faults::default();
            Graph::of(&experiment::read(&folder.join("p.toml"), &[], &mut faults).unwrap())
        }
    }

    /// What a made-up stage writes: often the same for different keys, as after an early cut-off.
    fn contents(key: &Key) -> u8 {
        key.0[0] % 3
    }

    /// As the engine does it: each step takes the entry of its key or computes it. Keys that were there, in a cache that
    /// takes nothing when `write` is false.
    fn run(graph: &Graph, store: &Store, write: bool) -> HashSet<Key> {
        let memory = Memory::open(store.root(), false);
        let (mut digests, mut hits) = (Vec::<Digest>::new(), HashSet::new());
        for step in &graph.steps {
            let parts = parts::of(step, |id| Some(digests[id.0]), &memory).unwrap();
            let key = parts.key();
            if let Some(entry) = store.lookup("command", &key) {
                hits.insert(key);
                digests.push(entry.digest);
                continue;
            }
            // The digest of one file with these contents.
            let root = tempfile::tempdir().unwrap();
            let other = Store::open(root.path()).unwrap();
            let target = if write { store } else { &other };
            let claim = target.claim(&key).unwrap().unwrap();
            std::fs::write(claim.out().join("x"), [contents(&key)]).unwrap();
            let entry = target.commit(&claim, draft(parts)).unwrap().unwrap();
            claim.finish();
            digests.push(entry.digest);
        }
        hits
    }

    fn draft(parts: Parts) -> Meta {
        Meta {
            key: parts.key(),
            kind: "command".into(),
            digest: Digest([0; 32]),
            parts,
            files: Vec::new(),
            stage: "s".into(),
            seconds: 0.0,
            created: 0,
            version: String::new(),
            cause: Vec::new(),
        }
    }

    fn made() -> impl Strategy<Value = Made> {
        prop::collection::vec((prop::collection::vec(0..20_usize, 0..3), 0..3_u8), 1..7).prop_map(Made)
    }

    /// Prunes a cache as `estampa cache gc` does for one target.
    fn prune(graph: &Graph, store: &Store, limits: &Limits) -> u64 {
        let memory = Memory::open(store.root(), false);
        let (mut items, rest) = store.inventory();
        let plan = Plan::of(graph, store, &memory, &[]).unwrap();
        let metas = items.iter().filter_map(|item| match &item.what {
            What::Entry(meta) => Some(meta.as_ref()),
            _ => None,
        });
        let reached: HashSet<Key> =
            Catalogue::of(metas).reached(graph, &plan, &memory).unwrap().into_iter().map(|(key, _)| key).collect();
        for item in &mut items {
            if item.key().is_some_and(|key| reached.contains(&key)) {
                item.keepers.push("p".into());
            }
        }
        let sweep = choose(&items, rest, limits, 10);
        store.sweep(sweep.remove.iter().map(|i| &items[*i])).unwrap();
        sweep.left
    }

    #[test]
    fn a_stage_that_waits_is_known_by_all_its_files_of_one_name() {
        let known = Parts(vec![
            ("kind".into(), "command".into()),
            ("file files".into(), "1".into()),
            ("file files".into(), "2".into()),
        ]);
        let mut whole = known.clone();
        whole.0.insert(1, ("input a".into(), "3".into()));
        let meta = draft(whole.clone());
        let catalogue = Catalogue::of([&meta]);
        assert_eq!(catalogue.agreeing(&known), [meta.key]);
        assert_eq!(catalogue.agreeing(&whole), [meta.key]);
        whole.0[1].1 = "4".into();
        assert!(catalogue.agreeing(&whole).is_empty());
    }

    #[test]
    fn a_stage_that_is_to_run_reaches_what_was_made_of_its_files() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
        std::fs::create_dir(root.path().join("nights")).unwrap();
        for name in ["1.avro", "2.avro"] {
            write(&format!("nights/{name}"), name);
        }
        write("p.toml", "[stages.a]\nkind = \"load\"\npath = \"nights\"\n");
        let graph = Graph::of(&experiment::read(&root.path().join("p.toml"), &[], &mut Faults::default()).unwrap());
        let memory = Memory::open(root.path(), false);
        let plan = Plan::of(&graph, &Store::view(root.path()), &memory, &[]).unwrap();
        let file = ExternalFile { label: "2.avro".into(), path: root.path().join("nights/2.avro"), is_listed: false };
        let portion = |parts| Meta { kind: "load-portion".into(), ..draft(parts) };
        let made = portion(parts::of_portion(&graph.steps[0], "path", &file, &memory).unwrap());
        let mut parts = made.parts.clone();
        parts.0.last_mut().unwrap().1 = Digest([0; 32]).to_string();
        let other = portion(parts);
        let catalogue = Catalogue::of([&made, &other]);
        assert_eq!(catalogue.reached(&graph, &plan, &memory).unwrap(), [(made.key, StepId(0))]);
        let cached = Plan { steps: vec![Planned { state: State::Cached, ..plan.steps[0].clone() }] };
        assert!(catalogue.reached(&graph, &cached, &memory).unwrap().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Several versions of a pipeline ran, some entries were lost, the cache is pruned for the last version: a run of
        /// that version finds every entry that it would have found before.
        #[test]
        fn pruning_takes_nothing_from_a_run(
            versions in prop::collection::vec(made(), 1..4),
            lost in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            max_size in prop::option::of(0..20_000_u64),
        ) {
            let root = tempfile::tempdir().unwrap();
            let graphs: Vec<Graph> = versions.iter().map(|version| version.graph(root.path())).collect();
            let cache = root.path().join("cache");
            for graph in &graphs {
                run(graph, &Store::open(&cache).unwrap(), true);
            }
            let store = Store::open(&cache).unwrap();
            for index in lost {
                let entries = store.entries("");
                if !entries.is_empty() {
                    store.remove(&entries[index.index(entries.len())].0).unwrap();
                }
            }
            let last = graphs.last().unwrap();
            let before = run(last, &Store::view(&cache), false);
            let left = prune(last, &store, &Limits { max_size, older_than: None });
            let after = run(last, &Store::view(&cache), false);
            prop_assert_eq!(before, after);
            let (items, rest) = store.inventory();
            let total = rest + items.iter().map(|item| item.size).sum::<u64>();
            prop_assert!(total <= left, "{total} bytes are left, {left} were promised");
        }
    }
}
