//! The process group of a user's program: waited for, interrupted, and ended with the program that leads it, so that nothing writes
//! into an artifact that is hashed already. Knows no keys and no stage.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, test_kill_process_group};

/// How often a waiting stage looks whether the run is interrupted.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// How long the rest of a group may take to end by itself, as the last program of `>(gzip > x)` in bash.
const GRACE: Duration = Duration::from_millis(200);
/// How long the system may take to end a program that was killed.
const END: Duration = Duration::from_secs(10);
/// Between two looks at the rest of a group.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits for the program that leads a group; kills all of it and gives `None` when the run is interrupted.
pub(super) fn wait(child: &mut Child, cancelled: impl Fn() -> bool) -> io::Result<Option<ExitStatus>> {
    let pid = Pid::from_child(child);
    // A handle that can be waited for with a time limit; older systems have none, there it is looked at now and then.
    let handle = pidfd_open(pid, PidfdFlags::empty()).ok();
    loop {
        match &handle {
            Some(handle) => {
                let _ = poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&PATIENCE));
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if cancelled() {
            let _ = kill_process_group(pid, Signal::KILL);
            child.wait()?;
            return Ok(None);
        }
    }
}

/// A program that was still running when the one that leads its group had ended.
#[derive(Debug)]
pub(super) struct Left {
    /// Process id.
    id: u32,
    /// What it is called.
    pub(super) name: String,
    /// A file of the artifact that it had open to write into.
    pub(super) writes: Option<PathBuf>,
}

/// Ends what is left of the group whose leader has ended, and gives what that was; `out`: folder of the artifact.
pub(super) fn end(leader: &Child, out: &Path) -> io::Result<Vec<Left>> {
    let group = Pid::from_child(leader);
    // Nearly always: one call of the system.
    if test_kill_process_group(group).is_err() || is_gone_within(GRACE, group) {
        return Ok(Vec::new());
    }
    let out = out.canonicalize()?;
    let mut left = members(group);
    for left in &mut left {
        left.writes = written_below(&out, left.id);
    }
    let _ = kill_process_group(group, Signal::KILL);
    if is_gone_within(END, group) { Ok(left) } else { Err(io::Error::other("what it has started cannot be ended")) }
}

fn is_gone_within(time: Duration, group: Pid) -> bool {
    let begun = Instant::now();
    loop {
        if members(group).is_empty() {
            return true;
        }
        if begun.elapsed() > time {
            return false;
        }
        thread::sleep(PAUSE);
    }
}

/// The running programs of a group.
fn members(group: Pid) -> Vec<Left> {
    let ids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id| member(group, id)).collect()
}

fn member(group: Pid, id: u32) -> Option<Left> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // NUMBER (NAME) STATE PARENT GROUP ...; the name may hold anything.
    let (head, tail) = text.rsplit_once(')')?;
    let mut fields = tail.split_whitespace();
    let is_dead = matches!(fields.next()?, "Z" | "X");
    let is_in = fields.nth(1)?.parse() == Ok(group.as_raw_nonzero().get());
    let name = head.split_once('(').map_or("?", |(_, name)| name).to_string();
    (is_in && !is_dead).then_some(Left { id, name, writes: None })
}

/// A file below `folder` that a process has open to write into.
fn written_below(folder: &Path, id: u32) -> Option<PathBuf> {
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).ok()?.flatten();
    let mut paths = open.filter_map(|entry| Some((entry.file_name(), entry.path().read_link().ok()?)));
    let is_written = |descriptor: &std::ffi::OsStr| {
        let facts = std::fs::read_to_string(format!("/proc/{id}/fdinfo/{}", descriptor.to_string_lossy())).ok()?;
        let flags = facts.lines().find_map(|line| line.strip_prefix("flags:"))?;
        // The last two bits: 0 to read, 1 to write, 2 for both.
        Some(!flags.trim().ends_with(['0', '4']))
    };
    let found = paths.find(|(descriptor, path)| path.starts_with(folder) && is_written(descriptor) == Some(true));
    found.map(|(_, path)| path.strip_prefix(folder).map(Path::to_path_buf).unwrap_or(path))
}
