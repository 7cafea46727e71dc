//! Latent maps: the first two principal components of the latent codes, coloured by class, one panel for each arm.

use super::scatter::{self, Panel};
use super::{Figure, Plot, file_name};
use crate::artifacts::features::Features;
use crate::artifacts::split;
use crate::projections::pca::Pca;
use crate::report::draw::canvas::Canvas;
use crate::report::sources::Sources;
use crate::stage::ArtifactType;

/// See the file.
pub struct Latent;

/// Prefix of the names of latent features.
const PREFIX: &str = "latent_";

impl Plot for Latent {
    fn name(&self) -> &'static str {
        "latent"
    }

    fn needs(&self) -> &'static str {
        "features with at least two latent_* columns"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let stages = sources.stages(ArtifactType::Features);
        // Several features that hold the same codes, some with other columns beside them, are one picture.
        let mut pictures: Vec<(Canvas, Vec<&str>)> = Vec::new();
        for stage in stages {
            let Some(canvas) = picture(sources, stage) else { continue };
            match pictures.iter_mut().find(|(known, _)| *known == canvas) {
                Some((_, stages)) => stages.push(stage),
                None => pictures.push((canvas, vec![stage])),
            }
        }
        pictures.into_iter().map(|(canvas, stages)| figure(self, sources, &stages, canvas)).collect()
    }
}

fn picture(sources: &Sources, stage: &str) -> Option<Canvas> {
    let most = scatter::most(sources);
    let mut panels = Vec::new();
    for arm in sources.arms() {
        let first = sources.steps(stage, arm).into_iter().next();
        let features = first.and_then(|step| sources.read(step, Features::open));
        panels.extend(features.and_then(|features| panel(arm, &features, most)));
    }
    (!panels.is_empty()).then(|| scatter::draw(sources, &panels))
}

fn figure(plot: &Latent, sources: &Sources, stages: &[&str], canvas: Canvas) -> Figure {
    let most = scatter::most(sources);
    let (of, names) = (if stages.len() > 1 { "stages" } else { "stage" }, stages.join(", "));
    let caption = format!(
        "Latent codes of {of} {names}: first two principal components of each arm's own space, first replicate, test \
         split, at most {most} points; axes say their share of the variance."
    );
    Figure { name: file_name(&[plot.name(), stages[0]]), caption, canvas }
}

/// Columns of the features that are latent codes.
pub(in crate::report) fn columns(features: &Features) -> Vec<usize> {
    let names = &features.facts.names;
    (0..names.len()).filter(|column| names[*column].starts_with(PREFIX)).collect()
}

fn panel(arm: &str, features: &Features, most: usize) -> Option<Panel> {
    let columns = columns(features);
    let (splits, labels) = (features.index.texts("split"), features.index.texts("label"));
    let mut rows: Vec<usize> = (0..splits.len()).filter(|row| splits[*row] == split::TEST).collect();
    if rows.is_empty() {
        rows = (0..splits.len()).collect();
    }
    let rows = scatter::thinned(rows, most);
    let code = |row: &usize| columns.iter().map(|c| features.values.row(*row)[*c]).collect();
    let codes: Vec<Vec<f32>> = rows.iter().map(code).collect();
    if columns.len() < 2 || codes.len() < 3 {
        return None;
    }
    let (places, shares) = principal(&codes)?;
    let label = |number: usize| format!("component {} ({:.0} %)", number + 1, 100.0 * shares[number]);
    let points = places.into_iter().zip(&rows).map(|(place, row)| (place, labels[*row].clone())).collect();
    Some(Panel { title: arm.into(), axes: [label(0), label(1)], notes: Vec::new(), points })
}

/// Projections of `codes` on the two directions of largest variance, and their shares of all variance; none where a code is
/// not finite.
pub(in crate::report) fn principal(codes: &[Vec<f32>]) -> Option<(Vec<(f64, f64)>, [f64; 2])> {
    let rows = codes.iter().map(Vec::as_slice);
    let pca = Pca::fit(rows.clone(), 2).ok()?;
    let place = |row: &[f32]| {
        let along = pca.transform(row);
        (along[0], along[1])
    };
    let share = |number: usize| if pca.total_variance > 0.0 { pca.variances[number] / pca.total_variance } else { 0.0 };
    Some((rows.map(place).collect(), [share(0), share(1)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_by_hand() {
        // Variances 16 along (0, 1, 0), 4 along (1, 0, 0), none along the third.
        let codes = [[2.0, 0.0, 5.0], [-2.0, 0.0, 5.0], [0.0, 4.0, 5.0], [0.0, -4.0, 5.0]].map(Vec::from);
        let (places, shares) = principal(&codes).unwrap();
        assert!((shares[0] - 0.8).abs() < 1e-9 && (shares[1] - 0.2).abs() < 1e-9, "{shares:?}");
        assert!((places[2].0 - 4.0).abs() < 1e-9 && (places[0].1 - 2.0).abs() < 1e-9, "{places:?}");
    }

    #[test]
    fn constant_and_odd_codes_do_not_fail() {
        let (places, shares) = principal(&vec![vec![1.0, 2.0]; 5]).unwrap();
        assert!(shares == [0.0, 0.0] && places.iter().all(|p| p.0.is_finite() && p.1.is_finite()));
        assert!(principal(&[vec![1.0, 2.0], vec![f32::NAN, 1.0], vec![0.0, 1.0]]).is_none());
    }
}
