//! Rates of true and false positives as the threshold falls; what ROC and DET curves are drawn from.

/// Points (false positive rate, true positive rate) from `(score, whether positive)`; rows of equal score move together.
/// `None` without positives or without negatives.
pub fn rates(mut scores: Vec<(f64, bool)>) -> Option<Vec<(f64, f64)>> {
    let positives = scores.iter().filter(|s| s.1).count();
    let negatives = scores.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut alarms, mut points) = (0, 0, vec![(0.0, 0.0)]);
    for group in scores.chunk_by(|a, b| a.0 == b.0) {
        hits += group.iter().filter(|s| s.1).count();
        alarms += group.iter().filter(|s| !s.1).count();
        points.push((alarms as f64 / negatives as f64, hits as f64 / positives as f64));
    }
    Some(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let points = rates(vec![(0.9, true), (0.5, false), (0.5, true), (0.1, false)]).unwrap();
        assert_eq!(points, [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]);
        assert_eq!(rates(vec![(0.9, true)]), None);
        assert_eq!(rates(vec![(0.9, false)]), None);
    }
}
