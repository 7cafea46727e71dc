//! Tests through the binary, one module per promise. Each runs `estampa` in a project of its own in a temporary folder.

#![allow(missing_docs, clippy::print_stderr, clippy::unwrap_used)]

/// A temporary project, and what `estampa` says in it.
mod world;

/// Training stamps that change anew in each epoch: with every network, old results, what is refused.
mod anew;
/// What runs when something happens: the situations in which other tools were measured.
mod behaviour;
/// What runs when something changes, and what does not: keys, early cut-off, replicates, arms.
mod caching;
/// The care of a cache: what gc removes, verify repairs, diff names and audit finds.
mod care;
/// What a program of the user leaves behind: others that it started, and links.
mod commands;
/// Kills, two processes at once, damaged and unwritable caches.
mod crashes;
/// Bad data and real packets through the binary.
mod data;
/// Arms without classes, splits, results or anything to learn from: tables say so and the others stand.
mod degenerate;
/// Training whose loss is no number.
mod divergence;
/// Broken files: place, cause, nearest name, exit code, nothing run.
mod faults;
/// `estampa fetch` against servers that fail in every way.
mod fetch_faults;
/// `estampa fetch` of nights: what comes, what is there, kills, damage, a full disk.
mod fetch_nights;
/// `estampa fetch` of objects from brokers.
mod fetch_objects;
/// Damaged bytes for every reader that `fuzz/` knows.
mod hostile;
/// Runs with nothing to do, and the first change after them.
mod idle;
/// The user's files: unreadable, unchanged, changed.
mod inputs;
/// What is in a key; seeds.
mod keys;
/// Kills at random instants, many processes over one cache, a full disk.
mod kills;
/// Broken files, one fault each.
mod malformed;
/// Targets of one name: results, runs and pins of their own, or a clear word before anything runs.
mod names;
mod nights;
/// What `cache gc` removes and what it keeps.
mod prune;
/// Trained networks in PyTorch, where there is one.
mod pytorch;
/// `plan` and `explain` against what really runs.
mod reasons;
/// Killed and damaged training, bytes compared with an undisturbed run.
mod resume;
/// What stages need of the machine, and the events of a run.
mod running;
/// A server on the loopback interface.
mod server;
/// Shipped pipelines, experiments and documents.
mod shipped;
/// Experiments as a whole: frozen, resumed, the same bytes.
mod sweeps;
mod telling;
/// Plan and execution held together on random graphs.
mod truth;
/// Training that starts from other weights.
mod tuning;
/// What a test sees of a project from outside.
mod watch;
/// Deep and wide graphs.
mod wide;

/// The graphs of the benchmark.
#[path = "../../benches/graphs/write.rs"]
mod write;
