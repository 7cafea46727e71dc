//! `estampa compare`: comparison tables across arms, experiments, or both, from the cache alone.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::artifacts::split::TEST;
use crate::plan::Plan;
use crate::report::tidy::{self, TidyRow};
use crate::report::{ComparisonOptions, Format, Record, arm_names, comparison};
use crate::spec::faults::suggest;
use crate::store::Store;

use super::session::{Places, Session, Target};
use super::{Ending, Entry, Exit, Outcome, complain, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("compare")).about(ABOUT), run };

const ABOUT: &str = "Compare arms and experiments in one table";

#[derive(Args, Debug)]
struct Arguments {
    /// Experiments or pipelines
    #[arg(required = true)]
    targets: Vec<PathBuf>,
    #[command(flatten)]
    places: Places,
    /// The arm that the others are compared with
    #[arg(long, value_name = "ARM")]
    baseline: Option<String>,
    /// Only this metric (may be repeated)
    #[arg(long, value_name = "METRIC")]
    metric: Vec<String>,
    /// The split whose numbers are compared
    #[arg(long, default_value = "test")]
    split: String,
    /// text, csv, md, latex or json
    #[arg(long, default_value = "text", value_parser = format)]
    format: Format,
}

fn format(word: &str) -> Result<Format, String> {
    let words: Vec<&str> = Format::ALL.iter().map(|f| f.word()).collect();
    let found = Format::ALL.into_iter().find(|f| f.word() == word);
    found.ok_or_else(|| format!("formats are {}", words.join(", ")))
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    let mut seen = HashSet::new();
    let is_new = |target: &&PathBuf| seen.insert(target.canonicalize().unwrap_or_else(|_| (*target).clone()));
    let targets = arguments.targets.iter().filter(is_new);
    let records: Vec<Record> = targets.map(|target| record(target, &arguments.places)).collect::<Result<_, _>>()?;
    if let Some(baseline) = &arguments.baseline {
        let names = arm_names(&records);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if !names.contains(&baseline.as_str()) {
            let hint = suggest(baseline, &names).unwrap_or_default();
            return Err(Ending::input(format!("error: there is no arm `{baseline}`; {hint}")));
        }
    }
    let rows: Vec<TidyRow> = records.iter().flat_map(|record| tidy::collect(record).0).collect();
    let metrics = || rows.iter().map(|row| row.metric.metric.as_str());
    arguments.metric.iter().try_for_each(|metric| check("metric", metric, metrics()))?;
    if arguments.split != TEST {
        check("split", &arguments.split, rows.iter().map(|row| row.metric.split.as_str()))?;
    }
    let options = ComparisonOptions { baseline: arguments.baseline, metrics: arguments.metric, split: arguments.split };
    say(comparison(&records, &options).render(arguments.format).trim_end());
    Ok(Exit::Done)
}

/// A word must be one of those that the numbers have, if there are numbers.
fn check<'a>(what: &str, word: &str, known: impl Iterator<Item = &'a str>) -> Result<(), Ending> {
    let known: BTreeSet<&str> = known.filter(|known| !known.is_empty()).collect();
    if known.is_empty() || known.contains(word) {
        return Ok(());
    }
    let hint = suggest(word, &known.into_iter().collect::<Vec<_>>()).unwrap_or_default();
    Err(Ending::input(format!("error: no number is of a {what} `{word}`; {hint}")))
}

/// A target and what the cache holds of it; results that are missing are said.
pub(super) fn planned(target: &std::path::Path, places: &Places) -> Result<(Session, Plan), Ending> {
    let target = Target { target: target.to_path_buf(), places: places.clone(), set: Vec::new() };
    let session = Session::open(&target)?;
    let plan = session.plan(&Store::view(&session.cache), &session.memory(false), &[])?;
    let missing = plan.steps.iter().filter(|p| p.entry.is_none()).count();
    if missing > 0 {
        let of = plan.steps.len();
        complain(format!("warning: {}: {missing} of {of} steps have no result; run it first", session.experiment.name));
    }
    Ok((session, plan))
}

/// The record of what the cache holds.
pub(super) fn record_of(session: &Session, plan: &Plan) -> Record {
    let mut record = session.record(plan, |id| if plan.step(id).entry.is_some() { "cached" } else { "missing" });
    record.provenance = serde_json::json!(super::run::provenance(session));
    record
}

/// What the cache holds of a target.
pub(super) fn record(target: &std::path::Path, places: &Places) -> Result<Record, Ending> {
    planned(target, places).map(|(session, plan)| record_of(&session, &plan))
}
