//! estampa: declarative, cached experiments on astronomical alert stamps. `ARCHITECTURE.md` is the map of these folders.

pub mod artifacts;
pub mod classifiers;
pub mod cli;
pub mod clustering;
pub mod execute;
pub mod fetch;
pub mod geometry;
pub mod graph;
mod memory;
pub mod metrics;
pub mod models;
pub mod nn;
pub mod plan;
pub mod projections;
mod registers;
pub mod report;
pub mod spec;
pub mod stage;
pub mod stages;
pub mod store;
pub mod ztf;
