//! The life of one step: its key, a hit, or a claim, the work and the commit.

use std::any::Any;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::graph::{Step, StepId};
use crate::plan::parts;
use crate::stage::{Job, Pulse, StageError};
use crate::store::entry::{Entry, Meta, OUT};
use crate::store::key::{Change, Digest, Parts};
use crate::store::lock::Claim;
use crate::store::{Found, StoreError};

use super::portion::StepShelf;
use super::{Outcome, Run};

/// Said of an interrupted step that goes on from a checkpoint.
const KEPT: &str = "stopped; what it has done so far is kept: run again to go on";

/// What came of a try at a step.
pub(super) enum Performed {
    /// It came to its end, perhaps with an entry.
    Came(Outcome, Option<Entry>),
    /// Another process computes it: it is to be tried again.
    Elsewhere,
}

/// Brings a step to its end; `inputs` are its entries in the order of the step's inputs.
pub(super) fn perform(run: &Run, id: StepId, inputs: &[Entry], gpus: &[u32]) -> Performed {
    // A worker that died would leave the others waiting for its step.
    match catch_unwind(AssertUnwindSafe(|| try_perform(run, id, inputs, gpus))) {
        Ok(Ok(performed)) => performed,
        Ok(Err(error)) => Performed::Came(Outcome::Failed(error.to_string(), hint_for(error.source.kind())), None),
        Err(panic) => {
            let (what, hint) = bug(run.request.graph.step(id).kind().name(), panic);
            Performed::Came(Outcome::Failed(what, Some(hint)), None)
        }
    }
}

/// A panic in words, and what to do about it.
fn bug(kind: &str, panic: Box<dyn Any + Send>) -> (String, String) {
    let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).into()));
    let what = format!("internal error in `{kind}`: {}", text.unwrap_or_default());
    (what, "this is a bug of estampa: please report it with the TOML file".into())
}

pub(super) fn hint_for(kind: ErrorKind) -> Option<String> {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Some("the disk is full: make room with `estampa cache gc`, or keep the cache elsewhere with --cache DIR, and run again".into())
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Some("choose a folder that can be written with --cache DIR".into())
        }
        _ => None,
    }
}

fn try_perform(run: &Run, id: StepId, inputs: &[Entry], gpus: &[u32]) -> Result<Performed, StoreError> {
    let (step, store) = (run.request.graph.step(id), run.request.store);
    let parts = parts::of(step, |from| digest(step, inputs, from), run.request.memory)?;
    let (key, kind) = (parts.key(), step.kind().name());
    let forced = run.request.forced.get(id.0).copied().unwrap_or(false);
    if !forced && let Some(entry) = store.lookup(kind, &key) {
        return Ok(Performed::Came(Outcome::Done(false), Some(entry)));
    }
    let Some(claim) = store.claim(&key)? else {
        run.progress.waiting(id, step);
        return Ok(Performed::Elsewhere);
    };
    // Another process may have finished it meanwhile.
    match store.find(kind, &key) {
        Found::Intact(entry) if !forced => {
            claim.finish();
            return Ok(Performed::Came(Outcome::Done(false), Some(entry)));
        }
        Found::Damaged(what) if !forced => run.progress.damaged(id, step, &what),
        _ => {}
    }
    if let Some(path) = parts::changed_file(step, run.request.memory) {
        let what = format!("{} changed since this run began", path.display());
        return Ok(stop_at(claim, what, Some("run again: a run takes each file as it first found it".into())));
    }
    compute(run, id, inputs, gpus, claim, parts)
}

/// Digest of what the input `from` contains.
fn digest(step: &Step, inputs: &[Entry], from: StepId) -> Option<Digest> {
    step.sources.iter().position(|id| *id == from).and_then(|i| inputs.get(i)).map(|entry| entry.digest)
}

fn stop_at(claim: Claim, what: String, hint: Option<String>) -> Performed {
    claim.leave();
    Performed::Came(Outcome::Failed(what, hint), None)
}

fn compute(
    run: &Run,
    id: StepId,
    inputs: &[Entry],
    gpus: &[u32],
    claim: Claim,
    parts: Parts,
) -> Result<Performed, StoreError> {
    let step = run.request.graph.step(id);
    let cause: Option<Vec<Change>> =
        run.earlier().nearest(step.kind().name(), step.label(), &parts).map(|(_, changes)| changes);
    run.progress.started(id, step, cause.as_deref());
    let begun = Instant::now();
    let place = run.request.store.place(step.kind().name(), &parts.key());
    match work(run, id, inputs, gpus, &claim, &place) {
        Ok(()) => {}
        Err(StageError::Interrupted) => {
            run.progress.told(id, step, if claim.has_checkpoint() { KEPT } else { "stopped" });
            claim.leave();
            return Ok(Performed::Came(Outcome::Skipped, None));
        }
        Err(StageError::Failed { what, .. }) if claim.is_full() => {
            let what = format!("{what}\nNo space left on the disk of the cache");
            return Ok(stop_at(claim, what, hint_for(ErrorKind::StorageFull)));
        }
        Err(StageError::Failed { what, hint }) => return Ok(stop_at(claim, what, hint)),
    }
    // A file that changed while the stage read it would be cached under a key that it does not have.
    if let Some(path) = parts::changed_file(step, run.request.memory) {
        let what = format!("{} changed while the stage was reading it", path.display());
        return Ok(stop_at(claim, what, Some("run again".into())));
    }
    // So would one that read what another process has changed, put in the place of its input, or taken away.
    if let Some(input) = inputs.iter().find(|entry| !run.request.store.is_still(entry)) {
        let what = format!("the result of `{}` was changed or replaced while the stage was reading it", input.stage);
        return Ok(stop_at(claim, what, Some("run again".into())));
    }
    let meta = Meta { cause: cause.unwrap_or_default(), ..Meta::of(step.kind().name(), step.label(), parts, begun) };
    match run.request.store.commit(&claim, meta)? {
        Some(entry) => {
            claim.finish();
            Ok(Performed::Came(Outcome::Done(true), Some(entry)))
        }
        None => Ok(stop_at(claim, "the stage wrote no file".into(), None)),
    }
}

/// Calls the kind; a panic in it is a failure of this step alone.
fn work(run: &Run, id: StepId, inputs: &[Entry], gpus: &[u32], claim: &Claim, place: &Path) -> Result<(), StageError> {
    let step = run.request.graph.step(id);
    let (out, checkpoint) = (claim.out(), claim.checkpoint());
    let pulse = StepPulse { run, id, place };
    let shelf = StepShelf { run, id };
    let job = Job {
        params: &step.stage.params,
        seed: step.seed.unwrap_or(0),
        inputs: step.inputs().map(|(name, _)| name.to_string()).zip(inputs.iter().map(Entry::out)).collect(),
        files: step.stage.files.iter().map(|(key, list)| ((*key).to_string(), list.to_vec())).collect(),
        home: &step.stage.home,
        out: &out,
        checkpoint: &checkpoint,
        device: run.request.options.device,
        gpus,
        threads: run.request.options.threads,
        pulse: &pulse,
        shelf: &shelf,
    };
    let result = catch_unwind(AssertUnwindSafe(|| step.kind().run(&job))).unwrap_or_else(|panic| {
        let (what, hint) = bug(step.kind().name(), panic);
        Err(StageError::with_hint(what, hint))
    });
    result?;
    if run.stop.load(Ordering::SeqCst) { Err(StageError::Interrupted) } else { Ok(()) }
}

/// Passes a stage's progress on to the run's.
struct StepPulse<'a, 'r> {
    run: &'a Run<'r>,
    id: StepId,
    /// Folder of the entry once it is complete.
    place: &'a Path,
}

impl Pulse for StepPulse<'_, '_> {
    fn progress(&self, done: u64, total: u64, note: &str) {
        self.run.progress.ticked(self.id, self.run.request.graph.step(self.id), done, total, note);
    }

    fn told(&self, line: &str) {
        let line = line.replace("{out}", &self.place.join(OUT).to_string_lossy());
        self.run.progress.told(self.id, self.run.request.graph.step(self.id), &line);
    }

    fn cancelled(&self) -> bool {
        self.run.stop.load(Ordering::SeqCst)
    }
}
