//! Runs a program and measures it: wall time and the largest memory of any of its processes; ends it after a limit.
//! Knows nothing of graphs.

use std::ffi::{c_int, c_long};
use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What the system counts for a process: two times of two words, the largest memory in KiB, and thirteen words more.
#[repr(C)]
#[derive(Default)]
struct Usage {
    times: [c_long; 4],
    largest: c_long,
    rest: [c_long; 13],
}

#[expect(unsafe_code, reason = "the standard library gives no use of resources and kills no groups")]
unsafe extern "C" {
    fn wait4(process: c_int, status: *mut c_int, options: c_int, usage: *mut Usage) -> c_int;
    safe fn kill(process: c_int, signal: c_int) -> c_int;
}

/// The signal that ends a process at once.
const KILL: c_int = 9;

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
    let group = command.spawn()?.id() as c_int;
    let (ended, end) = channel::<()>();
    let guard = thread::spawn(move || {
        if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            kill(-group, KILL);
        }
    });
    let (status, mib) = wait(group)?;
    let seconds = start.elapsed().as_secs_f64();
    drop(ended);
    let _ = guard.join();
    Ok(Sample { seconds, mib, status })
}

/// Waits for a child; its status and its largest memory in MiB.
#[expect(unsafe_code, reason = "see above")]
fn wait(child: c_int) -> Result<(ExitStatus, f64)> {
    let (mut status, mut used) = (0, Usage::default());
    // SAFETY: both pointers are to live values of the types that the call fills.
    let waited = unsafe { wait4(child, &raw mut status, 0, &raw mut used) };
    if waited < 0 {
        return Err(Error::last_os_error());
    }
    Ok((ExitStatus::from_raw(status), used.largest as f64 / 1024.0))
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
