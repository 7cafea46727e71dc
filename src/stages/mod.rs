//! The list of stage kinds. A new kind is one file here and one line in [`KINDS`].

use crate::stage::StageKind;

/// Every stage kind, in the order in which data flow.
pub static KINDS: &[&dyn StageKind] = &[];

/// The kind called `name`.
pub fn kind(name: &str) -> Option<&'static dyn StageKind> {
    KINDS.iter().copied().find(|kind| kind.name() == name)
}
