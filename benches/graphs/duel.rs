//! Two programs run in turn, and what came of it. Knows nothing of graphs, prints nothing.

use std::ffi::OsString;
use std::fs;
use std::io::{Error, Result};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::cases::Bar;
use super::time::{Sample, Samples, run};

/// Where and how is measured.
#[derive(Clone, Debug)]
pub(crate) struct Lab {
    /// The program that is measured.
    pub(crate) estampa: String,
    /// Folder for projects.
    pub(crate) folder: PathBuf,
    /// Runs of each program.
    pub(crate) runs: usize,
    /// A single run that takes longer is killed.
    pub(crate) limit: Duration,
    /// No further run of a case begins after this time.
    pub(crate) budget: Duration,
}

/// One program's runs, or why there are none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    /// Its runs.
    pub(crate) samples: Samples,
    /// What ended them early.
    pub(crate) trouble: Option<String>,
}

/// What came of a case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// Name of the case.
    pub(crate) name: &'static str,
    /// Name of the other program.
    pub(crate) beside: &'static str,
    /// What must hold.
    pub(crate) bar: Bar,
    /// `estampa`.
    pub(crate) ours: Side,
    /// The other program.
    pub(crate) theirs: Side,
    /// What else was seen.
    pub(crate) note: String,
    /// Whether that is as it must be, where something is asked of it.
    pub(crate) seen: Option<bool>,
}

impl Row {
    /// Our time in units of theirs, if both are known.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let ratio = self.ours.samples.median() / self.theirs.samples.median();
        ratio.is_finite().then_some(ratio)
    }

    /// Whether the bar holds; `None` when that cannot be told, or nothing is asked.
    pub(crate) fn holds(&self) -> Option<bool> {
        if self.ours.trouble.is_some() {
            return Some(false);
        }
        let within = |limit: f64, value: Option<f64>| value.map(|value| value <= limit);
        let asked = [
            self.bar.ratio.map(|limit| within(limit, self.ratio())),
            self.bar.seconds.map(|limit| within(limit, Some(self.ours.samples.median()))),
            self.bar.mib.map(|limit| within(limit, Some(self.ours.samples.mib()))),
            self.seen.map(Some),
        ];
        let known: Vec<Option<bool>> = asked.into_iter().flatten().collect();
        if known.contains(&Some(false)) {
            return Some(false);
        }
        if known.is_empty() || known.contains(&None) { None } else { Some(true) }
    }
}

/// An error of ours.
pub(crate) fn fail<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::other(text.into()))
}

/// Lets the two run in turn, each first every second time; a side in trouble is left out from then on.
pub(crate) fn duel(
    lab: &Lab,
    ours: &mut dyn FnMut() -> Result<Sample>,
    theirs: &mut dyn FnMut() -> Result<Sample>,
) -> (Side, Side) {
    let (mut us, mut them) = (Side::default(), Side::default());
    let begun = Instant::now();
    for turn in 0..lab.runs {
        if turn > 0 && begun.elapsed() > lab.budget {
            break;
        }
        if turn % 2 == 0 {
            us.once(ours);
        }
        them.once(theirs);
        if turn % 2 == 1 {
            us.once(ours);
        }
    }
    (us, them)
}

impl Side {
    fn once(&mut self, run: &mut dyn FnMut() -> Result<Sample>) {
        if self.trouble.is_some() {
            return;
        }
        match run() {
            Ok(sample) => self.samples.0.push(sample),
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }
}

impl Lab {
    /// Runs `estampa`, which must succeed and say this text.
    pub(crate) fn estampa(&self, folder: &Path, arguments: &[&str], expected: &str) -> Result<Sample> {
        let sample = self.run(&self.estampa, folder, arguments)?;
        let said = fs::read_to_string(folder.join("said"))?;
        if said.contains(expected) {
            return Ok(sample);
        }
        fail(format!("expected `{expected}`, got: {}", said.lines().last().unwrap_or_default()))
    }

    /// Runs another program of `PATH`, which must succeed.
    pub(crate) fn beside(&self, program: &str, folder: &Path, arguments: &[&str]) -> Result<Sample> {
        if !is_there(program) {
            return fail(format!("SKIPPED: `{program}` is not in PATH"));
        }
        self.run(program, folder, arguments)
    }

    fn run(&self, program: &str, folder: &Path, arguments: &[&str]) -> Result<Sample> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).env("NO_COLOR", "1");
        let sample = run(&mut command, &folder.join("said"), self.limit)?;
        if sample.status.success() {
            return Ok(sample);
        }
        if sample.status.signal() == Some(9) && sample.seconds >= self.limit.as_secs_f64() {
            return fail(format!("took more than {:.0} s", sample.seconds));
        }
        let said = fs::read_to_string(folder.join("said")).unwrap_or_default();
        fail(format!("{}: {}", sample.status, said.lines().last().unwrap_or_default()))
    }
}

fn is_there(program: &str) -> bool {
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
