//! `estampa cache gc`: one list of what goes, shown by `--dry-run` and carried out without it.

use crate::cli::{Ending, Exit, Outcome, complain, runs, say};
use crate::store::sweep::{Item, Limits, Sweep, What, choose};

use super::holdings::Holdings;
use super::{Keep, age, bytes};

/// Removes what nobody needs, or names it.
pub(super) fn collect(keep: &Keep, max_size: Option<u64>, older_than: Option<u64>, dry_run: bool) -> Outcome {
    let store = keep.store();
    if !store.root().is_dir() {
        say("there is no cache");
        return Ok(Exit::Done);
    }
    let hold = if dry_run { None } else { store.hold_alone().map_err(Ending::failed)? };
    if !dry_run && hold.is_none() {
        return Err(Ending::failed(
            "error: a run is using this cache, so nothing was removed\nhelp: prune it when the run has ended",
        ));
    }
    let holdings = Holdings::of(&store, keep)?;
    holdings.warnings.iter().for_each(complain);
    let sweep = choose(&holdings.items, holdings.rest, &Limits { max_size, older_than }, runs::now());
    let chosen: Vec<&Item> = sweep.remove.iter().map(|i| &holdings.items[*i]).collect();
    // What a run used cannot be told any more when some of it is gone: neither compared nor verified.
    let runs = holdings.incomplete(&chosen);
    if !dry_run {
        store.sweep(chosen.iter().copied()).map_err(Ending::failed)?;
        runs.iter().try_for_each(|(_, run)| store.forget_run(run)).map_err(Ending::failed)?;
    }
    let (remove, forget) = if dry_run { ("would remove", "would forget") } else { ("removed", "forgot") };
    for item in &chosen {
        say(format!("{remove} {}", describe(item, &holdings)));
    }
    for (title, run) in runs {
        let age = age(runs::now().saturating_sub(run.record.created));
        say(format!("{forget} the run {title}, made {age} ago: not all of its results are left"));
    }
    say(format!("{} entries, {}; {} left", chosen.len(), bytes(sweep.freed), bytes(sweep.left)));
    match max_size {
        Some(max) if sweep.left > max => Err(Ending::failed(why(&sweep, max, holdings.rest))),
        _ => Ok(Exit::Done),
    }
}

fn describe(item: &Item, holdings: &Holdings) -> String {
    let (label, size) = (holdings.label(item), bytes(item.size));
    let age = age(runs::now().saturating_sub(item.used));
    match &item.what {
        What::Entry(meta) => {
            format!("{label} ({} {}, {size}, not used for {age})", meta.kind, meta.key.short())
        }
        What::Unfinished(key) => format!("{label} (unfinished {}, {size}, not touched for {age})", key.short()),
        What::Damaged => format!("{label} (damaged, {size})"),
    }
}

/// Why the asked size is not reached.
fn why(sweep: &Sweep, max: u64, rest: u64) -> String {
    let Sweep { left, kept, young, .. } = sweep;
    format!(
        "error: the cache cannot be made smaller than {}, {} more than asked for: {} are needed by what is kept (see \
         `estampa cache ls`), {} are too young, {} are lists\nhelp: --keep-last 0, `estampa cache unpin`, naming fewer \
         targets or a smaller --older-than let more go",
        bytes(*left),
        bytes(left - max),
        bytes(*kept),
        bytes(*young),
        bytes(rest),
    )
}
