//! From TOML text to a checked description of what to run; every fault is reported with its place.
//! Runs nothing, hashes nothing, knows no astronomy.

mod arms;
pub mod check;
pub mod document;
pub mod draft;
pub mod experiment;
pub mod faults;
pub mod files;
#[cfg(test)]
mod hostile;
pub mod keys;
pub mod needs;
pub mod one_or_more;
pub mod params;
pub mod pipeline;
pub mod reference;
pub mod value;
