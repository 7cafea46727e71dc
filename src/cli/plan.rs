//! `estampa plan`: what would run and why, running nothing.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde_json::json;

use crate::graph::StepId;
use crate::plan::{Earlier, Plan, Reason, State, reason};
use crate::store::key::Parts;
use crate::store::memory::Memory;
use crate::store::{Store, StoreError};

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
    session.check_owner()?;
    let store = Store::view(&session.cache);
    let wanted = session.wanted(arguments.arm.as_deref(), arguments.until.as_deref())?;
    let forced = session.forced(&arguments.force, arguments.arm.as_deref())?;
    let memory = session.memory(false);
    let plan = session.plan(&store, &memory, &forced)?;
    let reasons = reasons(&session, &plan, &store, &memory, &forced)?;
    match arguments.format {
        Format::Json => say(as_json(&session, &plan, &wanted, &reasons)),
        Format::Text => as_text(&session, &plan, &wanted, &reasons),
    }
    Ok(Exit::Done)
}

/// The reason of every step, by position.
pub(super) fn reasons(
    session: &Session,
    plan: &Plan,
    store: &Store,
    memory: &Memory,
    forced: &[bool],
) -> Result<Vec<Reason>, Ending> {
    let (mut earlier, graph) = (Earlier::of(store), &session.graph);
    let mut reason = |id: StepId| {
        // Only what will run is compared with earlier results.
        let parts = if plan.step(id).state == State::Run { plan.parts(graph, id, memory)? } else { Parts::default() };
        Ok(reason::of(graph, plan, id, &parts, &mut earlier, forced[id.0]))
    };
    (0..graph.steps.len()).map(|i| reason(StepId(i)).map_err(|e: StoreError| Ending::input(e))).collect()
}

fn as_json(session: &Session, plan: &Plan, wanted: &[bool], reasons: &[Reason]) -> serde_json::Value {
    let uses = session.graph.uses.iter().filter(|u| wanted[u.step.0]);
    let rows = uses.map(|u| {
        let planned = plan.step(u.step);
        json!({
            "arm": session.experiment.arms[u.arm as usize].name,
            "replicate": u.replicate,
            "stage": session.stage(u).name,
            "kind": session.stage(u).kind.name(),
            "state": planned.state.word(),
            "reason": reasons[u.step.0].to_string(),
            "cause": reasons[u.step.0],
            "key": planned.key,
        })
    });
    rows.collect()
}

/// One line for each distinct step, and the totals.
fn as_text(session: &Session, plan: &Plan, wanted: &[bool], reasons: &[Reason]) {
    let titles = super::lines::titles(session);
    let width = titles.iter().map(|t| t.chars().count()).max().unwrap_or(0);
    let mut counts = [0; 3];
    let mut text = String::new();
    for (i, title) in titles.iter().enumerate().filter(|(i, _)| wanted[*i]) {
        let state = plan.steps[i].state;
        counts[state as usize] += 1;
        text += &format!("{title:width$}  {:6}  {}\n", state.word(), super::lines::brief_reason(&reasons[i]));
    }
    say(text.trim_end());
    let [cached, run, wait] = [State::Cached, State::Run, State::Wait].map(|s| counts[s as usize]);
    say(format!("run {run}, wait {wait}, cached {cached}"));
}
