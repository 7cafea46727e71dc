//! The list of stage kinds. A new kind is one file here and one line in [`KINDS`].

pub mod command;
pub mod load;
pub mod simulate;

use crate::stage::StageKind;

/// Every stage kind, in the order in which data flow.
pub static KINDS: &[&dyn StageKind] = &[
    &simulate::Simulate,
    &load::Load,
    &command::UserCommand,
];

/// The kind called `name`.
pub fn kind(name: &str) -> Option<&'static dyn StageKind> {
    KINDS.iter().copied().find(|kind| kind.name() == name)
}
