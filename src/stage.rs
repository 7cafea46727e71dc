//! What a stage kind is, and what it is given to do its work: all that the engine sees of the stages.
//! Knows no particular kind and no astronomy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::spec::keys::{Key, Keys};
use crate::spec::value::{Params, Value};

/// What flows along an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArtifactType {
    /// Alerts as the survey sends them.
    Alerts,
    /// Stamps ready for a network, with their metadata.
    Stamps,
    /// Detections of each object in time order.
    Sequences,
    /// A trained network.
    Model,
    /// One vector for each alert or object.
    Features,
    /// A place in two dimensions for each alert or object.
    Map,
    /// Clusters of rows.
    Assignments,
    /// Class probabilities.
    Predictions,
    /// A trained network with the class probabilities that it gives: a model and predictions in one.
    Classifier,
    /// Class probabilities of alerts whose class nobody knows.
    Candidates,
    /// Metrics.
    Scores,
    /// Files of a user's own program.
    Files,
}

impl ArtifactType {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Alerts,
        Self::Stamps,
        Self::Sequences,
        Self::Model,
        Self::Features,
        Self::Map,
        Self::Assignments,
        Self::Predictions,
        Self::Classifier,
        Self::Candidates,
        Self::Scores,
        Self::Files,
    ];

    /// The word used in messages and documentation.
    pub fn word(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Stamps => "stamps",
            Self::Sequences => "sequences",
            Self::Model => "model",
            Self::Features => "features",
            Self::Map => "map",
            Self::Assignments => "assignments",
            Self::Predictions => "predictions",
            Self::Classifier => "classifier",
            Self::Candidates => "candidates",
            Self::Scores => "scores",
            Self::Files => "files",
        }
    }

    /// Whether an artifact of this type serves where one of type `wanted` is asked for.
    pub fn serves_as(self, wanted: Self) -> bool {
        self == wanted || (self == Self::Classifier && matches!(wanted, Self::Model | Self::Predictions))
    }
}

/// One input of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// Its name in `inputs = { name = "stage" }`; `*`: any number of inputs under names of the user's choice, which
    /// are labels of the output and so part of its key.
    pub name: &'static str,
    /// What it takes; empty: anything.
    pub accepts: &'static [ArtifactType],
    /// Whether it must be connected (for `*`: at least one).
    pub required: bool,
    /// What it is for, one sentence.
    pub help: &'static str,
}

/// Where a kind's random numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Randomness {
    /// It draws none: no seed in its key.
    None,
    /// One seed for all replicates (data and splits), so replicates share the result.
    Shared,
    /// A seed for each replicate.
    PerReplicate,
}

/// A choice inside a kind that brings keys of its own, such as `model = "conv_autoencoder"`.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The word in TOML.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The paper and equation, or the crate.
    pub source: &'static str,
    /// Its own keys.
    pub keys: Vec<Key>,
}

/// The key that chooses among variants.
#[derive(Clone, Debug)]
pub struct Variants {
    /// The key's name, e.g. `model`.
    pub key: &'static str,
    /// What may be chosen; the first is the default.
    pub list: Vec<Variant>,
}

/// What a stage is connected to, as far as it is known before a run.
#[derive(Clone, Debug)]
pub struct Around<'a> {
    /// Names of its inputs.
    pub inputs: Vec<&'a str>,
    /// Files of the user by key name.
    pub files: &'a [(&'static str, Arc<[ExternalFile]>)],
}

impl Around<'_> {
    /// Whether the input `name` is connected.
    pub fn has(&self, name: &str) -> bool {
        self.inputs.contains(&name)
    }

    /// Files of `key`.
    pub fn files_of(&self, key: &str) -> &[ExternalFile] {
        self.files.iter().find(|(name, _)| *name == key).map_or(&[], |(_, files)| files)
    }
}

/// A kind of stage. A new kind is one file that implements this and one line in [`crate::stages::KINDS`].
pub trait StageKind: Sync {
    /// Its name in `kind = "..."`.
    fn name(&self) -> &'static str;
    /// What it does, one sentence.
    fn summary(&self) -> &'static str;
    /// Paper, catalogue or crate it follows; empty when it is our own.
    fn source(&self) -> &'static str {
        ""
    }
    /// Version of its code: raised in the commit that changes its output.
    fn version(&self) -> u32;
    /// Its inputs.
    fn ports(&self) -> &'static [Port];
    /// What it makes.
    fn output(&self) -> ArtifactType;
    /// Its keys, without those of its variants.
    fn keys(&self) -> Vec<Key>;
    /// The key whose value brings further keys.
    fn variants(&self) -> Option<Variants> {
        None
    }
    /// Whether it draws random numbers with these parameters.
    fn randomness(&self, _params: &Params) -> Randomness {
        Randomness::None
    }
    /// What errors in the pixels that it makes depend on, as (key, value): where these differ, errors are in other units, and
    /// reports compare none.
    fn scale(&self, _params: &Params) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// Faults that no single key shows, as (key, message).
    fn check(&self, _params: &Params) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// Faults that show in what the stage is connected to, as (key or `inputs`, message). Of files at most the first line is read.
    fn check_around(&self, _params: &Params, _around: &Around) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// Does the work: a pure function of the inputs, parameters and seed, writing into `job.out`.
    fn run(&self, job: &Job) -> Result<(), StageError>;
}

/// A file of the user, hashed by the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalFile {
    /// Its name below the folder or glob that was given; empty for a path that names the file itself, unless the artifact
    /// tells that name. Part of the key.
    pub label: String,
    /// Where it is. Not part of the key.
    pub path: PathBuf,
    /// Whether it has a label though it was named itself, among several. Part of the key, for a kind may take such a file whatever it
    /// is called.
    pub is_listed: bool,
}

impl ExternalFile {
    /// The same file, with its own name as label when it has none.
    #[must_use]
    pub fn with_name(&self) -> Self {
        let own = || self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let label = if self.label.is_empty() { own() } else { self.label.clone() };
        Self { label, ..self.clone() }
    }

    /// The same file among those of several paths, with its label below `folder`; `folder` alone is the label of a file without
    /// one.
    #[must_use]
    pub fn under(&self, folder: &str) -> Self {
        let parts = [folder, &self.label].into_iter().filter(|part| !part.is_empty());
        let label = parts.collect::<Vec<_>>().join("/");
        Self { label, is_listed: self.label.is_empty(), path: self.path.clone() }
    }

    /// Whether the path of a key names the file itself, and no folder or glob that has it.
    pub fn is_named(&self) -> bool {
        self.label.is_empty() || self.is_listed
    }

    /// A name for messages and tables that depends only on the key: the label, or `-` for a file named directly.
    pub fn shown(&self) -> &str {
        if self.label.is_empty() { "-" } else { &self.label }
    }
}

/// Hears from a running stage and tells it when to stop.
pub trait Pulse: Sync {
    /// `done` of `total` units of work (0: unknown), with a short note such as `epoch 3/20 loss 0.012`.
    fn progress(&self, done: u64, total: u64, note: &str);
    /// One line about the result, for people; `{out}` in it stands for the folder that the artifact gets.
    fn told(&self, line: &str);
    /// Whether the run is being interrupted.
    fn cancelled(&self) -> bool;
}

/// Says nothing, never cancels and keeps nothing: for tests.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Pulse for Silent {
    fn progress(&self, _: u64, _: u64, _: &str) {}
    fn told(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        false
    }
}

impl Shelf for Silent {
    fn portion(&self, job: &Job, key: &str, file: &ExternalFile, make: Make) -> Result<PathBuf, StageError> {
        let failed = |e: std::io::Error| StageError::failed(e.to_string());
        let mut number = 0;
        while job.checkpoint.join(format!("portion{number}")).exists() {
            number += 1;
        }
        let out = job.checkpoint.join(format!("portion{number}"));
        std::fs::create_dir_all(&out).map_err(failed)?;
        make(&job.of_file(key, file, &out, job.checkpoint))?;
        Ok(out)
    }
    fn share(&self, job: &Job, portion: &Path, name: &str, name_here: &str) -> Result<(), StageError> {
        let copied = std::fs::copy(portion.join(name), job.out.join(name_here));
        copied.map(drop).map_err(|e| StageError::failed(e.to_string()))
    }
}

/// What a stage makes of one of its files, for as long as the settings and that file are the same.
pub type Make<'a> = &'a dyn Fn(&Job) -> Result<(), StageError>;

/// Keeps what stages make of single files, so that one file more does not have all others read again.
pub trait Shelf: Sync {
    /// Folder of what `make` writes when its job has `file` as the only file of `key`: taken from the cache if it is there.
    /// It is to depend on nothing else than such a job.
    fn portion(&self, job: &Job, key: &str, file: &ExternalFile, make: Make) -> Result<PathBuf, StageError>;
    /// Has the file `name` of a portion appear as `name_here` in the artifact, without a copy of its bytes. It can be read
    /// there once the stage is done.
    fn share(&self, job: &Job, portion: &Path, name: &str, name_here: &str) -> Result<(), StageError>;
}

/// Where tensors live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// A CUDA device by number; only with the feature `cuda`.
    Cuda(usize),
}

/// One run of a stage.
pub struct Job<'a> {
    /// Checked parameters, every declared key present.
    pub params: &'a Params,
    /// Seed of its random numbers (0 for kinds that draw none).
    pub seed: u64,
    /// Folder of each input's artifact, by input name.
    pub inputs: BTreeMap<String, PathBuf>,
    /// Files of the user by key name, in order of their labels.
    pub files: BTreeMap<String, Vec<ExternalFile>>,
    /// Folder of the TOML file, the working folder of a user's own program.
    pub home: &'a Path,
    /// Empty folder to fill: the artifact.
    pub out: &'a Path,
    /// Folder that survives an interruption: checkpoints of long work. Never part of the artifact. Whoever has something to
    /// keep makes it.
    pub checkpoint: &'a Path,
    /// Device to use.
    pub device: Device,
    /// Accelerators that are this stage's alone while it runs, by number; those that it asked for with `gpu`.
    pub gpus: &'a [u32],
    /// Threads that it may use.
    pub threads: usize,
    /// Progress and cancellation.
    pub pulse: &'a dyn Pulse,
    /// What was made of single files.
    pub shelf: &'a dyn Shelf,
}

impl Job<'_> {
    /// The typed keys.
    pub fn keys<K: Keys>(&self) -> Result<K, StageError> {
        K::read(self.params).ok_or_else(|| StageError::failed("parameters do not have the declared types (a bug)"))
    }

    /// The word chosen under `key`.
    pub fn word(&self, key: &str) -> &str {
        match self.params.get(key) {
            Some(Value::Text(word)) => word,
            _ => "",
        }
    }

    /// Folder of the input `name`, which its port requires.
    pub fn input(&self, name: &str) -> Result<&Path, StageError> {
        self.optional_input(name).ok_or_else(|| StageError::failed(format!("input `{name}` is not connected")))
    }

    /// Folder of the input `name`, if it is connected.
    pub fn optional_input(&self, name: &str) -> Option<&Path> {
        self.inputs.get(name).map(PathBuf::as_path)
    }

    /// The same job with one file of `key` alone, and folders of its own.
    pub fn of_file<'b>(&'b self, key: &str, file: &ExternalFile, out: &'b Path, checkpoint: &'b Path) -> Job<'b> {
        let mut files = self.files.clone();
        files.insert(key.to_owned(), vec![file.clone()]);
        Job { inputs: self.inputs.clone(), files, out, checkpoint, ..*self }
    }

    /// Reports progress and stops here when the run is interrupted.
    pub fn progress(&self, done: u64, total: u64, note: &str) -> Result<(), StageError> {
        self.pulse.progress(done, total, note);
        if self.pulse.cancelled() { Err(StageError::Interrupted) } else { Ok(()) }
    }
}

/// Why a stage gave no result. Never cached.
#[derive(Debug, Error)]
pub enum StageError {
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// It could not do its work.
    #[error("{what}")]
    Failed {
        /// What went wrong, where.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl StageError {
    /// A failure.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), hint: None }
    }

    /// A failure with advice.
    pub fn with_hint(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), hint: Some(hint.into()) }
    }
}

impl From<crate::artifacts::ArtifactError> for StageError {
    fn from(error: crate::artifacts::ArtifactError) -> Self {
        Self::failed(error.to_string())
    }
}
