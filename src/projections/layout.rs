//! The layout of a UMAP (McInnes et al. 2018, algorithm 5): neighbours pull, rows drawn at random push. In each epoch every
//! row moves by itself, while the others stay where they were at the epoch's start, so that the result does not depend on who
//! moves first, nor on threads. Knows neither where edges come from nor distances between rows.

use rayon::prelude::*;

use super::Place;
use super::curve::Curve;
use super::draws::Draws;
use super::forces::Forces;
use super::graph::Graph;
use super::timetable::Timetable;

/// Rows that push for each neighbour that pulls; [`Draws::five`] draws as many.
const PUSHES: usize = 5;
/// An edge is stored at both ends and each pull moves both, so each acts twice on either.
const PULLS: f32 = 2.0;
/// Largest move along each axis by one pull or push, times the rate.
const LONGEST: f32 = 4.0;
/// How much the pulls of an epoch, which start from one place, hold each other back: they move a row by `F / (1 + 0.2 S)`, with
/// `F` their sum and `S` that of their forces, as a Newton step would for 1 in place of 0.2. Without this they shoot past their
/// aim, and what is far from others comes near them (less trustworthiness); with more, what was torn apart stays so (less
/// continuity). At 0.2 both are those of umap-learn, where each move starts from where the last one ended, on eight sets of
/// rows with several numbers of neighbours and least distances.
const DAMPING: f32 = 0.2;
/// Rows that one thread moves at a time.
const CHUNK: usize = 64;

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
        let timetable = Timetable::of(self.graph, self.epochs);
        let forces = Forces::from(self.curve);
        let mut places: Vec<[f32; 2]> = start.iter().map(|place| place.map(|x| x as f32)).collect();
        let mut next = places.clone();
        for number in 0..self.epochs {
            step(number)?;
            let rate = 1.0 - number as f32 / self.epochs as f32;
            let epoch = Epoch { timetable: &timetable, forces, places: &places, number, rate, seed: self.seed };
            let chunks = next.par_chunks_mut(CHUNK).enumerate();
            chunks.for_each_init(Lines::default, |lines, (chunk, next)| epoch.advance(chunk * CHUNK, next, lines));
            std::mem::swap(&mut places, &mut next);
        }
        Ok(places.into_iter().map(|place| place.map(f64::from)).collect())
    }
}

/// One epoch.
struct Epoch<'a> {
    timetable: &'a Timetable,
    forces: Forces,
    /// At its start.
    places: &'a [[f32; 2]],
    number: usize,
    rate: f32,
    seed: u64,
}

/// What pulls and pushes some rows, row after row.
#[derive(Default)]
struct Lines {
    due: Vec<u32>,
    /// Number of pulls of each row.
    counts: Vec<usize>,
    pulls: Moves,
    pushes: Moves,
}

impl Epoch<'_> {
    /// Writes where the rows from `first` on go. All lines come first and then all moves, for vector operations.
    fn advance(&self, first: usize, next: &mut [[f32; 2]], lines: &mut Lines) {
        let Lines { due, counts, pulls, pushes } = lines;
        pulls.clear();
        pushes.clear();
        counts.clear();
        for (row, own) in (first..first + next.len()).zip(&self.places[first..]) {
            let due = self.timetable.due(row, self.number, due);
            counts.push(due.len());
            pulls.extend(*own, due.iter().map(|other| self.places[*other as usize]));
            let mut draws = Draws::of(self.seed, self.number, row);
            for _ in due {
                let others = draws.five(self.places.len());
                pushes.extend(*own, others.iter().map(|other| self.places[*other]));
            }
        }
        let forces = self.forces;
        pulls.follow(PULLS * LONGEST, move |s| PULLS * forces.pull(s));
        pushes.follow(LONGEST, move |s| forces.push(s));
        let mut start = 0;
        for ((place, own), count) in next.iter_mut().zip(&self.places[first..]).zip(counts) {
            let end = start + *count;
            let damping = 1.0 + DAMPING * self.rate * sum(&pulls.forces[start..end]);
            for axis in 0..2 {
                let pull = sum(&pulls.axes[axis][start..end]);
                let push = sum(&pushes.axes[axis][PUSHES * start..PUSHES * end]);
                place[axis] = own[axis] + self.rate * (push - pull / damping);
            }
            start = end;
        }
    }
}

/// Lines from other places and then moves along them, one array for each axis.
#[derive(Default)]
struct Moves {
    axes: [Vec<f32>; 2],
    forces: Vec<f32>,
}

impl Moves {
    fn clear(&mut self) {
        self.axes.iter_mut().for_each(Vec::clear);
    }

    /// By the lines to `own`.
    fn extend(&mut self, own: [f32; 2], others: impl Iterator<Item = [f32; 2]> + Clone) {
        self.axes[0].extend(others.clone().map(|other| own[0] - other[0]));
        self.axes[1].extend(others.map(|other| own[1] - other[1]));
    }

    /// Lines become moves by a force, which depends on the squared distance.
    fn follow(&mut self, longest: f32, force: impl Fn(f32) -> f32) {
        let [x, y] = &mut self.axes;
        self.forces.clear();
        self.forces.extend(x.iter().zip(&*y).map(|(x, y)| force(x * x + y * y)));
        for axis in [x, y] {
            axis.iter_mut().zip(&self.forces).for_each(|(x, force)| *x = (force * *x).clamp(-longest, longest));
        }
    }
}

/// In four strands, which a processor adds up side by side.
fn sum(values: &[f32]) -> f32 {
    let (fours, rest) = values.as_chunks::<4>();
    let strands = fours.iter().fold([0.0; 4], |sums, four| std::array::from_fn(|i| sums[i] + four[i]));
    strands.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::super::distances::Neighbours;
    use super::*;

    fn moves(lines: &[[f32; 2]], longest: f32, force: impl Fn(f32) -> f32) -> Vec<[f32; 2]> {
        let mut moves = Moves::default();
        moves.extend([0.0; 2], lines.iter().map(|line| line.map(|x| -x)));
        moves.follow(longest, force);
        moves.axes[0].iter().zip(&moves.axes[1]).map(|(x, y)| [*x, *y]).collect()
    }

    #[test]
    fn moves_follow_their_lines_and_are_none_where_places_meet() {
        assert_eq!(moves(&[[1.0, 0.0], [0.5, -3.0]], 4.0, |s| s), [[1.0, 0.0], [4.0, -4.0]]);
        let forces = Forces::from(Curve::fit(0.0, 1.0));
        assert_eq!(moves(&[[0.0, 0.0]], 4.0, |s| forces.pull(s)), [[0.0, 0.0]]);
        assert_eq!(moves(&[[0.0, 0.0]], 4.0, |s| forces.push(s)), [[0.0, 0.0]]);
        assert_eq!(sum(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), 28.0);
    }

    /// A ring in which each row holds on to the next.
    fn ring(rows: usize) -> Graph {
        let neighbours =
            Neighbours { k: 1, rows: (1..=rows as u32).map(|i| i % rows as u32).collect(), squared: vec![1.0; rows] };
        Graph::joined(&neighbours, &vec![1.0; rows], f64::max)
    }

    fn lay_out(rows: usize, epochs: usize) -> Vec<Place> {
        let start: Vec<Place> =
            (0..rows).map(|i| [(i * 7 % rows) as f64 / 9.0, (i * 11 % rows) as f64 / 9.0]).collect();
        let layout = Layout { graph: &ring(rows), curve: Curve::fit(0.1, 1.0), epochs, seed: 3 };
        layout.run(&start, |_| Ok::<(), ()>(())).unwrap()
    }

    #[test]
    fn neighbours_come_together_and_others_stay_apart() {
        let places = lay_out(100, 300);
        let distance = |a: usize, b: usize| (places[a][0] - places[b][0]).hypot(places[a][1] - places[b][1]);
        let mean = |step: usize| (0..100).map(|row| distance(row, (row + step) % 100)).sum::<f64>() / 100.0;
        assert!(mean(1) < 1.0 && mean(50) > 5.0, "{} {}", mean(1), mean(50));
    }

    #[test]
    fn the_same_bytes_with_any_number_of_threads() {
        let with = |n| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            pool.install(|| lay_out(3 * CHUNK + 5, 20))
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn the_end_of_a_run_is_heard() {
        let layout = Layout { graph: &ring(4), curve: Curve::fit(0.1, 1.0), epochs: 9, seed: 1 };
        let start = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        assert_eq!(layout.run(&start, |epoch| if epoch < 5 { Ok(()) } else { Err(epoch) }), Err(5));
    }
}
