//! Expected calibration error, and the bins that a reliability diagram draws.

use super::{Better, Judged, Measure, Metric};

/// Number of bins.
pub const BINS: usize = 15;

/// Mean distance between confidence and accuracy.
pub static CALIBRATION_ERROR: Metric = Metric {
    name: "ece",
    summary: "Expected calibration error: distance between confidence (probability of the most probable class) and accuracy, \
              averaged over 15 equal bins of confidence by their number of rows. Few rows make it larger, so it has no interval.",
    formula: r"\sum_{b=1}^{15} \frac{n_b}{n} |\mathrm{acc}_b - \mathrm{conf}_b|, \quad b = ((b-1)/15, b/15]",
    source: "Guo et al. 2017, arXiv:1706.04599, eq. 3",
    better: Better::Lower,
    measure: Measure::Biased(expected_calibration_error),
};

/// Rows of similar confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Number of rows.
    pub rows: usize,
    /// How many of them are right.
    pub correct: usize,
    /// Sum of their confidences.
    pub confidence: f64,
}

/// The bins `(0, 1/15], .., (14/15, 1]`.
pub fn bins(rows: &[Judged]) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for row in rows {
        let confidence = row.probabilities[row.predicted];
        let above = (confidence * BINS as f64).ceil() as usize;
        let bin = &mut bins[above.clamp(1, BINS) - 1];
        bin.rows += 1;
        bin.correct += usize::from(row.predicted == row.label);
        bin.confidence += confidence;
    }
    bins
}

fn expected_calibration_error(rows: &[Judged]) -> Option<f64> {
    let gap = |bin: &Bin| (bin.correct as f64 - bin.confidence).abs();
    (!rows.is_empty()).then(|| bins(rows).iter().map(gap).sum::<f64>() / rows.len() as f64)
}
