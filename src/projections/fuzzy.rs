//! How strongly neighbours hold on to each other in UMAP (McInnes, Healy and Melville 2018, arXiv:1802.03426, section 3.1 and
//! algorithms 2 and 3): each row measures distances in its own unit, so that dense and sparse regions weigh alike. Knows no
//! layout.

use rayon::prelude::*;

use super::distances::{Metric, Neighbours};
use super::graph::Graph;

/// Steps in which a unit is sought, and how near its sum must come.
const STEPS: usize = 64;
const NEAR: f64 = 1e-5;
/// Least unit, part of the mean distance.
const LEAST: f64 = 1e-3;

/// Row `i` holds on to its neighbour `j` with `exp(-max(0, d_ij - \rho_i) / \sigma_i)`, where `\rho_i` is the distance of the
/// nearest other place and `\sigma_i` makes these sum to `log_2 k`, `k` counting the row itself. Of two weights `a` and `b` of
/// a pair comes `a + b - ab`.
pub fn fuzzy_graph(neighbours: &Neighbours, metric: Metric) -> Graph {
    let rows = neighbours.rows.len() / neighbours.k;
    let own = |row: usize| {
        let distances: Vec<f64> = neighbours.of(row).map(|(_, squared)| metric.of_squared(squared)).collect();
        weights(&distances)
    };
    let weights: Vec<f64> = (0..rows).into_par_iter().flat_map_iter(own).collect();
    Graph::joined(neighbours, &weights, |a, b| a + b - a * b)
}

/// The sum is convex in `1/\sigma`, so steps of Newton from 0 never go too far. It has no solution where too many rows are as
/// near as the nearest: the steps then lead to the least unit.
fn weights(distances: &[f64]) -> Vec<f64> {
    let nearest = distances.iter().copied().find(|d| *d > 0.0).unwrap_or(0.0);
    let beyond: Vec<f64> = distances.iter().map(|d| (d - nearest).max(0.0)).collect();
    let count = (distances.len() + 1) as f64;
    let mean = distances.iter().sum::<f64>() / count;
    let most = 1.0 / (LEAST * mean);
    let mut per_unit = 0.0;
    for _ in 0..STEPS {
        let (mut sum, mut slope) = (-count.log2(), 0.0);
        for d in &beyond {
            let held = (-d * per_unit).exp();
            (sum, slope) = (sum + held, slope + d * held);
        }
        if sum < NEAR || slope <= 0.0 || per_unit >= most {
            break;
        }
        per_unit += sum / slope;
    }
    per_unit = per_unit.min(most);
    beyond.iter().map(|d| if *d > 0.0 { (-d * per_unit).exp() } else { 1.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_the_logarithm_and_the_nearest_has_all() {
        let found = weights(&[0.5, 1.0, 1.2, 3.0, 3.1, 3.3, 4.0]);
        assert!((found.iter().sum::<f64>() - 3.0).abs() < 2.0 * NEAR, "{found:?}");
        assert!(found[0] == 1.0 && found.windows(2).all(|pair| pair[0] >= pair[1]), "{found:?}");
    }

    #[test]
    fn two_weights_of_a_pair_become_their_union() {
        // At 0, 1, 3 and 7 on a line.
        let squared = vec![1.0, 9.0, 1.0, 4.0, 4.0, 9.0, 16.0, 36.0];
        let neighbours = Neighbours { k: 2, rows: vec![1, 2, 0, 2, 1, 0, 2, 1], squared };
        let graph = fuzzy_graph(&neighbours, Metric::Euclidean);
        let (a, b) = (weights(&[1.0, 3.0])[1], weights(&[2.0, 3.0])[1]);
        assert!((0.5..0.6).contains(&a) && (0.5..0.6).contains(&b), "{a} {b}");
        assert_eq!(graph.of(0).collect::<Vec<_>>(), [(1, 1.0), (2, (a + b - a * b) as f32)]);
    }

    #[test]
    fn equal_rows_hold_with_all_their_strength() {
        assert_eq!(weights(&[0.0, 0.0, 0.0]), [1.0; 3]);
        let found = weights(&[0.0, 0.0, 2.0, 2.5]);
        assert!(found[..3] == [1.0; 3] && found[3] < 1e-3, "{found:?}");
    }
}
