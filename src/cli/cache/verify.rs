//! `estampa cache verify`: every byte of every entry again, and the damaged ones computed anew.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use crate::cli::session::{Places, Session, Target};
use crate::cli::{Ending, Exit, Outcome, complain, lines, run, say};
use crate::execute::{self, Options, Request};
use crate::graph::StepId;
use crate::spec::needs::Needs;
use crate::stage::Device;
use crate::store::Store;
use crate::store::entry::Meta;
use crate::store::key::{Digest, Key};

/// Digests that damaged entries had, as far as they are known, by key.
type Damaged = HashMap<Key, Option<Digest>>;

/// Hashes everything; damaged entries are moved aside, and with targets to repair computed again.
pub(super) fn verify(repair: &[PathBuf], places: &Places) -> Outcome {
    let view = super::store(places);
    if !view.root().is_dir() {
        say("there is no cache");
        return Ok(Exit::Done);
    }
    let store = Store::open(view.root()).map_err(Ending::failed)?;
    let entries = store.places();
    let check = |(folder, meta): &(PathBuf, Option<Meta>)| store.check(folder, meta.as_ref()).err();
    let faults: Vec<Option<String>> = entries.par_iter().map(check).collect();
    let mut damaged = Damaged::new();
    for ((folder, meta), what) in entries.iter().zip(faults).filter_map(|(entry, what)| Some((entry, what?))) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let kind = folder.parent().and_then(|f| f.file_name()).unwrap_or_default().to_string_lossy();
        let stage = meta.as_ref().map_or("?", |meta| meta.stage.as_str());
        say(format!("damaged: {stage} ({kind} {}): {what}", name.get(..10).unwrap_or(&name)));
        store.set_aside(folder).map_err(Ending::failed)?;
        if let Some(key) = Key::parse(&name) {
            damaged.insert(key, meta.as_ref().map(|meta| meta.digest));
        }
    }
    let found = damaged.len();
    say(format!("{} entries, {found} damaged", entries.len()));
    drop(store);
    for target in repair {
        mend(target, places, &mut damaged)?;
    }
    if !repair.is_empty() && found > 0 {
        say(format!("{} computed again, {} left to later runs", found - damaged.len(), damaged.len()));
    } else if found > 0 {
        say("the next run that needs them computes them again; --repair TARGET does so now");
    }
    Ok(if damaged.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Computes the damaged entries again that a target reaches, layer by layer: what is behind a damaged entry is known
/// only once that is there again.
fn mend(target: &std::path::Path, places: &Places, damaged: &mut Damaged) -> Result<(), Ending> {
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
            let was = damaged.remove(&key).flatten();
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
