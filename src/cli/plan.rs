//! `estampa plan`: what would run and why, running nothing.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde_json::json;

use crate::graph::StepId;
use crate::plan::{Earlier, Plan, State, reason};
use crate::store::Store;

use super::run::Format;
use super::session::{Session, Target};
use super::{Ending, Entry, Exit, Outcome, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("plan")).about(ABOUT), run };

const ABOUT: &str = "Show what would run and why, running nothing";

#[derive(Args, Debug)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Only this arm
    #[arg(long)]
    arm: Option<String>,
    /// Only this stage and what it needs
    #[arg(long, value_name = "STAGE")]
    until: Option<String>,
    /// Take this stage as not cached (may be repeated)
    #[arg(long, value_name = "STAGE")]
    force: Vec<String>,
    /// Text for people, or a JSON list
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    let session = Session::open(&arguments.target)?;
    let store = Store::view(&session.cache);
    let wanted = session.wanted(arguments.arm.as_deref(), arguments.until.as_deref())?;
    let forced = session.forced(&arguments.force, arguments.arm.as_deref())?;
    let plan = session.plan(&store, &session.memory(false), &forced)?;
    let mut earlier = Earlier::of(&store);
    let reasons: Vec<String> = (0..session.graph.steps.len())
        .map(|i| reason::of(&session.graph, &plan, StepId(i), &mut earlier, forced[i]).to_string())
        .collect();
    match arguments.format {
        Format::Json => say(as_json(&session, &plan, &wanted, &reasons)),
        Format::Text => as_text(&session, &plan, &wanted, &reasons),
    }
    Ok(Exit::Done)
}

fn as_json(session: &Session, plan: &Plan, wanted: &[bool], reasons: &[String]) -> serde_json::Value {
    let uses = session.graph.uses.iter().filter(|u| wanted[u.step.0]);
    let rows = uses.map(|u| {
        let planned = plan.step(u.step);
        json!({
            "arm": session.experiment.arms[u.arm].name,
            "replicate": u.replicate,
            "stage": u.stage,
            "kind": session.graph.step(u.step).kind.name(),
            "state": planned.state.word(),
            "reason": reasons[u.step.0],
            "key": planned.key.as_ref().map(crate::store::key::Key::text),
        })
    });
    rows.collect()
}

/// One line for each distinct step, and the totals.
fn as_text(session: &Session, plan: &Plan, wanted: &[bool], reasons: &[String]) {
    let titles = super::lines::titles(session);
    let width = titles.values().map(|t| t.chars().count()).max().unwrap_or(0);
    let mut counts = [0; 3];
    for (id, title) in titles.iter().filter(|(id, _)| wanted[id.0]) {
        let state = plan.step(*id).state;
        counts[state as usize] += 1;
        say(format!("{title:width$}  {:6}  {}", state.word(), reasons[id.0]));
    }
    let [cached, run, wait] = [State::Cached, State::Run, State::Wait].map(|s| counts[s as usize]);
    say(format!("run {run}, wait {wait}, cached {cached}"));
}
