//! Groups of rows that nobody labelled: one file for each method. Knows no stage, no file and no network.

pub mod gaussian_mixture;
