//! What a stage makes of single files, kept as entries of their own: found, made under a claim, and linked into its artifact.
//! Knows no kind.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::graph::StepId;
use crate::plan::parts;
use crate::stage::{ExternalFile, Job, Make, Shelf, StageError};
use crate::store::StoreError;
use crate::store::entry::{Entry, Meta};
use crate::store::key::Parts;
use crate::store::lock::Claim;

use super::perform::hint_for;
use super::{POLL, Run};

/// The shelf of a running step.
pub(super) struct StepShelf<'a, 'r> {
    pub(super) run: &'a Run<'r>,
    pub(super) id: StepId,
}

impl Shelf for StepShelf<'_, '_> {
    fn portion(&self, job: &Job, key: &str, file: &ExternalFile, make: Make) -> Result<PathBuf, StageError> {
        let request = self.run.request;
        let step = request.graph.step(self.id);
        let parts = parts::of_portion(step, key, file, request.memory).map_err(failure)?;
        let (own, kind) = (parts.key(), parts::kind_of_portion(step));
        let forced = request.forced.get(self.id.0).copied().unwrap_or(false);
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let mut waited = false;
        loop {
            // What this run has made, or another process meanwhile, is new enough for one that is forced.
            let is_new = |entry: &Entry| self.run.made().contains(&own) || waited && entry.created >= begun;
            let known = || request.store.lookup(&kind, &own).filter(|entry| !forced || is_new(entry));
            if let Some(entry) = known() {
                return Ok(entry.out());
            }
            if let Some(claim) = request.store.claim(&own).map_err(failure)? {
                let Some(entry) = known() else { return self.made(job, (key, file), make, claim, parts) };
                claim.finish();
                return Ok(entry.out());
            }
            waited = true;
            if job.pulse.cancelled() {
                return Err(StageError::Interrupted);
            }
            thread::sleep(POLL);
        }
    }

    fn share(&self, job: &Job, portion: &Path, name: &str, name_here: &str) -> Result<(), StageError> {
        let entry = portion.parent().and_then(|folder| Some(Entry::of(folder, &Meta::read(folder)?)));
        let entry = entry.ok_or_else(|| StageError::failed(format!("{} is gone", portion.display())))?;
        let link = symlink(self.run.request.store.link_to(&entry, name), job.out.join(name_here));
        link.map_err(|e| StageError::failed(format!("cannot link {name_here}: {e}")))
    }
}

impl StepShelf<'_, '_> {
    /// Makes a portion and keeps it.
    fn made(
        &self,
        job: &Job,
        (key, file): (&str, &ExternalFile),
        make: Make,
        claim: Claim,
        parts: Parts,
    ) -> Result<PathBuf, StageError> {
        let request = self.run.request;
        let begun = Instant::now();
        let (out, checkpoint) = (claim.out(), claim.checkpoint());
        if let Err(error) = make(&job.of_file(key, file, &out, &checkpoint)) {
            claim.leave();
            return Err(error);
        }
        let step = request.graph.step(self.id);
        if let Some(path) = parts::changed_in_portion(step, key, file, request.memory) {
            claim.leave();
            let what = format!("{} changed while the stage was reading it", path.display());
            return Err(StageError::with_hint(what, "run again"));
        }
        let meta = Meta::of(&parts::kind_of_portion(step), step.label(), parts, begun);
        let own = meta.key;
        let entry = request.store.commit(&claim, meta).map_err(failure)?;
        self.run.made().insert(own);
        claim.finish();
        entry.map(|entry| entry.out()).ok_or_else(|| StageError::failed("nothing came of the file (a bug)"))
    }
}

fn failure(error: StoreError) -> StageError {
    StageError::Failed { what: error.to_string(), hint: hint_for(error.source.kind()) }
}
