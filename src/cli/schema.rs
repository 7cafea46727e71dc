//! `estampa schema`: JSON Schemas of what people write and of what a run says.

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use crate::spec::reference;

use super::{Ending, Entry, Exit, Outcome, events, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("schema")).about(ABOUT), run };

const ABOUT: &str = "Print the JSON Schema of pipeline and experiment files, or of the events of a run";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Of {
    Files,
    Events,
}

#[derive(Args, Debug)]
struct Arguments {
    /// Which schema: of the files that you write, or of the lines of `run --events FILE`
    #[arg(long, value_enum, default_value = "files")]
    of: Of,
}

fn run(matches: &ArgMatches) -> Outcome {
    let schema = match Arguments::from_arg_matches(matches).map_err(Ending::input)?.of {
        Of::Files => reference::schema(),
        Of::Events => events::schema(),
    };
    say(serde_json::to_string_pretty(&schema).unwrap_or_default());
    Ok(Exit::Done)
}
