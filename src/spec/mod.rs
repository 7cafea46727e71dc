//! From TOML text to a checked description of what to run; every fault is reported with its place.
//! Runs nothing, hashes nothing, knows no astronomy.

pub mod keys;
pub mod value;
