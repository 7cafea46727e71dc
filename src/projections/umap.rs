//! UMAP: neighbours in many dimensions stay neighbours on the map, others are pushed apart (McInnes, Healy and Melville 2018,
//! arXiv:1802.03426). Our own, after the paper; where it leaves something open, it does what umap-learn does.

use super::curve::Curve;
use super::distances::{Distances, Metric};
use super::fuzzy::fuzzy_graph;
use super::layout::Layout;
use super::start::{start, times};
use super::{Place, Projection, ProjectionError, Task, measured, read};
use crate::keys;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;

/// Largest coordinate at the start.
const WIDTH: f64 = 10.0;
/// Epochs of a map of few rows, of one of many, and the most rows that are few.
const EPOCHS: (usize, usize, usize) = (500, 200, 10_000);

keys! {
    /// Keys of [`Umap`].
    pub struct UmapKeys {
        /// Neighbours of each row that the map tries to keep, the row itself among them: few show detail, many the whole.
        n_neighbors: usize = 15, range(2, 1000);
        /// How close places may come on the map: small values make tight clumps.
        min_dist: f64 = 0.1, range(0.0, 10.0);
        /// Scale of the map, not below `min_dist`.
        spread: f64 = 1.0, range(0.01, 100.0);
        /// "euclidean": rows are near when the straight line between them is short; "cosine": when the angle is small.
        metric: Metric = Metric::Euclidean;
        /// Number of epochs; left out: 500 up to 10,000 rows, 200 above.
        epochs: Option<usize> = None, range(1, 100_000);
    }
}

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Umap;

impl Projection for Umap {
    fn name(&self) -> &'static str {
        "umap"
    }
    fn summary(&self) -> &'static str {
        "Keeps neighbours together and pushes others apart; for the eye only: sizes of clumps and distances between them mean little."
    }
    fn source(&self) -> &'static str {
        "McInnes, Healy & Melville 2018 (arXiv:1802.03426); defaults of umap-learn"
    }
    fn keys(&self) -> Vec<Key> {
        UmapKeys::keys()
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        let faulty = UmapKeys::read(params).filter(|keys| keys.min_dist > keys.spread);
        let message = |keys: UmapKeys| ("min_dist", format!("is {}, above `spread`, {}", keys.min_dist, keys.spread));
        faulty.map(message).into_iter().collect()
    }
    fn embed(&self, params: &Params, task: &Task) -> Result<Vec<Place>, ProjectionError> {
        let keys: UmapKeys = read(params)?;
        let rows = task.points.rows();
        if keys.n_neighbors > rows {
            return Err(ProjectionError::TooManyNeighbours { key: "n_neighbors", asked: keys.n_neighbors, rows });
        }
        let points = measured(task.points, keys.metric)?;
        let neighbours = Distances::between(&points).nearest(keys.n_neighbors - 1);
        let graph = fuzzy_graph(&neighbours, keys.metric);
        let graph = {
            let heaviest = graph.heaviest();
            graph.times(1.0 / heaviest)
        };
        let start = start(&points, task.seed)?;
        let widest = start.iter().flatten().fold(0.0, |widest: f64, x| widest.max(x.abs()));
        let epochs = keys.epochs.unwrap_or(if rows <= EPOCHS.2 { EPOCHS.0 } else { EPOCHS.1 });
        let layout = Layout { graph: &graph, curve: Curve::fit(keys.min_dist, keys.spread), epochs, seed: task.seed };
        layout.run(&times(&start, WIDTH / widest), |epoch| task.step(epoch, epochs))
    }
}
