//! `estampa run`: runs what is not cached, then writes the results.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use crate::execute::progress::{Progress, Quiet};
use crate::execute::{self, Options, Report, Request, Summary};
use crate::graph::StepId;
use crate::plan::State;
use crate::report;
use crate::spec::needs::{Needs, size};
use crate::stage::Device;
use crate::store::Store;

use super::events::{Both, Events};
use super::session::{Session, Target};
use super::{Ending, Entry, Exit, Outcome, bars, complain, idle, lines, runs, say, tell};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("run")).about(ABOUT), run };

const ABOUT: &str = "Run what is not cached, then write tables, figures and the report";

/// Set by Ctrl-C and by a termination signal.
pub(super) static STOP: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

#[derive(Args, Debug)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Run only this arm
    #[arg(long)]
    arm: Option<String>,
    /// Run this stage and what it needs, nothing else
    #[arg(long, value_name = "STAGE")]
    until: Option<String>,
    /// Stages at a time; one with `cpu = n` counts as n [default: number of cores]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Memory that stages may use together, by what their `mem` says [default: all]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    mem: Option<u64>,
    /// Accelerators that stages may use together, by what their `gpu` says [default: all]
    #[arg(long, value_name = "N")]
    gpus: Option<u32>,
    /// Threads in all [default: number of cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Where networks are trained: cpu or cuda:N
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Go on with what does not depend on a failed stage
    #[arg(long)]
    keep_going: bool,
    /// Run this stage again whatever is cached (may be repeated)
    #[arg(long, value_name = "STAGE")]
    force: Vec<String>,
    /// Text for people, or one JSON object per line
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Write every event as a JSON line to this file (`estampa schema --of events` says how they look)
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

/// A device from its name.
pub(super) fn device(text: &str) -> Result<Device, String> {
    if text == "cpu" {
        return Ok(Device::Cpu);
    }
    let number = text.strip_prefix("cuda:").or((text == "cuda").then_some("0"));
    let Some(number) = number.and_then(|n| n.parse().ok()) else {
        return Err("a device is `cpu` or `cuda:N`".into());
    };
    if cfg!(feature = "cuda") {
        Ok(Device::Cuda(number))
    } else {
        Err("this program was built without CUDA; build it with `cargo build --release --features cuda`".into())
    }
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    let about = arguments.may_be_idle().then(|| idle::about(&arguments.target));
    if let Some(cached) = about.as_ref().and_then(|about| idle::steps(&arguments.target, about)) {
        close(&arguments, Summary { cached, ..Summary::default() }, None);
        return Ok(Exit::Done);
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = arguments.threads.unwrap_or(cores).max(1);
    start_threads(threads);
    let session = Session::open(&arguments.target)?;
    session.check_owner()?;
    let store = Store::open(&session.cache).map_err(unwritable)?;
    let memory = session.memory(true);
    let wanted = session.wanted(arguments.arm.as_deref(), arguments.until.as_deref())?;
    let forced = session.forced(&arguments.force, arguments.arm.as_deref())?;
    let plan = session.plan(&store, &memory, &forced)?;
    memory.save();
    let limits = arguments.limits(cores);
    let options = Options { limits, threads, device: arguments.device, keep_going: arguments.keep_going };
    let request =
        Request { graph: &session.graph, store: &store, memory: &memory, wanted: &wanted, forced: &forced, options };
    let idle = plan.steps.iter().zip(&wanted).all(|(step, wanted)| !wanted || step.state == State::Cached);
    let events = arguments.events(&session)?;
    let report = if idle {
        execute::run(&request, plan, &Quiet, &STOP)
    } else {
        if arguments.format == Format::Text {
            tell::causes(&super::plan::reasons(&session, &plan, &store, &memory, &forced)?, &plan, &session, &wanted);
        }
        listen_for_signals();
        let shown = watcher(arguments.format, &session);
        match &events {
            Some(events) => execute::run(&request, plan, &Both(shown.as_ref(), events), &STOP),
            None => execute::run(&request, plan, shown.as_ref(), &STOP),
        }
    };
    if let Some(events) = events {
        events.close(report.summary());
    }
    memory.save();
    let written = write_results(&session, &report);
    if !report.interrupted && report.summary().failed == 0 {
        runs::note(&session, &store, &report.plan, &memory);
    }
    let exit = if report.interrupted {
        Exit::Interrupted
    } else if report.summary().failed > 0 {
        Exit::Failed
    } else {
        Exit::Done
    };
    if report.summary().failed > 0 && arguments.format == Format::Text {
        tell::failures(&session, &report);
    }
    let news = written.as_ref().is_ok_and(|written| !written.is_empty());
    close(&arguments, report.summary(), news.then_some(&session));
    if let Some(about) = about.filter(|_| idle && !news && written.is_ok()) {
        idle::remember(&about, &session, &store, &memory, &report);
    }
    // The process ends here: the system takes its memory back faster than it can be given back piece by piece.
    std::mem::forget((session, report, store));
    written.map(|_| exit)
}

impl Arguments {
    /// Whether a snapshot may tell that there is nothing to do.
    fn may_be_idle(&self) -> bool {
        let whole = self.arm.is_none() && self.until.is_none() && self.force.is_empty();
        whole && self.events.is_none() && self.format == Format::Text
    }

    /// The file of `--events`, if it is asked for; with `--format json` standard output.
    fn events(&self, session: &Session) -> Result<Option<Events>, Ending> {
        let out: Box<dyn Write + Send> = match (&self.events, self.format) {
            (Some(path), _) => {
                let file = std::fs::File::create(path);
                Box::new(file.map_err(|e| Ending::input(format!("error: cannot write {}: {e}", path.display())))?)
            }
            (None, Format::Json) => Box::new(std::io::stdout()),
            (None, Format::Text) => return Ok(None),
        };
        Ok(Some(Events::new(session, out)))
    }

    /// What the steps that run at one time may use together.
    fn limits(&self, cores: usize) -> Needs {
        let gpu = self.gpus.unwrap_or_else(|| if self.device == Device::Cpu { gpus() } else { 1 });
        let mem = self.mem.or_else(memory_of_machine).unwrap_or(u64::MAX);
        Needs { cpu: self.jobs.unwrap_or(cores).max(1) as u32, mem, gpu }
    }
}

/// Accelerators that the system shows.
pub(super) fn gpus() -> u32 {
    glob::glob("/dev/nvidia[0-9]*").map_or(0, |found| found.count() as u32)
}

/// Bytes of memory of this machine.
fn memory_of_machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn unwritable(error: crate::store::StoreError) -> Ending {
    Ending {
        message: format!("error: {error}\nhelp: choose a folder that can be written with --cache DIR"),
        exit: Exit::Failed,
    }
}

/// The pool that all stages share.
pub(super) fn start_threads(threads: usize) {
    // A pool that is there already stays as it is.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
}

pub(super) fn listen_for_signals() {
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            // Asked twice: end at once; locks are freed by the system and no entry is half written.
            std::process::exit(130);
        }
        complain("interrupted: stopping (once more ends at once)");
    });
}

fn watcher<'a>(format: Format, session: &'a Session) -> Box<dyn Progress + 'a> {
    if format == Format::Json {
        Box::new(Quiet)
    } else if std::io::stderr().is_terminal() {
        Box::new(bars::Bars::new(session))
    } else {
        Box::new(lines::PlainLines::new(session))
    }
}

/// Writes tables and figures of everything that is in the cache now, unless they are there already.
fn write_results(session: &Session, report: &Report) -> Result<Vec<String>, Ending> {
    let state = |id: StepId| match (report.outcomes[id.0].word(), &report.plan.step(id).entry) {
        ("skipped", Some(_)) => "cached",
        (word, _) => word,
    };
    let identity = session.identity(&report.plan, state);
    let record = || {
        let mut record = session.record(&report.plan, state);
        record.provenance = serde_json::json!(provenance(session));
        record
    };
    let rows = session.graph.uses.iter().map(|used| session.arms_row(&report.plan, used, state(used.step)));
    let written = report::refresh(&identity, rows, record, &session.results)
        .map_err(|e| Ending::failed(format!("error: {e}")))?;
    for path in &written.restored {
        complain(format!("restored {}: it was changed or removed since it was written", path.display()));
    }
    Ok(written.files.iter().map(|p| p.display().to_string()).collect())
}

/// Where the numbers come from.
pub(super) fn provenance(session: &Session) -> BTreeMap<String, String> {
    let command: Vec<String> = std::env::args().skip(1).collect();
    let mut facts = BTreeMap::from([
        ("version".to_string(), env!("CARGO_PKG_VERSION").to_string()),
        ("command".to_string(), format!("estampa {}", command.join(" "))),
        ("cache".to_string(), session.cache.display().to_string()),
        ("file".to_string(), session.file()),
    ]);
    if !session.set.is_empty() {
        facts.insert("set".into(), session.set.join(", "));
    }
    if let Ok(host) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        facts.insert("host".into(), host.trim().into());
    }
    if let Some(commit) = commit(session) {
        facts.insert("commit".into(), commit);
    }
    facts
}

/// The commit of the project that holds the experiment, if it is under git.
fn commit(session: &Session) -> Option<String> {
    let folder = session.experiment.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(".".as_ref());
    let output = std::process::Command::new("git").arg("-C").arg(folder).args(["rev-parse", "HEAD"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// The closing lines; `session` when its results were written.
fn close(arguments: &Arguments, summary: Summary, session: Option<&Session>) {
    let Summary { ran, cached, failed, skipped } = summary;
    if arguments.format == Format::Json {
        return;
    }
    if let Some(session) = session {
        say(format!("results: {}", session.results.join("report.html").display()));
    }
    say(format!("ran {ran}, cached {cached}, failed {failed}, skipped {skipped}"));
}
