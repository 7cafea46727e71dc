//! `command`: a user's own program as a stage. It sees the folders of its inputs and fills a folder of its own.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use std::collections::BTreeMap;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use walkdir::{DirEntry, WalkDir};

use crate::spec::keys::{FilePath, Key, Keys};
use crate::spec::value::{Params, Value};
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind};

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

/// How often a waiting stage looks whether the run is interrupted.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

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
        let status = finish(spawn(&text, &keys, job, &log)?, job)?;
        if !status.success() {
            return Err(failure(status, &mut log));
        }
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

/// Artifacts of inputs may hold links that mean something in their folders alone: where the command has copied such a link, its
/// file is put.
fn copy_linked(job: &Job) -> std::io::Result<()> {
    for entry in WalkDir::new(job.out).into_iter().filter_map(Result::ok).filter(DirEntry::path_is_symlink) {
        let (path, target) = (entry.path(), entry.path().read_link()?);
        let meant = job.inputs.values().map(|input| input.join(&target)).find(|file| file.is_file());
        if let Some(file) = meant.filter(|_| !path.exists()) {
            std::fs::remove_file(path)?;
            std::fs::copy(file, path)?;
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

/// Waits for the program; kills its group when the run is interrupted.
fn finish(mut child: Child, job: &Job) -> Result<ExitStatus, StageError> {
    let failed = |e: std::io::Error| StageError::failed(format!("cannot wait for the command: {e}"));
    let pid = Pid::from_child(&child);
    // A handle that can be waited for with a time limit; older systems have none, there it is looked at now and then.
    let handle = pidfd_open(pid, PidfdFlags::empty()).ok();
    loop {
        match &handle {
            Some(handle) => {
                let _ = poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&PATIENCE));
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        if job.pulse.cancelled() {
            let _ = kill_process_group(pid, Signal::KILL);
            child.wait().map_err(failed)?;
            return Err(StageError::Interrupted);
        }
    }
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
