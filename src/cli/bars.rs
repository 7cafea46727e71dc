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

use super::lines::{because, ending, titles};
use super::session::Session;

/// Bars on standard error.
pub(super) struct Bars {
    titles: Vec<String>,
    group: MultiProgress,
    total: ProgressBar,
    running: Mutex<BTreeMap<StepId, (ProgressBar, Instant)>>,
}

impl Bars {
    pub(super) fn new(session: &Session) -> Self {
        let group = MultiProgress::new();
        let total = group.add(ProgressBar::new(0));
        total.set_style(style("{prefix} [{bar:24}] {pos}/{len} stages, {elapsed}, {eta} left"));
        total.set_prefix("run");
        Self { titles: titles(session), group, total, running: Mutex::default() }
    }

    fn title(&self, id: StepId) -> &str {
        self.titles.get(id.0).map_or("", String::as_str)
    }

    fn print(&self, line: &str) {
        let _ = self.group.println(line);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

impl Progress for Bars {
    fn begin(&self, wanted: &[bool], done: &[bool], _: &[f64]) {
        let count = |marks: &[bool]| marks.iter().filter(|m| **m).count() as u64;
        self.total.set_length(count(wanted));
        self.total.set_position(count(done));
    }

    fn started(&self, id: StepId, _: &Step, cause: Option<&[Change]>) {
        let bar = self.group.insert_before(&self.total, ProgressBar::new(0));
        bar.set_style(style("  {prefix} [{bar:16}] {wide_msg} {eta}"));
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
        let seconds = removed.as_ref().map_or(0.0, |(_, begun)| begun.elapsed().as_secs_f64());
        if let Some((bar, _)) = removed {
            bar.finish_and_clear();
        }
        if !matches!(outcome, Outcome::Done(false)) {
            self.print(&format!("{}: {}", self.title(id), ending(outcome, seconds)));
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.total.finish_and_clear();
    }
}
