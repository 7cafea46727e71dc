//! The events of a run as JSON lines, and the schema that they keep: `--format json`, `--events FILE`, `estampa schema
//! --of events`.

use std::io::Write;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::execute::progress::Progress;
use crate::execute::{Outcome, Summary};
use crate::graph::{Step, StepId};
use crate::store::entry::Entry;
use crate::store::key::Change;

use super::lines::titles;
use super::session::Session;

/// Every event: its name, what it says, its own fields with their JSON types.
const EVENTS: [(&str, &str, &[(&str, &str)]); 12] = [
    ("begin", "the run begins", &[("steps", "integer"), ("cached", "integer")]),
    ("started", "a step is computed; what differs from the nearest earlier result", &[("cause", "array|null")]),
    ("progress", "a step reports", &[("done", "integer"), ("total", "integer"), ("note", "string")]),
    ("told", "a step says one line about its result", &[("line", "string")]),
    ("waiting", "another process computes the step", &[]),
    ("damaged", "a cached result was changed or removed", &[("file", "string")]),
    ("ran", "a step was computed", &[("key", "string"), ("seconds", "number")]),
    ("cached", "the result of a step was there", &[("key", "string"), ("seconds", "number")]),
    ("failed", "a step gave no result", &[("message", "string"), ("hint", "string|null")]),
    ("blocked", "a step before this one failed", &[("message", "string")]),
    ("skipped", "a step was not begun", &[]),
    (
        "summary",
        "the run ends",
        &[("ran", "integer"), ("cached", "integer"), ("failed", "integer"), ("skipped", "integer")],
    ),
];

/// Fields of every event that is about a step.
const OF_A_STEP: [(&str, &str); 3] = [("step", "string"), ("stage", "string"), ("kind", "string")];

/// The JSON Schema of one line.
pub(super) fn schema() -> Value {
    let types = |names: &str| json!({"type": names.split('|').collect::<Vec<_>>()});
    let one = |(name, says, own): &(&str, &str, &[(&str, &str)])| {
        let whole = ["begin", "summary"].contains(name);
        let fields = OF_A_STEP.iter().filter(|_| !whole).chain(own.iter());
        let mut properties = Map::from_iter([("event".to_string(), json!({"const": name}))]);
        properties.extend(fields.map(|(field, kind)| ((*field).to_string(), types(kind))));
        let required: Vec<&String> = properties.keys().collect();
        json!({"description": says, "type": "object", "required": required, "properties": properties.clone(),
            "additionalProperties": false})
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One event of a run of estampa: one line of `--format json` or of `--events FILE`",
        "oneOf": EVENTS.iter().map(one).collect::<Vec<_>>(),
    })
}

/// Writes one JSON object per event.
pub(super) struct Events {
    titles: Vec<String>,
    out: Mutex<Box<dyn Write + Send>>,
}

impl Events {
    /// Of a session's run, written to `out`.
    pub(super) fn new(session: &Session, out: Box<dyn Write + Send>) -> Self {
        Self { titles: titles(session), out: Mutex::new(out) }
    }

    fn write(&self, event: &Value) {
        // Whoever reads may have gone: that is no reason to end a run.
        if let Ok(mut out) = self.out.lock() {
            let _ = writeln!(out, "{event}").and_then(|()| out.flush());
        }
    }

    fn say(&self, event: &str, id: StepId, step: &Step, more: Value) {
        let mut object =
            json!({"event": event, "step": self.titles[id.0], "stage": step.label(), "kind": step.kind().name()});
        if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
            object.extend(more);
        }
        self.write(&object);
    }

    /// The last event.
    pub(super) fn close(&self, summary: Summary) {
        let Summary { ran, cached, failed, skipped } = summary;
        self.write(&json!({"event": "summary", "ran": ran, "cached": cached, "failed": failed, "skipped": skipped}));
    }
}

impl Progress for Events {
    fn begin(&self, wanted: &[bool], done: &[bool], _: &[f64]) {
        let count = |marks: &[bool]| marks.iter().filter(|m| **m).count();
        self.write(&json!({"event": "begin", "steps": count(wanted), "cached": count(done)}));
    }

    fn started(&self, id: StepId, step: &Step, cause: Option<&[Change]>) {
        self.say("started", id, step, json!({"cause": cause}));
    }

    fn ticked(&self, id: StepId, step: &Step, done: u64, total: u64, note: &str) {
        self.say("progress", id, step, json!({"done": done, "total": total, "note": note}));
    }

    fn told(&self, id: StepId, step: &Step, line: &str) {
        self.say("told", id, step, json!({"line": line}));
    }

    fn waiting(&self, id: StepId, step: &Step) {
        self.say("waiting", id, step, json!({}));
    }

    fn damaged(&self, id: StepId, step: &Step, what: &str) {
        self.say("damaged", id, step, json!({"file": what}));
    }

    fn finished(&self, id: StepId, step: &Step, outcome: &Outcome, entry: Option<&Entry>) {
        let (event, more) = match outcome {
            Outcome::Done(_) => {
                (outcome.word(), json!({"key": entry.map(|e| e.key), "seconds": entry.map(|e| e.seconds)}))
            }
            Outcome::Failed(what, hint) => ("failed", json!({"message": what, "hint": hint})),
            Outcome::Blocked(by) => ("blocked", json!({"message": format!("`{by}` failed")})),
            Outcome::Skipped => ("skipped", json!({})),
        };
        self.say(event, id, step, more);
    }
}

/// Tells two.
pub(super) struct Both<'a>(pub(super) &'a dyn Progress, pub(super) &'a dyn Progress);

impl Progress for Both<'_> {
    fn begin(&self, wanted: &[bool], done: &[bool], seconds: &[f64]) {
        self.0.begin(wanted, done, seconds);
        self.1.begin(wanted, done, seconds);
    }

    fn started(&self, id: StepId, step: &Step, cause: Option<&[Change]>) {
        self.0.started(id, step, cause);
        self.1.started(id, step, cause);
    }

    fn ticked(&self, id: StepId, step: &Step, done: u64, total: u64, note: &str) {
        self.0.ticked(id, step, done, total, note);
        self.1.ticked(id, step, done, total, note);
    }

    fn told(&self, id: StepId, step: &Step, line: &str) {
        self.0.told(id, step, line);
        self.1.told(id, step, line);
    }

    fn waiting(&self, id: StepId, step: &Step) {
        self.0.waiting(id, step);
        self.1.waiting(id, step);
    }

    fn damaged(&self, id: StepId, step: &Step, what: &str) {
        self.0.damaged(id, step, what);
        self.1.damaged(id, step, what);
    }

    fn finished(&self, id: StepId, step: &Step, outcome: &Outcome, entry: Option<&Entry>) {
        self.0.finished(id, step, outcome, entry);
        self.1.finished(id, step, outcome, entry);
    }
}
