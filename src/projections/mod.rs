//! Maps of many numbers to few. Knows no stage and no artifact.

pub mod pca;
