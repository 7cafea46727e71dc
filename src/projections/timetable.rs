//! In which epochs of a layout each edge of a graph pulls: as often as its weight says, evenly. Knows no places.

use super::graph::Graph;

/// A pull of this weight acts in each epoch.
const WHOLE: u32 = 1 << 30;

/// Edges of each row that pull at least once.
pub struct Timetable {
    /// Where the edges of each row begin; one more than there are rows.
    starts: Vec<usize>,
    others: Vec<u32>,
    /// As parts of `WHOLE`.
    weights: Vec<u32>,
}

impl Timetable {
    /// For a number of epochs; weights are at most 1.
    pub fn of(graph: &Graph, epochs: usize) -> Self {
        let mut table = Self { starts: vec![0], others: Vec::new(), weights: Vec::new() };
        for row in 0..graph.rows() {
            for (other, weight) in graph.of(row) {
                let weight = (weight * WHOLE as f32) as u32;
                if u64::from(weight) * epochs as u64 >= u64::from(WHOLE) {
                    table.others.push(other as u32);
                    table.weights.push(weight);
                }
            }
            table.starts.push(table.others.len());
        }
        table
    }

    /// The other ends of the edges of a row that pull in an epoch, written to the beginning of `due`.
    pub fn due<'a>(&self, row: usize, epoch: usize, due: &'a mut Vec<u32>) -> &'a [u32] {
        let range = self.starts[row]..self.starts[row + 1];
        if due.len() < range.len() {
            due.resize(range.len(), 0);
        }
        let mut count = 0;
        for (other, weight) in self.others[range.clone()].iter().zip(&self.weights[range]) {
            // Without a branch, which a processor could not foresee.
            due[count] = *other;
            count += usize::from(is_due(*weight, epoch));
        }
        &due[..count]
    }
}

/// Whether the weights of all epochs so far, this one among them, have just passed a whole number: what is left above it is
/// less than one weight. Products that do not fit lose nothing but multiples of `WHOLE`.
fn is_due(weight: u32, epoch: usize) -> bool {
    weight.wrapping_mul(epoch as u32 + 1) % WHOLE < weight
}

#[cfg(test)]
mod tests {
    use super::super::distances::Neighbours;
    use super::*;

    #[test]
    fn edges_pull_as_often_as_they_weigh_and_evenly() {
        let neighbours = Neighbours { k: 1, rows: vec![1, 0, 0, 0, 0], squared: vec![1.0; 5] };
        let graph = Graph::joined(&neighbours, &[1.0, 1.0, 0.375, 0.1, 0.0019], f64::max);
        let table = Timetable::of(&graph, 500);
        let mut due = Vec::new();
        let epochs: Vec<Vec<u32>> = (0..500).map(|epoch| table.due(0, epoch, &mut due).to_vec()).collect();
        let times = |other: u32| epochs.iter().filter(|due| due.contains(&other)).count();
        assert_eq!([1, 2, 3, 4].map(times), [500, 187, 50, 0]);
        assert_eq!(table.others.iter().filter(|other| **other == 4).count(), 0, "an edge that never pulls is not kept");
        for from in (0..490).step_by(7) {
            let times = epochs[from..from + 10].iter().filter(|due| due.contains(&3)).count();
            assert_eq!(times, 1, "a tenth: once in ten epochs from {from}");
        }
    }

    #[test]
    fn many_epochs_do_not_overflow() {
        let times = (0..100_000).filter(|epoch| is_due(WHOLE / 8 * 3, *epoch)).count();
        assert_eq!(times, 37_500);
    }
}
