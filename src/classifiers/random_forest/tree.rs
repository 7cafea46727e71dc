//! One tree: each node is split where Gini's impurity falls most, until its leaves are pure. Choices are those of
//! scikit-learn's DecisionTreeClassifier: a split that gains nothing is still made, of equal splits the first found counts.

use std::ops::Range;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::super::ClassifierError;
use super::super::written::{Shape, are_shares, ensure};
use super::columns::Columns;

/// Training rows as all trees see them.
pub(super) struct Table<'a> {
    pub(super) columns: &'a Columns,
    /// Class of each row.
    pub(super) labels: &'a [usize],
    /// Number of classes.
    pub(super) classes: usize,
}

/// Limits of growth.
pub(super) struct Growth {
    /// Most levels of splits.
    pub(super) depth: Option<usize>,
    /// Fewest rows that are split.
    pub(super) split: usize,
    /// Features tried at each split.
    pub(super) tries: usize,
}

/// A node of a grown tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "WrittenNode", try_from = "WrittenNode")]
pub(super) enum Node {
    /// Values up to the limit go to the node `children`, larger ones to the next.
    Split { feature: u32, limit: f64, children: u32 },
    /// All rows are of this class.
    Pure(u32),
    /// The shares of the classes begin here.
    Mixed(u32),
}

/// A node as it is kept: feature, limit and first child; or -1, 0 and the class; or -2, 0 and where the shares begin.
type WrittenNode = (i64, f64, u32);

impl From<Node> for WrittenNode {
    fn from(node: Node) -> Self {
        match node {
            Node::Split { feature, limit, children } => (feature.into(), limit, children),
            Node::Pure(class) => (-1, 0.0, class),
            Node::Mixed(first) => (-2, 0.0, first),
        }
    }
}

impl TryFrom<WrittenNode> for Node {
    type Error = String;

    fn try_from((feature, limit, to): WrittenNode) -> Result<Self, String> {
        match feature {
            -1 => Ok(Self::Pure(to)),
            -2 => Ok(Self::Mixed(to)),
            _ => u32::try_from(feature)
                .map(|feature| Self::Split { feature, limit, children: to })
                .map_err(|_| format!("{feature} is no feature of a node")),
        }
    }
}

/// A grown tree; its first node is the root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// `[mixed leaf, class]`.
    pub(super) shares: Vec<f64>,
}

impl Tree {
    /// Grows on each row as often as it was drawn.
    pub(super) fn grow(table: &Table, drawn: &[u32], growth: &Growth, random: ChaCha8Rng) -> Self {
        let mut tree = Self { nodes: vec![Node::Pure(0)], shares: Vec::new() };
        let mut sorter = Sorter::new(table, drawn, growth.tries, random);
        let mut open = vec![Open { node: 0, rows: 0..sorter.rows.len(), depth: 0 }];
        while let Some(Open { node, rows, depth }) = open.pop() {
            let counts = sorter.counts(&rows);
            let may = growth.depth.is_none_or(|most| depth < most) && rows.len() >= growth.split;
            let split = if may && !is_pure(&counts) { sorter.best_split(&rows, &counts) } else { None };
            let Some(Split { feature, ranks, .. }) = split else {
                tree.nodes[node] = tree.leaf(&counts);
                continue;
            };
            let (children, limit) = (tree.nodes.len(), table.columns.between(feature, ranks));
            tree.nodes[node] = Node::Split { feature: feature as u32, limit, children: children as u32 };
            tree.nodes.extend([Node::Pure(0), Node::Pure(0)]);
            let middle = sorter.part(&rows, feature, ranks[0]);
            open.push(Open { node: children + 1, rows: middle..rows.end, depth: depth + 1 });
            open.push(Open { node: children, rows: rows.start..middle, depth: depth + 1 });
        }
        tree
    }

    fn leaf(&mut self, counts: &[f64]) -> Node {
        if is_pure(counts) {
            return Node::Pure(counts.iter().position(|count| *count > 0.0).unwrap_or(0) as u32);
        }
        let (first, all) = (self.shares.len(), counts.iter().sum::<f64>());
        self.shares.extend(counts.iter().map(|count| count / all));
        Node::Mixed(first as u32)
    }

    /// Refuses one that was read and of which a row would not find a leaf: children come after their parent.
    pub(super) fn check(&self, shape: Shape) -> Result<(), ClassifierError> {
        let nodes = self.nodes.len();
        ensure(nodes > 0, || "a tree has no nodes".into())?;
        for (at, node) in self.nodes.iter().enumerate() {
            let leads_on = match *node {
                Node::Split { feature, children, .. } => {
                    (feature as usize) < shape.features && at < children as usize && (children as usize) < nodes - 1
                }
                Node::Pure(class) => (class as usize) < shape.classes,
                Node::Mixed(first) => {
                    let first = first as usize;
                    self.shares.get(first..first.saturating_add(shape.classes)).is_some_and(are_shares)
                }
            };
            ensure(leads_on, || format!("node {at} of the {nodes} of a tree leads nowhere"))?;
        }
        Ok(())
    }

    /// Adds the share of each class in the leaf of a row.
    pub(super) fn add(&self, row: &[f32], sums: &mut [f64]) {
        let mut at = 0;
        loop {
            match self.nodes[at] {
                Node::Split { feature, limit, children } => {
                    at = children as usize + usize::from(f64::from(row[feature as usize]) > limit);
                }
                Node::Pure(class) => return sums[class as usize] += 1.0,
                Node::Mixed(first) => {
                    let shares = &self.shares[first as usize..];
                    return sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
                }
            }
        }
    }
}

fn is_pure(counts: &[f64]) -> bool {
    counts.iter().filter(|count| **count > 0.0).count() < 2
}

/// A node that is not yet split.
struct Open {
    node: usize,
    /// Where its rows lie.
    rows: Range<usize>,
    depth: usize,
}

/// A split of a node.
#[derive(Clone, Copy)]
struct Split {
    /// Squared class counts by rows, of both sides together: largest where the impurity is smallest.
    purity: f64,
    feature: usize,
    /// The last value on the left and the first on the right.
    ranks: [u32; 2],
}

/// A row of the tree.
#[derive(Clone, Copy)]
struct Member {
    class: u32,
    /// How often it was drawn.
    times: u32,
}

/// Keeps the rows of each node together, and looks for splits.
struct Sorter<'a> {
    table: &'a Table<'a>,
    members: Vec<Member>,
    /// The drawn rows, each once; those of a node lie side by side.
    rows: Vec<u32>,
    /// All features, in the order in which they were last tried.
    features: Vec<usize>,
    tries: usize,
    random: ChaCha8Rng,
    /// Space for the rows of one node, with their ranks before them.
    sorted: Vec<u64>,
    /// Space for the rows that go right.
    aside: Vec<u32>,
    /// Space for class counts of both sides.
    sides: [Vec<f64>; 2],
}

impl<'a> Sorter<'a> {
    fn new(table: &'a Table, drawn: &[u32], tries: usize, random: ChaCha8Rng) -> Self {
        let member = |(label, times): (&usize, &u32)| Member { class: *label as u32, times: *times };
        Self {
            table,
            members: table.labels.iter().zip(drawn).map(member).collect(),
            rows: (0..drawn.len() as u32).filter(|row| drawn[*row as usize] > 0).collect(),
            features: (0..table.columns.ranks.len()).collect(),
            tries,
            random,
            sorted: Vec::new(),
            aside: Vec::new(),
            sides: [Vec::new(), Vec::new()],
        }
    }

    /// Draws of each class.
    fn counts(&self, rows: &Range<usize>) -> Vec<f64> {
        let mut counts = vec![0.0; self.table.classes];
        for row in &self.rows[rows.clone()] {
            let Member { class, times } = self.members[*row as usize];
            counts[class as usize] += f64::from(times);
        }
        counts
    }

    /// The best split by features drawn at random; one with a single value counts as tried, but the search goes on until
    /// some feature has two. `None`: no feature has.
    fn best_split(&mut self, rows: &Range<usize>, counts: &[f64]) -> Option<Split> {
        let mut best: Option<Split> = None;
        for place in 0..self.features.len() {
            if place >= self.tries && best.is_some() {
                break;
            }
            let drawn = self.random.random_range(place..self.features.len());
            self.features.swap(place, drawn);
            let split = self.split_by(self.features[place], rows, counts);
            best = [best, split].into_iter().flatten().reduce(|a, b| if b.purity > a.purity { b } else { a });
        }
        best
    }

    fn split_by(&mut self, feature: usize, rows: &Range<usize>, counts: &[f64]) -> Option<Split> {
        let ranks = &self.table.columns.ranks[feature];
        self.sorted.clear();
        self.sorted.extend(self.rows[rows.clone()].iter().map(|row| ranked(ranks[*row as usize], *row)));
        self.sorted.sort_unstable();
        let [left, right] = &mut self.sides;
        left.clear();
        left.resize(counts.len(), 0.0);
        right.clear();
        right.extend_from_slice(counts);
        let (mut left_rows, mut right_rows) = (0.0, counts.iter().sum::<f64>());
        let (mut left_squares, mut right_squares) = (0.0, counts.iter().map(|count| count * count).sum::<f64>());
        let mut best: Option<Split> = None;
        for pair in self.sorted.windows(2) {
            let Member { class, times } = self.members[row_of(pair[0])];
            let (class, times) = (class as usize, f64::from(times));
            left_squares += times * (2.0 * left[class] + times);
            right_squares -= times * (2.0 * right[class] - times);
            left[class] += times;
            right[class] -= times;
            left_rows += times;
            right_rows -= times;
            let ranks = [rank_of(pair[0]), rank_of(pair[1])];
            if ranks[0] == ranks[1] {
                continue;
            }
            let purity = left_squares / left_rows + right_squares / right_rows;
            if best.is_none_or(|best| purity > best.purity) {
                best = Some(Split { purity, feature, ranks });
            }
        }
        best
    }

    /// Puts the rows with a rank up to `last` before the others; where these begin.
    fn part(&mut self, rows: &Range<usize>, feature: usize, last: u32) -> usize {
        let ranks = &self.table.columns.ranks[feature];
        self.aside.clear();
        let mut middle = rows.start;
        for place in rows.clone() {
            let row = self.rows[place];
            if ranks[row as usize] <= last {
                self.rows[middle] = row;
                middle += 1;
            } else {
                self.aside.push(row);
            }
        }
        self.rows[middle..rows.end].copy_from_slice(&self.aside);
        middle
    }
}

/// Sorts by rank.
fn ranked(rank: u32, row: u32) -> u64 {
    u64::from(rank) << 32 | u64::from(row)
}

fn rank_of(ranked: u64) -> u32 {
    (ranked >> 32) as u32
}

fn row_of(ranked: u64) -> usize {
    ranked as u32 as usize
}
