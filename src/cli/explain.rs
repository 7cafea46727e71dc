//! `estampa explain`: why a stage is not cached, or why it was computed when it was.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::graph::StepId;
use crate::plan::{Earlier, Plan, Reason, State, reason};
use crate::store::Store;
use crate::store::entry::Meta;

use super::session::{Session, Target};
use super::{Ending, Entry, Exit, Outcome, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("explain")).about(ABOUT), run };

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
    let plan = session.plan(&store, &session.memory(false), &[])?;
    let titles = super::lines::titles(&session);
    let mut ids = session.steps_of(&arguments.stage, arguments.arm.as_deref())?;
    ids.sort_unstable();
    ids.dedup();
    let mut earlier = Earlier::of(&store);
    for id in ids {
        say(format!("{}: {}", titles[&id], plan.step(id).state.word()));
        explain(&session, &plan, id, &mut earlier, 1);
        if arguments.parts {
            for (name, value) in &plan.step(id).parts.0 {
                say(format!("    {name} = {value}"));
            }
        }
    }
    Ok(Exit::Done)
}

/// The reason, and for a waiting stage those of the stages that it waits for, down to what will run.
fn explain(session: &Session, plan: &Plan, id: StepId, earlier: &mut Earlier, depth: usize) {
    let indent = "  ".repeat(depth);
    let planned = plan.step(id);
    match reason::of(&session.graph, plan, id, earlier, false) {
        Reason::Cached => {
            if let Some(entry) = &planned.entry {
                say(format!("{indent}{}", history(&entry.meta)));
                for change in &entry.meta.cause {
                    say(format!("{indent}  {change}"));
                }
            }
        }
        Reason::Changed(changes) => {
            say(format!("{indent}differs from the nearest earlier result in"));
            for change in &changes {
                say(format!("{indent}  {change}"));
            }
        }
        Reason::Waits(_) => {
            for (input, from) in &session.graph.step(id).inputs {
                if plan.step(*from).state != State::Cached {
                    let (label, state) = (&session.graph.step(*from).label, plan.step(*from).state.word());
                    say(format!("{indent}input `{input}` comes from `{label}`: {state}"));
                    explain(session, plan, *from, earlier, depth + 1);
                }
            }
        }
        other => say(format!("{indent}{other}")),
    }
}

/// When and why a cached result was computed.
fn history(meta: &Meta) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let age = super::cache::age(now.saturating_sub(meta.created));
    let why = if meta.cause.is_empty() { "nothing like it was computed before" } else { "it then differed in" };
    format!("key {}, computed {age} ago in {:.1} s: {why}", meta.key.short(), meta.seconds)
}
