//! `estampa models`: every network with its keys, defaults and source.

use clap::{ArgMatches, Command};

use crate::spec::reference::variants_as_markdown;
use crate::stages::KINDS;

use super::{Entry, Exit, Outcome, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Command::new("models").about(ABOUT), run };

const ABOUT: &str = "Describe every model: keys, defaults, units, source, and the stage kind that trains it";

fn run(_: &ArgMatches) -> Outcome {
    for kind in KINDS {
        if let Some(variants) = kind.variants().filter(|v| v.key == "model") {
            say(format!("# {}: {}\n{}", kind.name(), kind.summary(), variants_as_markdown(&variants)));
        }
    }
    Ok(Exit::Done)
}
