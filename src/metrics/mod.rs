//! What is measured, one file each, with formula and source.

pub mod statistics;
