//! A run that has nothing to do, found out in a few milliseconds: when the last such run of the same target was idle, and
//! nothing that it looked at has changed, this one is idle too.

use std::path::Path;

use crate::execute::Report;
use crate::spec::files;
use crate::stage::ExternalFile;
use crate::store::Store;
use crate::store::key::Digest;
use crate::store::memory::Memory;
use crate::store::snapshot::{self, Snapshot};

use super::session::{Session, Target};

/// All that decides about a run and is no file: the program, where it is run, and what it is asked for.
pub(super) fn about(target: &Target) -> String {
    let program = std::env::current_exe().and_then(std::fs::metadata).and_then(|m| Ok((m.len(), m.modified()?))).ok();
    let (path, folder) = (target.target.canonicalize().ok(), std::env::current_dir().ok());
    format!("{} {program:?} {folder:?} {path:?} {target:?}", env!("CARGO_PKG_VERSION"))
}

/// The number of steps of the target, if a snapshot shows that there is nothing to do.
pub(super) fn steps(target: &Target, about: &str) -> Option<usize> {
    snapshot::holds(&target.places.cache(&target.target), about, |base, pattern| {
        files::expand(base, pattern).ok().map(|files| meaning(&files))
    })
}

/// Remembers what an idle run has looked at.
pub(super) fn remember(about: &str, session: &Session, store: &Store, memory: &Memory, report: &Report) {
    let mut snapshot = Snapshot::new(about);
    for (path, digest) in &session.sources {
        snapshot.add_source(path, digest);
    }
    for ((base, pattern), found) in &session.experiment.found {
        let Ok(files) = found else { return };
        snapshot.add_pattern(base, pattern, &meaning(files));
        files.iter().for_each(|file| snapshot.add_file(&file.path, memory));
    }
    for path in crate::report::manifest::files(&session.results) {
        snapshot.add_result(&path);
    }
    for entry in report.plan.steps.iter().filter_map(|step| step.entry.as_ref()) {
        snapshot.add_entry(store, entry);
    }
    snapshot.save(store, about);
}

/// Digest of names and places.
fn meaning(files: &[ExternalFile]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        for text in [file.label.as_bytes(), Path::as_os_str(&file.path).as_encoded_bytes()] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
    }
    Digest(*hasher.finalize().as_bytes())
}
