//! Tests through the binary, one module per promise. Each runs `estampa` in a project of its own in a temporary folder.

#![allow(missing_docs, clippy::print_stderr, clippy::unwrap_used)]

/// A temporary project, and what `estampa` says in it.
mod world;

/// What runs when something changes, and what does not: keys, early cut-off, replicates, arms.
mod caching;
/// The care of a cache: what gc removes, verify repairs, diff names and audit finds.
mod care;
/// Kills, two processes at once, damaged and unwritable caches.
mod crashes;
/// Bad data and real packets through the binary.
mod data;
/// Broken files: place, cause, nearest name, exit code, nothing run.
mod faults;
/// `plan` and `explain` against what really runs.
mod reasons;
/// Shipped pipelines, experiments and documents.
mod shipped;
