//! `estampa stages`: every stage kind with its inputs, keys, defaults, units and source.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::spec::faults::suggest;
use crate::spec::reference::{kind_as_markdown, kinds_as_markdown};
use crate::stages;

use super::{Ending, Entry, Exit, Outcome, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("stages")).about(ABOUT), run };

const ABOUT: &str = "Describe every stage kind: inputs, keys, defaults, units, source";

#[derive(Args, Debug)]
struct Arguments {
    /// Only this kind
    kind: Option<String>,
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    match arguments.kind {
        None => say(kinds_as_markdown()),
        Some(name) => {
            let names: Vec<&str> = stages::KINDS.iter().map(|k| k.name()).collect();
            let kind = stages::kind(&name).ok_or_else(|| {
                let hint = suggest(&name, &names).unwrap_or_default();
                Ending::input(format!("error: there is no stage kind `{name}`; {hint}"))
            })?;
            say(kind_as_markdown(kind));
        }
    }
    Ok(Exit::Done)
}
