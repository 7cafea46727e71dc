//! Which training stamps a network holds for most like some others: `neighbours.npy` `[query, 1 + nearest, channel, y, x]`, the
//! stamp and its nearest, and `neighbours.csv` with who they are. A reader sees at once whether the network looks at the source
//! or at something else.

use std::collections::BTreeSet;
use std::path::Path;

use crate::artifacts::array::ArrayWriter;
use crate::artifacts::split::{TEST, TRAIN, VALIDATION};
use crate::artifacts::table::{RowWriter, number};
use crate::stage::StageError;
use crate::stages::extract_features::likeness::cosine;

use super::HealthKeys;
use super::codes::Codes;

/// Writes both; nothing where there is no query or where the training split has too few other objects.
pub(super) fn write(out: &Path, codes: &Codes, keys: &HealthKeys) -> Result<(), StageError> {
    let stamps = codes.stamps;
    let [objects, labels] = ["objectId", "label"].map(|name| stamps.index.texts(name));
    let candids = stamps.index.ints("candid").unwrap_or_default();
    let (queries, training) = (queries(codes, keys.queries), codes.places(TRAIN));
    let found: Vec<(usize, Vec<(usize, f64)>)> = queries
        .into_iter()
        .map(|query| (query, nearest(codes, query, &training, &objects)))
        .filter(|(_, nearest)| nearest.len() >= keys.nearest)
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    let mut shape = vec![1 + keys.nearest];
    shape.extend(&stamps.images.shape()[1..]);
    let mut images = ArrayWriter::create(out.join("neighbours.npy"), &shape)?;
    let mut table =
        RowWriter::create(out.join("neighbours.csv"), &["query", "place", "candid", "objectId", "label", "cosine"])?;
    for (number_of, (query, nearest)) in found.iter().enumerate() {
        let shown = std::iter::once((*query, 1.0)).chain(nearest.iter().copied().take(keys.nearest));
        let mut pixels = Vec::new();
        for (place, (neighbour, cosine)) in shown.enumerate() {
            let row = codes.rows[neighbour];
            pixels.extend_from_slice(stamps.images.row(row));
            let candid = candids.get(row).copied().unwrap_or_default().to_string();
            let (object, label) = (objects[row].clone(), labels[row].clone());
            table.push([number_of.to_string(), place.to_string(), candid, object, label, number(cosine)])?;
        }
        images.push(&pixels)?;
    }
    images.finish()?;
    Ok(table.finish()?)
}

/// Places of the stamps asked about.
fn queries(codes: &Codes, most: usize) -> Vec<usize> {
    let held = [TEST, VALIDATION].map(|split| codes.stamps.examples(split, most));
    let rows = held.into_iter().find(|rows| !rows.is_empty()).unwrap_or_default();
    rows.into_iter().filter_map(|row| codes.rows.iter().position(|other| *other == row)).collect()
}

/// Training places by falling cosine, one for each other object.
fn nearest(codes: &Codes, query: usize, training: &[usize], objects: &[String]) -> Vec<(usize, f64)> {
    let own = &objects[codes.rows[query]];
    let mut all: Vec<(usize, f64)> = training
        .iter()
        .filter(|place| objects[codes.rows[**place]] != *own)
        .map(|place| (*place, cosine(codes.code(query), codes.code(*place))))
        .filter(|(_, cosine)| cosine.is_finite())
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut seen = BTreeSet::new();
    all.retain(|(place, _)| seen.insert(&objects[codes.rows[*place]]));
    all
}
