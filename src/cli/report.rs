//! `estampa report`: tables, figures and the page again, from the cache alone.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::report;

use super::session::{Session, Target};
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
    let results = Session::open(&target)?.results;
    let record = super::compare::record(&target.target, &target.places)?;
    let written = report::write(&record, &results).map_err(|e| Ending::failed(format!("error: {e}")))?;
    for path in written {
        say(path.display());
    }
    Ok(Exit::Done)
}
