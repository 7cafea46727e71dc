//! For the tests of stages: runs a kind on folders and names the bytes that come out. Knows no particular kind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::spec::value::{Params, Value};
use crate::stage::{Device, Job, Silent, StageError, StageKind};

/// The kind's defaults with these values set.
pub(super) fn params(kind: &dyn StageKind, set: &[(&'static str, Value)]) -> Params {
    let default = |key: crate::spec::keys::Key| (key.name, key.default.unwrap());
    let mut params: Params = kind.keys().into_iter().map(default).collect();
    for (name, value) in set {
        assert!(params.insert(name, value.clone()).is_some(), "no key {name}");
    }
    params
}

/// A text value.
pub(super) fn text(word: &str) -> Value {
    Value::Text(word.into())
}

/// A list of texts.
pub(super) fn list(words: &[&str]) -> Value {
    Value::List(words.iter().map(|w| text(w)).collect())
}

/// An empty folder for inputs, and the artifact below `out` once a stage ran.
pub(super) struct Bench(TempDir);

impl Bench {
    /// With an empty folder for each input, filled by `write(name, folder)`.
    pub(super) fn new(inputs: &[&str], write: impl Fn(&str, &Path)) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        for name in inputs {
            std::fs::create_dir(bench.path(name)).unwrap();
            write(name, &bench.path(name));
        }
        std::fs::create_dir(bench.out()).unwrap();
        bench
    }

    /// The folder of an input.
    pub(super) fn path(&self, input: &str) -> PathBuf {
        self.0.path().join(format!("input_{input}"))
    }

    /// The artifact's folder.
    pub(super) fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    /// Runs the kind on all inputs.
    pub(super) fn run(
        self,
        kind: &dyn StageKind,
        inputs: &[&str],
        seed: u64,
        set: &[(&'static str, Value)],
    ) -> Result<Self, StageError> {
        self.run_with(kind, inputs, seed, &params(kind, set))
    }

    /// Runs the kind with all its parameters given, those of a variant among them.
    pub(super) fn run_with(
        self,
        kind: &dyn StageKind,
        inputs: &[&str],
        seed: u64,
        params: &Params,
    ) -> Result<Self, StageError> {
        let (out, checkpoint) = (self.out(), tempfile::tempdir().unwrap());
        kind.run(&Job {
            params,
            seed,
            inputs: inputs.iter().map(|name| ((*name).to_string(), self.path(name))).collect(),
            files: BTreeMap::new(),
            home: self.0.path(),
            out: &out,
            checkpoint: checkpoint.path(),
            device: Device::Cpu,
            gpus: &[],
            threads: 1,
            pulse: &Silent,
            shelf: &Silent,
        })?;
        Ok(self)
    }

    /// The bytes of each file of the artifact.
    pub(super) fn bytes(&self) -> BTreeMap<String, Vec<u8>> {
        let files = std::fs::read_dir(self.out()).unwrap().map(|f| f.unwrap().path());
        files
            .filter(|f| f.is_file())
            .map(|f| (f.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&f).unwrap()))
            .collect()
    }

    /// The first digits of a digest of all of them.
    pub(super) fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (name, bytes) in self.bytes() {
            hasher.update(name.as_bytes()).update(&bytes);
        }
        hasher.finalize().to_hex()[..16].to_string()
    }
}
