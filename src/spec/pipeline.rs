//! A checked pipeline: stages with parameters, files and edges. Plain data; how it is read and checked is in
//! `draft` and `check`.

use std::path::Path;
use std::sync::Arc;

use super::keys::{Key, Shape};
use super::needs::Needs;
use super::value::Params;
use crate::stage::{ExternalFile, StageKind};

/// A stage with everything checked. Arms that leave it as it is share it.
pub struct Stage {
    /// The user's name for it.
    pub name: String,
    /// Its kind.
    pub kind: &'static dyn StageKind,
    /// Checked parameters, every declared key present.
    pub params: Params,
    /// The declared keys, ordered by name.
    pub keys: Arc<[Key]>,
    /// Files of the user by key.
    pub files: Vec<(&'static str, Arc<[ExternalFile]>)>,
    /// Input name and position of the stage that feeds it, ordered by input name.
    pub inputs: Vec<(String, usize)>,
    /// Its own seed, if it has one.
    pub seed: Option<u64>,
    /// What it needs of the machine while it runs.
    pub needs: Needs,
    /// Folder of the TOML file.
    pub home: Arc<Path>,
}

/// A checked pipeline.
#[derive(Clone)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Seed that all others derive from.
    pub seed: u64,
    /// Stages in the order of the text.
    pub stages: Vec<Arc<Stage>>,
    /// Positions of the stages, each after its inputs.
    pub order: Arc<[usize]>,
}

/// Whether values of this shape name files.
pub fn holds_files(shape: &Shape) -> bool {
    match shape {
        Shape::File | Shape::NamedFile => true,
        Shape::List(item) | Shape::OneOrMore(item) | Shape::Optional(item) => holds_files(item),
        _ => false,
    }
}

/// Whether values of this shape name files whose own names enter the key.
pub fn holds_named_files(shape: &Shape) -> bool {
    match shape {
        Shape::NamedFile => true,
        Shape::List(item) | Shape::OneOrMore(item) | Shape::Optional(item) => holds_named_files(item),
        _ => false,
    }
}
