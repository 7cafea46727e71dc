//! t-SNE: places whose similarities under Student's t come close to those of the rows (van der Maaten and Hinton 2008), far
//! places taken together (van der Maaten 2014, arXiv:1301.3342). Steps and rates are those of scikit-learn; the start is that
//! of Kobak and Berens 2019 (doi:10.1038/s41467-019-13056-x).

use rayon::prelude::*;

use super::distances::{Distances, Metric};
use super::graph::Graph;
use super::quadtree::{Push, Quadtree};
use super::similarities::similarity_graph;
use super::start::{start, times};
use super::{Place, Projection, ProjectionError, Task, measured, read};
use crate::keys;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;

/// Standard deviation of the first coordinate at the start.
const WIDTH: f64 = 1e-4;
/// Steps in which similarities are exaggerated.
const EARLY: usize = 250;
/// Part of the step before, in the early steps and after.
const MOMENTUM: (f64, f64) = (0.5, 0.8);
/// Side over distance below which a square pushes as one.
const ANGLE: f64 = 0.5;
/// Least rate, and the least gain of a coordinate.
const RATE: f64 = 50.0;
const GAIN: f64 = 0.01;
/// Rows that one thread works on at a time.
const CHUNK: usize = 128;

keys! {
    /// Keys of [`Tsne`].
    pub struct TsneKeys {
        /// Number of neighbours, roughly, that each row shall be near to: few show detail, many the whole. Less than there are rows.
        perplexity: f64 = 30.0, range(1.0, 1000.0);
        /// "euclidean": rows are near when the straight line between them is short; "cosine": when the angle is small.
        metric: Metric = Metric::Euclidean;
        /// Factor on all similarities in the first 250 steps, which lets clumps form.
        exaggeration: f64 = 12.0, range(1.0, 1000.0);
        /// Number of steps.
        steps: usize = 1000, range(1, 100_000);
    }
}

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Tsne;

impl Projection for Tsne {
    fn name(&self) -> &'static str {
        "tsne"
    }
    fn summary(&self) -> &'static str {
        "Keeps near rows near; for the eye only: sizes of clumps and distances between them mean nothing."
    }
    fn source(&self) -> &'static str {
        "van der Maaten & Hinton 2008; Barnes-Hut: van der Maaten 2014 (arXiv:1301.3342); defaults of scikit-learn"
    }
    fn keys(&self) -> Vec<Key> {
        TsneKeys::keys()
    }
    fn embed(&self, params: &Params, task: &Task) -> Result<Vec<Place>, ProjectionError> {
        let keys: TsneKeys = read(params)?;
        let rows = task.points.rows();
        if keys.perplexity >= rows as f64 {
            let asked = keys.perplexity.ceil() as usize + 1;
            return Err(ProjectionError::TooManyNeighbours { key: "perplexity", asked, rows });
        }
        let points = measured(task.points, keys.metric)?;
        let k = (3.0 * keys.perplexity + 1.0) as usize;
        let neighbours = Distances::between(&points).nearest(k.min(rows - 1));
        let graph = similarity_graph(&neighbours, keys.metric, keys.perplexity);
        let start = times(&start(&points, task.seed)?, WIDTH);
        let mut motions: Vec<Motion> = start.into_iter().map(Motion::from).collect();
        let rate = (rows as f64 / keys.exaggeration / 4.0).max(RATE);
        for step in 0..keys.steps {
            task.step(step, keys.steps)?;
            let (exaggeration, momentum) =
                if step < EARLY { (keys.exaggeration, MOMENTUM.0) } else { (1.0, MOMENTUM.1) };
            let places: Vec<Place> = motions.iter().map(|motion| motion.place).collect();
            let gradients = gradients(&graph, &places, exaggeration, ANGLE);
            motions.iter_mut().zip(gradients).for_each(|(motion, gradient)| motion.follow(gradient, rate, momentum));
        }
        Ok(motions.into_iter().map(|motion| motion.place).collect())
    }
}

/// `4 \sum_j (p_ij - q_ij / Z) q_ij (y_i - y_j)` of each row, with `p` times `exaggeration`, `q_ij = 1 / (1 + |y_i - y_j|^2)`
/// and `Z` the sum of all of them.
fn gradients(graph: &Graph, places: &[Place], exaggeration: f64, angle: f64) -> Vec<Place> {
    let pushes = pushes(places, angle);
    // Each place counted itself once.
    let all: f64 = pushes.iter().map(|push| push.sum - 1.0).sum();
    let all = all.max(f64::MIN_POSITIVE);
    let gradient = |row: usize| {
        let mut pull = [0.0; 2];
        for (other, p) in graph.of(row) {
            let line = [places[row][0] - places[other][0], places[row][1] - places[other][1]];
            let weight = f64::from(p) / (1.0 + line[0] * line[0] + line[1] * line[1]);
            pull = [pull[0] + weight * line[0], pull[1] + weight * line[1]];
        }
        [0, 1].map(|axis| 4.0 * (exaggeration * pull[axis] - pushes[row].force[axis] / all))
    };
    (0..places.len()).into_par_iter().with_min_len(CHUNK).map(gradient).collect()
}

/// In the order of rows.
fn pushes(places: &[Place], angle: f64) -> Vec<Push> {
    let tree = Quadtree::over(places);
    let of_chunk = |rows: &[usize]| rows.iter().map(|row| tree.push(places[*row], angle)).collect::<Vec<_>>();
    let in_order: Vec<Push> = tree.order.par_chunks(CHUNK).flat_map_iter(of_chunk).collect();
    let mut pushes = vec![Push::default(); places.len()];
    tree.order.iter().zip(in_order).for_each(|(row, push)| pushes[*row] = push);
    pushes
}

/// A place on its way: gradient descent with momentum and, after Jacobs 1988, a gain for each coordinate.
struct Motion {
    place: Place,
    velocity: Place,
    gain: Place,
}

impl From<Place> for Motion {
    fn from(place: Place) -> Self {
        Self { place, velocity: [0.0; 2], gain: [1.0; 2] }
    }
}

impl Motion {
    fn follow(&mut self, gradient: Place, rate: f64, momentum: f64) {
        for (axis, slope) in gradient.into_iter().enumerate() {
            let goes_on = self.velocity[axis] * slope < 0.0;
            let gain = if goes_on { self.gain[axis] + 0.2 } else { self.gain[axis] * 0.8 };
            self.gain[axis] = gain.max(GAIN);
            self.velocity[axis] = momentum * self.velocity[axis] - rate * self.gain[axis] * slope;
            self.place[axis] += self.velocity[axis];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::distances::Neighbours;
    use super::*;

    /// Kullback-Leibler divergence of the map from the similarities.
    fn divergence(graph: &Graph, places: &[Place]) -> f64 {
        let q = |a: usize, b: usize| {
            1.0 / (1.0 + (places[a][0] - places[b][0]).powi(2) + (places[a][1] - places[b][1]).powi(2))
        };
        let pairs = |a: usize| (0..places.len()).filter(move |b| *b != a).map(move |b| (a, b));
        let all: f64 = (0..places.len()).flat_map(pairs).map(|(a, b)| q(a, b)).sum();
        let edge = |row: usize| graph.of(row).map(move |(other, p)| (row, other, f64::from(p)));
        (0..places.len()).flat_map(edge).map(|(a, b, p)| p * (p * all / q(a, b)).ln()).sum()
    }

    #[test]
    fn the_gradient_is_that_of_the_divergence() {
        // All others are neighbours of each row, and none are taken together.
        let rows = 6_u32;
        let others = (0..rows).flat_map(|row| (0..rows).filter(move |other| *other != row)).collect::<Vec<_>>();
        let squared = (0..others.len()).map(|i| (i * i % 7) as f64).collect();
        let neighbours = Neighbours { k: rows as usize - 1, rows: others, squared };
        let graph = similarity_graph(&neighbours, Metric::Euclidean, 3.0);
        let places: Vec<Place> = (0..6).map(|i| [0.3 * f64::from(i * i % 5), 0.2 * f64::from(i * 3 % 7)]).collect();
        let found = gradients(&graph, &places, 1.0, 0.0);
        for (row, axis) in (0..6).flat_map(|row| [(row, 0), (row, 1)]) {
            let moved = |by: f64| {
                let mut places = places.clone();
                places[row][axis] += by;
                divergence(&graph, &places)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((found[row][axis] - expected).abs() < 1e-5, "{found:?} {row} {expected}");
        }
    }
}
