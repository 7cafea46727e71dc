//! Where the time of a network goes, operation by operation, and how much of the processor each of them uses. Reads the
//! clock; prints nothing.

mod timeline;
mod watched;

use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

pub(crate) use self::timeline::Clock;
use self::timeline::{Row, Timeline};
pub use self::watched::Watched;
use super::backend::Backend;
use super::batch::Batch;
use super::error::NnError;
use super::kernels;
use super::network::Model;
use super::optimisers::{Method, Optimiser, Settings};
use super::pass::Pass;

/// Passes before the clock starts.
const WARM_UP: usize = 3;

/// What the time of a network went into.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// Name of the network.
    pub model: String,
    /// Rows per step.
    pub batch: usize,
    /// Threads.
    pub threads: usize,
    /// What the micro-kernel of the matrix products reaches on all these threads, 10⁹ operations per second.
    pub peak_gflops: f64,
    /// A training step: forward, loss, backward, Adam.
    pub training: Spent,
    /// A forward pass at inference.
    pub inference: Spent,
}

/// A mean step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spent {
    /// Milliseconds of all.
    pub ms: f64,
    /// In the order of the forward pass; the last line is the rest, so that all add up to `ms`.
    pub lines: Vec<Line>,
}

/// One operation of one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The layer, as its weights are named; empty for an operation without weights.
    pub layer: String,
    /// What is computed.
    pub operation: String,
    /// Milliseconds of the forward pass.
    pub forward_ms: f64,
    /// Milliseconds of the backward pass.
    pub backward_ms: f64,
    /// Of the whole step.
    pub share: f64,
    /// 10⁹ operations per second, two for each product of the direct sums, whatever algorithm is used; `None`: no products.
    pub gflops: Option<f64>,
    /// That of the peak; larger than 1 where an algorithm saves products.
    pub of_peak: Option<f64>,
}

/// Profiles `model` on `batch`, over so many steps each, on the threads of the current rayon pool.
pub fn profile<B: Backend>(model: &mut Model<Watched<B>>, batch: &Batch, steps: usize) -> Result<Profile, NnError> {
    let start = Instant::now();
    let clock = move || -> Clock { Box::new(move || start.elapsed().as_secs_f64()) };
    profile_by(clock, kernels::peak, model, batch, steps)
}

/// The same by another clock and another peak; the larger of that before and that after counts, as others may slow it down.
pub(crate) fn profile_by<B: Backend>(
    clock: impl Fn() -> Clock,
    peak: impl Fn() -> f64,
    model: &mut Model<Watched<B>>,
    batch: &Batch,
    steps: usize,
) -> Result<Profile, NnError> {
    let mut adam = Optimiser::new(&Settings::new(Method::Adam, 1e-3), &model.weights)?;
    let spent = |step: &mut dyn FnMut() -> Result<(), NnError>| {
        (0..WARM_UP).try_for_each(|_| step())?;
        timeline::open(clock());
        (0..steps.max(1)).try_for_each(|_| step())?;
        Ok::<_, NnError>(timeline::close())
    };
    let before = peak();
    let training = spent(&mut || model.train_step(&mut adam, batch, ChaCha8Rng::seed_from_u64(0)).map(drop))?;
    let inference = spent(&mut || {
        let mut pass = Pass::inference(&model.weights);
        model.network.output(&mut pass, batch).map(drop).map_err(NnError::device)
    })?;
    let peak_gflops = before.max(peak());
    let mean = |timeline: Option<Timeline>| {
        timeline.map_or_else(Spent::nothing, |timeline| Spent::of(&timeline, steps.max(1), peak_gflops))
    };
    Ok(Profile {
        model: model.card.model.clone(),
        batch: batch.rows,
        threads: rayon::current_num_threads(),
        peak_gflops,
        training: mean(training),
        inference: mean(inference),
    })
}

impl Spent {
    fn nothing() -> Self {
        Self { ms: 0.0, lines: Vec::new() }
    }

    /// The mean of `steps` steps.
    fn of(timeline: &Timeline, steps: usize, peak_gflops: f64) -> Self {
        let rest = Row { seconds: [timeline.rest, 0.0], ..Row::new("", "rest") };
        let rows = || timeline.rows.iter().chain([&rest]);
        let total: f64 = rows().flat_map(|row| row.seconds).sum();
        let ms = |seconds: f64| seconds * 1e3 / steps as f64;
        let line = |row: &Row| {
            let seconds: f64 = row.seconds.iter().sum();
            let products: f64 = row.products.iter().sum();
            let gflops = (products > 0.0).then(|| 2e-9 * products / seconds);
            Line {
                layer: row.layer.clone(),
                operation: row.operation.clone(),
                forward_ms: ms(row.seconds[0]),
                backward_ms: ms(row.seconds[1]),
                share: seconds / total,
                gflops,
                of_peak: gflops.map(|gflops| gflops / peak_gflops),
            }
        };
        Self { ms: ms(total), lines: rows().map(line).collect() }
    }
}
