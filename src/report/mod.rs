//! Tables, figures and one page for an experiment: `record` is what a run hands over, `write` makes the files.
//! The only code that writes in `results/`; knows no engine.

pub mod compare;
pub mod format;
pub mod grid;
pub mod notes;
pub mod record;
pub mod tidy;
pub mod words;
