//! `estampa check`: every fault in the files.

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::{Ending, Entry, Exit, Outcome, complain, say, session};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("check")).about(ABOUT), run };

const ABOUT: &str = "Report every fault in pipelines and experiments";

#[derive(Args, Debug)]
struct Arguments {
    /// Pipeline files, experiment files or experiment folders
    #[arg(required = true)]
    targets: Vec<PathBuf>,
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    let mut exit = Exit::Done;
    for target in &arguments.targets {
        match session::checked(target) {
            Ok(experiment) => {
                let stages = experiment.arms.first().map_or(0, |arm| arm.pipeline.stages.len());
                let (arms, replicates) = (experiment.arms.len(), experiment.replicates);
                say(format!("{}: no faults; {stages} stages, {arms} arms, {replicates} replicates", target.display()));
            }
            Err(ending) => {
                complain(&ending.message);
                exit = Exit::Input;
            }
        }
    }
    Ok(exit)
}
