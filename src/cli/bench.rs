//! `estampa bench`: times a training step and an inference pass, with the keys of `bench_step.py`.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::models;
use crate::nn::bench::bench;
use crate::nn::{Kernels, ModelCard};
use crate::spec::faults::suggest;
use crate::stage::Device;

use super::run::{Format, device, start_threads};
use super::{Ending, Entry, Exit, Outcome, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("bench")).about(ABOUT), run };

const ABOUT: &str = "Time a training step and an inference pass of a model";

#[derive(Args, Debug)]
struct Arguments {
    /// The model; `estampa models` lists them
    model: String,
    /// Rows per step
    #[arg(long, default_value = "64")]
    batch: usize,
    /// Steps that are timed; the median is shown
    #[arg(long, default_value = "15")]
    steps: usize,
    /// Threads [default: number of cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Where the network is: cpu or cuda:N
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Text for people, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    if arguments.device != Device::Cpu {
        return Err(Ending::input("error: bench runs on the CPU so far"));
    }
    let names: Vec<&str> = models::entries::<Kernels>().iter().map(|e| e.name).collect();
    if !names.contains(&arguments.model.as_str()) {
        let hint = suggest(&arguments.model, &names).unwrap_or_default();
        return Err(Ending::input(format!("error: there is no model `{}`; {hint}", arguments.model)));
    }
    start_threads(arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)));
    let entry = models::entry::<Kernels>(&arguments.model).map_err(Ending::input)?;
    let card = ModelCard { model: arguments.model.clone(), settings: (entry.defaults)() };
    let mut model = models::build::<Kernels>(card, 1).map_err(Ending::failed)?;
    let timing =
        bench(&mut model, &(entry.example)(arguments.batch.max(1)), arguments.steps).map_err(Ending::failed)?;
    match arguments.format {
        Format::Json => say(serde_json::json!(timing)),
        Format::Text => say(format!(
            "{}: {} values, batch {}, {} threads\ntraining   {:.2} ms per step, {:.1} samples/s\ninference  {:.2} ms, {:.1} samples/s\npeak memory {} MiB",
            timing.model,
            timing.parameters,
            timing.batch,
            timing.threads,
            timing.train_ms,
            timing.train_samples_per_s,
            timing.infer_ms,
            timing.infer_samples_per_s,
            timing.peak_mib
        )),
    }
    Ok(Exit::Done)
}
