//! `estampa new`: a commented file to start from, which runs as it is.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use super::{Ending, Entry, Exit, Outcome, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("new")).about(ABOUT), run };

const ABOUT: &str = "Write a commented pipeline or experiment that runs as it is";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    Pipeline,
    Experiment,
}

#[derive(Args, Debug)]
struct Arguments {
    /// What to write
    #[arg(value_enum)]
    what: What,
    /// Its name
    name: String,
}

fn run(matches: &ArgMatches) -> Outcome {
    let Arguments { what, name } = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(valid) {
        return Err(Ending::input("error: a name has letters, digits, `_` and `-` only"));
    }
    match what {
        What::Pipeline => {
            let path = PathBuf::from("pipelines").join(format!("{name}.toml"));
            write(&path, &include_str!("new/pipeline.toml").replace("NAME", &name))?;
            say(format!("run it with: estampa run {}", path.display()));
        }
        What::Experiment => {
            let folder = PathBuf::from("experiments").join(&name);
            let pipeline = PathBuf::from("pipelines").join(format!("{name}.toml"));
            if !pipeline.exists() {
                write(&pipeline, &include_str!("new/pipeline.toml").replace("NAME", &name))?;
            }
            write(&folder.join("experiment.toml"), &include_str!("new/experiment.toml").replace("NAME", &name))?;
            write(&folder.join("README.md"), &include_str!("new/README.md").replace("NAME", &name))?;
            say(format!("run it with: estampa run {}", folder.display()));
        }
    }
    Ok(Exit::Done)
}

/// Writes a file that is not there yet.
fn write(path: &Path, text: &str) -> Result<(), Ending> {
    if path.exists() {
        return Err(Ending::input(format!("error: {} is there already; nothing was written", path.display())));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.map_err(|e| Ending::failed(format!("error: cannot write {}: {e}", path.display())))?;
    say(format!("wrote {}", path.display()));
    Ok(())
}
