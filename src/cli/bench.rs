//! `estampa bench`: times a training step and an inference pass, with the keys of `bench_step.py`; or says what their time
//! goes into.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::models;
use crate::nn::bench::{Timing, bench};
use crate::nn::profile::{Line, Profile, Spent, Watched, profile};
use crate::nn::{Batch, Kernels, ModelCard, NnError};
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
    /// Show instead what each layer takes, and how close it comes to the processor's rate of products
    #[arg(long)]
    profile: bool,
    /// Where the network is: cpu or cuda:N
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Text for people, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    if arguments.profile && arguments.device != Device::Cpu {
        return Err(Ending::input("error: --profile times the loops of the processor; leave --device out"));
    }
    let names: Vec<&str> = models::entries::<Kernels>().iter().map(|e| e.name).collect();
    if !names.contains(&arguments.model.as_str()) {
        let hint = suggest(&arguments.model, &names).unwrap_or_default();
        return Err(Ending::input(format!("error: there is no model `{}`; {hint}", arguments.model)));
    }
    start_threads(arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)));
    let entry = models::entry::<Kernels>(&arguments.model).map_err(Ending::input)?;
    let card = ModelCard { model: arguments.model.clone(), settings: (entry.defaults)() };
    let batch = (entry.example)(arguments.batch.max(1));
    if arguments.profile {
        let mut model = models::build::<Watched<Kernels>>(card, 1).map_err(Ending::failed)?;
        let profile = profile(&mut model, &batch, arguments.steps).map_err(Ending::failed)?;
        match arguments.format {
            Format::Json => say(serde_json::json!(profile)),
            Format::Text => say(tables(&profile)),
        }
        return Ok(Exit::Done);
    }
    let timing = timing(arguments.device, card, &batch, arguments.steps).map_err(Ending::failed)?;
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

/// Times the network where it is to be.
fn timing(device: Device, card: ModelCard, batch: &Batch, steps: usize) -> Result<Timing, NnError> {
    match device {
        Device::Cpu => bench(&mut models::build::<Kernels>(card, 1)?, batch, steps),
        #[cfg(feature = "cuda")]
        Device::Cuda(0) => {
            crate::nn::check_cuda()?;
            bench(&mut models::build::<crate::nn::Cuda>(card, 1)?, batch, steps)
        }
        Device::Cuda(number) => Err(NnError::Device(format!("device cuda:{number} is not available"))),
    }
}

/// A profile for people.
fn tables(profile: &Profile) -> String {
    let Profile { model, batch, threads, peak_gflops, training, inference } = profile;
    let head = format!(
        "{model}: batch {batch}, {threads} threads; products at most at {peak_gflops:.0} GFLOP/s. GFLOP/s count the products of direct sums, \n\
         so those of an algorithm that takes fewer can be above the peak"
    );
    let names = |line: &Line| format!("{}  {}", line.layer, line.operation).trim_start().to_owned();
    let lines = training.lines.iter().chain(&inference.lines);
    let width = lines.map(|line| names(line).chars().count()).max().unwrap_or(0);
    let table = |title: &str, spent: &Spent| {
        let mut text = format!("\n\n{title:<width$}  forward  backward   share  GFLOP/s  of peak");
        for line in &spent.lines {
            let rate = match (line.gflops, line.of_peak) {
                (Some(gflops), Some(of_peak)) => format!("{gflops:9.1}{:8.0}%", of_peak * 100.0),
                _ => String::new(),
            };
            let (name, Line { forward_ms, backward_ms, share, .. }) = (names(line), line);
            let times = format!("{forward_ms:9.2}{backward_ms:10.2}{:7.1}%", share * 100.0);
            text += &format!("\n{name:<width$}{times}{rate}");
        }
        text + &format!("\n{:<width$}{:9.2} ms", "all", spent.ms)
    };
    head + &table("training step, ms", training) + &table("inference, ms", inference)
}
