//! The one walk over everything that a result depends on. What it lists is the key, and what `explain` compares.

use crate::graph::{Step, StepId};
use crate::store::StoreError;
use crate::store::key::Parts;
use crate::store::memory::Memory;

/// Parts of a step's key, and whether they are complete: `digest` gives the digest of an input, once it is known.
/// A file that cannot be read is an error, never a part left out.
pub fn of<'a>(
    step: &Step,
    digest: impl Fn(StepId) -> Option<&'a str>,
    memory: &Memory,
) -> Result<(Parts, bool), StoreError> {
    let mut parts = Parts::of_kind(step.kind.name(), step.kind.version());
    for (name, value) in &step.settings {
        parts.add(name, value);
    }
    if let Some(seed) = step.seed {
        parts.add("seed", &seed.to_string());
    }
    let mut complete = true;
    for (name, id) in &step.inputs {
        match digest(*id) {
            Some(digest) => parts.add(&format!("input {name}"), digest),
            None => complete = false,
        }
    }
    for (key, files) in &step.files {
        for file in files {
            let name = if file.label.is_empty() { format!("file {key}") } else { format!("file {key} {}", file.label) };
            parts.add(&name, &memory.digest(&file.path)?);
        }
    }
    Ok((parts, complete))
}
