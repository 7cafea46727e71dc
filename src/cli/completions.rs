//! `estampa completions`: completion for a shell.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use clap_complete::Shell;

use super::{Ending, Entry, Exit, Outcome, definition};

/// The command.
pub(super) const ENTRY: Entry =
    Entry { define: || Arguments::augment_args(Command::new("completions")).about(ABOUT), run };

const ABOUT: &str = "Print completion for a shell";

#[derive(Args, Debug)]
struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    clap_complete::generate(arguments.shell, &mut definition(), "estampa", &mut std::io::stdout());
    Ok(Exit::Done)
}
