//! Maps of features in two dimensions, coloured by class, one panel for each arm, with the method, its parameters and how
//! true the map is.

use super::scatter::{self, Panel};
use super::{Figure, Plot, file_name};
use crate::artifacts::map::{Map, MapFacts};
use crate::report::sources::Sources;
use crate::stage::ArtifactType;

/// See the file.
pub struct Maps;

impl Plot for Maps {
    fn name(&self) -> &'static str {
        "map"
    }

    fn needs(&self) -> &'static str {
        "map artifacts"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        let stages = sources.stages(ArtifactType::Map);
        stages.into_iter().filter_map(|stage| figure(self, sources, stage)).collect()
    }
}

fn figure(plot: &Maps, sources: &Sources, stage: &str) -> Option<Figure> {
    let most = scatter::most(sources);
    let mut panels = Vec::new();
    for arm in sources.arms() {
        let first = sources.steps(stage, arm).into_iter().next();
        let map = first.and_then(|step| sources.read(step, Map::open));
        panels.extend(map.map(|map| panel(arm, &map, most)));
    }
    if panels.is_empty() {
        return None;
    }
    let caption = format!(
        "Maps of stage {stage}, first replicate, all rows of the map, at most {most} points drawn. Trustworthiness and \
         continuity (1 at best) say how many neighbours on the map are real and how many real ones are kept. Of UMAP and \
         t-SNE neither axes nor sizes of clumps nor distances between them mean anything: see them, measure nothing on them."
    );
    Some(Figure { name: file_name(&[plot.name(), stage]), caption, canvas: scatter::draw(sources, &panels) })
}

fn panel(arm: &str, map: &Map, most: usize) -> Panel {
    let rows = scatter::thinned((0..map.rows.len()).collect(), most);
    let point = |row: usize| ((map.rows[row].place[0], map.rows[row].place[1]), map.rows[row].label.clone());
    Panel {
        title: arm.into(),
        axes: [String::new(), String::new()],
        notes: notes(&map.facts).into(),
        points: rows.into_iter().map(point).collect(),
    }
}

/// Method and what is near; its parameters; how true.
fn notes(facts: &MapFacts) -> [String; 3] {
    let scaled = (facts.norm != "none").then(|| facts.norm.clone());
    let metric = facts.parameters.get("metric").cloned();
    let method: Vec<String> = std::iter::once(facts.method.clone()).chain(scaled).chain(metric).collect();
    let others = facts.parameters.iter().filter(|(name, _)| *name != "metric");
    let parameter =
        |(name, value): (&String, &String)| format!("{} {}", name.replace('_', " "), value.trim_end_matches(".0"));
    let parameters: Vec<String> = others.map(parameter).collect();
    let number = |value: Option<f64>| value.map_or_else(|| "undefined".into(), |value| format!("{value:.3}"));
    let (trustworthiness, continuity) = (number(facts.trustworthiness), number(facts.continuity));
    [method.join(", "), parameters.join(", "), format!("trustworthiness {trustworthiness}, continuity {continuity}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_say_how_a_map_was_made_and_how_true_it_is() {
        let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
        let facts = MapFacts {
            method: "umap".into(),
            parameters: [pair("n_neighbors", "15"), pair("min_dist", "0.1"), pair("metric", "cosine")].into(),
            norm: "l2".into(),
            seed: Some(1),
            features: Vec::new(),
            classes: Vec::new(),
            k: 12,
            trustworthiness: Some(0.98765),
            continuity: None,
        };
        let [method, parameters, truth] = notes(&facts);
        assert_eq!(method, "umap, l2, cosine");
        assert_eq!(parameters, "min dist 0.1, n neighbors 15");
        assert_eq!(truth, "trustworthiness 0.988, continuity undefined");
    }
}
