//! `estampa cache`: what is kept, what could go, what is pinned, and whether it still holds what was written.

mod gc;
mod holdings;
mod verify;

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

use crate::spec::needs::{scaled, size};
use crate::store::Store;
use crate::store::runs::RunRecord;
use crate::store::sweep::{Item, What};

use super::session::{Places, name_of};
use super::{Ending, Entry, Exit, Outcome, complain, runs, say};
use holdings::{Holdings, base};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("cache")).about(ABOUT), run };

const ABOUT: &str = "List, prune, pin or verify the cache";

#[derive(Args, Debug)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// List entries with size, time since the last use, and who needs them
    Ls {
        #[command(flatten)]
        keep: Keep,
    },
    /// Remove what nobody needs, the longest unused first
    Gc {
        #[command(flatten)]
        keep: Keep,
        /// Remove only until the cache is at most this large, e.g. 500M, 20G
        #[arg(long, value_name = "SIZE", value_parser = size)]
        max_size: Option<u64>,
        /// Remove only what was not used for this long, e.g. 12h, 30d [default: 0s; interrupted work and what `load` made of single files for no result that is there: 7d]
        #[arg(long, value_name = "AGE", value_parser = duration)]
        older_than: Option<u64>,
        /// Name what would go, remove nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Hash the contents of every entry again, or of all that a run used; damaged ones are moved aside
    Verify {
        /// A target as it is now, or TARGET@N, the last recorded run but N - 1: its results and your files that it read
        #[arg(value_name = "RUN")]
        run: Option<String>,
        /// Compute damaged entries of these again
        #[arg(long, value_name = "TARGET", num_args = 1..)]
        repair: Vec<PathBuf>,
        #[command(flatten)]
        places: Places,
    },
    /// Keep what a run used, whatever becomes of its files: TARGET as it is now, or TARGET@N
    Pin {
        /// A target as it is now, or TARGET@N, the last recorded run but N - 1
        #[arg(value_name = "RUN")]
        run: String,
        #[command(flatten)]
        places: Places,
    },
    /// End a pin
    Unpin {
        /// The target, or the name of its experiment
        target: String,
        #[command(flatten)]
        places: Places,
    },
    /// List recorded runs, which TARGET@N names
    Runs {
        #[command(flatten)]
        places: Places,
    },
}

/// Who needs entries.
#[derive(Args, Debug)]
struct Keep {
    /// Experiments and pipelines whose entries are kept [default: experiments/*/ and pipelines/*.toml]
    targets: Vec<PathBuf>,
    #[command(flatten)]
    places: Places,
    /// Also keep what the last N recorded runs of each experiment used
    #[arg(long, value_name = "N", default_value = "1")]
    keep_last: usize,
}

impl Keep {
    fn store(&self) -> Store {
        store(&self.places)
    }
}

/// The cache of the project around the current folder, for looking at it.
fn store(places: &Places) -> Store {
    Store::view(&places.cache.clone().unwrap_or_else(|| base().join("cache")))
}

fn run(matches: &ArgMatches) -> Outcome {
    match Arguments::from_arg_matches(matches).map_err(Ending::input)?.action {
        Action::Ls { keep } => list(&keep),
        Action::Gc { keep, max_size, older_than, dry_run } => gc::collect(&keep, max_size, older_than, dry_run),
        Action::Verify { run, repair, places } => verify::verify(run.as_deref(), &repair, &places),
        Action::Pin { run, places } => pin(&run, &places),
        Action::Unpin { target, places } => unpin(&target, &places),
        Action::Runs { places } => list_runs(&store(&places)),
    }
}

fn list(keep: &Keep) -> Outcome {
    let store = keep.store();
    let holdings = Holdings::of(&store, keep)?;
    holdings.warnings.iter().for_each(complain);
    let mut order: Vec<&Item> = holdings.items.iter().collect();
    order.sort_by_key(|item| (item.used, &item.folder));
    for item in order {
        let key = item.key().map_or("-".into(), |key| key.short());
        let what = match &item.what {
            What::Entry(meta) => meta.kind.as_str(),
            What::Unfinished(_) => "(unfinished)",
            What::Damaged => "(damaged)",
        };
        let (size, age) = (bytes(item.size), age(runs::now().saturating_sub(item.used)));
        let keepers = if item.keepers.is_empty() { "-".into() } else { item.keepers.join(", ") };
        say(format!("{key:10}  {size:>10}  {age:>8}  {what:26} {:32} {keepers}", holdings.label(item)));
    }
    let total: u64 = holdings.items.iter().map(|item| item.size).sum();
    say(format!("{} in all", bytes(total + holdings.rest)));
    Ok(Exit::Done)
}

fn list_runs(store: &Store) -> Outcome {
    let age_of = |time: u64| age(runs::now().saturating_sub(time));
    for (name, list) in store.all_runs() {
        for (i, run) in list.iter().enumerate() {
            let (made, used, results) = (age_of(run.record.created), age_of(run.used), run.record.steps.len());
            say(format!("{name}@{}  made {made} ago, last asked for {used} ago, {results} results", i + 1));
        }
    }
    for pin in store.pins() {
        say(format!("{}, pinned {} ago, {} results", pin.record.experiment, age_of(pin.used), pin.record.steps.len()));
    }
    Ok(Exit::Done)
}

fn pin(run: &str, places: &Places) -> Outcome {
    let named = runs::find(run, places)?;
    let record = &named.record;
    // Opened for writing: no entry goes between the count and the pin.
    let store = Store::open(named.store.root()).map_err(Ending::failed)?;
    check_pin(&store, record)?;
    let gone = record.steps.iter().filter(|step| store.meta(&step.kind, &step.key).is_none()).count();
    store.pin(record).map_err(Ending::failed)?;
    say(format!("pinned {}: {} results, {gone} of them gone", named.title, record.steps.len()));
    Ok(Exit::Done)
}

/// An error when the pin would take the place of that of another file, which still has the same name.
fn check_pin(store: &Store, record: &RunRecord) -> Result<(), Ending> {
    let name = &record.experiment;
    let is_another = |pin: &RunRecord| {
        let is_told = !pin.file.is_empty() && !record.file.is_empty() && pin.file != record.file;
        is_told && name_of(&base().join(&pin.file)).is_some_and(|pinned| pinned == *name)
    };
    match store.pins().into_iter().map(|pin| pin.record).find(|pin| pin.experiment == *name && is_another(pin)) {
        Some(pin) => Err(Ending::input(format!(
            "error: `{name}` is pinned already, as {} has it\nhelp: `estampa cache unpin {name}` ends that pin",
            pin.file
        ))),
        None => Ok(()),
    }
}

fn unpin(target: &str, places: &Places) -> Outcome {
    let name = name_of(target.as_ref()).unwrap_or_else(|| target.to_string());
    if store(places).unpin(&name).map_err(Ending::failed)? {
        say(format!("unpinned {name}"));
        return Ok(Exit::Done);
    }
    Err(Ending::input(format!("error: `{name}` is not pinned")))
}

/// A size in words.
pub(super) fn bytes(n: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// An age in words.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

fn duration(text: &str) -> Result<u64, String> {
    scaled(text, &[("s", 1), ("m", 60), ("h", 3600), ("d", 86400), ("w", 604_800)], "age")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_are_read() {
        assert_eq!(size("20G"), Ok(20 << 30));
        assert_eq!(duration("30d"), Ok(30 * 86400));
        assert!(size("20X").unwrap_err().contains("known"));
        assert!(duration("d").is_err());
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(age(7200), "2 h");
    }
}
