//! Objects that share a value of a column, such as the detector that saw them: a split that must show what a network makes of
//! a new detector puts each value on one side. Knows no positions.

use std::collections::HashMap;

use crate::stage::StageError;

use super::names::{NO_WORD, Names};
use super::rows::Row;
use super::split::Object;

/// Pairs of positions in `objects`: the first object with a value and each other that has it too, in any of its alerts. No value
/// is no group. Both lists are by object.
pub fn links(rows: &[Row], objects: &[Object]) -> Vec<(usize, usize)> {
    let mut first: HashMap<u32, usize> = HashMap::new();
    let mut links = Vec::new();
    for (object, rows) in rows.chunk_by(|a, b| a.object == b.object).enumerate() {
        debug_assert_eq!(objects[object].name, rows[0].object, "objects are not those of the rows");
        for row in rows.iter().filter(|row| row.value != NO_WORD) {
            let first = *first.entry(row.value).or_insert(object);
            if first != object {
                links.push((first, object));
            }
        }
    }
    links
}

/// Fails when two linked objects are in different splits.
pub fn check(
    column: &str,
    objects: &[Object],
    links: &[(usize, usize)],
    splits: &[&'static str],
    names: &Names,
) -> Result<(), StageError> {
    let Some((a, b)) = links.iter().copied().find(|(a, b)| splits[*a] != splits[*b]) else { return Ok(()) };
    let [id_a, id_b] = [a, b].map(|object| names.object(objects[object].name));
    let what = format!(
        "{id_a} and {id_b} have the same `{column}`, but {id_a} is in {} and {id_b} in {}",
        splits[a], splits[b]
    );
    Err(StageError::with_hint(what, "correct the column `split`, or leave `group_by` out"))
}
