//! Progress on a terminal: one line per running stage with its bar, and one for the whole run.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::execute::Outcome;
use crate::execute::progress::Progress;
use crate::graph::{Step, StepId};
use crate::store::entry::Entry;
use crate::store::key::Change;

use super::cache::age;
use super::lines::{because, ending, is_news, titles};
use super::session::Session;

/// Bars on standard error.
pub(super) struct Bars {
    titles: Vec<String>,
    group: MultiProgress,
    total: ProgressBar,
    running: Mutex<BTreeMap<StepId, (ProgressBar, Instant)>>,
    forecast: Mutex<Forecast>,
}

/// What is known of the time that is left: what each step took last time, or else what steps took so far.
#[derive(Default)]
struct Forecast {
    /// Seconds that each open step took last time; 0: unknown.
    open: BTreeMap<StepId, f64>,
    finished: usize,
    spent: f64,
}

impl Forecast {
    /// Seconds of work in the open steps; `None` while nothing is known.
    fn left(&self) -> Option<f64> {
        let known: Vec<f64> = self.open.values().copied().filter(|seconds| *seconds > 0.0).collect();
        let total: f64 = known.iter().sum();
        let count = known.len() + self.finished;
        let typical = (total + self.spent) / count.max(1) as f64;
        (count > 0).then(|| total + typical * (self.open.len() - known.len()) as f64)
    }
}

/// Seconds until the end: those of work in open steps on so many cores, but not less than what a running step still says.
fn time_left(work: Option<f64>, cores: usize, longest: Duration) -> Option<u64> {
    let all = work.map(|work| (work / cores as f64).ceil() as u64);
    all.max((longest > Duration::ZERO).then_some(longest.as_secs()))
}

impl Bars {
    pub(super) fn new(session: &Session) -> Self {
        let group = MultiProgress::new();
        let total = group.add(ProgressBar::new(0));
        total.set_style(style("{prefix} [{bar:24}] {pos}/{len} stages, {elapsed} {msg}"));
        total.set_prefix("run");
        Self { titles: titles(session), group, total, running: Mutex::default(), forecast: Mutex::default() }
    }

    fn title(&self, id: StepId) -> &str {
        self.titles.get(id.0).map_or("", String::as_str)
    }

    /// Shows how much time is left, if every core works on it.
    fn foretell(&self) {
        let running = self.running.lock().map(|running| running.values().map(|(bar, _)| bar.eta()).max());
        let longest = running.ok().flatten().unwrap_or_default();
        let left = self.forecast.lock().ok().and_then(|forecast| forecast.left());
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let words = time_left(left, cores, longest).map(|left| format!("about {} left", age(left)));
        self.total.set_message(words.unwrap_or_default());
    }

    fn print(&self, line: &str) {
        let _ = self.group.println(line);
    }
}

pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

impl Progress for Bars {
    fn begin(&self, wanted: &[bool], done: &[bool], seconds: &[f64]) {
        if let Ok(mut forecast) = self.forecast.lock() {
            let open = (0..wanted.len()).filter(|i| wanted[*i] && !done[*i]);
            forecast.open = open.map(|i| (StepId(i), seconds[i])).collect();
        }
        self.foretell();
        let count = |marks: &[bool]| marks.iter().filter(|m| **m).count() as u64;
        self.total.set_length(count(wanted));
        self.total.set_position(count(done));
    }

    fn started(&self, id: StepId, _: &Step, cause: Option<&[Change]>) {
        let bar = self.group.insert_before(&self.total, ProgressBar::new(0));
        bar.set_style(style("  {prefix:28!} [{bar:12}] {wide_msg} {eta}"));
        bar.set_prefix(self.title(id).to_string());
        bar.set_message(because(cause));
        bar.enable_steady_tick(Duration::from_millis(200));
        if let Ok(mut running) = self.running.lock() {
            running.insert(id, (bar, Instant::now()));
        }
    }

    fn ticked(&self, id: StepId, _: &Step, done: u64, total: u64, note: &str) {
        if let Ok(running) = self.running.lock()
            && let Some((bar, _)) = running.get(&id)
        {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(note.to_string());
        }
        self.foretell();
    }

    fn told(&self, id: StepId, _: &Step, line: &str) {
        self.print(&format!("{}: {line}", self.title(id)));
    }

    fn waiting(&self, id: StepId, _: &Step) {
        self.print(&format!("{}: waiting for another process that computes it", self.title(id)));
    }

    fn damaged(&self, id: StepId, _: &Step, what: &str) {
        let title = self.title(id);
        self.print(&format!("{title}: its cached files were changed or removed ({what}); computing it again"));
    }

    fn finished(&self, id: StepId, _: &Step, outcome: &Outcome, _: Option<&Entry>) {
        self.total.inc(1);
        let removed = self.running.lock().ok().and_then(|mut running| running.remove(&id));
        let has_begun = removed.is_some();
        let seconds = removed.as_ref().map_or(0.0, |(_, begun)| begun.elapsed().as_secs_f64());
        if let Some((bar, _)) = removed {
            bar.finish_and_clear();
        }
        if let Ok(mut forecast) = self.forecast.lock() {
            forecast.open.remove(&id);
            forecast.finished += usize::from(matches!(outcome, Outcome::Done(true)));
            forecast.spent += if matches!(outcome, Outcome::Done(true)) { seconds } else { 0.0 };
        }
        self.foretell();
        if is_news(outcome, has_begun) {
            self.print(&format!("{}: {}", self.title(id), ending(outcome, seconds)));
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.total.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_never_less_than_that_of_a_running_step() {
        let seconds = Duration::from_secs;
        assert_eq!(time_left(None, 2, seconds(0)), None);
        assert_eq!(time_left(None, 2, seconds(90)), Some(90));
        assert_eq!(time_left(Some(61.0), 2, seconds(0)), Some(31));
        assert_eq!(time_left(Some(60.0), 2, seconds(90)), Some(90));
    }
}
