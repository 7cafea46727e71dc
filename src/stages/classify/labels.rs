//! Which labels of the training split a classifier gets: all, so many of each class, or a share of each. Knows no vector.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::ClassifyKeys;
use crate::artifacts::predictions::LabelsTaken;

/// Rows with labels that were taken.
pub(super) struct Taken {
    /// The rows, in order.
    pub(super) rows: BTreeSet<usize>,
    /// What is said of them.
    pub(super) facts: LabelsTaken,
}

/// Whether `keys` leave labels out.
pub(super) fn is_some(keys: &ClassifyKeys) -> bool {
    keys.labels_per_class > 0 || keys.label_fraction < 1.0
}

/// Takes labels among `rows [class]`, the training rows without copies. Each class is put into an order by the seed, of which
/// the first are taken: more labels hold the fewer, and what one class has changes no other.
pub(super) fn take(keys: &ClassifyKeys, rows: &[Vec<usize>], names: &[String], seed: u64) -> Taken {
    let (mut taken, mut per_class, mut short) = (BTreeSet::new(), Vec::new(), Vec::new());
    for (class, rows) in rows.iter().enumerate() {
        let wanted = if keys.labels_per_class > 0 {
            keys.labels_per_class
        } else {
            // rounding must not make 0.3 of 10 rows four
            (keys.label_fraction * rows.len() as f64 - 1e-9).ceil() as usize
        };
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(class as u64);
        let mut order = rows.clone();
        order.shuffle(&mut random);
        order.truncate(wanted);
        per_class.push(order.len());
        if order.len() < wanted {
            short.push(names[class].clone());
        }
        taken.extend(order);
    }
    Taken { rows: taken, facts: LabelsTaken { per_class, short } }
}
