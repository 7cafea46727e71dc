//! The life of one step: its key, a hit, or a claim, the work and the commit.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::graph::StepId;
use crate::plan::{Earlier, parts};
use crate::stage::{Job, Pulse, StageError};
use crate::store::entry::{Entry, Meta};
use crate::store::key::{Change, Key, Parts};
use crate::store::lock::Claim;
use crate::store::{StoreError, digest};

use super::{Outcome, Run};

/// How often a step that another process computes is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Brings a step to its end; `inputs` are its entries in the order of the step's inputs.
pub(super) fn perform(run: &Run, id: StepId, inputs: &[Entry]) -> Outcome {
    match try_perform(run, id, inputs) {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed(error.to_string(), hint_for(&error)),
    }
}

fn hint_for(error: &StoreError) -> Option<String> {
    match error.source.kind() {
        std::io::ErrorKind::StorageFull => {
            Some("the disk is full: make room (`estampa cache gc`) and run again".into())
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Some("choose a folder that can be written with --cache DIR".into())
        }
        _ => None,
    }
}

fn try_perform(run: &Run, id: StepId, inputs: &[Entry]) -> Result<Outcome, StoreError> {
    let step = run.request.graph.step(id);
    let digest = |from: StepId| {
        step.inputs.iter().zip(inputs).find(|((_, id), _)| *id == from).map(|(_, entry)| entry.meta.digest.as_str())
    };
    let (parts, _) = parts::of(step, digest, run.request.memory)?;
    let key = parts.key();
    let kind = step.kind.name();
    let forced = run.request.forced.get(id.0).copied().unwrap_or(false);
    if !forced && let Some(entry) = run.request.store.lookup(kind, &key) {
        return Ok(Outcome::Done(Box::new(entry), false));
    }
    let Some(claim) = wait_for_claim(run, id, &key)? else { return Ok(Outcome::Skipped) };
    // Another process may have finished it while this one waited.
    if !forced && let Some(entry) = run.request.store.lookup(kind, &key) {
        claim.finish();
        return Ok(Outcome::Done(Box::new(entry), false));
    }
    if !forced && run.request.store.lookup_any(kind, &key).is_some() {
        run.progress.damaged(id, step);
    }
    compute(run, id, inputs, claim, parts)
}

/// The claim on a key; waits while another process has it, `None` when the run is interrupted meanwhile.
fn wait_for_claim(run: &Run, id: StepId, key: &Key) -> Result<Option<Claim>, StoreError> {
    let mut told = false;
    loop {
        if let Some(claim) = run.request.store.claim(key)? {
            return Ok(Some(claim));
        }
        if !told {
            run.progress.waiting(id, run.request.graph.step(id));
            told = true;
        }
        if run.stop.load(Ordering::SeqCst) {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

fn compute(run: &Run, id: StepId, inputs: &[Entry], claim: Claim, parts: Parts) -> Result<Outcome, StoreError> {
    let step = run.request.graph.step(id);
    let mut earlier = Earlier::of(run.request.store);
    let cause: Option<Vec<Change>> = earlier.nearest(step.kind.name(), &step.label, &parts).map(|(_, changes)| changes);
    run.progress.started(id, step, cause.as_deref());
    let begun = Instant::now();
    let result = work(run, id, inputs, &claim);
    if let Err(error) = result {
        claim.leave();
        return Ok(match error {
            StageError::Interrupted => Outcome::Skipped,
            StageError::Failed { what, hint } => Outcome::Failed(what, hint),
        });
    }
    // A file that changed while the stage read it would be cached under a key that it does not have.
    if let Some(name) = changed_file(run, id, &parts) {
        claim.leave();
        let hint = Some("run again".into());
        return Ok(Outcome::Failed(format!("{name} changed while the stage was reading it"), hint));
    }
    let meta = Meta {
        key: parts.key(),
        kind: step.kind.name().into(),
        digest: String::new(),
        parts,
        files: Vec::new(),
        stage: step.label.clone(),
        seconds: begun.elapsed().as_secs_f64(),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
        version: env!("CARGO_PKG_VERSION").into(),
        cause: cause.unwrap_or_default(),
    };
    let entry = run.request.store.commit(&claim, meta)?;
    claim.finish();
    Ok(Outcome::Done(Box::new(entry), true))
}

/// The first external file whose contents are no longer those of the key.
fn changed_file(run: &Run, id: StepId, parts: &Parts) -> Option<String> {
    let step = run.request.graph.step(id);
    for (key, files) in &step.files {
        for file in files {
            let name = if file.label.is_empty() { format!("file {key}") } else { format!("file {key} {}", file.label) };
            let now = run.request.memory.digest(&file.path).ok();
            if now.as_deref() != parts.get(&name) {
                return Some(file.path.display().to_string());
            }
        }
    }
    None
}

/// Calls the kind; a panic in it is a failure of this step alone.
fn work(run: &Run, id: StepId, inputs: &[Entry], claim: &Claim) -> Result<(), StageError> {
    let step = run.request.graph.step(id);
    let (out, checkpoint) = (claim.out(), claim.checkpoint());
    let pulse = StepPulse { run, id };
    let job = Job {
        params: &step.params,
        seed: step.seed.unwrap_or(0),
        inputs: folders(step.inputs.iter().map(|(name, _)| name), inputs),
        files: step.files.clone(),
        home: &step.home,
        out: &out,
        checkpoint: &checkpoint,
        device: run.request.options.device,
        threads: run.request.options.threads,
        pulse: &pulse,
    };
    let result = catch_unwind(AssertUnwindSafe(|| step.kind.run(&job))).unwrap_or_else(|panic| {
        let text =
            panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).into()));
        let what = format!("internal error in `{}`: {}", step.kind.name(), text.unwrap_or_default());
        Err(StageError::with_hint(what, "this is a bug of estampa: please report it with the TOML file"))
    });
    result?;
    if run.stop.load(Ordering::SeqCst) {
        return Err(StageError::Interrupted);
    }
    not_empty(&out)
}

fn not_empty(out: &Path) -> Result<(), StageError> {
    match digest::files_below(out) {
        Ok(files) if files.is_empty() => Err(StageError::failed("the stage wrote no file")),
        Ok(_) => Ok(()),
        Err(error) => Err(StageError::failed(error.to_string())),
    }
}

fn folders<'a>(names: impl Iterator<Item = &'a String>, inputs: &[Entry]) -> BTreeMap<String, std::path::PathBuf> {
    names.cloned().zip(inputs.iter().map(Entry::out)).collect()
}

/// Passes a stage's progress on to the run's.
struct StepPulse<'a> {
    run: &'a Run<'a>,
    id: StepId,
}

impl Pulse for StepPulse<'_> {
    fn progress(&self, done: u64, total: u64, note: &str) {
        self.run.progress.ticked(self.id, self.run.request.graph.step(self.id), done, total, note);
    }

    fn cancelled(&self) -> bool {
        self.run.stop.load(Ordering::SeqCst)
    }
}
