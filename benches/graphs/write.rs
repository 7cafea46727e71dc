//! Writes synthetic graphs of `command` stages as a project of ours, and the same graph as `build.ninja`. Every stage is
//! `sh stage.sh OUT VALUE IN..`, so only the runner differs. Streams: its memory does not grow with the graph, since a
//! child inherits the high-water mark of whoever starts it. Knows nothing of measuring.

use std::fs::{self, File};
use std::io::{BufWriter, Result, Write};
use std::ops::Range;
use std::path::Path;

/// One small number from VALUE and the inputs, by what the shell has built in.
const STAGE: &str = "out=$1 sum=$2\nshift 2\n\
    for file; do read -r number < \"$file\"; sum=$(((sum * 17 + number) % 65521)); done\necho $sum > \"$out\"\n";

/// Steps that all arms share, and steps of each arm.
const PREFIX: usize = 3;
const OWN: usize = 2;

/// A graph by its shape and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Graph {
    /// So many steps, each after the one before it.
    Chain(usize),
    /// A root, so many leaves, and a step that waits for all of them.
    Fan(usize),
    /// A pipeline of five stages in so many arms, which differ from the fourth on.
    Arms(usize),
}

impl Graph {
    /// The graph of this name and size.
    pub(crate) fn named(name: &str, size: usize) -> Option<Self> {
        match name {
            "chain" => Some(Self::Chain(size)),
            "fan" => Some(Self::Fan(size)),
            "arms" => Some(Self::Arms(size)),
            _ => None,
        }
    }

    /// What is named on the command line, relative to the project.
    pub(crate) fn target(self) -> &'static str {
        if matches!(self, Self::Arms(_)) { "experiments/graph" } else { "pipelines/graph.toml" }
    }

    /// Distinct steps.
    pub(crate) fn steps(self) -> usize {
        match self {
            Self::Chain(steps) => steps,
            Self::Fan(leaves) => leaves + 2,
            Self::Arms(arms) => PREFIX + OWN * arms,
        }
    }

    /// Whether it is the first step of an arm.
    fn opens_arm(self, step: usize) -> bool {
        matches!(self, Self::Arms(_)) && step >= PREFIX && (step - PREFIX).is_multiple_of(OWN)
    }

    /// The steps that a step comes after.
    fn inputs(self, step: usize) -> Range<usize> {
        match self {
            _ if step == 0 => 0..0,
            Self::Fan(leaves) if step <= leaves => 0..1,
            Self::Fan(_) => 1..step,
            _ if self.opens_arm(step) => PREFIX - 1..PREFIX,
            Self::Chain(_) | Self::Arms(_) => step - 1..step,
        }
    }

    /// What tells the commands of steps apart: the position in the pipeline, and for the step that arms vary the arm's.
    fn value(self, step: usize) -> usize {
        match self {
            Self::Arms(_) if self.opens_arm(step) => (step - PREFIX) / OWN,
            Self::Arms(_) if step > PREFIX => PREFIX + 1,
            _ => step,
        }
    }

    /// Fills an absent or empty folder with both projects.
    pub(crate) fn write(self, folder: &Path) -> Result<()> {
        for name in ["pipelines", "out"] {
            fs::create_dir_all(folder.join(name))?;
        }
        file(&folder.join("stage.sh"), |text| text.write_all(STAGE.as_bytes()))?;
        file(&folder.join("build.ninja"), |text| self.ninja(text))?;
        file(&folder.join("pipelines/graph.toml"), |text| self.pipeline(text))?;
        if let Self::Arms(arms) = self {
            fs::create_dir_all(folder.join("experiments/graph"))?;
            file(&folder.join("experiments/graph/experiment.toml"), |text| experiment(text, arms))?;
        }
        Ok(())
    }

    fn pipeline(self, text: &mut impl Write) -> Result<()> {
        let arms = matches!(self, Self::Arms(_));
        let graph = if arms { Self::Chain(PREFIX + OWN) } else { self };
        writeln!(text, "[pipeline]\nname = \"graph\"")?;
        for step in 0..graph.steps() {
            write!(text, "\n[stages.s{step}]\nkind = \"command\"\nfiles = [\"../stage.sh\"]\n")?;
            write!(text, "run = \"sh ../stage.sh {{out}}/x ")?;
            // What the arms vary is a variable, so that their names stay short.
            let value = if arms && step == PREFIX { "$VALUE".into() } else { graph.value(step).to_string() };
            write!(text, "{value}")?;
            let inputs = graph.inputs(step);
            // A step reads its first input only: a hundred thousand would not fit on a command line.
            match inputs.clone().next() {
                None => writeln!(text, "\"")?,
                Some(first) => writeln!(text, " {{inputs.s{first}}}/x\"\n[stages.s{step}.inputs]")?,
            }
            for input in inputs {
                writeln!(text, "s{input} = \"s{input}\"")?;
            }
        }
        Ok(())
    }

    fn ninja(self, text: &mut impl Write) -> Result<()> {
        writeln!(text, "rule stage\n  command = sh stage.sh $out $value $first\n")?;
        for step in 0..self.steps() {
            write!(text, "build out/{step}: stage")?;
            for input in self.inputs(step) {
                write!(text, " out/{input}")?;
            }
            writeln!(text, " | stage.sh\n  value = {}", self.value(step))?;
            if let Some(first) = self.inputs(step).next() {
                writeln!(text, "  first = out/{first}")?;
            }
        }
        Ok(())
    }
}

fn experiment(text: &mut impl Write, arms: usize) -> Result<()> {
    writeln!(text, "[experiment]\nname = \"graph\"\npipeline = \"../../pipelines/graph.toml\"\n\n[axes]")?;
    write!(text, "\"s{PREFIX}.environment.VALUE\" = [")?;
    for arm in 0..arms {
        write!(text, "\"{arm}\", ")?;
    }
    writeln!(text, "]")
}

fn file(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let mut text = BufWriter::new(File::create(path)?);
    fill(&mut text)?;
    text.flush()
}
