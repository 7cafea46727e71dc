//! The one walk over everything that a result depends on. One listener hashes what it hears: the key; another writes it
//! down: the explanation.

use std::path::Path;

use crate::graph::{Step, StepId, settings};
use crate::stage::ExternalFile;
use crate::store::StoreError;
use crate::store::entry::PORTION;
use crate::store::key::{Digest, FORMAT, Key, KeyHasher, Parts, Sink};
use crate::store::memory::Memory;

/// Tells `sink` the parts of a step's key; whether they are complete. `digest` gives the digest of an input, once it is
/// known. A file that cannot be read is an error, never a part left out.
pub fn walk(
    step: &Step,
    digest: impl Fn(StepId) -> Option<Digest>,
    memory: &Memory,
    sink: &mut impl Sink,
) -> Result<bool, StoreError> {
    sink.add("format", FORMAT);
    sink.add("kind", step.kind().name());
    sink.add("code version", &step.kind().version().to_string());
    settings(&step.stage, &mut |name, value| sink.add(name, value));
    if let Some(seed) = step.seed {
        sink.add("seed", &seed.to_string());
    }
    let mut complete = true;
    for (name, id) in step.inputs() {
        match digest(id) {
            Some(digest) => sink.add(&format!("input {name}"), &digest.to_string()),
            None => complete = false,
        }
    }
    for (key, file) in files(step) {
        sink.add(&part_of(key, file), &memory.digest(&file.path)?.to_string());
    }
    Ok(complete)
}

/// The key, if its parts are complete.
pub fn key_of(
    step: &Step,
    digest: impl Fn(StepId) -> Option<Digest>,
    memory: &Memory,
) -> Result<Option<Key>, StoreError> {
    let mut hasher = KeyHasher::default();
    Ok(walk(step, digest, memory, &mut hasher)?.then(|| hasher.key()))
}

/// The parts in words; those of inputs that are not known are missing.
pub fn of(step: &Step, digest: impl Fn(StepId) -> Option<Digest>, memory: &Memory) -> Result<Parts, StoreError> {
    let mut parts = Parts::default();
    walk(step, digest, memory, &mut parts)?;
    Ok(parts)
}

/// The parts of what a step makes of one file of `key`: its settings, and of its files that one and those of other keys.
pub fn of_portion(step: &Step, key: &str, file: &ExternalFile, memory: &Memory) -> Result<Parts, StoreError> {
    let mut parts = Parts::default();
    for (name, value) in [("format", FORMAT), ("kind", &kind_of_portion(step))] {
        parts.add(name, value);
    }
    parts.add("code version", &step.kind().version().to_string());
    settings(&step.stage, &mut |name, value| parts.add(name, value));
    for (key, file) in files_of_portion(step, key, file) {
        parts.add(&part_of(key, file), &memory.digest(&file.path)?.to_string());
    }
    Ok(parts)
}

fn files_of_portion<'a>(
    step: &'a Step,
    key: &'a str,
    file: &'a ExternalFile,
) -> impl Iterator<Item = (&'a str, &'a ExternalFile)> {
    files(step).filter(move |(name, _)| *name != key).chain([(key, file)])
}

/// The first of the files of a portion that is no longer what its key says.
pub fn changed_in_portion<'a>(
    step: &'a Step,
    key: &'a str,
    file: &'a ExternalFile,
    memory: &Memory,
) -> Option<&'a Path> {
    files_of_portion(step, key, file).map(|(_, file)| file.path.as_path()).find(|path| !memory.is_unchanged(path))
}

/// The kind under which portions of a step are kept.
pub fn kind_of_portion(step: &Step) -> String {
    format!("{}{PORTION}", step.kind().name())
}

/// The user's files of a step with the keys that name them.
pub fn files(step: &Step) -> impl Iterator<Item = (&str, &ExternalFile)> {
    step.stage.files.iter().flat_map(|(key, list)| list.iter().map(move |file| (*key, file)))
}

/// The name of the part that such a file is.
pub fn part_of(key: &str, file: &ExternalFile) -> String {
    match (file.label.as_str(), file.is_listed) {
        ("", _) => format!("file {key}"),
        (label, false) => format!("file {key} {label}"),
        (label, true) => format!("file {key} {label} (named itself)"),
    }
}

/// The first of the user's files that is no longer what the key says.
pub fn changed_file<'a>(step: &'a Step, memory: &Memory) -> Option<&'a Path> {
    files(step).map(|(_, file)| file.path.as_path()).find(|path| !memory.is_unchanged(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::spec::experiment;
    use crate::spec::faults::Faults;

    #[test]
    fn a_portion_has_the_parts_of_a_step_with_that_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("nights")).unwrap();
        write("nights/1.avro", "1");
        write("nights/2.avro", "2");
        write("labels.csv", "candid,label\n");
        write("p.toml", "[stages.a]\nkind = \"load\"\npath = \"nights\"\nlabels = \"labels.csv\"\n");
        let graph = Graph::of(&experiment::read(&folder.path().join("p.toml"), &[], &mut Faults::default()).unwrap());
        let (step, memory) = (&graph.steps[0], Memory::open(folder.path(), false));
        let mut expected = of(step, |_| None, &memory).unwrap();
        assert!(expected.0.iter().any(|(name, _)| name == "code version"));
        expected.0.retain(|(name, _)| name != "file path 1.avro");
        expected.0[1].1 = "load-portion".into();
        let second = files(step).find(|(_, file)| file.label == "2.avro").unwrap();
        assert_eq!(of_portion(step, second.0, second.1, &memory).unwrap(), expected);
    }
}
