//! The layout of a UMAP (McInnes et al. 2018, algorithm 5): neighbours pull, rows drawn at random push. In each epoch every
//! row moves by itself, edge after edge, while the others stay where they were at the epoch's start, so that the result does
//! not depend on who moves first, nor on threads. Knows neither where edges come from nor distances between rows.

use rayon::prelude::*;

use super::Place;
use super::curve::Curve;
use super::graph::Graph;

/// Rows that push for each neighbour that pulls.
const PUSHES: usize = 5;
/// Largest move along each axis, times the rate.
const LONGEST: f32 = 4.0;
/// Keeps pushes finite where places meet.
const SOFT: f64 = 1e-3;
/// Rows that one thread moves at a time.
const CHUNK: usize = 128;

/// How a graph is laid out.
pub struct Layout<'a> {
    /// Edges, the heaviest of weight 1: a pull of weight 1 acts in each epoch, one of weight 0.1 in each tenth.
    pub graph: &'a Graph,
    /// How near places are.
    pub curve: Curve,
    /// Number of epochs.
    pub epochs: usize,
    /// Seed of who pushes.
    pub seed: u64,
}

impl Layout<'_> {
    /// Places after all epochs from those at the start; `step` hears of each and may end it with an error.
    pub fn run<E>(&self, start: &[Place], step: impl Fn(usize) -> Result<(), E>) -> Result<Vec<Place>, E> {
        let forces = Forces::of(self.curve);
        let mut places: Vec<[f32; 2]> = start.iter().map(|place| place.map(|x| x as f32)).collect();
        let mut next = places.clone();
        for epoch in 0..self.epochs {
            step(epoch)?;
            let rate = 1.0 - epoch as f32 / self.epochs as f32;
            next.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, next)| {
                for (offset, place) in next.iter_mut().enumerate() {
                    *place = self.moved(chunk * CHUNK + offset, &places, &forces, epoch, rate);
                }
            });
            std::mem::swap(&mut places, &mut next);
        }
        Ok(places.into_iter().map(|place| place.map(f64::from)).collect())
    }

    /// Where a row goes in one epoch. An edge is stored at both ends and each pull moves both, so each acts twice on either.
    fn moved(&self, row: usize, places: &[[f32; 2]], forces: &Forces, epoch: usize, rate: f32) -> [f32; 2] {
        let mut own = places[row];
        let mut draws = Draws::of(self.seed, epoch, row);
        for (other, weight) in self.graph.of(row) {
            if !is_due(weight, epoch) {
                continue;
            }
            for _ in 0..2 {
                own = shifted(own, places[other], rate, |squared| -forces.pull.at(squared));
            }
            for _ in 0..PUSHES {
                own = shifted(own, places[draws.below(places.len())], rate, |squared| forces.push.at(squared));
            }
        }
        own
    }
}

/// Whether an edge pulls in this epoch: as often as its weight says, evenly.
fn is_due(weight: f32, epoch: usize) -> bool {
    (weight * (epoch + 1) as f32) as u32 > (weight * epoch as f32) as u32
}

/// `own` moved along the line from `other`; where both are the same place (or the same row) there is no direction.
fn shifted(own: [f32; 2], other: [f32; 2], rate: f32, force: impl Fn(f32) -> f32) -> [f32; 2] {
    let line = [own[0] - other[0], own[1] - other[1]];
    let squared = line[0] * line[0] + line[1] * line[1];
    if squared == 0.0 {
        return own;
    }
    let force = force(squared);
    let along = |axis: usize| own[axis] + rate * (force * line[axis]).clamp(-LONGEST, LONGEST);
    [along(0), along(1)]
}

/// The gradients of the cross entropy, by squared distance `s`; times the line between two places, they are their moves.
struct Forces {
    /// `2ab s^{b-1} / (1 + a s^b)`.
    pull: Table,
    /// `2b / ((0.001 + s)(1 + a s^b))`.
    push: Table,
}

impl Forces {
    fn of(Curve { a, b }: Curve) -> Self {
        Self {
            pull: Table::of(|s| 2.0 * a * b * s.powf(b - 1.0) / (1.0 + a * s.powf(b))),
            push: Table::of(|s| 2.0 * b / ((SOFT + s) * (1.0 + a * s.powf(b)))),
        }
    }
}

/// A function of positive numbers, known at 32 places in each octave and straight between them: a tenth of the time of
/// powers, and wrong by less than one part in a thousand.
struct Table(Vec<f32>);

/// Places in an octave, as bits of the mantissa; the octaves from 2^-40 to 2^30.
const PLACES: u32 = 5;
const SMALLEST: f32 = f32::from_bits((127 - 40) << 23);
const LARGEST: f32 = f32::from_bits((127 + 30) << 23);
/// Bits of a number below the place.
const REST: u32 = 23 - PLACES;

impl Table {
    fn of(function: impl Fn(f64) -> f64) -> Self {
        let places = (LARGEST.to_bits() - SMALLEST.to_bits()) >> REST;
        let at = |place: u32| function(f64::from(f32::from_bits(SMALLEST.to_bits() + (place << REST)))) as f32;
        Self((0..=places + 1).map(at).collect())
    }

    fn at(&self, x: f32) -> f32 {
        let bits = x.clamp(SMALLEST, LARGEST).to_bits() - SMALLEST.to_bits();
        let (place, rest) = ((bits >> REST) as usize, bits & ((1 << REST) - 1));
        let (low, high) = (self.0[place], self.0[place + 1]);
        low + (high - low) * (rest as f32 / (1 << REST) as f32)
    }
}

/// Random rows: SplitMix64 (Steele, Lea and Flood 2014) from a place of its own for each seed, epoch and row.
struct Draws(u64);

impl Draws {
    fn of(seed: u64, epoch: usize, row: usize) -> Self {
        let mut draws = Self(seed);
        draws.0 = draws.next() ^ epoch as u64;
        draws.0 = draws.next() ^ row as u64;
        draws.0 = draws.next();
        draws
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Evenly below `limit`, which is below 2^32.
    fn below(&mut self, limit: usize) -> usize {
        (((self.next() >> 32) * limit as u64) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_wrong_by_less_than_one_part_in_a_thousand() {
        for min_dist in [0.1, 0.5] {
            let Curve { a, b } = Curve::fit(min_dist, 1.0);
            let forces = Forces::of(Curve { a, b });
            for s in (0..4000).map(|i| 1e-9 * 1.01_f64.powi(i)).take_while(|s| *s < 1e6) {
                let pull = 2.0 * a * b * s.powf(b - 1.0) / (1.0 + a * s.powf(b));
                let push = 2.0 * b / ((0.001 + s) * (1.0 + a * s.powf(b)));
                for (found, expected) in [(forces.pull.at(s as f32), pull), (forces.push.at(s as f32), push)] {
                    assert!((f64::from(found) / expected - 1.0).abs() < 1e-3, "{found} {expected} at {s}");
                }
            }
        }
    }

    #[test]
    fn edges_pull_as_often_as_they_weigh_and_rows_are_drawn_evenly() {
        let times = |weight: f32| (0..500).filter(|epoch| is_due(weight, *epoch)).count();
        assert_eq!([1.0, 0.375, 0.001].map(times), [500, 187, 0]);
        let mut counts = [0; 10];
        for (epoch, row) in (0..100).flat_map(|epoch| (0..100).map(move |row| (epoch, row))) {
            let mut draws = Draws::of(7, epoch, row);
            (0..10).for_each(|_| counts[draws.below(10)] += 1);
        }
        assert!(counts.iter().all(|count| (9_700..10_300).contains(count)), "{counts:?}");
    }

    #[test]
    fn neighbours_pull_and_others_push() {
        let away = shifted([1.0, 0.0], [0.0, 0.0], 0.5, |_| 2.0);
        assert_eq!(away, [2.0, 0.0]);
        assert_eq!(shifted([1.0, 9.0], [0.0, 0.0], 1.0, |_| -1.0), [0.0, 5.0], "no move is longer than four");
        assert_eq!(shifted([1.0, 1.0], [1.0, 1.0], 1.0, |_| 2.0), [1.0, 1.0]);
    }
}
