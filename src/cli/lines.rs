//! Progress as plain lines: what is printed when standard error is no terminal.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use crate::execute::Outcome;
use crate::execute::progress::Progress;
use crate::graph::{Step, StepId};
use crate::plan::Reason;
use crate::store::entry::Entry;
use crate::store::key::Change;

use super::complain;
use super::session::Session;

/// What to call each step, by position: its stage, with arm and replicate where they tell steps apart.
pub(super) fn titles(session: &Session) -> Vec<String> {
    let arms = session.experiment.arms.len();
    let mut users: Vec<Users> = vec![Users::default(); session.graph.steps.len()];
    for used in &session.graph.uses {
        users[used.step.0].add(used);
    }
    let title = |(users, step): (&Users, &Step)| {
        let mut parts = Vec::new();
        match (users.arms, users.last) {
            (n, _) if n == arms => {}
            (1, Some(last)) => parts.push(session.experiment.arms[last.arm as usize].name.clone()),
            (n, _) => parts.push(format!("{n} arms")),
        }
        if let Some(last) = users.last.filter(|_| !users.replicates && session.experiment.replicates > 1) {
            parts.push(format!("replicate {}", last.replicate + 1));
        }
        if parts.is_empty() { step.label().into() } else { format!("{} ({})", step.label(), parts.join(", ")) }
    };
    users.iter().zip(&session.graph.steps).map(title).collect()
}

/// Who uses a step; uses come in the order of the arms.
#[derive(Clone, Copy, Default)]
struct Users {
    arms: usize,
    /// Whether there are several replicates among them.
    replicates: bool,
    last: Option<crate::graph::Use>,
}

impl Users {
    fn add(&mut self, used: &crate::graph::Use) {
        self.replicates |= self.last.is_some_and(|last| last.replicate != used.replicate);
        self.arms += usize::from(self.last.is_none_or(|last| last.arm != used.arm));
        self.last = Some(*used);
    }
}

/// Why a step runs, in a few words.
pub(super) fn because(cause: Option<&[Change]>) -> String {
    match cause {
        None => "first of its kind".into(),
        Some([]) => "no usable result".into(),
        Some(changes) => brief(changes),
    }
}

/// Changes in at most a line or two: the first few, files by their number. `explain` tells all.
pub(super) fn brief(changes: &[Change]) -> String {
    const SHOWN: usize = 3;
    let (files, parts): (Vec<&Change>, Vec<&Change>) = changes.iter().partition(|c| c.part.starts_with("file "));
    let named = if files.len() == 1 { parts.len() + 1 } else { parts.len() };
    let mut texts: Vec<String> =
        parts.iter().chain(&files).take(named.min(SHOWN)).map(|c| cut(&c.to_string())).collect();
    if named > SHOWN {
        texts.push(format!("{} more", named - SHOWN));
    }
    if files.len() > 1 {
        texts.push(format!("{} files", files.len()));
    }
    texts.join("; ")
}

/// A text that a line has room for.
fn cut(text: &str) -> String {
    const LONGEST: usize = 100;
    if text.chars().count() <= LONGEST {
        return text.into();
    }
    text.chars().take(LONGEST - 3).chain("...".chars()).collect()
}

/// Why a step is in its state, in at most a line or two.
pub(super) fn brief_reason(reason: &Reason) -> String {
    match reason {
        Reason::Changed(changes) if !changes.is_empty() => brief(changes),
        other => other.to_string(),
    }
}

/// The outcome in words, with message and hint.
pub(super) fn ending(outcome: &Outcome, seconds: f64) -> String {
    match outcome {
        Outcome::Done(true) => format!("done in {seconds:.1} s"),
        Outcome::Done(false) => "cached".into(),
        Outcome::Failed(what, Some(hint)) => format!("failed: {what}\n  help: {hint}"),
        Outcome::Failed(what, None) => format!("failed: {what}"),
        Outcome::Blocked(by) => format!("not run: `{by}` failed"),
        Outcome::Skipped => "not run".into(),
    }
}

/// Whether an outcome is told: not that a result was there, and of an interrupted step it was told how it stopped.
pub(super) fn is_news(outcome: &Outcome, has_begun: bool) -> bool {
    match outcome {
        Outcome::Done(ran) => *ran,
        Outcome::Skipped => !has_begun,
        Outcome::Failed(..) | Outcome::Blocked(_) => true,
    }
}

/// Plain lines on standard error.
pub(super) struct PlainLines {
    titles: Vec<String>,
    begun: Mutex<BTreeMap<StepId, Instant>>,
}

impl PlainLines {
    pub(super) fn new(session: &Session) -> Self {
        Self { titles: titles(session), begun: Mutex::default() }
    }

    fn title(&self, id: StepId) -> &str {
        self.titles.get(id.0).map_or("", String::as_str)
    }

    fn seconds(&self, id: StepId) -> f64 {
        let begun = self.begun.lock().ok().and_then(|b| b.get(&id).copied());
        begun.map_or(0.0, |t| t.elapsed().as_secs_f64())
    }
}

impl Progress for PlainLines {
    fn begin(&self, _: &[bool], _: &[bool], _: &[f64]) {}

    fn started(&self, id: StepId, _: &Step, cause: Option<&[Change]>) {
        if let Ok(mut begun) = self.begun.lock() {
            begun.insert(id, Instant::now());
        }
        complain(format!("{}: running ({})", self.title(id), because(cause)));
    }

    fn ticked(&self, _: StepId, _: &Step, _: u64, _: u64, _: &str) {}

    fn told(&self, id: StepId, _: &Step, line: &str) {
        complain(format!("{}: {line}", self.title(id)));
    }

    fn waiting(&self, id: StepId, _: &Step) {
        complain(format!("{}: waiting for another process that computes it", self.title(id)));
    }

    fn damaged(&self, id: StepId, _: &Step, what: &str) {
        let title = self.title(id);
        complain(format!("{title}: its cached files were changed or removed ({what}); computing it again"));
    }

    fn finished(&self, id: StepId, _: &Step, outcome: &Outcome, _: Option<&Entry>) {
        let has_begun = self.begun.lock().is_ok_and(|begun| begun.contains_key(&id));
        if is_news(outcome, has_begun) {
            complain(format!("{}: {}", self.title(id), ending(outcome, self.seconds(id))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_and_long_changes_stay_a_line() {
        let change = |part: &str, new: &str| Change { part: part.into(), old: None, new: Some(new.into()) };
        let files: Vec<Change> = (0..500).map(|i| change(&format!("file path {i}.avro"), "00")).collect();
        assert_eq!(brief(&files), "500 files");
        assert_eq!(brief(&files[..1]), "file path 0.avro: absent -> 00");
        let parts: Vec<Change> = (0..5).map(|i| change(&format!("key{i}"), &"x".repeat(1000 * i))).collect();
        let text = brief(&[parts, files].concat());
        assert!(text.starts_with("key0: absent -> ; key1: absent -> xxx"), "{text}");
        assert!(text.ends_with("...; 2 more; 500 files") && text.len() < 300, "{text}");
    }
}
