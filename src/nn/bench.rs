//! Times one training step and one inference pass of a network, as `bench_step.py` does for PyTorch. Reads the clock and
//! the process's memory; prints nothing.

use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::backend::Backend;
use super::batch::Batch;
use super::error::NnError;
use super::network::Model;
use super::optimisers::{Method, Optimiser, Settings};
use super::pass::Pass;

/// Steps before the clock starts.
const WARM_UP: usize = 3;

/// What was measured; the keys are those of `bench_step.py`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timing {
    /// This program and its version.
    pub engine: String,
    /// Name of the network.
    pub model: String,
    /// Rows per step.
    pub batch: usize,
    /// Threads.
    pub threads: usize,
    /// Number of trained values.
    pub parameters: usize,
    /// Median milliseconds of a training step: forward, loss, backward, Adam.
    pub train_ms: f64,
    /// Rows per second of it.
    pub train_samples_per_s: f64,
    /// Median milliseconds of a forward pass at inference.
    pub infer_ms: f64,
    /// Rows per second of it.
    pub infer_samples_per_s: f64,
    /// Largest resident memory of the process so far, MiB; 0 where the system does not say.
    pub peak_mib: u64,
}

/// Times `model` on `batch` over `steps` repetitions, on the threads of the current rayon pool.
pub fn bench<B: Backend>(model: &mut Model<B>, batch: &Batch, steps: usize) -> Result<Timing, NnError> {
    let mut adam = Optimiser::new(&Settings::new(Method::Adam, 1e-3), &model.weights)?;
    let train_ms = median_ms(steps, || model.train_step(&mut adam, batch, ChaCha8Rng::seed_from_u64(0)).map(drop))?;
    let infer_ms = median_ms(steps, || {
        let mut pass = Pass::inference(&model.weights);
        model.network.output(&mut pass, batch).map(drop).map_err(NnError::device)
    })?;
    let per_second = |ms: f64| rounded(batch.rows as f64 / ms * 1e3, 1);
    Ok(Timing {
        engine: format!("estampa {}", env!("CARGO_PKG_VERSION")),
        model: model.card.model.clone(),
        batch: batch.rows,
        threads: rayon::current_num_threads(),
        parameters: model.weights.parameters(),
        train_ms: rounded(train_ms, 2),
        train_samples_per_s: per_second(train_ms),
        infer_ms: rounded(infer_ms, 2),
        infer_samples_per_s: per_second(infer_ms),
        peak_mib: peak_mib(),
    })
}

fn median_ms(steps: usize, mut step: impl FnMut() -> Result<(), NnError>) -> Result<f64, NnError> {
    for _ in 0..WARM_UP {
        step()?;
    }
    let mut times = Vec::with_capacity(steps);
    for _ in 0..steps.max(1) {
        let start = Instant::now();
        step()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    Ok(if times.len().is_multiple_of(2) { f64::midpoint(times[middle - 1], times[middle]) } else { times[middle] })
}

fn rounded(value: f64, digits: i32) -> f64 {
    let unit = 10_f64.powi(digits);
    (value * unit).round() / unit
}

/// Peak resident memory from `/proc`, as `getrusage` has it.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
}
