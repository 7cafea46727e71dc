//! A survey in a box: objects of five classes, their light curves, and the alerts they give.
//! Each object depends on (seed, index) alone; nothing here reads or writes a file.

mod artefact;
mod chance;
mod depth;
mod edge;
mod footprint;
mod host;
mod identity;
mod image;
mod light_curve;
mod metadata;
mod object;
mod past;
mod photometry;
mod psf;
mod recipe;
mod scene;
mod surroundings;
mod survey;
mod target;
#[cfg(test)]
mod tests;

pub use object::{SimulatedAlert, SimulatedObject, simulate_object};
pub use recipe::{Class, Recipe, RecipeError};
