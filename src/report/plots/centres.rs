//! Cluster centres: the stamps that the centres of a clustering autoencoder stand for, arm by arm, with how many stamps fell
//! into each and which label most of them have.

use std::collections::BTreeMap;

use super::{Figure, Plot, file_name, short_cutout, strips};
use crate::artifacts::array::Array;
use crate::artifacts::assignments::Assignments;
use crate::report::draw::canvas::{Anchor, Canvas, FONT, Rect, TWO_COLUMNS, shorten};
use crate::report::draw::image::{Stretch, grey};
use crate::report::draw::theme::{Dash, GREY};
use crate::report::record::StepRecord;
use crate::report::sources::Sources;
use crate::stage::ArtifactType;

/// See the file.
pub struct Centres;

/// File of a model: `[cluster, channel, y, x]`.
const FILE: &str = "centres.npy";
/// Width of the names at the left.
const NAMES: f64 = 92.0;
/// Clusters side by side.
const COLUMNS: usize = 10;

/// The clusters of one arm.
struct Clusters {
    arm: String,
    channels: Vec<String>,
    centres: Array,
    /// Number of stamps, their most frequent label and its share, by cluster.
    counts: Vec<(usize, String, f64)>,
}

impl Plot for Centres {
    fn name(&self) -> &'static str {
        "centres"
    }

    fn needs(&self) -> &'static str {
        "model artifacts with centres.npy and assignments.csv"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let stages = sources.stages(ArtifactType::Model);
        stages.into_iter().filter_map(|stage| figure(self, sources, stage)).collect()
    }
}

fn figure(plot: &Centres, sources: &Sources, stage: &str) -> Option<Figure> {
    let first = |arm| sources.steps(stage, arm).into_iter().next();
    let arms: Vec<Clusters> =
        sources.arms().into_iter().filter_map(first).filter_map(|step| clusters(sources, step)).collect();
    let most = arms.iter().map(|arm| arm.counts.len()).max()?.min(COLUMNS);
    let side = ((TWO_COLUMNS - NAMES - 4.0) / most.max(4) as f64).min(48.0);
    let heights: Vec<f64> = arms.iter().map(|arm| height(arm, side)).collect();
    let mut canvas = Canvas::new(NAMES + side * most as f64 + 4.0, heights.iter().sum::<f64>() + 2.0);
    let mut top = 1.0;
    for (arm, height) in arms.iter().zip(heights) {
        draw_arm(&mut canvas, top, side, arm);
        top += height;
    }
    let caption = format!(
        "Decoded cluster centres of stage {stage}, first replicate, largest cluster first: below each the number of \
         stamps of all splits in it and the most frequent label with its share of the labelled ones. Each stamp has its \
         own asinh stretch."
    );
    Some(Figure { name: file_name(&[plot.name(), stage]), caption, canvas })
}

fn clusters(sources: &Sources, step: &StepRecord) -> Option<Clusters> {
    let exists = step.folder.as_ref().is_some_and(|folder| folder.join(FILE).exists());
    let centres = exists.then(|| sources.read(step, |folder| Array::open(folder.join(FILE))))??;
    let assignments = sources.read(step, Assignments::open)?;
    if centres.shape().len() != 4 || centres.rows() == 0 {
        return None;
    }
    let channels = strips::channels(sources, step, centres.shape()[1]);
    let counts = counts(&assignments, centres.rows());
    Some(Clusters { arm: step.arm.clone(), channels, centres, counts })
}

/// Number of rows in each cluster, the most frequent label there and its share of the labelled rows.
fn counts(assignments: &Assignments, clusters: usize) -> Vec<(usize, String, f64)> {
    let of = |cluster: usize| {
        let here = || assignments.rows.iter().filter(|row| row.cluster == cluster);
        let mut by_label: BTreeMap<&str, usize> = BTreeMap::new();
        here().filter(|row| !row.label.is_empty()).for_each(|row| *by_label.entry(&row.label).or_default() += 1);
        let all: usize = by_label.values().sum();
        let largest = by_label.into_iter().rev().max_by_key(|(_, count)| *count);
        let (label, count) = largest.unwrap_or(("", 0));
        (here().count(), label.to_string(), count as f64 / all.max(1) as f64)
    };
    (0..clusters).map(of).collect()
}

/// Lines of clusters below each other.
fn lines(arm: &Clusters) -> usize {
    arm.counts.len().div_ceil(COLUMNS)
}

fn height(arm: &Clusters, side: f64) -> f64 {
    lines(arm) as f64 * (side * arm.channels.len() as f64 + 3.0 * FONT + 9.0) + 4.0
}

fn draw_arm(canvas: &mut Canvas, top: f64, side: f64, arm: &Clusters) {
    let mut order: Vec<usize> = (0..arm.counts.len()).collect();
    order.sort_by_key(|cluster| std::cmp::Reverse(arm.counts[*cluster].0));
    let line_height = (height(arm, side) - 4.0) / lines(arm) as f64;
    let columns = arm.centres.shape()[3];
    let length = arm.centres.shape()[2] * columns;
    for (place, cluster) in order.into_iter().enumerate() {
        let (x, y) = (NAMES + (place % COLUMNS) as f64 * side, top + (place / COLUMNS) as f64 * line_height);
        for (channel, values) in arm.centres.row(cluster).chunks_exact(length).enumerate() {
            let rect = Rect { x, y: y + channel as f64 * side, width: side - 2.0, height: side - 2.0 };
            canvas.image(rect, grey(values, columns, Stretch::of(values)));
            let mut corners = rect.corners();
            corners.push(corners[0]);
            canvas.line(corners, GREY, 0.4, Dash::Solid);
        }
        let (count, label, share) = &arm.counts[cluster];
        let below = y + side * arm.channels.len() as f64 + 0.5 * FONT;
        canvas.label((x + side / 2.0 - 1.0, below), &count.to_string(), Anchor::Middle);
        if !label.is_empty() {
            let lines = [shorten(label, side), format!("{:.0} %", 100.0 * share)];
            for (number, line) in lines.iter().enumerate() {
                let y = below + (number + 1) as f64 * (FONT + 1.0);
                canvas.coloured_label((x + side / 2.0 - 1.0, y), line, Anchor::Middle, GREY);
            }
        }
    }
    for line in 0..lines(arm) {
        for (channel, name) in arm.channels.iter().enumerate() {
            let y = top + line as f64 * line_height + (channel as f64 + 0.5) * side;
            if channel == 0 {
                canvas.label((NAMES - 5.0, y - 0.65 * FONT), &shorten(&arm.arm, NAMES - 8.0), Anchor::End);
            }
            canvas.coloured_label((NAMES - 5.0, y + 0.65 * FONT), &short_cutout(name, NAMES - 8.0), Anchor::End, GREY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::assignments::Assignment;

    #[test]
    fn labels_of_clusters_are_those_of_most_rows() {
        let row = |(cluster, label): &(usize, &str)| Assignment {
            candid: 1,
            object_id: String::new(),
            label: (*label).into(),
            split: String::new(),
            cluster: *cluster,
            measured: Vec::new(),
            gamma: Vec::new(),
        };
        let rows = [(1, "SN"), (1, "SN"), (1, ""), (0, ""), (1, "AGN")].iter().map(row).collect();
        let assignments = Assignments { clusters: 3, measured: Vec::new(), rows };
        let expected = [(1, String::new(), 0.0), (4, "SN".to_string(), 2.0 / 3.0), (0, String::new(), 0.0)];
        assert_eq!(counts(&assignments, 3), expected);
    }
}
