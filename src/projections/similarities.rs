//! How alike neighbours are in t-SNE (van der Maaten and Hinton 2008, equations 1 and 2): a Gaussian around each row, as wide
//! as to hold a wanted number of neighbours. Knows no layout.

use rayon::prelude::*;

use super::distances::{Metric, Neighbours};
use super::graph::Graph;

/// Halvings of the interval in which a width is sought, and how near its entropy must come.
const STEPS: usize = 100;
const NEAR: f64 = 1e-5;

/// `p_{j|i} \propto exp(-\beta_i d_ij^2)` among the neighbours of `i`, with `\beta_i` such that their entropy is the logarithm
/// of `perplexity`; of a pair, `p_ij = (p_{j|i} + p_{i|j}) / 2n`. All of them sum to 1.
pub fn similarity_graph(neighbours: &Neighbours, metric: Metric, perplexity: f64) -> Graph {
    let rows = neighbours.rows.len() / neighbours.k;
    let own = |row: usize| {
        let squares: Vec<f64> = neighbours.of(row).map(|(_, squared)| metric.of_squared(squared).powi(2)).collect();
        similarities(&squares, perplexity)
    };
    let similarities: Vec<f64> = (0..rows).into_par_iter().flat_map_iter(own).collect();
    Graph::joined(neighbours, &similarities, |a, b| a + b).times(0.5 / rows as f32)
}

fn similarities(squares: &[f64], perplexity: f64) -> Vec<f64> {
    let nearest = squares.iter().copied().fold(f64::INFINITY, f64::min);
    let (mut low, mut high, mut beta) = (0.0, f64::INFINITY, 1.0);
    let mut found = Vec::new();
    for _ in 0..STEPS {
        found = squares.iter().map(|square| (-beta * (square - nearest)).exp()).collect();
        let sum: f64 = found.iter().sum();
        for p in &mut found {
            *p /= sum;
        }
        let entropy = -found.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>();
        let surplus = entropy - perplexity.ln();
        if surplus.abs() < NEAR {
            break;
        }
        if surplus > 0.0 {
            low = beta;
        } else {
            high = beta;
        }
        beta = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * beta };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_that_of_the_wanted_number() {
        let squares: Vec<f64> = (1..=60).map(|i| f64::from(i * i) / 50.0).collect();
        let found = similarities(&squares, 20.0);
        let entropy: f64 = -found.iter().map(|p| p * p.ln()).sum::<f64>();
        assert!((entropy.exp() - 20.0).abs() < 1e-3, "{}", entropy.exp());
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(found.windows(2).all(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn rows_that_are_all_as_far_are_all_as_alike() {
        for square in [0.0, 5.0] {
            assert!(similarities(&[square; 10], 3.0).iter().all(|p| (p - 0.1).abs() < 1e-12));
        }
    }

    #[test]
    fn all_pairs_sum_to_one() {
        let neighbours = Neighbours { k: 2, rows: vec![1, 2, 0, 2, 1, 0], squared: vec![1.0, 2.0, 1.0, 3.0, 3.0, 2.0] };
        let graph = similarity_graph(&neighbours, Metric::Euclidean, 1.5);
        let sum: f32 = (0..3).flat_map(|row| graph.of(row)).map(|edge| edge.1).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
}
