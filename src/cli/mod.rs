//! The command line, the only place that prints: one file per command and one line in [`COMMANDS`].

mod audit;
mod bars;
mod bench;
mod cache;
mod check;
mod compare;
mod completions;
mod diff;
mod events;
mod explain;
mod fetch;
mod graph;
mod idle;
mod inspect;
mod lines;
mod models;
mod new;
mod plan;
mod report;
mod run;
mod runs;
mod schema;
mod session;
mod stages;
mod targets;
mod tell;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// A stage failed.
    Failed,
    /// The input is wrong.
    Input,
    /// Interrupted.
    Interrupted,
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Input => 2,
            Self::Interrupted => 130,
        }
    }
}

/// An error that ends a command: its message and exit.
#[derive(Debug)]
pub struct Ending {
    /// What to print; empty when everything was said.
    pub message: String,
    /// How the command ended.
    pub exit: Exit,
}

impl Ending {
    /// The input is wrong.
    pub fn input(message: impl ToString) -> Self {
        Self { message: message.to_string(), exit: Exit::Input }
    }

    /// The work failed.
    pub fn failed(message: impl ToString) -> Self {
        Self { message: message.to_string(), exit: Exit::Failed }
    }
}

/// Result of a command.
pub type Outcome = Result<Exit, Ending>;

/// One command: how it is called and what it does.
pub struct Entry {
    /// Its definition for the parser.
    pub define: fn() -> Command,
    /// Runs it.
    pub run: fn(&ArgMatches) -> Outcome,
}

/// Every command.
pub const COMMANDS: &[Entry] = &[
    run::ENTRY,
    plan::ENTRY,
    explain::ENTRY,
    compare::ENTRY,
    report::ENTRY,
    graph::ENTRY,
    check::ENTRY,
    diff::ENTRY,
    cache::ENTRY,
    audit::ENTRY,
    stages::ENTRY,
    models::ENTRY,
    new::ENTRY,
    schema::ENTRY,
    inspect::ENTRY,
    fetch::ENTRY,
    bench::ENTRY,
    completions::ENTRY,
];

/// The whole command line.
pub fn definition() -> Command {
    Command::new("estampa")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Declarative, cached experiments on astronomical alert stamps")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(100)
        .subcommands(COMMANDS.iter().map(|entry| (entry.define)()))
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    crate::memory::keep_large_blocks();
    let matches = definition().get_matches();
    let Some((name, matches)) = matches.subcommand() else { return ExitCode::from(Exit::Input.code()) };
    let entry = COMMANDS.iter().find(|entry| (entry.define)().get_name() == name);
    let outcome = entry.map_or(Ok(Exit::Input), |entry| (entry.run)(matches));
    let exit = outcome.unwrap_or_else(|ending| {
        if !ending.message.is_empty() {
            complain(&ending.message);
        }
        ending.exit
    });
    ExitCode::from(exit.code())
}

/// Prints a line to standard output; a closed pipe is no error.
pub fn say(text: impl std::fmt::Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a line to standard error.
pub fn complain(text: impl std::fmt::Display) {
    use std::io::Write;
    // In one piece: else words of other processes come between, and each piece is a call of the system.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Whether standard error takes colours: a terminal, and `NO_COLOR` is not set.
pub fn styled() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
