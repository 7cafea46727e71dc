//! `estampa run`: runs what is not cached, then writes the results.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use crate::execute::progress::Progress;
use crate::execute::{self, Options, Report, Request, Summary};
use crate::report;
use crate::stage::Device;
use crate::store::Store;
use crate::store::memory::Memory;

use super::session::{Session, Target};
use super::{Ending, Entry, Exit, Outcome, bars, complain, lines, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("run")).about(ABOUT), run };

const ABOUT: &str = "Run what is not cached, then write tables, figures and the report";

/// Set by Ctrl-C and by a termination signal.
static STOP: AtomicBool = AtomicBool::new(false);

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
    /// Stages at a time [default: number of cores]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
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
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = arguments.threads.unwrap_or(cores).max(1);
    start_threads(threads);
    let session = Session::open(&arguments.target)?;
    let store = Store::open(&session.cache).map_err(unwritable)?;
    let memory = session.memory(true);
    let wanted = session.wanted(arguments.arm.as_deref(), arguments.until.as_deref())?;
    let forced = session.forced(&arguments.force, arguments.arm.as_deref())?;
    let options = Options {
        jobs: arguments.jobs.unwrap_or(cores).max(1),
        threads,
        device: arguments.device,
        keep_going: arguments.keep_going,
    };
    listen_for_signals();
    let progress = watcher(arguments.format, &session);
    let request =
        Request { graph: &session.graph, store: &store, memory: &memory, wanted: &wanted, forced: &forced, options };
    let report = execute::run(&request, progress.as_ref(), &STOP);
    drop(progress);
    let written = write_results(&session, &store, &memory, &report);
    let exit = if report.interrupted {
        Exit::Interrupted
    } else if report.summary().failed > 0 {
        Exit::Failed
    } else {
        Exit::Done
    };
    close(arguments.format, report.summary(), &session, written.as_ref().ok());
    written.map(|_| exit)
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

fn listen_for_signals() {
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
        Box::new(lines::JsonLines::new(session))
    } else if std::io::stderr().is_terminal() {
        Box::new(bars::Bars::new(session))
    } else {
        Box::new(lines::PlainLines::new(session))
    }
}

/// Writes tables and figures of everything that is in the cache now, unless they are there already.
fn write_results(session: &Session, store: &Store, memory: &Memory, report: &Report) -> Result<Vec<String>, Ending> {
    let plan = session.plan(store, memory, &[])?;
    let mut record = session.record(&plan, |id| {
        let word = report.outcomes[id.0].word();
        if word == "skipped" && plan.step(id).entry.is_some() { "cached".into() } else { word.into() }
    });
    record.provenance = serde_json::json!(provenance(session));
    let written = report::refresh(&record, &session.results).map_err(|e| Ending::failed(format!("error: {e}")))?;
    Ok(written.iter().map(|p| p.display().to_string()).collect())
}

/// Where the numbers come from.
pub(super) fn provenance(session: &Session) -> BTreeMap<String, String> {
    let command: Vec<String> = std::env::args().skip(1).collect();
    let mut facts = BTreeMap::from([
        ("version".to_string(), env!("CARGO_PKG_VERSION").to_string()),
        ("command".to_string(), format!("estampa {}", command.join(" "))),
        ("cache".to_string(), session.cache.display().to_string()),
    ]);
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

fn close(format: Format, summary: Summary, session: &Session, written: Option<&Vec<String>>) {
    let Summary { ran, cached, failed, skipped } = summary;
    if format == Format::Json {
        say(
            serde_json::json!({"event": "summary", "ran": ran, "cached": cached, "failed": failed, "skipped": skipped}),
        );
        return;
    }
    if written.is_some_and(|w| !w.is_empty()) {
        say(format!("results: {}", session.results.join("report.html").display()));
    }
    say(format!("ran {ran}, cached {cached}, failed {failed}, skipped {skipped}"));
}
