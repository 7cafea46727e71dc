//! estampa: declarative, cached experiments on astronomical alert stamps. `ARCHITECTURE.md` is the map of these folders.

pub mod nn;
pub mod ztf;
