//! `estampa new`: a commented file to start from, which runs as it is.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use crate::spec::experiment;
use crate::spec::faults::Faults;

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
                // Results are kept by name, and the experiment has this one.
                let text = include_str!("new/pipeline.toml").replace("\"NAME\"", "\"NAME_pipeline\"");
                write(&pipeline, &text.replace("NAME", &name))?;
            }
            let mut text = include_str!("new/experiment.toml").replace("NAME", &name);
            if !has_latent(&pipeline) {
                text = without_axes(&text);
            }
            write(&folder.join("experiment.toml"), &text)?;
            write(&folder.join("README.md"), &include_str!("new/README.md").replace("NAME", &name))?;
            say(format!("run it with: estampa run {}", folder.display()));
        }
    }
    Ok(Exit::Done)
}

/// Whether a pipeline has the key that the new experiment varies.
fn has_latent(pipeline: &Path) -> bool {
    let read = experiment::read(pipeline, &[], &mut Faults::default());
    let stages = read.into_iter().flat_map(|read| read.arms).flat_map(|arm| arm.pipeline.stages);
    stages.into_iter().any(|stage| stage.name == "autoencoder" && stage.params.get("latent").is_some())
}

/// The experiment with its axis as an example only: one arm, the pipeline as it is.
fn without_axes(text: &str) -> String {
    let is_of_axes =
        |line: &str| ["baseline =", "[axes]", "\"autoencoder.latent\""].iter().any(|start| line.starts_with(start));
    let line = |line: &str| if is_of_axes(line) { format!("# {line}\n") } else { format!("{line}\n") };
    text.lines().map(line).collect()
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
