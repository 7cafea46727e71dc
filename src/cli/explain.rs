//! `estampa explain`: why a stage is not cached, or why it was computed when it was.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::graph::StepId;
use crate::plan::{Earlier, Plan, Reason, State, reason};
use crate::store::Store;
use crate::store::entry::{Entry as CacheEntry, Meta};
use crate::store::memory::Memory;

use super::session::{Session, Target};
use super::{Ending, Entry, Exit, Outcome, say};

/// The command.
pub(super) const ENTRY: Entry =
    Entry { define: || Arguments::augment_args(Command::new("explain")).visible_alias("why").about(ABOUT), run };

/// Chains of waiting stages are followed this far.
const DEEP: usize = 12;

const ABOUT: &str = "Explain why a stage is not cached, or why it was computed";

#[derive(Args, Debug)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Name of the stage
    stage: String,
    /// Only in this arm
    #[arg(long)]
    arm: Option<String>,
    /// Show every part of the key
    #[arg(long)]
    parts: bool,
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    let session = Session::open(&arguments.target)?;
    let store = Store::view(&session.cache);
    let memory = session.memory(false);
    let plan = session.plan(&store, &memory, &[])?;
    let titles = super::lines::titles(&session);
    let mut ids = session.steps_of(&arguments.stage, arguments.arm.as_deref())?;
    ids.sort_unstable();
    ids.dedup();
    let mut earlier = Earlier::of(&store);
    for id in ids {
        say(format!("{}: {}", titles[id.0], plan.step(id).state.word()));
        explain(&session, &plan, id, &memory, &mut earlier, 1)?;
        if arguments.parts {
            for (name, value) in &plan.parts(&session.graph, id, &memory).map_err(Ending::input)?.0 {
                say(format!("    {name} = {value}"));
            }
        }
    }
    Ok(Exit::Done)
}

/// The reason, and for a waiting stage those of the stages that it waits for, down to what will run.
fn explain(
    session: &Session,
    plan: &Plan,
    id: StepId,
    memory: &Memory,
    earlier: &mut Earlier,
    depth: usize,
) -> Result<(), Ending> {
    let indent = "  ".repeat(depth);
    let (planned, graph) = (plan.step(id), &session.graph);
    let parts = plan.parts(graph, id, memory).map_err(Ending::input)?;
    match reason::of(graph, plan, id, &parts, earlier, false) {
        Reason::Cached => {
            if let Some(meta) = planned.entry.as_ref().and_then(CacheEntry::meta) {
                say(format!("{indent}{}", history(&meta)));
                for change in &meta.cause {
                    say(format!("{indent}  {change}"));
                }
            }
        }
        Reason::Changed(changes) if !changes.is_empty() => {
            say(format!("{indent}differs from the nearest earlier result in"));
            for change in &changes {
                say(format!("{indent}  {change}"));
            }
        }
        Reason::Waits(_) if depth > DEEP => say(format!("{indent}and so on")),
        Reason::Waits(_) => {
            for (input, from) in graph.step(id).inputs().filter(|(_, from)| plan.step(*from).state != State::Cached) {
                let (label, state) = (graph.step(from).label(), plan.step(from).state.word());
                say(format!("{indent}input `{input}` comes from `{label}`: {state}"));
                explain(session, plan, from, memory, earlier, depth + 1)?;
            }
        }
        other => say(format!("{indent}{other}")),
    }
    Ok(())
}

/// When and why a cached result was computed.
fn history(meta: &Meta) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let age = super::cache::age(now.saturating_sub(meta.created));
    let why = if meta.cause.is_empty() { "nothing like it was computed before" } else { "it then differed in" };
    format!("key {}, computed {age} ago in {:.1} s: {why}", meta.key.short(), meta.seconds)
}
