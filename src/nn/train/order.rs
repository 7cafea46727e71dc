//! In which order an epoch goes through the rows, and what each of its steps draws from: by the seed and the number of the
//! epoch alone, so that a resumed run draws the same. Knows no network.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::nn::batch::{Rows, Visit};
use crate::nn::error::NnError;

/// How often an epoch sees the rows of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Balance {
    /// Each row once.
    None,
    /// As many rows of every class as the largest has: all rows of a smaller class equally often, and the remainder drawn
    /// anew in each epoch (Carrasco-Davis et al. 2021: by replication).
    Oversample,
}

/// The rows that an epoch is made of.
#[derive(Debug)]
pub(super) enum Pool {
    /// So many rows, each once.
    All(usize),
    /// Rows of each class, and the number in the largest.
    Classes(Vec<Vec<usize>>, usize),
}

impl Pool {
    pub(super) fn new(rows: &dyn Rows, balance: Balance) -> Result<Self, NnError> {
        if balance == Balance::None {
            return Ok(Self::All(rows.len()));
        }
        let mut classes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for row in 0..rows.len() {
            let class = rows.class(row).ok_or_else(|| {
                NnError::Data(format!("row {row} of the training data has no class: there is nothing to balance by"))
            })?;
            classes.entry(class).or_default().push(row);
        }
        let largest = classes.values().map(Vec::len).max().unwrap_or(0);
        Ok(Self::Classes(classes.into_values().collect(), largest))
    }

    /// Rows of an epoch.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::All(rows) => *rows,
            Self::Classes(classes, largest) => classes.len() * largest,
        }
    }

    fn visits(&self, epoch: usize, random: &mut ChaCha8Rng) -> Vec<Visit> {
        let visit = |again: usize, row: usize| Visit { row, epoch, again };
        match self {
            Self::All(rows) => (0..*rows).map(|row| visit(0, row)).collect(),
            Self::Classes(classes, largest) => {
                let mut of = |rows: &Vec<usize>| {
                    let all = replicated(rows, *largest, random).into_iter().enumerate();
                    all.map(|(i, row)| visit(i / rows.len(), row)).collect::<Vec<_>>()
                };
                classes.iter().flat_map(&mut of).collect()
            }
        }
    }
}

/// `length` rows: all of them equally often, the remainder drawn.
fn replicated(rows: &[usize], length: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut all = rows.repeat(length / rows.len());
    let mut rest = rows.to_vec();
    let (drawn, _) = rest.partial_shuffle(random, length % rows.len());
    all.extend_from_slice(drawn);
    all
}

/// One epoch.
#[derive(Debug)]
pub(super) struct Order {
    /// From 0.
    pub(super) epoch: usize,
    visits: Vec<Visit>,
    draws: Vec<u64>,
    batch: usize,
}

impl Order {
    pub(super) fn new(pool: &Pool, epoch: usize, batch: usize, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(epoch as u64 + 1); // a stream of its own, so that a resumed run draws the same
        let mut visits = pool.visits(epoch, &mut random);
        visits.shuffle(&mut random);
        let draws = (0..visits.len().div_ceil(batch)).map(|_| random.next_u64()).collect();
        Self { epoch, visits, draws, batch }
    }

    /// Rows of a step of this epoch, from 0, and where its draws come from.
    pub(super) fn step(&self, step: usize) -> (&[Visit], ChaCha8Rng) {
        let first = step * self.batch;
        let visits = &self.visits[first..self.visits.len().min(first + self.batch)];
        (visits, ChaCha8Rng::seed_from_u64(self.draws[step]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Column;

    /// Row by row, the class.
    struct Classes(Vec<Option<usize>>);

    impl Rows for Classes {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn columns(&self) -> Vec<Column> {
            Vec::new()
        }
        fn copy_row(&self, _: usize, _: usize, _: &mut [f32]) {}
        fn class(&self, row: usize) -> Option<usize> {
            self.0[row]
        }
    }

    fn counts(pool: &Pool, epoch: usize) -> BTreeMap<usize, usize> {
        let order = Order::new(pool, epoch, 4, 7);
        let steps = pool.len().div_ceil(4);
        let mut counts = BTreeMap::new();
        (0..steps).flat_map(|step| order.step(step).0).for_each(|visit| *counts.entry(visit.row).or_default() += 1);
        counts
    }

    #[test]
    fn an_epoch_sees_each_row_once() {
        let pool = Pool::new(&Classes(vec![None; 10]), Balance::None).unwrap();
        assert_eq!(counts(&pool, 0), (0..10).map(|row| (row, 1)).collect());
        let rows = |epoch, seed| -> Vec<usize> {
            Order::new(&pool, epoch, 4, seed).visits.iter().map(|visit| visit.row).collect()
        };
        assert_ne!(rows(0, 7), rows(1, 7));
        assert_ne!(rows(0, 7), rows(0, 8));
    }

    #[test]
    fn balanced_classes_are_seen_equally_often_and_their_rows_too() {
        let classes: Vec<usize> = (0..20).map(|row| [0, 0, 0, 0, 0, 0, 0, 5, 5, 9][row % 10]).collect();
        let pool =
            Pool::new(&Classes(classes.iter().map(|class| Some(*class)).collect()), Balance::Oversample).unwrap();
        assert_eq!(pool.len(), 3 * 14);
        let mut remainders = std::collections::BTreeSet::new();
        for epoch in 0..20 {
            let counts = counts(&pool, epoch);
            for (class, least, most) in [(0, 1, 1), (5, 3, 4), (9, 7, 7)] {
                let of = || counts.iter().filter(|(row, _)| classes[**row] == class).map(|(_, count)| *count);
                assert_eq!(of().sum::<usize>(), 14);
                assert_eq!((of().min(), of().max()), (Some(least), Some(most)));
            }
            remainders.insert(counts);
        }
        assert!(remainders.len() > 1, "the same rows are left over in every epoch");
    }

    /// So that what is drawn for a row differs each time that a balanced epoch shows it.
    #[test]
    fn no_visit_comes_twice() {
        let classes: Vec<Option<usize>> = (0..20).map(|row| Some(usize::from(row % 7 == 0))).collect();
        let pool = Pool::new(&Classes(classes), Balance::Oversample).unwrap();
        for epoch in 0..3 {
            let mut visits = Order::new(&pool, epoch, 4, 7).visits;
            assert!(visits.iter().all(|visit| visit.epoch == epoch));
            assert!(visits.iter().any(|visit| visit.again > 0));
            visits.sort_by_key(|visit| (visit.row, visit.again));
            assert!(visits.windows(2).all(|pair| pair[0] != pair[1]), "{visits:?}");
        }
    }

    #[test]
    fn a_row_without_class_cannot_be_balanced() {
        let message = Pool::new(&Classes(vec![Some(1), None]), Balance::Oversample).unwrap_err().to_string();
        assert!(message.contains("row 1"), "{message}");
    }
}
