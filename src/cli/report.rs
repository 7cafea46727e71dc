//! `estampa report`: tables, figures and the page again, from the cache alone.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::report;

use super::session::Target;
use super::{Ending, Entry, Exit, Outcome, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("report")).about(ABOUT), run };

const ABOUT: &str = "Write tables, figures and report.html again, from the cache alone";

#[derive(Args, Debug)]
struct Arguments {
    #[command(flatten)]
    target: Target,
}

fn run(matches: &ArgMatches) -> Outcome {
    let Arguments { target } = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    let (session, plan) = super::compare::planned(&target.target, &target.places)?;
    session.check_owner()?;
    let identity = session.identity(&plan, |_| "missing");
    let record = super::compare::record_of(&session, &plan);
    let written =
        report::write(&identity, &record, &session.results).map_err(|e| Ending::failed(format!("error: {e}")))?;
    for path in written {
        say(path.display());
    }
    Ok(Exit::Done)
}
