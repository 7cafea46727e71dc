//! Counts of true against predicted classes.

use super::Judged;

/// Counts `[truth][predicted]`.
pub fn confusion(rows: &[Judged], classes: usize) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; classes]; classes];
    for row in rows {
        counts[row.label][row.predicted] += 1;
    }
    counts
}
