//! Objects that share a value of a column, such as the detector that saw them: a split that must show what a network makes of
//! a new detector puts each value on one side. Knows no positions.

use std::collections::{BTreeMap, HashMap};

use crate::stage::StageError;

use super::rows::Row;
use super::split::Object;

/// Pairs of positions in `objects`: the first object with a value and each other that has it too, in any of its alerts. No value
/// is no group.
pub fn links(rows: &[Row], objects: &[Object]) -> Vec<(usize, usize)> {
    let positions: HashMap<&str, usize> = objects.iter().map(|o| o.id.as_str()).zip(0..).collect();
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut links = Vec::new();
    for row in rows.iter().filter(|row| !row.value.is_empty()) {
        let object = positions[row.object_id.as_str()];
        let first = *first.entry(&row.value).or_insert(object);
        if first != object {
            links.push((first, object));
        }
    }
    links
}

/// Fails when two linked objects are in different splits.
pub fn check(
    column: &str,
    objects: &[Object],
    links: &[(usize, usize)],
    splits: &BTreeMap<String, &'static str>,
) -> Result<(), StageError> {
    let split = |object: usize| splits[&objects[object].id];
    let Some((a, b)) = links.iter().copied().find(|(a, b)| split(*a) != split(*b)) else { return Ok(()) };
    let what = format!(
        "{} and {} have the same `{column}`, but {} is in {} and {} in {}",
        objects[a].id,
        objects[b].id,
        objects[a].id,
        split(a),
        objects[b].id,
        split(b)
    );
    Err(StageError::with_hint(what, "correct the column `split`, or leave `group_by` out"))
}
