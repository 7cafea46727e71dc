//! What is measured and against which bar: each case prepares a project and lets `estampa` and another program run in
//! turn. Every run is checked to have done what it is timed for. Prints nothing.

use std::fs::{self, File};
use std::io::{Result, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::duel::{Lab, Row, Side, duel, fail};
use super::write::Graph;

/// What must hold; of what is `None` nothing is asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bar {
    /// At most so many times the time of the other program.
    pub(crate) ratio: Option<f64>,
    /// At most so many seconds.
    pub(crate) seconds: Option<f64>,
    /// Less than so much memory.
    pub(crate) mib: Option<f64>,
}

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// `--help` alone.
    Start,
    /// A run when everything is there.
    NoOp(Graph),
    /// A run from nothing, with results.
    Cold(Graph),
    /// A plan when nothing is there.
    Plan(Graph),
    /// Digest of one file of so many MiB.
    Large(u64),
    /// A run when so many files of 4 KiB are as they were; none may be opened.
    Small(usize),
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: &'static str,
    /// What is done.
    pub(crate) work: Work,
    /// What must hold.
    pub(crate) bar: Bar,
}

const fn case(name: &'static str, work: Work, ratio: f64, seconds: f64, mib: f64) -> Case {
    const fn asked(limit: f64) -> Option<f64> {
        if limit > 0.0 { Some(limit) } else { None }
    }
    Case { name, work, bar: Bar { ratio: asked(ratio), seconds: asked(seconds), mib: asked(mib) } }
}

/// Every case: ratio, seconds and MiB that it may take; 0: nothing is asked.
pub(crate) const CASES: [Case; 12] = [
    case("start-up --help", Work::Start, 0.0, 0.005, 0.0),
    case("no-op chain 1000", Work::NoOp(Graph::Chain(1_000)), 2.0, 0.0, 30.0),
    case("no-op fan 1000", Work::NoOp(Graph::Fan(998)), 2.0, 0.0, 30.0),
    case("no-op chain 10000", Work::NoOp(Graph::Chain(10_000)), 3.0, 0.0, 200.0),
    case("no-op fan 100000", Work::NoOp(Graph::Fan(100_000)), 3.0, 0.0, 200.0),
    case("cold chain 1000", Work::Cold(Graph::Chain(1_000)), 1.5, 0.0, 0.0),
    case("cold fan 1000", Work::Cold(Graph::Fan(998)), 1.5, 0.0, 0.0),
    case("plan 1000 arms", Work::Plan(Graph::Arms(1_000)), 0.0, 0.1, 0.0),
    case("ablation 20 arms", Work::Cold(Graph::Arms(20)), 0.0, 0.3, 0.0),
    case("ablation 20 arms again", Work::NoOp(Graph::Arms(20)), 0.0, 0.0, 0.0),
    case("file of 1 GiB", Work::Large(1 << 10), 1.25, 0.0, 0.0),
    case("10000 unchanged files", Work::Small(10_000), 0.0, 0.0, 0.0),
];

impl Case {
    /// Prepares and measures.
    pub(crate) fn measure(self, lab: &Lab) -> Result<Row> {
        let folder = lab.folder.join(self.name.replace(' ', "_"));
        fs::create_dir_all(&folder)?;
        let mut row = Row { name: self.name, bar: self.bar, ..Row::default() };
        match self.work {
            Work::Start => start(lab, &folder, &mut row),
            Work::NoOp(graph) => no_op(lab, graph, &folder, &mut row)?,
            Work::Cold(graph) => cold(lab, graph, &folder, &mut row)?,
            Work::Plan(graph) => plan(lab, graph, &folder, &mut row)?,
            Work::Large(mib) => large(lab, mib, &folder, &mut row)?,
            Work::Small(files) => small(lab, files, &folder, &mut row)?,
        }
        fs::remove_dir_all(&folder)?;
        Ok(row)
    }
}

fn start(lab: &Lab, folder: &Path, row: &mut Row) {
    let mut ours = || lab.estampa(folder, &["--help"], "Usage");
    let mut theirs = || lab.beside("ninja", folder, &["--version"]);
    (row.ours, row.theirs) = duel(lab, &mut ours, &mut theirs);
    row.beside = "ninja --version";
}

fn no_op(lab: &Lab, graph: Graph, folder: &Path, row: &mut Row) -> Result<()> {
    graph.write(folder)?;
    settle();
    row.beside = "ninja -j2";
    let (target, steps) = (graph.target(), graph.steps());
    let prepared = lab.estampa(folder, &["run", target, "--jobs", "2"], &format!("ran {steps}, cached 0, failed 0"));
    let mut before = lab.beside("ninja", folder, &["-j2"]).map(|_| ());
    let mut unprepared = prepared.err().map(|e| format!("preparing: {e}"));
    let expected = format!("ran 0, cached {steps}, failed 0");
    let mut ours = || match unprepared.take() {
        Some(trouble) => fail(trouble),
        None => lab.estampa(folder, &["run", target, "--jobs", "2"], &expected),
    };
    let mut theirs = || {
        std::mem::replace(&mut before, Ok(()))?;
        lab.beside("ninja", folder, &["-j2"])
    };
    (row.ours, row.theirs) = duel(lab, &mut ours, &mut theirs);
    Ok(())
}

fn cold(lab: &Lab, graph: Graph, folder: &Path, row: &mut Row) -> Result<()> {
    graph.write(folder)?;
    settle();
    row.beside = "ninja -j2";
    let expected = format!("ran {}, cached 0, failed 0", graph.steps());
    let mut ours = || {
        clear(folder, &["cache", "results"])?;
        lab.estampa(folder, &["run", graph.target(), "--jobs", "2"], &expected)
    };
    let mut theirs = || {
        clear(folder, &["out", ".ninja_log", ".ninja_deps"])?;
        lab.beside("ninja", folder, &["-j2"])
    };
    (row.ours, row.theirs) = duel(lab, &mut ours, &mut theirs);
    Ok(())
}

fn plan(lab: &Lab, graph: Graph, folder: &Path, row: &mut Row) -> Result<()> {
    graph.write(folder)?;
    settle();
    row.beside = "ninja -n";
    let mut ours = || lab.estampa(folder, &["plan", graph.target()], "wait");
    let mut theirs = || lab.beside("ninja", folder, &["-n", "-j2"]);
    (row.ours, row.theirs) = duel(lab, &mut ours, &mut theirs);
    Ok(())
}

fn large(lab: &Lab, mib: u64, folder: &Path, row: &mut Row) -> Result<()> {
    project(folder, "../data")?;
    let mut file = File::create(folder.join("data"))?;
    for part in 0..mib {
        let bytes: Vec<u8> = (0..1_u64 << 17)
            .flat_map(|i| (i ^ (part << 17)).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
            .collect();
        file.write_all(&bytes)?;
    }
    settle();
    row.beside = "b3sum";
    let mut ours = || {
        clear(folder, &["cache", "results"])?;
        lab.estampa(folder, &["run", "pipelines/p.toml"], "ran 1, cached 0")
    };
    let mut theirs = || lab.beside("b3sum", folder, &["data"]);
    (row.ours, row.theirs) = duel(lab, &mut ours, &mut theirs);
    Ok(())
}

fn small(lab: &Lab, files: usize, folder: &Path, row: &mut Row) -> Result<()> {
    project(folder, "../data")?;
    let mut names = Vec::new();
    for i in 0..files {
        let name = format!("data/{}/{i}", i % 10);
        fs::create_dir_all(folder.join("data").join((i % 10).to_string()))?;
        let mut file = File::create(folder.join(&name))?;
        file.write_all(&i.to_le_bytes().repeat(512))?;
        names.push(name);
    }
    settle();
    row.beside = "b3sum of all";
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let run = ["run", "pipelines/p.toml"];
    let mut prepared = lab.estampa(folder, &run, "ran 1, cached 0").map(|_| ());
    let mut ours = || {
        std::mem::replace(&mut prepared, Ok(()))?;
        lab.estampa(folder, &run, "ran 0, cached 1")
    };
    let mut theirs = || lab.beside("b3sum", folder, &names);
    (row.ours, row.theirs) = duel(lab, &mut ours, &mut theirs);
    count_opened(lab, folder, &run, row)
}

/// Counts by `strace` how many of the data files one more run opens.
fn count_opened(lab: &Lab, folder: &Path, run: &[&str], row: &mut Row) -> Result<()> {
    if !matches!(row.ours, Side { trouble: None, .. }) {
        return Ok(());
    }
    let mut arguments = vec!["-f", "-qq", "-e", "trace=open,openat,openat2", "-o", "opened", &lab.estampa];
    arguments.extend(run);
    if let Err(error) = lab.beside("strace", folder, &arguments) {
        row.note = format!("SKIPPED counting opened files: {error}");
        return Ok(());
    }
    let calls = fs::read_to_string(folder.join("opened"))?;
    let is_file = |line: &&str| line.contains("/data/") && !line.contains("O_DIRECTORY") && !line.contains("O_PATH");
    let opened = calls.lines().filter(is_file).count();
    row.note = format!("{opened} of them opened");
    row.seen = Some(opened == 0);
    Ok(())
}

/// A project with one stage that declares `files` and does next to nothing.
fn project(folder: &Path, files: &str) -> Result<()> {
    fs::create_dir_all(folder.join("pipelines"))?;
    let stage = format!("[stages.a]\nkind = \"command\"\nfiles = [\"{files}\"]\nrun = \"echo > {{out}}/x\"\n");
    fs::write(folder.join("pipelines/p.toml"), stage)
}

/// Lets the files grow older than the clock's granularity: younger ones are rightly read again.
fn settle() {
    thread::sleep(Duration::from_millis(2_500));
}

/// Moves these out of the way. Removing them would slow what is timed next: for five seconds ext4 gives no number of a
/// removed file to a new one, and looks at each of them again for each new file.
fn clear(folder: &Path, names: &[&str]) -> Result<()> {
    for path in names.iter().map(|name| folder.join(name)).filter(|path| path.exists()) {
        let aside = folder.join("aside");
        fs::create_dir_all(&aside)?;
        let count = fs::read_dir(&aside)?.count();
        fs::rename(path, aside.join(count.to_string()))?;
    }
    Ok(())
}
