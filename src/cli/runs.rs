//! Runs as a user names them: `TARGET` as it is now, `TARGET@N` the last recorded one but N - 1, either with `:ARM`; and what
//! `run` records.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::plan::Plan;
use crate::spec::faults::suggest;
use crate::store::Store;
use crate::store::key::Digest;
use crate::store::memory::Memory;
use crate::store::runs::{RunFile, RunRecord, RunStep};

use super::Ending;
use super::session::{Places, Session, name_of};

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Records a run that succeeded, unless the last one was the same. That it cannot be recorded is no failure of the run.
pub(super) fn note(session: &Session, store: &Store, plan: &Plan, memory: &Memory) {
    let files = files(session, plan, memory);
    let identity = identity(session, plan, &files);
    let _ = store.record_run(&session.name, &identity, || record(session, plan, files));
}

/// The user's files of all steps that have a result, as this run found them.
pub(super) fn files(session: &Session, plan: &Plan, memory: &Memory) -> Vec<RunFile> {
    let done = session.graph.steps.iter().zip(&plan.steps).filter(|(_, planned)| planned.entry.is_some());
    let mut seen = HashSet::new();
    let lists = done.flat_map(|(step, _)| &step.stage.files).map(|(_, list)| list);
    let paths: BTreeSet<&Path> = lists
        .filter(|list| seen.insert(list.as_ptr()))
        .flat_map(|list| list.iter().map(|f| f.path.as_path()))
        .collect();
    let record =
        |path: &Path| Some(RunFile { path: std::path::absolute(path).ok()?, digest: memory.digest(path).ok()? });
    paths.into_iter().filter_map(record).collect()
}

/// Digest of what [`record`] would say.
fn identity(session: &Session, plan: &Plan, files: &[RunFile]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("estampa 2026-11 what a run used");
    for used in &session.graph.uses {
        if let Some(entry) = &plan.step(used.step).entry {
            let (arm, stage) = (&session.experiment.arms[used.arm as usize].name, &session.stage(used).name);
            for text in [arm, stage] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
            hasher.update(&used.replicate.to_le_bytes());
            hasher.update(&entry.key.0);
            hasher.update(&entry.digest.0);
        }
    }
    for file in files {
        let path = file.path.as_os_str().as_encoded_bytes();
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path);
        hasher.update(&file.digest.0);
    }
    Digest(*hasher.finalize().as_bytes())
}

/// What the cache holds of a target.
fn record(session: &Session, plan: &Plan, files: Vec<RunFile>) -> RunRecord {
    let steps = session.graph.uses.iter().filter_map(|used| {
        let entry = plan.step(used.step).entry.as_ref()?;
        Some(RunStep {
            arm: session.experiment.arms[used.arm as usize].name.clone(),
            replicate: used.replicate as usize,
            stage: session.stage(used).name.clone(),
            kind: entry.kind.to_string(),
            key: entry.key,
            digest: entry.digest,
        })
    });
    RunRecord {
        experiment: session.name.clone(),
        file: session.file_told_in(&session.cache),
        version: env!("CARGO_PKG_VERSION").into(),
        created: now(),
        steps: steps.collect(),
        files,
    }
}

/// A run that was named.
pub(super) struct Named {
    /// How it is called, and from when it is.
    pub title: String,
    /// What it used.
    pub record: RunRecord,
    /// The arm that was named with it.
    pub arm: Option<String>,
    /// The cache that it used.
    pub store: Store,
}

impl Named {
    /// Names of its arms, in their order.
    pub(super) fn arms(&self) -> Vec<&str> {
        let mut arms = Vec::new();
        for step in &self.record.steps {
            if arms.last() != Some(&step.arm.as_str()) && !arms.contains(&step.arm.as_str()) {
                arms.push(step.arm.as_str());
            }
        }
        arms
    }
}

/// The parts of a run's name: target, which recorded run (1 is the last), arm.
fn parse(text: &str) -> (&str, Option<usize>, Option<&str>) {
    if Path::new(text).exists() {
        return (text, None, None);
    }
    let (rest, arm) = text.split_once(':').map_or((text, None), |(rest, arm)| (rest, Some(arm)));
    match rest.rsplit_once('@').map(|(target, number)| (target, number.parse())) {
        Some((target, Ok(number))) => (target, Some(number), arm),
        _ => (rest, None, arm),
    }
}

/// The run of this name.
pub(super) fn find(text: &str, places: &Places) -> Result<Named, Ending> {
    let (target, back, arm) = parse(text);
    let named = match back {
        None => current(target, places)?,
        Some(back) => recorded(target, back, places)?,
    };
    let arms = named.arms();
    if let Some(arm) = arm
        && !arms.contains(&arm)
    {
        let hint = suggest(arm, &arms).unwrap_or_default();
        return Err(Ending::input(format!("error: {target} has no result of an arm `{arm}`; {hint}")));
    }
    let title = arm.map_or_else(|| named.title.clone(), |arm| format!("arm {arm} of {}", named.title));
    Ok(Named { title, arm: arm.map(str::to_string), ..named })
}

/// What the cache holds of a target as its files are now.
fn current(target: &str, places: &Places) -> Result<Named, Ending> {
    let (session, plan) = super::compare::planned(Path::new(target), places)?;
    let files = files(&session, &plan, &session.memory(false));
    let record = record(&session, &plan, files);
    if record.steps.is_empty() {
        return Err(Ending::input(format!("error: the cache holds nothing of {target}; run it first")));
    }
    Ok(Named { title: format!("{target} as it is now"), record, arm: None, store: Store::view(&session.cache) })
}

/// A run that was recorded.
fn recorded(target: &str, back: usize, places: &Places) -> Result<Named, Ending> {
    let path = PathBuf::from(target);
    let store = Store::view(&places.cache(&path));
    let name = name_of(&path).unwrap_or_else(|| target.to_string());
    let runs = store.runs(&name);
    let Some(run) = back.checked_sub(1).and_then(|i| runs.get(i)) else {
        let known = format!("of `{name}` {} runs are recorded: @1 is the last", runs.len());
        return Err(Ending::input(format!("error: there is no run {target}@{back}; {known}")));
    };
    let age = super::cache::age(now().saturating_sub(run.record.created));
    Ok(Named { title: format!("{target}@{back}, {age} ago"), record: run.record.clone(), arm: None, store })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn runs_have_a_target_perhaps_a_number_and_an_arm() {
        assert_eq!(parse("experiments/x"), ("experiments/x", None, None));
        assert_eq!(parse("experiments/x@2"), ("experiments/x", Some(2), None));
        assert_eq!(parse("x@12:latent=4"), ("x", Some(12), Some("latent=4")));
        assert_eq!(parse("x:a@b"), ("x", None, Some("a@b")));
        assert_eq!(parse("x@home"), ("x@home", None, None));
    }
}
