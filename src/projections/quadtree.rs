//! A tree of squares over places of a map, so that far places push as one (Barnes and Hut 1986; van der Maaten 2014,
//! arXiv:1301.3342). Knows no method.

use super::Place;

/// Halvings of the whole square: places that share the smallest one are one.
const DEPTH: u32 = 26;

/// Places in a square.
struct Node {
    /// Their mean.
    centre: Place,
    /// Their number.
    count: f64,
    /// Squared side of the square; 0: nothing is below.
    squared_side: f64,
    /// The node after all that are below.
    after: usize,
}

/// Nodes from the root down, each before what is below it.
pub struct Quadtree {
    nodes: Vec<Node>,
    /// Places in the order in which the tree holds them: neighbours stand close together.
    pub order: Vec<usize>,
}

/// The push of all places on one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Push {
    /// `\sum_j q_j^2 (y - y_j)` with `q_j = 1 / (1 + |y - y_j|^2)`.
    pub force: Place,
    /// `\sum_j q_j`, the place itself among them.
    pub sum: f64,
}

/// What is needed to build the tree.
struct Builder<'a> {
    places: &'a [Place],
    codes: Vec<(u64, usize)>,
    side: f64,
    nodes: Vec<Node>,
}

impl Quadtree {
    /// Over finite places.
    pub fn over(places: &[Place]) -> Self {
        let limit = |axis: usize, pick: fn(f64, f64) -> f64| places.iter().map(|p| p[axis]).reduce(pick).unwrap_or(0.0);
        let low = [0, 1].map(|axis| limit(axis, f64::min));
        let side = [0, 1].map(|axis| limit(axis, f64::max) - low[axis]).into_iter().fold(0.0, f64::max);
        let cells = f64::from(1 << DEPTH);
        let code = |place: &Place| {
            let [x, y] = [0, 1].map(|axis| {
                let share = if side > 0.0 { (place[axis] - low[axis]) / side } else { 0.0 };
                ((share * cells) as u64).min((1 << DEPTH) - 1)
            });
            spread(x) | (spread(y) << 1)
        };
        let mut codes: Vec<(u64, usize)> = places.iter().map(code).zip(0..).collect();
        codes.sort_unstable();
        let mut builder = Builder { places, codes, side, nodes: Vec::with_capacity(2 * places.len()) };
        if !places.is_empty() {
            builder.add(0, places.len(), 0);
        }
        Self { order: builder.codes.iter().map(|code| code.1).collect(), nodes: builder.nodes }
    }

    /// The push on `place`; a square pushes as one where its side is less than `angle` times its distance.
    pub fn push(&self, place: Place, angle: f64) -> Push {
        let (mut push, mut at) = (Push::default(), 0);
        while let Some(node) = self.nodes.get(at) {
            let line = [place[0] - node.centre[0], place[1] - node.centre[1]];
            let squared = line[0] * line[0] + line[1] * line[1];
            if node.squared_side < angle * angle * squared || node.squared_side == 0.0 {
                let q = 1.0 / (1.0 + squared);
                let weight = node.count * q;
                push.sum += weight;
                push.force[0] += weight * q * line[0];
                push.force[1] += weight * q * line[1];
                at = node.after;
            } else {
                at += 1;
            }
        }
        push
    }
}

impl Builder<'_> {
    /// Adds the node of the places from `first` up to `end` in the order of codes, which share a square of this depth.
    fn add(&mut self, first: usize, end: usize, depth: u32) {
        let quarter = |code: u64, depth: u32| (code >> (2 * (DEPTH - 1 - depth))) & 3;
        let (low, high) = (self.codes[first].0, self.codes[end - 1].0);
        // Squares of which three quarters are empty are passed over.
        let depth = (depth..DEPTH).find(|depth| quarter(low, *depth) != quarter(high, *depth)).unwrap_or(DEPTH);
        let at = self.nodes.len();
        let mut sum = [0.0; 2];
        for (_, place) in &self.codes[first..end] {
            sum = [sum[0] + self.places[*place][0], sum[1] + self.places[*place][1]];
        }
        let count = (end - first) as f64;
        let squared_side = if depth < DEPTH { (self.side / f64::from(1 << depth)).powi(2) } else { 0.0 };
        self.nodes.push(Node { centre: sum.map(|sum| sum / count), count, squared_side, after: 0 });
        if depth < DEPTH {
            let mut begin = first;
            for wanted in 0..4 {
                let length = self.codes[begin..end].partition_point(|code| quarter(code.0, depth) <= wanted);
                if length > 0 {
                    self.add(begin, begin + length, depth + 1);
                }
                begin += length;
            }
        }
        self.nodes[at].after = self.nodes.len();
    }
}

/// The lower 26 bits with a gap after each.
fn spread(bits: u64) -> u64 {
    let steps = [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ];
    steps.into_iter().fold(bits, |bits, (shift, mask)| (bits | (bits << shift)) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(count: usize) -> Vec<Place> {
        let value = |i: usize, j: usize| ((i * 7919 + j * 104_729 + i * i * 31) % 509) as f64 / 16.0 - 10.0;
        (0..count).map(|i| [value(i, 1), value(i, 2)]).collect()
    }

    fn plain(places: &[Place], own: Place) -> Push {
        places.iter().fold(Push::default(), |push, other| {
            let line = [own[0] - other[0], own[1] - other[1]];
            let q = 1.0 / (1.0 + line[0] * line[0] + line[1] * line[1]);
            let force = [push.force[0] + q * q * line[0], push.force[1] + q * q * line[1]];
            Push { force, sum: push.sum + q }
        })
    }

    #[test]
    fn without_an_angle_all_places_push_by_themselves() {
        let places = places(300);
        let tree = Quadtree::over(&places);
        for own in &places {
            let (found, expected) = (tree.push(*own, 0.0), plain(&places, *own));
            assert!((found.sum - expected.sum).abs() < 1e-9, "{found:?} {expected:?}");
            assert!((0..2).all(|axis| (found.force[axis] - expected.force[axis]).abs() < 1e-9));
        }
        let mut order = tree.order;
        order.sort_unstable();
        assert!(order.into_iter().eq(0..300));
    }

    #[test]
    fn an_angle_errs_by_little_and_saves_much() {
        let places = places(2000);
        let tree = Quadtree::over(&places);
        let error = |own: &Place| (tree.push(*own, 0.5).sum / plain(&places, *own).sum - 1.0).abs();
        let errors: Vec<f64> = places.iter().map(error).collect();
        let (worst, mean) = (errors.iter().copied().fold(0.0, f64::max), errors.iter().sum::<f64>() / 2000.0);
        assert!(worst > 1e-9 && worst < 0.05 && mean < 0.02, "{worst} {mean}");
    }

    #[test]
    fn equal_places_and_lines_are_no_trouble() {
        let same = vec![[1.5, -2.0]; 50];
        let push = Quadtree::over(&same).push(same[0], 0.5);
        assert_eq!(push, Push { force: [0.0; 2], sum: 50.0 });
        let line: Vec<Place> = (0..40).map(|i| [f64::from(i / 2), 0.0]).collect();
        let (found, expected) = (Quadtree::over(&line).push(line[3], 0.0), plain(&line, line[3]));
        assert!((found.force[0] - expected.force[0]).abs() < 1e-9 && found.force[1] == 0.0);
        assert_eq!(Quadtree::over(&[]).push([0.0; 2], 0.5), Push::default());
    }
}
