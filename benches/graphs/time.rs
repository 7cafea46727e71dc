//! Runs a program and measures it: wall time and the largest memory of any of its processes; ends it after a limit.
//! Knows nothing of graphs.

use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// One run of a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// From start to end.
    pub(crate) seconds: f64,
    /// Largest resident memory, of this program or one that it started.
    pub(crate) mib: f64,
    /// How it ended; killed by a signal when it took too long.
    pub(crate) status: ExitStatus,
}

/// Runs a program in a group of its own, what it says going to the file `said`; kills it after `limit`.
pub(crate) fn run(command: &mut Command, said: &Path, limit: Duration) -> Result<Sample> {
    let output = File::create(said)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
    let start = Instant::now();
    let group = Pid::from_raw(command.spawn()?.id() as i32);
    let (ended, end) = channel::<()>();
    let guard = thread::spawn(move || {
        if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let _ = killpg(group, Signal::SIGKILL);
        }
    });
    let (status, mib) = wait(group)?;
    let seconds = start.elapsed().as_secs_f64();
    drop(ended);
    let _ = guard.join();
    Ok(Sample { seconds, mib, status })
}

/// Waits for a child; its status and its largest memory in MiB.
#[expect(unsafe_code, reason = "the standard library gives no use of resources")]
fn wait(child: Pid) -> Result<(ExitStatus, f64)> {
    let mut status = 0;
    // SAFETY: zeroes are a valid `rusage`, and both pointers are to live values of the types that the call fills.
    let (waited, used) = unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        (libc::wait4(child.as_raw(), &raw mut status, 0, &raw mut used), used)
    };
    if waited < 0 {
        return Err(Error::last_os_error());
    }
    Ok((ExitStatus::from_raw(status), used.ru_maxrss as f64 / 1024.0))
}

/// Runs of one program in one situation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(pub(crate) Vec<Sample>);

impl Samples {
    /// Median of the wall times, in seconds.
    pub(crate) fn median(&self) -> f64 {
        let mut times: Vec<f64> = self.0.iter().map(|s| s.seconds).collect();
        times.sort_by(f64::total_cmp);
        let middle = times.len() / 2;
        match times.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => times[middle],
            _ => f64::midpoint(times[middle - 1], times[middle]),
        }
    }

    /// Shortest and longest wall time, in seconds.
    pub(crate) fn span(&self) -> (f64, f64) {
        self.0.iter().fold((f64::INFINITY, 0.0), |(low, high), s| (s.seconds.min(low), s.seconds.max(high)))
    }

    /// Largest memory of any run.
    pub(crate) fn mib(&self) -> f64 {
        self.0.iter().map(|s| s.mib).fold(0.0, f64::max)
    }
}
