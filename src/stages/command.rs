//! `command`: a user's own program as a stage. It sees the folders of its inputs and fills a folder of its own.

mod group;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::fs::OFlags;
use walkdir::{DirEntry, WalkDir};

use crate::spec::keys::{FilePath, Key, Keys};
use crate::spec::value::{Params, Value};
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind};
use group::Left;

crate::keys! {
    /// Keys of `command`.
    pub struct CommandKeys {
        /// Shell command; `{inputs.NAME}`, `{out}`, `{seed}` and `{threads}` are replaced.
        run: String;
        /// Files that the command reads; their contents enter the key.
        files: Vec<FilePath> = Vec::new();
        /// Environment variables; it gets these, `PATH`, `HOME`, `LANG=C.UTF-8`, with `gpu` also `CUDA_VISIBLE_DEVICES`, and no others.
        environment: BTreeMap<String, String> = BTreeMap::new();
    }
}

/// Lines of a failed program's output that are shown.
const TAIL: usize = 20;

/// How links begin that lead from one artifact of the cache to a file of another.
const TO_ANOTHER: &str = "../../../";

/// The kind `command`.
pub struct UserCommand;

impl StageKind for UserCommand {
    fn name(&self) -> &'static str {
        "command"
    }

    fn summary(&self) -> &'static str {
        "Runs your own program by `sh -c`; the folder that it fills is the artifact."
    }

    fn version(&self) -> u32 {
        2
    }

    fn ports(&self) -> &'static [Port] {
        &[Port { name: "*", accepts: &[], required: false, help: "artifacts that the command reads" }]
    }

    fn output(&self) -> ArtifactType {
        ArtifactType::Files
    }

    fn keys(&self) -> Vec<Key> {
        CommandKeys::keys()
    }

    fn randomness(&self, params: &Params) -> Randomness {
        match params.get("run") {
            Some(Value::Text(run)) if run.contains("{seed}") => Randomness::PerReplicate,
            _ => Randomness::None,
        }
    }

    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        match params.get("run") {
            Some(Value::Text(run)) if run.trim().is_empty() => vec![("run", "the command is empty".into())],
            _ => Vec::new(),
        }
    }

    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: CommandKeys = job.keys()?;
        let text = fill_in(&keys.run, job)?;
        let mut log = log(job).map_err(|e| StageError::failed(format!("cannot keep what the command says: {e}")))?;
        let mut child = spawn(&text, &keys, job, &log)?;
        let failed = |e: std::io::Error| StageError::failed(format!("cannot wait for the command: {e}"));
        let status = group::wait(&mut child, || job.pulse.cancelled()).map_err(failed)?;
        let status = status.ok_or(StageError::Interrupted)?;
        let left = group::end(&child, job.out);
        if !status.success() {
            return Err(failure(status, &mut log));
        }
        tell_of(&left.map_err(failed)?, job)?;
        copy_linked(job).map_err(|e| StageError::failed(format!("cannot copy what the command has linked: {e}")))?;
        if log.metadata().is_ok_and(|log| log.nlink() == 0) {
            LOG.set(Some(log));
        }
        Ok(())
    }
}

/// The command with its placeholders replaced; folders are quoted for the shell.
fn fill_in(run: &str, job: &Job) -> Result<String, StageError> {
    let mut text = run.replace("{out}", &quoted(job.out)?);
    for (name, folder) in &job.inputs {
        text = text.replace(&format!("{{inputs.{name}}}"), &quoted(folder)?);
    }
    if let Some(start) = text.find("{inputs.") {
        let name = text[start + 8..].split('}').next().unwrap_or_default();
        let hint = format!("connect it: inputs = {{ {name} = \"STAGE\" }}");
        return Err(StageError::with_hint(format!("the command names an input `{name}` that is not connected"), hint));
    }
    Ok(text.replace("{seed}", &job.seed.to_string()).replace("{threads}", &job.threads.to_string()))
}

/// What the command had left running was ended, which does no harm unless it was writing a file of the artifact.
fn tell_of(left: &[Left], job: &Job) -> Result<(), StageError> {
    if let Some((name, file)) = left.iter().find_map(|left| Some((&left.name, left.writes.as_ref()?))) {
        let what = format!("the command ended while `{name}`, which it had started, was writing {}", file.display());
        let hint = "let it wait for what it starts in the background (`wait`), or end that";
        return Err(StageError::with_hint(what, hint));
    }
    if !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|left| left.name.as_str()).collect();
        job.pulse.told(&format!("ended what the command had left running: {}", names.join(", ")));
    }
    Ok(())
}

/// Artifacts of inputs may hold links that mean something in their folders alone: where the command has copied such a link, its
/// file is put. A link of the command's own that leads nowhere is none of them, whatever it is called.
fn copy_linked(job: &Job) -> std::io::Result<()> {
    let links = |folder: &Path| WalkDir::new(folder).into_iter().flatten().filter(DirEntry::path_is_symlink);
    let is_to_another = |target: &PathBuf| target.starts_with(TO_ANOTHER);
    let broken = |entry: DirEntry| {
        let target = entry.path().read_link().ok().filter(is_to_another)?;
        (!entry.path().exists()).then(|| (entry.into_path(), target))
    };
    let broken: Vec<(PathBuf, PathBuf)> = links(job.out).filter_map(broken).collect();
    if broken.is_empty() {
        return Ok(());
    }
    let of_inputs = job.inputs.values().flat_map(|input| links(input));
    let of_inputs: HashMap<PathBuf, PathBuf> =
        of_inputs.filter_map(|entry| Some((entry.path().read_link().ok()?, entry.into_path()))).collect();
    for (path, target) in broken {
        if let Some(file) = of_inputs.get(&target).filter(|file| file.is_file()) {
            std::fs::remove_file(&path)?;
            std::fs::copy(file, &path)?;
        }
    }
    Ok(())
}

fn quoted(path: &Path) -> Result<String, StageError> {
    let path = std::path::absolute(path).map_err(|e| StageError::failed(format!("{}: {e}", path.display())))?;
    Ok(format!("'{}'", path.display().to_string().replace('\'', r"'\''")))
}

thread_local! {
    /// The file without a name that the last command of this thread has spoken into, to be used again: making and removing
    /// a file for each of thousands of short stages takes longer than most of them.
    static LOG: RefCell<Option<File>> = const { RefCell::new(None) };
}

/// An empty file for what the command says: one without a name, where the file system has such.
fn log(job: &Job) -> std::io::Result<File> {
    if let Some(used) = LOG.take() {
        used.set_len(0)?;
        return Ok(used);
    }
    let mut options = File::options();
    options.read(true).append(true);
    let folder = job.out.parent().unwrap_or(job.out);
    let unnamed = options.custom_flags(OFlags::TMPFILE.bits() as i32).open(folder);
    unnamed.or_else(|_| options.custom_flags(0).create(true).open(folder.join("output.log")))
}

fn spawn(text: &str, keys: &CommandKeys, job: &Job, log: &File) -> Result<Child, StageError> {
    let failed = |e: std::io::Error| StageError::failed(format!("cannot start `sh`: {e}"));
    // By its full path, which the system starts without copying this process first.
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(text).current_dir(job.home).env_clear().env("LANG", "C.UTF-8");
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    if !job.gpus.is_empty() {
        let numbers: Vec<String> = job.gpus.iter().map(u32::to_string).collect();
        command.env("CUDA_VISIBLE_DEVICES", numbers.join(","));
    }
    command.envs(&keys.environment).stdin(Stdio::null());
    command.stdout(log.try_clone().map_err(failed)?).stderr(log.try_clone().map_err(failed)?);
    // A group of its own, so that an interruption reaches everything that it started.
    command.process_group(0).spawn().map_err(failed)
}

fn failure(status: ExitStatus, log: &mut File) -> StageError {
    let end = match (status.code(), status.signal()) {
        (Some(code), _) => format!("the command ended with exit code {code}"),
        (None, Some(signal)) => format!("the command was killed by signal {signal}"),
        (None, None) => "the command failed".into(),
    };
    let mut output = Vec::new();
    let _ = log.seek(SeekFrom::Start(0)).and_then(|_| log.read_to_end(&mut output));
    let output = String::from_utf8_lossy(&output);
    let lines: Vec<&str> = output.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n  ");
    StageError::failed(if tail.is_empty() { end } else { format!("{end}; its last lines:\n  {tail}") })
}
