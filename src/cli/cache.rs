//! `estampa cache`: what is kept, what could go, and whether it still holds what was written.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

use crate::spec::needs::{scaled, size};
use crate::store::Store;
use crate::store::entry::Meta;

use super::session::{Places, Session, Target};
use super::{Ending, Entry, Exit, Outcome, complain, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("cache")).about(ABOUT), run };

const ABOUT: &str = "List, prune or verify the cache";

#[derive(Args, Debug)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// List entries with size, age and who reaches them
    Ls {
        /// Experiments and pipelines that count as users [default: experiments/* and pipelines/*.toml]
        targets: Vec<PathBuf>,
        #[command(flatten)]
        places: Places,
    },
    /// Remove entries that no experiment reaches, the oldest first
    Gc {
        /// Experiments and pipelines whose entries are kept [default: experiments/* and pipelines/*.toml]
        targets: Vec<PathBuf>,
        #[command(flatten)]
        places: Places,
        /// Remove only until the cache is at most this large, e.g. 500M, 20G
        #[arg(long, value_name = "SIZE", value_parser = size)]
        max_size: Option<u64>,
        /// Remove only entries at least this old, e.g. 12h, 30d
        #[arg(long, value_name = "AGE", value_parser = duration)]
        older_than: Option<u64>,
        /// Name what would go, remove nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Hash the contents of every entry again
    Verify {
        #[command(flatten)]
        places: Places,
    },
}

fn run(matches: &ArgMatches) -> Outcome {
    match Arguments::from_arg_matches(matches).map_err(Ending::input)?.action {
        Action::Ls { targets, places } => list(&targets, &places),
        Action::Gc { targets, places, max_size, older_than, dry_run } => {
            collect(&targets, &places, max_size, older_than.unwrap_or(0), dry_run)
        }
        Action::Verify { places } => verify(&places),
    }
}

/// An entry with the experiments that reach it.
struct Held {
    folder: PathBuf,
    meta: Meta,
    users: Vec<String>,
    age: u64,
}

/// All entries, oldest first.
fn held(store: &Store, targets: &[PathBuf], places: &Places) -> Vec<Held> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut list: Vec<Held> = store
        .entries("")
        .into_iter()
        .map(|(folder, meta)| Held { age: now.saturating_sub(meta.created), folder, meta, users: Vec::new() })
        .collect();
    for target in if targets.is_empty() { shipped() } else { targets.to_vec() } {
        let target = Target { target, places: places.clone(), set: Vec::new() };
        let Ok(session) = Session::open(&target) else {
            complain(format!("warning: {} has faults; what it uses is not known", target.target.display()));
            continue;
        };
        let Ok(plan) = session.plan(store, &session.memory(false), &[]) else { continue };
        for planned in plan.steps.iter().filter_map(|p| p.entry.as_ref()) {
            if let Some(held) = list.iter_mut().find(|h| h.folder == planned.folder)
                && !held.users.contains(&session.experiment.name)
            {
                held.users.push(session.experiment.name.clone());
            }
        }
    }
    list.sort_by_key(|h| std::cmp::Reverse(h.age));
    list
}

/// The project's own experiments and pipelines.
fn shipped() -> Vec<PathBuf> {
    let matches = |pattern| glob::glob(pattern).into_iter().flatten().flatten();
    matches("experiments/*/experiment.toml").chain(matches("pipelines/*.toml")).collect()
}

fn list(targets: &[PathBuf], places: &Places) -> Outcome {
    let store = Store::view(&places.cache(".".as_ref()));
    let mut total = 0;
    for Held { meta, users, age, .. } in held(&store, targets, places) {
        total += meta.size();
        let users = if users.is_empty() { "-".into() } else { users.join(", ") };
        let (key, size, age) = (meta.key.short(), bytes(meta.size()), self::age(age));
        say(format!("{key}  {size:>10}  {age:>8}  {:26} {:20} {users}", meta.kind, meta.stage));
    }
    for (path, _) in store.unfinished() {
        say(format!("unfinished: {}", path.display()));
    }
    say(format!("{} in all", bytes(total)));
    Ok(Exit::Done)
}

fn collect(targets: &[PathBuf], places: &Places, max_size: Option<u64>, older_than: u64, dry_run: bool) -> Outcome {
    let store = Store::view(&places.cache(".".as_ref()));
    let list = held(&store, targets, places);
    let mut total: u64 = list.iter().map(|h| h.meta.size()).sum();
    let (mut removed, mut freed) = (0, 0);
    for Held { folder, meta, users, age } in list {
        let large = max_size.is_none_or(|max| total > max);
        if !users.is_empty() || age < older_than || !large {
            continue;
        }
        let size = meta.size();
        let word = if dry_run { "would remove" } else { "removed" };
        if !dry_run {
            store.remove(&folder).map_err(Ending::failed)?;
        }
        say(format!("{word} {} {} ({})", meta.kind, meta.key.short(), bytes(size)));
        (removed, freed, total) = (removed + 1, freed + size, total - size);
    }
    if !dry_run {
        store.clear_damaged().map_err(Ending::failed)?;
    }
    say(format!("{removed} entries, {}; {} left", bytes(freed), bytes(total)));
    Ok(Exit::Done)
}

fn verify(places: &Places) -> Outcome {
    let store = Store::view(&places.cache(".".as_ref()));
    let entries = store.entries("");
    let mut damaged = 0;
    for (folder, meta) in &entries {
        if let Err(what) = meta.verify(folder) {
            damaged += 1;
            say(format!("damaged: {} {}: {what}; the next run computes it again", meta.kind, meta.key.short()));
            store.set_aside(folder).map_err(Ending::failed)?;
        }
    }
    say(format!("{} entries, {damaged} damaged", entries.len()));
    Ok(if damaged == 0 { Exit::Done } else { Exit::Failed })
}

/// A size in words.
fn bytes(n: u64) -> String {
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
