//! Label efficiency: how well classifiers judge against the number of labels per class that they learned from, from arms that
//! differ in `labels_per_class` or `label_fraction`. A line for each classifier and whatever else differs.

use std::collections::BTreeMap;

use super::{Figure, Plot, file_name};
use crate::artifacts::predictions::{Predictions, PredictionsFacts};
use crate::artifacts::split;
use crate::metrics::{Judged, metric};
use crate::report::draw::axes::{Axes, Axis, Scale};
use crate::report::draw::canvas::{Canvas, Point, Rect, TWO_COLUMNS};
use crate::report::draw::legend::{self, Entry, Sample};
use crate::report::draw::theme::{self, Style};
use crate::report::record::ArmRecord;
use crate::report::sources::Sources;
use crate::report::words;
use crate::stage::ArtifactType;

/// See the file.
pub struct LabelEfficiency;

/// Metrics of all classes together, a panel each.
const METRICS: [&str; 2] = ["balanced_accuracy", "macro_auc"];
/// Keys that say how many labels there are.
const KEYS: [&str; 2] = [".labels_per_class", ".label_fraction"];

/// What one replicate knew and how well it judged: labels per class, and its metrics in the order of [`METRICS`].
type Result = (f64, [Option<f64>; 2]);
/// Labels per class, values of the replicates.
type Place = (f64, Vec<f64>);

impl Plot for LabelEfficiency {
    fn name(&self) -> &'static str {
        "label_efficiency"
    }

    fn needs(&self) -> &'static str {
        "predictions of arms that each set labels_per_class (0: all) or label_fraction (1: all)"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let lines = lines(sources);
        let numbers = || lines.values().flatten().map(|result| result.0);
        let (low, high) = (numbers().fold(f64::INFINITY, f64::min), numbers().fold(0.0, f64::max));
        if low >= high {
            return Vec::new();
        }
        let style = |(at, name): (usize, &String)| Entry { name: name.clone(), style: theme::style(at) };
        let entries: Vec<Entry> = lines.keys().enumerate().map(style).collect();
        let size = (TWO_COLUMNS / 2.0, 200.0);
        let (mut canvas, rects) = legend::panels(METRICS.len(), 2, size, Sample::Both, &entries);
        for (at, rect) in rects.into_iter().enumerate() {
            let curves: Vec<(Style, Vec<Place>)> =
                lines.values().zip(&entries).map(|(results, entry)| (entry.style, places(results, at))).collect();
            panel(&mut canvas, rect, METRICS[at], Scale::Log(low / 1.15, high * 1.15), &curves);
        }
        let caption =
            "Test split, against the labels that each classifier learned from (mean over the classes that it \
                       knows): mean over replicates; the band spans the lowest and the highest replicate. Where \
                       all labels are given, classes have unequal numbers of them. What is chosen on the validation \
                       split is chosen by as many labels there."
                .into();
        vec![Figure { name: file_name(&[self.name()]), caption, canvas }]
    }
}

/// Results by name of the line: the stage, and the settings that differ among arms beside the number of labels.
fn lines(sources: &Sources) -> BTreeMap<String, Vec<Result>> {
    let mut lines: BTreeMap<String, Vec<Result>> = BTreeMap::new();
    for stage in sources.stages(ArtifactType::Predictions) {
        let varies = |arm: &&ArmRecord| KEYS.iter().any(|key| arm.settings.contains_key(&format!("{stage}{key}")));
        for arm in sources.record.arms.iter().filter(varies) {
            let is_other = |(key, _): &(&String, &String)| !KEYS.iter().any(|end| key.ends_with(end));
            let others = arm.settings.iter().filter(is_other).map(|(key, value)| format!(", {key} = {value}"));
            let name = format!("{stage}{}", others.collect::<String>());
            let found = sources.steps(stage, &arm.name).into_iter().filter_map(|s| sources.read(s, Predictions::open));
            lines.entry(name).or_default().extend(found.filter_map(|predictions| result(&predictions)));
        }
    }
    lines.retain(|_, results| !results.is_empty());
    lines
}

fn result(predictions: &Predictions) -> Option<Result> {
    let rows = predictions.rows.iter().filter(|row| row.split == split::TEST);
    let judged: Vec<Judged> = rows.map(|row| Judged::new(row.label, &row.probabilities)).collect();
    let measure = |name| metric(name)?.values(&judged, predictions.facts.classes.len()).first()?.1;
    Some((labels_per_class(&predictions.facts)?, METRICS.map(measure)))
}

/// Mean over the classes with labels.
fn labels_per_class(facts: &PredictionsFacts) -> Option<f64> {
    let counts = facts.labels.as_ref().map_or(&facts.train_counts, |labels| &labels.per_class);
    let known = counts.iter().filter(|count| **count > 0).count();
    (known > 0).then(|| counts.iter().sum::<usize>() as f64 / known as f64)
}

/// The values of one metric by number of labels.
fn places(results: &[Result], metric: usize) -> Vec<Place> {
    let mut found: Vec<(f64, f64)> =
        results.iter().filter_map(|(labels, values)| Some((*labels, values[metric]?))).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.chunk_by(|a, b| a.0 == b.0).map(|group| (group[0].0, group.iter().map(|it| it.1).collect())).collect()
}

fn panel(canvas: &mut Canvas, rect: Rect, metric: &str, labels: Scale, curves: &[(Style, Vec<Place>)]) {
    let values = Scale::around(curves.iter().flat_map(|curve| &curve.1).flat_map(|place| place.1.iter().copied()));
    let (x, y) = (Axis::new("labels per class", labels), Axis::new(words::title(metric), values));
    let axes = Axes::draw(canvas, rect, "", x, y);
    for (style, places) in curves {
        let edge = |pick: fn(f64, f64) -> f64, start: f64| {
            places.iter().map(move |(labels, values)| (*labels, values.iter().copied().fold(start, pick)))
        };
        let low: Vec<Point> = edge(f64::min, f64::INFINITY).collect();
        let band: Vec<Point> = edge(f64::max, f64::NEG_INFINITY).chain(low.into_iter().rev()).collect();
        canvas.area(axes.places(&band), style.colour, 0.15);
    }
    for (style, places) in curves {
        let mean = |(labels, values): &Place| (*labels, values.iter().sum::<f64>() / values.len() as f64);
        let points = axes.places(&places.iter().map(mean).collect::<Vec<_>>());
        for point in &points {
            canvas.mark(*point, style.marker, 4.0, style.colour, 1.0);
        }
        canvas.line(points, style.colour, 1.2, style.dash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::predictions::LabelsTaken;

    #[test]
    fn labels_are_those_that_were_taken_else_all() {
        let facts = |labels| PredictionsFacts {
            classes: ["a", "b", "c"].map(String::from).into(),
            classifier: "any".into(),
            train_counts: vec![40, 20, 0],
            labels,
            temperature: None,
        };
        let taken = LabelsTaken { per_class: vec![10, 4, 0], validation: vec![10, 4, 0], short: Vec::new() };
        assert_eq!((labels_per_class(&facts(Some(taken))), labels_per_class(&facts(None))), (Some(7.0), Some(30.0)));
    }

    #[test]
    fn replicates_with_as_many_labels_share_a_place() {
        let results = [(50.0, [Some(0.7), None]), (10.0, [Some(0.5), None]), (10.0, [Some(0.6), Some(0.9)])];
        assert_eq!(places(&results, 0), [(10.0, vec![0.5, 0.6]), (50.0, vec![0.7])]);
        assert_eq!(places(&results, 1), [(10.0, vec![0.9])]);
    }
}
