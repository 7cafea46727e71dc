//! Stamp gallery: science, template and difference of a few alerts of each class, every source of alerts side by side
//! (simulated beside real).

use std::collections::BTreeSet;

use super::{Figure, Plot, file_name, short_cutout};
use crate::artifacts::alerts::Alerts;
use crate::artifacts::texts::Texts;
use crate::report::draw::canvas::{Anchor, Canvas, FONT, Rect, TWO_COLUMNS, shorten};
use crate::report::draw::image::{Stretch, grey};
use crate::report::draw::theme::{Dash, GREY};
use crate::report::record::StepRecord;
use crate::report::sources::Sources;
use crate::stage::ArtifactType;
use crate::ztf::alert::{CUTOUTS, SIDE};

/// See the file.
pub struct Stamps;

/// Sources side by side; more do not fit.
const SOURCES: usize = 4;
/// Width of the class names.
const NAMES: f64 = 52.0;
/// Between triplets.
const GAP: f64 = 4.0;

/// One source of alerts.
struct Source {
    name: String,
    alerts: Alerts,
    labels: Texts,
}

impl Plot for Stamps {
    fn name(&self) -> &'static str {
        "stamps"
    }

    fn needs(&self) -> &'static str {
        "alerts"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        figure(self, sources).into_iter().collect()
    }
}

fn figure(plot: &Stamps, sources: &Sources) -> Option<Figure> {
    let labelled = |(name, alerts): (String, Alerts)| {
        let labels = alerts.table.packed("label").into_owned();
        Source { name, alerts, labels }
    };
    let found: Vec<Source> = distinct(sources, |column| column == "label").into_iter().map(labelled).collect();
    let classes = classes(sources, &found);
    if found.is_empty() || classes.is_empty() {
        return None;
    }
    let each = (4 / found.len()).max(1);
    let triplets = each * found.len();
    let room = TWO_COLUMNS - NAMES - 4.0;
    let side = (room - GAP * triplets as f64) / (triplets * CUTOUTS.len()) as f64;
    let top = 2.0 * FONT + 8.0;
    let mut canvas = Canvas::new(TWO_COLUMNS, top + classes.len() as f64 * (side + GAP) + 2.0);
    let width = side * CUTOUTS.len() as f64;
    for (place, source) in (0..triplets).map(|t| (t, &found[t / each])) {
        let left = NAMES + place as f64 * (width + GAP);
        for (row, class) in classes.iter().enumerate() {
            if place % each < source.rows(class).len() {
                let alert = source.example(class, place % each, each);
                triplet(&mut canvas, (left, top + row as f64 * (side + GAP)), side, source, alert);
            }
        }
        if place % each == 0 {
            let span = (width + GAP) * each as f64 - GAP;
            canvas.label((left + span / 2.0, FONT * 0.8), &shorten(&source.name, span), Anchor::Middle);
        }
        cutout_names(&mut canvas, left, side);
    }
    for (row, class) in classes.iter().enumerate() {
        let y = top + row as f64 * (side + GAP) + side / 2.0;
        let name = if class.is_empty() { "unlabelled" } else { class };
        canvas.label((NAMES - 5.0, y), &shorten(name, NAMES - 6.0), Anchor::End);
    }
    let caption = "Alerts of each class: science, template, difference (packet sign), each cutout with its own asinh \
        stretch from its 1st to its 99.8th percentile. Blue is where the survey has no data."
        .to_string();
    Some(Figure { name: file_name(&[plot.name()]), caption, canvas })
}

/// Every distinct alerts artifact that has alerts, with the wanted columns, named by its stage (and arm, where arms have
/// different ones).
pub(super) fn distinct(sources: &Sources, wanted: impl Fn(&str) -> bool) -> Vec<(String, Alerts)> {
    let mut keys = BTreeSet::new();
    let alerts = |s: &&StepRecord| s.artifact == ArtifactType::Alerts && !s.is_missing();
    let steps: Vec<&StepRecord> =
        sources.record.steps.iter().filter(alerts).filter(|s| keys.insert(s.key.as_str())).take(SOURCES).collect();
    let open = |step: &&StepRecord| {
        let alerts = sources.read(step, |folder| Alerts::open_columns(folder, &wanted))?;
        let alone = steps.iter().filter(|s| s.stage == step.stage).count() == 1;
        let name = if alone { step.stage.clone() } else { format!("{} ({})", step.stage, step.arm) };
        (!alerts.is_empty()).then_some((name, alerts))
    };
    steps.iter().filter_map(open).collect()
}

/// Classes in the order used everywhere; alerts without a label last.
fn classes(sources: &Sources, found: &[Source]) -> Vec<String> {
    let has = |class: &str| found.iter().any(|s| s.labels.iter().any(|l| l == class));
    sources.classes().iter().cloned().chain([String::new()]).filter(|class| has(class)).collect()
}

impl Source {
    fn rows(&self, class: &str) -> Vec<usize> {
        (0..self.labels.len()).filter(|row| self.labels[*row] == *class).collect()
    }

    /// Spread evenly over the alerts of the class.
    fn example(&self, class: &str, number: usize, of: usize) -> usize {
        let rows = self.rows(class);
        rows[((2 * number + 1) * rows.len() / (2 * of)).min(rows.len() - 1)]
    }
}

fn cutout_names(canvas: &mut Canvas, left: f64, side: f64) {
    for (index, name) in CUTOUTS.iter().enumerate() {
        let x = left + (index as f64 + 0.5) * side;
        canvas.label((x, FONT * 2.1), &short_cutout(name, side), Anchor::Middle);
    }
}

fn triplet(canvas: &mut Canvas, corner: (f64, f64), side: f64, source: &Source, alert: usize) {
    for (index, stamp) in source.alerts.stamps.row(alert).chunks_exact(SIDE * SIDE).enumerate() {
        let rect = Rect { x: corner.0 + index as f64 * side, y: corner.1, width: side - 0.8, height: side - 0.8 };
        canvas.image(rect, grey(stamp, SIDE, Stretch::of(stamp)));
        let mut frame = rect.corners();
        frame.push(frame[0]);
        canvas.line(frame, GREY, 0.3, Dash::Solid);
    }
}
