//! `estampa cache verify`: every byte of every entry again, or of all that a run used, and the damaged ones computed anew.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use crate::cli::runs::{self, Named};
use crate::cli::session::{Places, Session, Target};
use crate::cli::{Ending, Exit, Outcome, complain, lines, run, say};
use crate::execute::{self, Options, Request};
use crate::graph::StepId;
use crate::spec::document;
use crate::spec::needs::Needs;
use crate::stage::Device;
use crate::store::entry::Meta;
use crate::store::key::{Digest, Key};
use crate::store::runs::{RunFile, RunStep};
use crate::store::{Store, digest};

/// Places of damaged entries and digests that they had, as far as they are known, by key.
type Damaged = HashMap<Key, (PathBuf, Option<Digest>)>;

/// Folder of an entry, with what it says of itself if that can be read.
type Place = (PathBuf, Option<Meta>);

/// Hashes everything, or all that a run used; damaged entries are moved aside, and with targets to repair computed again.
pub(super) fn verify(run: Option<&str>, repair: &[PathBuf], places: &Places) -> Outcome {
    let named = run.map(|run| runs::find(run, places)).transpose()?;
    let view = named.as_ref().map_or_else(|| super::store(places), |named| named.store.clone());
    if !view.root().is_dir() {
        say("there is no cache");
        return Ok(Exit::Done);
    }
    let store = Store::open(view.root()).map_err(Ending::failed)?;
    let differences = named.as_ref().map_or(0, |named| compare(&store, named));
    let entries = named.as_ref().map_or_else(|| store.places(), |named| used(&store, named));
    let mut damaged = set_aside(&store, &entries)?;
    let found = damaged.len();
    say(format!("{} entries, {found} damaged", entries.len()));
    if let Some(named) = &named {
        let files = named.record.files.len();
        say(format!("{}: {files} of your files looked at, {differences} other differences", named.title));
    }
    drop(store);
    for target in repair {
        mend(target, places, &mut damaged)?;
    }
    // What a stage made of one file comes again with the stage.
    damaged.retain(|_, (folder, _)| Meta::read(folder).is_none());
    if !repair.is_empty() && found > 0 {
        say(format!("{} computed again, {} left to later runs", found - damaged.len(), damaged.len()));
    } else if found > 0 {
        say("the next run that needs them computes them again; --repair TARGET does so now");
    }
    Ok(if damaged.is_empty() && differences == 0 { Exit::Done } else { Exit::Failed })
}

/// Names the damaged ones among entries and those who have files of them, and moves all of them aside.
fn set_aside(store: &Store, entries: &[Place]) -> Result<Damaged, Ending> {
    let check = |(folder, meta): &Place| store.check(folder, meta.as_ref()).err();
    let faults: Vec<Option<String>> = entries.par_iter().map(check).collect();
    let faulty = entries.iter().cloned().zip(faults).filter_map(|(entry, what)| Some((entry, what?)));
    let faulty: Vec<(Place, String)> = faulty.collect();
    let users = users(store, &faulty);
    let mut damaged = Damaged::new();
    for ((folder, meta), what) in faulty.into_iter().chain(users) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let kind = folder.parent().and_then(|f| f.file_name()).unwrap_or_default().to_string_lossy();
        let stage = meta.as_ref().map_or("?", |meta| meta.stage.as_str());
        say(format!("damaged: {stage} ({kind} {}): {what}", name.get(..10).unwrap_or(&name)));
        store.set_aside(&folder).map_err(Ending::failed)?;
        if let Some(key) = Key::parse(&name) {
            damaged.insert(key, (folder.clone(), meta.map(|meta| meta.digest)));
        }
    }
    Ok(damaged)
}

/// The intact entries of the whole cache that have files of damaged ones, with which these go.
fn users(store: &Store, faulty: &[(Place, String)]) -> Vec<(Place, String)> {
    if faulty.is_empty() {
        return Vec::new();
    }
    let is_faulty = |folder: &Path| faulty.iter().any(|((faulty, _), _)| faulty == folder);
    let why = |(folder, meta): &Place| {
        let mut holders = meta.as_ref().filter(|_| !is_faulty(folder))?.holders();
        let (kind, key) = holders.find(|(kind, key)| is_faulty(&store.place(kind, key)))?;
        Some(format!("{kind} {} is damaged, of which it has files", key.short()))
    };
    let with_reason = |entry: Place| why(&entry).map(|what| (entry, what));
    store.places().into_iter().filter_map(with_reason).collect()
}

/// The steps of a run, each entry once.
fn steps(named: &Named) -> impl Iterator<Item = &RunStep> {
    let mut seen = HashSet::new();
    let of_arm = |step: &&RunStep| named.arm.as_ref().is_none_or(|arm| *arm == step.arm);
    named.record.steps.iter().filter(of_arm).filter(move |step| seen.insert(step.key))
}

/// The entries that a run used and that are there, and behind each those of whose files it has some.
fn used(store: &Store, named: &Named) -> Vec<Place> {
    let mut seen = HashSet::new();
    let mut used = Vec::new();
    let mut add = |kind: &str, key: &Key| {
        let meta = store.meta(kind, key);
        let folder = store.place(kind, key);
        if folder.is_dir() && seen.insert(*key) {
            used.push((folder, meta.clone()));
        }
        meta
    };
    for step in steps(named) {
        let meta = add(&step.kind, &step.key);
        meta.iter().flat_map(Meta::holders).for_each(|(kind, key)| drop(add(kind, &key)));
    }
    used
}

/// Names what a run used that is gone or is another thing by now, the user's files among it; how much that is.
fn compare(store: &Store, named: &Named) -> usize {
    let result = |step: &RunStep| {
        let title = format!("{} ({} {})", step.stage, step.kind, step.key.short());
        match store.meta(&step.kind, &step.key) {
            None if !store.place(&step.kind, &step.key).is_dir() => Some(format!("gone: {title}")),
            Some(meta) if meta.digest != step.digest => {
                Some(format!("replaced: {title}: {} instead of {}", meta.digest.short(), step.digest.short()))
            }
            _ => None,
        }
    };
    let input = |file: &RunFile| match digest::of_file(&file.path) {
        Ok(now) if now == file.digest => None,
        Ok(now) => Some(format!("changed: {}: {} instead of {}", shown(&file.path), now.short(), file.digest.short())),
        Err(error) => Some(format!("gone: {}: {}", shown(&file.path), error.source)),
    };
    let inputs: Vec<Option<String>> = named.record.files.par_iter().map(input).collect();
    let differences: Vec<String> = steps(named).filter_map(result).chain(inputs.into_iter().flatten()).collect();
    differences.iter().for_each(say);
    differences.len()
}

/// A path as short as it can be said here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    document::shown(path.strip_prefix(here).unwrap_or(path))
}

/// Computes the damaged entries again that a target reaches, layer by layer: what is behind a damaged entry is known
/// only once that is there again.
fn mend(target: &Path, places: &Places, damaged: &mut Damaged) -> Result<(), Ending> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    run::start_threads(cores);
    let target = Target { target: target.to_path_buf(), places: places.clone(), set: Vec::new() };
    let session = Session::open(&target)?;
    loop {
        let store = Store::open(&session.cache).map_err(Ending::failed)?;
        let memory = session.memory(true);
        let plan = session.plan(&store, &memory, &[])?;
        let is_damaged = |id: &StepId| plan.step(*id).key.is_some_and(|key| damaged.contains_key(&key));
        let ids: Vec<StepId> = (0..plan.steps.len()).map(StepId).filter(is_damaged).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let wanted = session.graph.needed(ids.iter().copied());
        let limits = Needs { cpu: cores as u32, mem: u64::MAX, gpu: run::gpus() };
        let options = Options { limits, threads: cores, device: Device::Cpu, keep_going: true };
        let request =
            Request { graph: &session.graph, store: &store, memory: &memory, wanted: &wanted, forced: &[], options };
        let report = execute::run(&request, plan, &lines::PlainLines::new(&session), &AtomicBool::new(false));
        for id in ids {
            let planned = report.plan.step(id);
            let Some(key) = planned.key else { continue };
            let was = damaged.remove(&key).and_then(|(_, was)| was);
            let Some(entry) = &planned.entry else {
                return Err(Ending::failed(format!("error: {} could not be computed", session.graph.step(id).label())));
            };
            if was.is_some_and(|was| was != entry.digest) {
                let label = session.graph.step(id).label();
                complain(format!("warning: {label} came out with other contents than it had before"));
            }
        }
    }
}
