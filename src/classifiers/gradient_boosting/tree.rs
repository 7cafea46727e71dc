//! One tree: leaves are split in the order of their gain, by histograms of the first and second derivatives of the loss.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::ClassifierError;
use super::super::written::ensure;
use super::bins::{BINS, Binned};

/// Least sum of second derivatives in a leaf (scikit-learn's).
const MIN_SECOND: f64 = 1e-3;

/// Limits of growth.
pub(super) struct Growth {
    pub(super) leaves: usize,
    pub(super) depth: Option<usize>,
    pub(super) min_rows: usize,
    pub(super) l2: f64,
    pub(super) rate: f64,
}

/// First and second derivative of the loss of one row, or of several together.
#[derive(Clone, Copy, Default)]
pub(super) struct Slope {
    pub(super) first: f64,
    pub(super) second: f64,
}

/// What is summed in a bin or a leaf.
#[derive(Clone, Copy, Default)]
struct Sum {
    slope: Slope,
    rows: usize,
}

impl Sum {
    fn add(&mut self, slope: Slope, rows: usize) {
        self.slope.first += slope.first;
        self.slope.second += slope.second;
        self.rows += rows;
    }

    fn without(self, other: Self) -> Self {
        let (own, other_slope) = (self.slope, other.slope);
        let slope = Slope { first: own.first - other_slope.first, second: own.second - other_slope.second };
        Self { slope, rows: self.rows - other.rows }
    }

    /// The value that lowers the loss most, and by how much twice.
    fn best(&self, l2: f64) -> (f64, f64) {
        let value = -self.slope.first / (self.slope.second + l2 + 1e-15);
        (value, -self.slope.first * value)
    }

    fn is_large(&self, growth: &Growth) -> bool {
        self.rows >= growth.min_rows && self.slope.second >= MIN_SECOND
    }
}

/// A split of a leaf.
#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    feature: usize,
    /// The last bin that goes left.
    bin: usize,
}

/// A node that may still be split.
struct Leaf {
    node: usize,
    rows: Vec<usize>,
    sum: Sum,
    depth: usize,
    split: Option<Split>,
}

/// A node: an inner one has children, the second after the first; a leaf has a value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "WrittenNode", try_from = "WrittenNode")]
enum Node {
    Inner { feature: usize, limit: f64, first_child: usize },
    Leaf(f64),
}

/// A node as it is kept: feature, limit and first child; or -1, the value and 0.
type WrittenNode = (i64, f64, usize);

impl From<Node> for WrittenNode {
    fn from(node: Node) -> Self {
        match node {
            Node::Inner { feature, limit, first_child } => (feature as i64, limit, first_child),
            Node::Leaf(value) => (-1, value, 0),
        }
    }
}

impl TryFrom<WrittenNode> for Node {
    type Error = String;

    fn try_from((feature, number, first_child): WrittenNode) -> Result<Self, String> {
        if feature == -1 {
            return Ok(Self::Leaf(number));
        }
        usize::try_from(feature)
            .map(|feature| Self::Inner { feature, limit: number, first_child })
            .map_err(|_| format!("{feature} is no feature of a node"))
    }
}

/// A grown tree; its first node is the root.
#[derive(Serialize, Deserialize)]
pub(super) struct Tree(Vec<Node>);

impl Tree {
    /// Lowers the loss with these derivatives, one for each row.
    pub(super) fn grow(binned: &Binned, slopes: &[Slope], growth: &Growth) -> Self {
        let leaf = |node, rows: Vec<usize>, depth| {
            let mut sum = Sum::default();
            for row in &rows {
                sum.add(slopes[*row], 1);
            }
            let may = growth.depth.is_none_or(|most| depth < most) && rows.len() >= 2 * growth.min_rows;
            let split = if may { best_split(binned, slopes, &rows, sum, growth) } else { None };
            Leaf { node, rows, sum, depth, split }
        };
        let mut nodes = vec![Node::Leaf(0.0)];
        let mut leaves = vec![leaf(0, (0..slopes.len()).collect(), 0)];
        while leaves.len() < growth.leaves {
            let gain = |at: &usize| leaves[*at].split.map_or(0.0, |split| split.gain);
            let best = (0..leaves.len()).fold(0, |best, at| if gain(&at) > gain(&best) { at } else { best });
            let Some(Split { feature, bin, .. }) = leaves[best].split else { break };
            let Leaf { node, rows, depth, .. } = leaves.remove(best);
            let goes_left = |row: &usize| usize::from(binned.columns[feature][*row]) <= bin;
            let (left, right): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(goes_left);
            let first_child = nodes.len();
            nodes[node] = Node::Inner { feature, limit: binned.limits[feature][bin], first_child };
            nodes.extend([Node::Leaf(0.0), Node::Leaf(0.0)]);
            leaves.extend([leaf(first_child, left, depth + 1), leaf(first_child + 1, right, depth + 1)]);
        }
        for leaf in leaves {
            nodes[leaf.node] = Node::Leaf(growth.rate * leaf.sum.best(growth.l2).0);
        }
        Self(nodes)
    }

    /// Refuses one that was read and of which a row would not find a leaf: children come after their parent.
    pub(super) fn check(&self, features: usize) -> Result<(), ClassifierError> {
        let nodes = self.0.len();
        ensure(nodes > 0, || "a tree has no nodes".into())?;
        for (at, node) in self.0.iter().enumerate() {
            let Node::Inner { feature, first_child, .. } = *node else { continue };
            let leads_on = feature < features && at < first_child && first_child < nodes - 1;
            ensure(leads_on, || format!("node {at} of the {nodes} of a tree leads nowhere"))?;
        }
        Ok(())
    }

    /// What the tree says of a row.
    pub(super) fn value(&self, row: &[f32]) -> f64 {
        let mut at = 0;
        loop {
            match &self.0[at] {
                Node::Leaf(value) => return *value,
                Node::Inner { feature, limit, first_child } => {
                    at = first_child + usize::from(f64::from(row[*feature]) > *limit);
                }
            }
        }
    }
}

/// The split of largest gain; of equals that of the first feature and bin. `None`: none gains.
fn best_split(binned: &Binned, slopes: &[Slope], rows: &[usize], sum: Sum, growth: &Growth) -> Option<Split> {
    let of = |feature: usize| split_of(feature, binned, slopes, rows, sum, growth);
    let found: Vec<Option<Split>> = (0..binned.columns.len()).into_par_iter().map(of).collect();
    let better = |best: Split, split: Split| if split.gain > best.gain { split } else { best };
    found.into_iter().flatten().reduce(better)
}

fn split_of(
    feature: usize,
    binned: &Binned,
    slopes: &[Slope],
    rows: &[usize],
    sum: Sum,
    growth: &Growth,
) -> Option<Split> {
    let mut histogram = [Sum::default(); BINS];
    for row in rows {
        histogram[usize::from(binned.columns[feature][*row])].add(slopes[*row], 1);
    }
    let (mut left, mut best) = (Sum::default(), None::<Split>);
    for (bin, own) in histogram.iter().enumerate().take(binned.limits[feature].len()) {
        left.add(own.slope, own.rows);
        let right = sum.without(left);
        if !left.is_large(growth) || !right.is_large(growth) {
            continue;
        }
        let gain = left.best(growth.l2).1 + right.best(growth.l2).1 - sum.best(growth.l2).1;
        if gain > best.map_or(0.0, |best| best.gain) {
            best = Some(Split { gain, feature, bin });
        }
    }
    best
}
