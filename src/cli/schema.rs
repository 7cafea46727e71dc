//! `estampa schema`: JSON Schema of pipeline and experiment files.

use clap::{ArgMatches, Command};

use crate::spec::reference;

use super::{Entry, Exit, Outcome, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Command::new("schema").about(ABOUT), run };

const ABOUT: &str = "Print the JSON Schema of pipeline and experiment files, for editors";

fn run(_: &ArgMatches) -> Outcome {
    say(serde_json::to_string_pretty(&reference::schema()).unwrap_or_default());
    Ok(Exit::Done)
}
