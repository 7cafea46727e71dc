//! What a reader points at: the objects of the test split with their place in each arm's map, their stamps, and who called
//! them what. Knows no HTML; `page.js` reads what is made here.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::atlas::atlas;
use crate::artifacts::features::Features;
use crate::artifacts::map::{Map, MapRow};
use crate::artifacts::predictions::Predictions;
use crate::artifacts::split;
use crate::artifacts::stamps::Stamps;
use crate::artifacts::table::Table;
use crate::report::plots::latent;
use crate::report::record::StepRecord;
use crate::report::sources::Sources;
use crate::stage::ArtifactType;

/// Most objects on a page.
const MOST: usize = 10_000;
/// Instead of a class: none.
const NO_CLASS: u8 = u8::MAX;
/// Instead of a coordinate: none.
const NOWHERE: u16 = u16::MAX;

/// The objects of a page: one row each.
struct Objects {
    names: Vec<String>,
    candids: Vec<i64>,
    labels: Vec<String>,
    /// Rows before [`MOST`] were taken.
    all: usize,
    by_candid: HashMap<i64, usize>,
    /// Only objects with one row: arms may show another detection of the same object.
    by_name: HashMap<String, usize>,
}

/// All that the page's script needs; `None` when no stage has test rows.
pub(super) fn examples(sources: &Sources) -> Option<Value> {
    let objects = objects(sources)?;
    let classes = sources.classes();
    let truth: Vec<u8> = objects.labels.iter().map(|label| class_number(classes, label)).collect();
    let look = |class: &String| {
        let style = sources.class_style(class);
        let (r, g, b) = (style.colour.0, style.colour.1, style.colour.2);
        json!({ "name": class, "colour": format!("rgb({r},{g},{b})"), "marker": format!("{:?}", style.marker) })
    };
    Some(json!({
        "classes": classes.iter().map(look).collect::<Vec<_>>(),
        "objects": objects.names,
        "candids": objects.candids.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "all": objects.all,
        "truth": STANDARD.encode(truth),
        "maps": maps(sources, &objects),
        "judges": of_arms(sources, ArtifactType::Predictions, |stage, arm, step| judge(sources, &objects, stage, arm, step)),
        "stamps": stamps(sources, &objects),
    }))
}

/// What `make` gives for the first replicate of each arm and stage that has a result.
fn of_arms(
    sources: &Sources,
    artifact: ArtifactType,
    make: impl Fn(&str, &str, &StepRecord) -> Option<Value>,
) -> Vec<Value> {
    let mut all = Vec::new();
    for arm in sources.arms_baseline_first() {
        for stage in sources.stages(artifact) {
            all.extend(sources.steps(stage, arm).first().and_then(|step| make(stage, arm, step)));
        }
    }
    all
}

/// Maps that stages made before those of principal components.
fn maps(sources: &Sources, objects: &Objects) -> Vec<Value> {
    let made = of_arms(sources, ArtifactType::Map, |stage, arm, step| map(sources, objects, stage, arm, step));
    let of_codes =
        of_arms(sources, ArtifactType::Features, |stage, arm, step| components(sources, objects, stage, arm, step));
    // Several features of an arm may hold the same codes beside other columns.
    let is_same = |a: &Value, b: &Value| ["arm", "note", "x", "y"].iter().all(|name| a[name] == b[name]);
    let mut maps = made;
    let first = maps.len();
    for map in of_codes {
        if !maps[first..].iter().any(|known| is_same(known, &map)) {
            maps.push(map);
        }
    }
    maps
}

/// Test rows of the first features, else of the first predictions, of the baseline arm if it has them.
fn objects(sources: &Sources) -> Option<Objects> {
    for artifact in [ArtifactType::Features, ArtifactType::Predictions] {
        for arm in sources.arms_baseline_first() {
            for stage in sources.stages(artifact) {
                let Some(step) = sources.steps(stage, arm).into_iter().next() else { continue };
                let file = if artifact == ArtifactType::Features { "index.csv" } else { "predictions.csv" };
                let found = sources.read(step, |folder| Table::read(folder.join(file))).and_then(|t| test_rows(&t));
                if found.is_some() {
                    return found;
                }
            }
        }
    }
    None
}

/// Evenly chosen where there are too many.
fn test_rows(table: &Table) -> Option<Objects> {
    let (splits, names, labels) = (table.texts("split"), table.texts("objectId"), table.texts("label"));
    let candids = table.ints("candid")?;
    let rows: Vec<usize> = (0..splits.len()).filter(|row| splits[*row] == split::TEST).collect();
    let all = rows.len();
    let rows: Vec<usize> = (0..all.min(MOST)).map(|i| rows[i * all / all.min(MOST)]).collect();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    let mut several: HashSet<&String> = HashSet::new();
    for (place, row) in rows.iter().enumerate() {
        if by_name.insert(names[*row].clone(), place).is_some() {
            several.insert(&names[*row]);
        }
    }
    by_name.retain(|name, _| !name.is_empty() && !several.contains(name));
    let by_candid = rows.iter().enumerate().map(|(place, row)| (candids[*row], place)).collect();
    let of = |column: &[String]| -> Vec<String> { rows.iter().map(|row| column[*row].clone()).collect() };
    let candids = rows.iter().map(|row| candids[*row]).collect();
    (all > 0).then(|| Objects { names: of(&names), candids, labels: of(&labels), all, by_candid, by_name })
}

impl Objects {
    /// The place of a row of another artifact.
    fn place(&self, candid: i64, name: &str) -> Option<usize> {
        self.by_candid.get(&candid).or_else(|| self.by_name.get(name)).copied()
    }

    fn len(&self) -> usize {
        self.names.len()
    }
}

fn class_number(classes: &[String], label: &str) -> u8 {
    let found = classes.iter().position(|class| class == label);
    found.and_then(|number| u8::try_from(number).ok()).unwrap_or(NO_CLASS)
}

/// A map that a stage made.
fn map(sources: &Sources, objects: &Objects, stage: &str, arm: &str, step: &StepRecord) -> Option<Value> {
    let map = sources.read(step, Map::open)?;
    let place = |row: &MapRow| Some((objects.place(row.candid, &row.object_id)?, (row.place[0], row.place[1])));
    let places: Vec<(usize, (f64, f64))> = map.rows.iter().filter_map(place).collect();
    let true_to = map.facts.trustworthiness.map_or_else(String::new, |t| format!(", trustworthiness {t:.3}"));
    placed(objects, arm, stage, &format!("{}{true_to}", map.facts.method), &places)
}

/// The first two principal components of the codes.
fn components(sources: &Sources, objects: &Objects, stage: &str, arm: &str, step: &StepRecord) -> Option<Value> {
    let features = sources.read(step, Features::open)?;
    let columns = latent::columns(&features);
    let (candids, names) = (features.index.ints("candid")?, features.index.texts("objectId"));
    let splits = features.index.texts("split");
    let test = (0..splits.len()).filter(|row| splits[*row] == split::TEST);
    let test = test.filter_map(|row| Some((row, objects.place(candids[row], &names[row])?)));
    let code = |row: usize| -> Vec<f32> { columns.iter().map(|c| features.values.row(row)[*c]).collect() };
    let rows: Vec<(usize, Vec<f32>)> = test.map(|(row, place)| (place, code(row))).collect();
    let rows: Vec<(usize, Vec<f32>)> =
        rows.into_iter().filter(|(_, code)| code.iter().all(|v| v.is_finite())).collect();
    if columns.len() < 2 || rows.len() < 3 {
        return None;
    }
    let (places, shares) = latent::principal(&rows.iter().map(|(_, code)| code.clone()).collect::<Vec<_>>())?;
    let note = format!(
        "first two principal components of the codes, {:.0} % and {:.0} % of the variance",
        100.0 * shares[0],
        100.0 * shares[1]
    );
    let places: Vec<(usize, (f64, f64))> = rows.iter().map(|(place, _)| *place).zip(places).collect();
    placed(objects, arm, stage, &note, &places)
}

/// A map for the script; `None` where none of the objects has a place.
fn placed(objects: &Objects, arm: &str, stage: &str, note: &str, places: &[(usize, (f64, f64))]) -> Option<Value> {
    (!places.is_empty()).then(|| {
        json!({
            "arm": arm, "stage": stage, "note": format!("{note}, the outermost at the edge"),
            "x": coordinates(objects.len(), places.iter().map(|(place, at)| (*place, at.0))),
            "y": coordinates(objects.len(), places.iter().map(|(place, at)| (*place, at.1))),
        })
    })
}

/// One coordinate of each object as bytes, 0 to 65534 for the middle 99 of 100; the others are at the edge, so that one
/// that is far out does not press all others together.
fn coordinates(objects: usize, values: impl Iterator<Item = (usize, f64)> + Clone) -> String {
    let mut sorted: Vec<f64> = values.clone().map(|(_, value)| value).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let quantile = |q: f64| sorted.get((last as f64 * q).round() as usize).copied().unwrap_or_default();
    let (low, high) = (quantile(0.005), quantile(0.995));
    let mut all = vec![NOWHERE; objects];
    for (place, value) in values {
        let share = if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
        all[place] = (share * f64::from(NOWHERE - 1)).round() as u16;
    }
    STANDARD.encode(all.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

/// What a classifier called each object, and how sure it was (0 to 255).
fn judge(sources: &Sources, objects: &Objects, stage: &str, arm: &str, step: &StepRecord) -> Option<Value> {
    let predictions = sources.read(step, Predictions::open)?;
    let (mut predicted, mut confidence) = (vec![NO_CLASS; objects.len()], vec![0_u8; objects.len()]);
    for row in predictions.rows.iter().filter(|row| row.split == split::TEST) {
        let Some(place) = objects.place(row.candid, &row.object_id) else { continue };
        let class = row.predicted();
        predicted[place] = class_number(sources.classes(), &predictions.facts.classes[class]);
        confidence[place] = (row.probabilities[class] * 255.0).round() as u8;
    }
    predicted.iter().any(|class| *class != NO_CLASS).then(|| {
        json!({
            "arm": arm, "stage": stage,
            "predicted": STANDARD.encode(predicted), "confidence": STANDARD.encode(confidence),
        })
    })
}

/// The stamps that a network of the baseline arm sees; null when there are none of these objects.
fn stamps(sources: &Sources, objects: &Objects) -> Value {
    for arm in sources.arms_baseline_first() {
        for stage in sources.stages(ArtifactType::Stamps) {
            let step = sources.steps(stage, arm).into_iter().next();
            let Some(stamps) = step.and_then(|step| sources.read(step, Stamps::open)) else { continue };
            let Some(candids) = stamps.index.ints("candid") else { continue };
            let (names, copies) = (stamps.index.texts("objectId"), stamps.index.ints("copy").unwrap_or_default());
            let mut rows = vec![None; objects.len()];
            // Backwards, so that of several rows the first stays.
            for row in (0..candids.len()).rev().filter(|row| copies.get(*row).is_none_or(|copy| *copy == 0)) {
                if let Some(place) = objects.place(candids[row], &names[row]) {
                    rows[place] = Some(row);
                }
            }
            if rows.iter().any(Option::is_some) {
                return atlas(&stamps, &rows);
            }
        }
    }
    Value::Null
}
