//! estampa: declarative, cached experiments on astronomical alert stamps. `ARCHITECTURE.md` is the map of these folders.

pub mod artifacts;
pub mod models;
pub mod nn;
pub mod spec;
pub mod stage;
pub mod stages;
pub mod ztf;
