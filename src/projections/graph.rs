//! Which rows hold on to which, and how strongly: a symmetric graph. Knows no method.

use rayon::prelude::*;

use super::distances::Neighbours;

/// Edges of each row, each stored at both of its ends with the same weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Where the edges of each row begin; one more than there are rows.
    starts: Vec<usize>,
    others: Vec<u32>,
    weights: Vec<f32>,
}

impl Graph {
    /// From a weight for each neighbour of each row, as in `neighbours.rows`. Where two rows are neighbours of each other,
    /// `join`, which must not depend on the order, makes one weight of two.
    pub fn joined(neighbours: &Neighbours, weights: &[f64], join: impl Fn(f64, f64) -> f64) -> Self {
        let rows = neighbours.rows.len() / neighbours.k;
        let directed = neighbours.rows.iter().zip(weights).enumerate();
        let mut ends: Vec<(u32, u32, f64)> = directed
            .flat_map(|(at, (other, weight))| {
                let row = (at / neighbours.k) as u32;
                [(row, *other, *weight), (*other, row, *weight)]
            })
            .collect();
        ends.par_sort_unstable_by_key(|end| (end.0, end.1));
        let mut graph = Self { starts: vec![0; rows + 1], others: Vec::new(), weights: Vec::new() };
        for same in ends.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let weight = same[1..].iter().fold(same[0].2, |weight, end| join(weight, end.2));
            graph.starts[same[0].0 as usize + 1] += 1;
            graph.others.push(same[0].1);
            graph.weights.push(weight as f32);
        }
        (0..rows).for_each(|row| graph.starts[row + 1] += graph.starts[row]);
        graph
    }

    /// The other ends of a row's edges with their weights.
    pub fn of(&self, row: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let range = self.starts[row]..self.starts[row + 1];
        self.others[range.clone()].iter().map(|other| *other as usize).zip(self.weights[range].iter().copied())
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// The largest weight.
    pub fn heaviest(&self) -> f32 {
        self.weights.iter().copied().fold(0.0, f32::max)
    }

    /// All weights multiplied by `factor`.
    #[must_use]
    pub fn times(mut self, factor: f32) -> Self {
        self.weights.iter_mut().for_each(|weight| *weight *= factor);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_know_an_edge_and_two_weights_become_one() {
        // 0 -> 1, 1 -> 0, 2 -> 1.
        let neighbours = Neighbours { k: 1, rows: vec![1, 0, 1], squared: vec![0.0; 3] };
        let graph = Graph::joined(&neighbours, &[0.5, 0.25, 1.0], |a, b| a + b);
        assert_eq!(graph.of(0).collect::<Vec<_>>(), [(1, 0.75)]);
        assert_eq!(graph.of(1).collect::<Vec<_>>(), [(0, 0.75), (2, 1.0)]);
        assert_eq!(graph.of(2).collect::<Vec<_>>(), [(1, 1.0)]);
        assert_eq!(graph.heaviest(), 1.0);
        assert_eq!(graph.times(2.0).of(0).collect::<Vec<_>>(), [(1, 1.5)]);
    }
}
