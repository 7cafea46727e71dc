//! Progress as plain lines, and as JSON lines: what is printed when standard error is no terminal, or on request.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::json;

use crate::execute::Outcome;
use crate::execute::progress::Progress;
use crate::graph::{Step, StepId};
use crate::store::key::Change;

use super::session::Session;
use super::{complain, say};

/// What to call each step: its stage, with arm and replicate where they tell steps apart.
pub(super) fn titles(session: &Session) -> BTreeMap<StepId, String> {
    let mut uses: BTreeMap<StepId, Vec<&crate::graph::Use>> = BTreeMap::new();
    for used in &session.graph.uses {
        uses.entry(used.step).or_default().push(used);
    }
    let arms = session.experiment.arms.len();
    let title = |list: &Vec<&crate::graph::Use>| {
        let mut names: Vec<&str> = Vec::new();
        for used in list {
            let arm = session.experiment.arms[used.arm].name.as_str();
            if !names.contains(&arm) {
                names.push(arm);
            }
        }
        let mut parts = Vec::new();
        match names.len() {
            n if n == arms => {}
            1 => parts.push(names[0].to_string()),
            n => parts.push(format!("{n} arms")),
        }
        let replicates: std::collections::BTreeSet<usize> = list.iter().map(|u| u.replicate).collect();
        if replicates.len() == 1 && session.experiment.replicates > 1 {
            parts.push(format!("replicate {}", list[0].replicate + 1));
        }
        let stage = &list[0].stage;
        if parts.is_empty() { stage.clone() } else { format!("{stage} ({})", parts.join(", ")) }
    };
    uses.iter().map(|(id, list)| (*id, title(list))).collect()
}

/// Why a step runs, in a few words.
pub(super) fn because(cause: Option<&[Change]>) -> String {
    match cause {
        None => "first of its kind".into(),
        Some([]) => "no usable result".into(),
        Some(changes) if changes.len() <= 3 => changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        Some(changes) => format!("{}; {} more", changes[0], changes.len() - 1),
    }
}

/// The outcome in words, with message and hint.
pub(super) fn ending(outcome: &Outcome, seconds: f64) -> String {
    match outcome {
        Outcome::Done(_, true) => format!("done in {seconds:.1} s"),
        Outcome::Done(_, false) => "cached".into(),
        Outcome::Failed(what, Some(hint)) => format!("failed: {what}\n  help: {hint}"),
        Outcome::Failed(what, None) => format!("failed: {what}"),
        Outcome::Blocked(by) => format!("not run: `{by}` failed"),
        Outcome::Pending | Outcome::Running | Outcome::Skipped => "not run".into(),
    }
}

/// Plain lines on standard error.
pub(super) struct PlainLines {
    titles: BTreeMap<StepId, String>,
    begun: Mutex<BTreeMap<StepId, Instant>>,
}

impl PlainLines {
    pub(super) fn new(session: &Session) -> Self {
        Self { titles: titles(session), begun: Mutex::default() }
    }

    fn title(&self, id: StepId) -> &str {
        self.titles.get(&id).map_or("", String::as_str)
    }

    fn seconds(&self, id: StepId) -> f64 {
        let begun = self.begun.lock().ok().and_then(|b| b.get(&id).copied());
        begun.map_or(0.0, |t| t.elapsed().as_secs_f64())
    }
}

impl Progress for PlainLines {
    fn begin(&self, _: usize) {}

    fn started(&self, id: StepId, _: &Step, cause: Option<&[Change]>) {
        if let Ok(mut begun) = self.begun.lock() {
            begun.insert(id, Instant::now());
        }
        complain(format!("{}: running ({})", self.title(id), because(cause)));
    }

    fn ticked(&self, _: StepId, _: &Step, _: u64, _: u64, _: &str) {}

    fn waiting(&self, id: StepId, _: &Step) {
        complain(format!("{}: waiting for another process that computes it", self.title(id)));
    }

    fn damaged(&self, id: StepId, _: &Step) {
        complain(format!("{}: its cached files were changed or removed; computing it again", self.title(id)));
    }

    fn finished(&self, id: StepId, _: &Step, outcome: &Outcome) {
        if !matches!(outcome, Outcome::Done(_, false)) {
            complain(format!("{}: {}", self.title(id), ending(outcome, self.seconds(id))));
        }
    }
}

/// One JSON object per event on standard output.
pub(super) struct JsonLines {
    titles: BTreeMap<StepId, String>,
}

impl JsonLines {
    pub(super) fn new(session: &Session) -> Self {
        Self { titles: titles(session) }
    }

    fn say(&self, event: &str, id: StepId, step: &Step, more: &serde_json::Value) {
        let title = self.titles.get(&id);
        let mut object = json!({"event": event, "step": title, "stage": step.label, "kind": step.kind.name()});
        if let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) {
            object.extend(more.clone());
        }
        say(object);
    }
}

impl Progress for JsonLines {
    fn begin(&self, steps: usize) {
        say(json!({"event": "begin", "steps": steps}));
    }

    fn started(&self, id: StepId, step: &Step, cause: Option<&[Change]>) {
        self.say("started", id, step, &json!({"cause": cause}));
    }

    fn ticked(&self, id: StepId, step: &Step, done: u64, total: u64, note: &str) {
        self.say("progress", id, step, &json!({"done": done, "total": total, "note": note}));
    }

    fn waiting(&self, id: StepId, step: &Step) {
        self.say("waiting", id, step, &json!({}));
    }

    fn damaged(&self, id: StepId, step: &Step) {
        self.say("damaged", id, step, &json!({}));
    }

    fn finished(&self, id: StepId, step: &Step, outcome: &Outcome) {
        let more = match outcome {
            Outcome::Done(entry, _) => json!({"key": entry.meta.key.text(), "seconds": entry.meta.seconds}),
            Outcome::Failed(what, hint) => json!({"message": what, "hint": hint}),
            Outcome::Blocked(by) => json!({"message": format!("`{by}` failed")}),
            _ => json!({}),
        };
        self.say(outcome.word(), id, step, &more);
    }
}
