//! `estampa audit`: computes cached results again in a cache of their own and compares every byte.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use crate::artifacts::contrast;
use crate::execute::Options;
use crate::execute::audit::{Again, Scratch};
use crate::execute::progress::Quiet;
use crate::graph::StepId;
use crate::plan::Plan;
use crate::spec::needs::Needs;
use crate::stage::Device;
use crate::store::Store;
use crate::store::entry::Entry as CacheEntry;

use super::run::{STOP, device, gpus, listen_for_signals, start_threads};
use super::session::{Session, Target};
use super::{Ending, Entry, Exit, Outcome, complain, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("audit")).about(ABOUT), run };

const ABOUT: &str = "Compute a sample of cached results again and compare every byte";

#[derive(Args, Debug)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// As many results
    #[arg(long, value_name = "N", default_value = "10", conflicts_with_all = ["fraction", "all"])]
    sample: usize,
    /// This share of the results, above 0 and at most 1
    #[arg(long, value_name = "F", value_parser = share, conflicts_with = "all")]
    fraction: Option<f64>,
    /// All results
    #[arg(long)]
    all: bool,
    /// Only this arm
    #[arg(long)]
    arm: Option<String>,
    /// Only this stage
    #[arg(long)]
    stage: Option<String>,
    /// Only results that took at most this many seconds
    #[arg(long, value_name = "S")]
    under: Option<f64>,
    /// Seed of the choice
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Threads [default: number of cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Where networks are trained: cpu or cuda:N
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Where results are computed; emptied afterwards [default: a folder of its own in the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "a share is a number above 0 and at most 1".into())
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = arguments.threads.unwrap_or(cores).max(1);
    start_threads(threads);
    let session = Session::open(&arguments.target)?;
    if !session.cache.is_dir() {
        return Err(Ending::input("error: there is no cache; run the target first"));
    }
    // Open for writing, so that no entry goes meanwhile; nothing is written.
    let store = Store::open(&session.cache).map_err(Ending::failed)?;
    let memory = session.memory(false);
    let plan = session.plan(&store, &memory, &[])?;
    let named = arguments.named(&session)?;
    let damaged = tell_damaged(&session, &plan, &named);
    let steps = arguments.choose(named, &plan);
    if steps.is_empty() && damaged {
        return Ok(Exit::Failed);
    }
    if steps.is_empty() {
        return Err(Ending::input("error: the cache holds no such result; run the target first"));
    }
    listen_for_signals();
    let folder = arguments.folder()?;
    let scratch = Store::open(&folder).map_err(Ending::failed)?;
    let limits = Needs { cpu: 1, mem: u64::MAX, gpu: gpus() };
    let options = Options { limits, threads, device: arguments.device, keep_going: true };
    let scratch = Scratch { graph: &session.graph, memory: &memory, store: &scratch, options };
    let exit = audit(&session, &plan, &steps, &scratch);
    scratch.store.discard().map_err(Ending::failed)?;
    exit.map(|exit| if damaged && exit == Exit::Done { Exit::Failed } else { exit })
}

/// Names the entries that are not what was written, which nothing can be compared with; whether there are any.
fn tell_damaged(session: &Session, plan: &Plan, named: &[StepId]) -> bool {
    let damage = |id: &StepId| plan.step(*id).damage.as_ref().map(|what| (*id, what));
    let damaged: Vec<(StepId, &String)> = named.iter().filter_map(damage).collect();
    let titles = super::lines::titles(session);
    for (id, what) in &damaged {
        say(format!("{}: DAMAGED: {what}", titles[id.0]));
    }
    !damaged.is_empty()
}

impl Arguments {
    /// Steps that are asked for, each once.
    fn named(&self, session: &Session) -> Result<Vec<StepId>, Ending> {
        let mut named = match (&self.stage, &self.arm) {
            (Some(stage), arm) => session.steps_of(stage, arm.as_deref())?,
            (None, arm) => {
                let wanted = session.wanted(arm.as_deref(), None)?;
                (0..wanted.len()).filter(|i| wanted[*i]).map(StepId).collect()
            }
        };
        named.sort_unstable();
        named.dedup();
        Ok(named)
    }

    /// Those of them that are cached, or a sample drawn without return.
    fn choose(&self, named: Vec<StepId>, plan: &Plan) -> Vec<StepId> {
        let fits = |entry: &CacheEntry| self.under.is_none_or(|most| entry.seconds <= most);
        let steps: Vec<StepId> =
            named.into_iter().filter(|id| plan.step(*id).entry.as_ref().is_some_and(fits)).collect();
        let count = match self.fraction {
            _ if self.all => steps.len(),
            Some(share) => (share * steps.len() as f64).ceil() as usize,
            None => self.sample.min(steps.len()),
        };
        let mut drawn = sample(&mut ChaCha8Rng::seed_from_u64(self.seed), steps.len(), count).into_vec();
        drawn.sort_unstable();
        drawn.into_iter().map(|i| steps[i]).collect()
    }

    /// A folder that holds nothing, since it is emptied afterwards.
    fn folder(&self) -> Result<PathBuf, Ending> {
        let own = || std::env::temp_dir().join(format!("estampa-audit-{}", std::process::id()));
        let folder = self.scratch.clone().unwrap_or_else(own);
        match std::fs::read_dir(&folder).map(|mut files| files.next().is_some()) {
            Ok(true) => Err(Ending::input(format!("error: {} is not empty", folder.display()))),
            _ => Ok(folder),
        }
    }
}

fn audit(session: &Session, plan: &Plan, steps: &[StepId], scratch: &Scratch) -> Outcome {
    let titles = super::lines::titles(session);
    let (mut different, mut failed, mut same) = (0, 0, 0);
    for id in steps {
        let Some(entry) = &plan.step(*id).entry else { continue };
        let begun = Instant::now();
        match scratch.again(plan, *id, &Quiet, &STOP) {
            Again::Done(again) => {
                let found = compare(entry, &again);
                let seconds = begun.elapsed().as_secs_f64();
                let verdict = found.as_deref().unwrap_or("the same bytes");
                say(format!("{}: {verdict} ({seconds:.1} s, the first time {:.1} s)", titles[id.0], entry.seconds));
                if found.is_some() {
                    different += 1;
                } else {
                    same += 1;
                }
                scratch.store.remove(&again.folder).map_err(Ending::failed)?;
            }
            Again::Failed(what) => {
                failed += 1;
                complain(format!("{}: could not be computed again: {what}", titles[id.0]));
            }
            Again::Interrupted if STOP.load(Ordering::SeqCst) => break,
            Again::Interrupted => failed += 1,
        }
    }
    let skipped = steps.len() - same - different - failed;
    say(format!("{same} the same, {different} different, {failed} failed, {skipped} skipped"));
    Ok(match (skipped, different + failed) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Failed,
        _ => Exit::Interrupted,
    })
}

/// What differs between a cached result and the same computed again.
fn compare(entry: &CacheEntry, again: &CacheEntry) -> Option<String> {
    let damage = || entry.meta().and_then(|meta| meta.verify(&entry.folder).err());
    match contrast::of_folders(&entry.out(), &again.out()) {
        Ok(None) => None,
        Ok(Some((file, contrast))) => Some(match damage() {
            Some(what) => format!("DAMAGED: {what}; `estampa cache verify` moves it aside"),
            None => format!("DIFFERENT: {file} {contrast}"),
        }),
        Err(error) => Some(format!("DIFFERENT: cannot be compared: {error}")),
    }
}
