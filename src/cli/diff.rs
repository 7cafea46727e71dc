//! `estampa diff`: where two runs part, and what that did to the metrics.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde::Serialize;

use crate::artifacts::scores::read_metrics;
use crate::plan::diff::{Cause, Difference, Pair, differences, pairs};
use crate::report::shift::{Shift, shifts};
use crate::report::words::{rounded, signed};
use crate::store::Store;
use crate::store::runs::RunStep;

use super::run::Format;
use super::runs::{Named, find};
use super::session::Places;
use super::{Ending, Entry, Exit, Outcome, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("diff")).about(ABOUT), run };

const ABOUT: &str = "Name the first stage that differs between two runs, why, and the change of the metrics";

/// As many metrics are shown to people.
const SHOWN: usize = 20;

#[derive(Args, Debug)]
struct Arguments {
    /// The old run: a target as it is now, TARGET@N the last recorded but N - 1; either with :ARM
    #[arg(value_name = "RUN")]
    old: String,
    /// The new run
    #[arg(value_name = "RUN")]
    new: String,
    #[command(flatten)]
    places: Places,
    /// Text for people, or a JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    let (old, new) = (find(&arguments.old, &arguments.places)?, find(&arguments.new, &arguments.places)?);
    let arms = arms(&old, &new)?;
    let pairs = pairs(&old.record.steps, &new.record.steps, &arms);
    let meta = |kind: &str, key: &_| old.store.meta(kind, key).or_else(|| new.store.meta(kind, key));
    let list = differences(&pairs, meta);
    let moved: Vec<Moved> = pairs.iter().flat_map(|pair| moved(pair, &old.store, &new.store)).collect();
    match arguments.format {
        Format::Json => say(serde_json::json!({
            "old": old.title, "new": new.title, "arms": arms, "stages": pairs.len(),
            "first": list.first(), "differences": list, "metrics": moved,
        })),
        Format::Text => text(&old, &new, &pairs, &list, &moved),
    }
    Ok(Exit::Done)
}

/// Which arm is compared with which: those that were named, else those of equal names, else the only ones.
fn arms(old: &Named, new: &Named) -> Result<Vec<(String, String)>, Ending> {
    let (ours, theirs) = (old.arms(), new.arms());
    let only = |arms: &[&str]| if let [arm] = arms { Some((*arm).to_string()) } else { None };
    let like = |name: &String, arms: &[&str]| arms.contains(&name.as_str()).then(|| name.clone()).or(only(arms));
    let pair = match (&old.arm, &new.arm) {
        (Some(a), Some(b)) => Some((a.clone(), b.clone())),
        (Some(a), None) => like(a, &theirs).map(|b| (a.clone(), b)),
        (None, Some(b)) => like(b, &ours).map(|a| (a, b.clone())),
        (None, None) => {
            let common = ours.iter().filter(|arm| theirs.contains(arm)).map(|arm| ((*arm).into(), (*arm).into()));
            let common: Vec<(String, String)> = common.collect();
            if !common.is_empty() {
                return Ok(common);
            }
            only(&ours).zip(only(&theirs))
        }
    };
    let hint = || format!("name one of each with RUN:ARM: {} and {}", ours.join(", "), theirs.join(", "));
    pair.map(|pair| vec![pair]).ok_or_else(|| Ending::input(format!("error: no arm is in both runs; {}", hint())))
}

/// A metric that changed, and where.
#[derive(Serialize)]
struct Moved {
    arm: String,
    replicate: usize,
    stage: String,
    #[serde(flatten)]
    shift: Shift,
}

fn moved(pair: &Pair, old: &Store, new: &Store) -> Vec<Moved> {
    let metrics = |step: Option<&RunStep>, store: &Store| {
        let entry = step.and_then(|step| store.lookup(&step.kind, &step.key));
        entry.and_then(|entry| read_metrics(&entry.out()).ok())
    };
    if !pair.differs() {
        return Vec::new();
    }
    let (Some(a), Some(b)) = (metrics(pair.old, old), metrics(pair.new, new)) else { return Vec::new() };
    let arm =
        if pair.arms.0 == pair.arms.1 { pair.arms.0.into() } else { format!("{} -> {}", pair.arms.0, pair.arms.1) };
    let stage = pair.stage.to_string();
    let moved = |shift| Moved { arm: arm.clone(), replicate: pair.replicate, stage: stage.clone(), shift };
    shifts(&a, &b).into_iter().map(moved).collect()
}

fn text(old: &Named, new: &Named, pairs: &[Pair], list: &[Difference], moved: &[Moved]) {
    say(format!("old: {}\nnew: {}", old.title, new.title));
    if list.is_empty() {
        return say(format!("\nall {} stages are the same", pairs.len()));
    }
    let (inherited, own): (Vec<&Difference>, Vec<&Difference>) = list.iter().partition(|d| d.inherited);
    for (i, difference) in own.iter().enumerate() {
        say(format!("\n{}{}", if i == 0 { "first stage that differs: " } else { "also: " }, title(difference)));
        say(reason(&difference.cause));
    }
    if !inherited.is_empty() {
        let names: Vec<&str> = inherited.iter().map(|d| d.stage.as_str()).collect();
        say(format!("\nbehind them, only by their inputs: {}", names.join(", ")));
    }
    metrics(moved);
}

fn title(difference: &Difference) -> String {
    let mut arms: Vec<String> = Vec::new();
    for (old, new, _) in &difference.places {
        let arm = if old == new { old.clone() } else { format!("{old} -> {new}") };
        if !arms.contains(&arm) {
            arms.push(arm);
        }
    }
    let more = arms.len().saturating_sub(4);
    arms.truncate(4);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} ({}), arm {}{more}", difference.stage, difference.kind, arms.join(", "))
}

fn reason(cause: &Cause) -> String {
    match cause {
        Cause::Changed(changes) => {
            changes.iter().map(|change| format!("  {change}")).collect::<Vec<String>>().join("\n")
        }
        Cause::Contents => "  the same key, other contents: this stage is not deterministic".into(),
        Cause::Only(true) => "  only the old run has a result".into(),
        Cause::Only(false) => "  only the new run has a result".into(),
        Cause::Gone => "  its key differs, but the entry that would say why is gone".into(),
    }
}

fn metrics(moved: &[Moved]) {
    if moved.is_empty() {
        return say("\nno metric changed");
    }
    say("\nmetrics, old -> new");
    let number = |value: Option<f64>| value.map_or("none".to_string(), rounded);
    for Moved { arm, replicate, stage, shift } in moved.iter().take(SHOWN) {
        let Shift { series, split, metric, class, old, new } = shift;
        let class = if class.is_empty() { String::new() } else { format!(" of {class}") };
        let by = old.zip(*new).map_or(String::new(), |(old, new)| format!(" ({})", signed(new - old)));
        let place = format!("{arm}, replicate {}, {stage}, {series}, {split}", replicate + 1);
        say(format!("  {place}: {metric}{class} {} -> {}{by}", number(*old), number(*new)));
    }
    if moved.len() > SHOWN {
        say(format!("  and {} more: --format json shows all", moved.len() - SHOWN));
    }
}
