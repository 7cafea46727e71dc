//! What `run` tells beside its progress: why stages run again, and at the end which gave no result.

use std::collections::{BTreeMap, BTreeSet};

use crate::artifacts::table::Table;
use crate::execute::{Outcome, Report};
use crate::plan::{Plan, Reason, State};

use super::session::Session;
use super::{complain, lines};

/// One line for each cause of a rerun, with the stages that it reaches.
pub(super) fn causes(reasons: &[Reason], plan: &Plan, session: &Session, wanted: &[bool]) {
    const SHOWN: usize = 3;
    let mut causes: BTreeMap<&Reason, Vec<&str>> = BTreeMap::new();
    let count = |state: State| move |i: &usize| wanted[*i] && plan.steps[*i].state == state;
    let (earlier, label) = (had_results(session), |i: usize| session.graph.steps[i].label());
    let again = |i: &usize| reasons[*i] != Reason::First && earlier.contains(label(*i));
    for i in (0..wanted.len()).filter(count(State::Run)).filter(again) {
        causes.entry(&reasons[i]).or_default().push(label(i));
    }
    for (reason, stages) in &mut causes {
        let steps = stages.len();
        stages.dedup();
        let more = stages.len().saturating_sub(SHOWN);
        let mut names = stages[..stages.len() - more].join(", ");
        if more > 0 {
            names += &format!(" and {more} more");
        }
        let times = if steps > stages.len() { format!(" ({steps} steps)") } else { String::new() };
        complain(format!("runs again: {names}{times}: {}", lines::brief_reason(reason)));
    }
    let waiting = (0..wanted.len()).filter(count(State::Wait)).count();
    if waiting > 0 && !causes.is_empty() {
        complain(format!("{waiting} more may follow, unless what they read comes out as it was"));
    }
}

/// Stages that had a result when this target was run before: of the others no earlier result is theirs.
fn had_results(session: &Session) -> BTreeSet<String> {
    let Ok(table) = Table::read_columns(session.results.join("arms.csv"), |name| ["stage", "state"].contains(&name))
    else {
        return BTreeSet::new();
    };
    let stages = table.texts("stage").into_iter().zip(table.texts("state"));
    stages.filter(|(_, state)| ["ran", "cached"].contains(&state.as_str())).map(|(stage, _)| stage).collect()
}

/// One line for each step that failed or was blocked by one; of a blocked one, what blocked it.
pub(super) fn failures(session: &Session, report: &Report) {
    complain("\nwithout a result:");
    for (title, outcome) in lines::titles(session).iter().zip(&report.outcomes) {
        match outcome {
            Outcome::Failed(what, _) => {
                complain(format!("{title}: failed: {}", what.lines().next().unwrap_or_default()));
            }
            Outcome::Blocked(by) => complain(format!("{title}: blocked by {by}")),
            Outcome::Done(_) | Outcome::Skipped => {}
        }
    }
}
