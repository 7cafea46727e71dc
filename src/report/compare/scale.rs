//! Errors in pixels are in units that each arm may set: how pixels are scaled, cut and which channels there are. Errors of one
//! scale are compared, of two never. Knows what the stages say of themselves, but no particular one.

use std::collections::BTreeSet;

use super::stages::Stages;
use super::{Arm, Measure};
use crate::report::words;

/// What the pixels of a stage's errors depend on, as `key = value`: equal ones can be compared.
pub(super) type Scale<'a> = BTreeSet<(&'a str, &'a str)>;

/// The scale of `measure` in an arm: nothing where it is not in pixels.
pub(super) fn of<'a>(stages: &Stages<'a>, arm: &Arm, measure: &Measure) -> Scale<'a> {
    if !words::is_of_pixels(&measure.metric) {
        return Scale::new();
    }
    let steps = stages.up_to(arm, &measure.stage).into_iter().filter_map(|steps| steps.first());
    steps.flat_map(|step| &step.scale).map(|(key, value)| (key.as_str(), value.as_str())).collect()
}
