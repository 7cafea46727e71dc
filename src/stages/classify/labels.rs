//! Which labels of a split a classifier gets: all, so many of each class, or a share of each. Knows no vector.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::ClassifyKeys;

/// Rows with labels that were taken.
pub(super) struct Taken {
    /// The rows, in order.
    pub(super) rows: BTreeSet<usize>,
    /// How many of each class.
    pub(super) per_class: Vec<usize>,
    /// Classes that have fewer than were asked for: these keep all.
    pub(super) short: Vec<usize>,
}

/// Whether `keys` leave labels out.
pub(super) fn is_some(keys: &ClassifyKeys) -> bool {
    keys.labels_per_class > 0 || keys.label_fraction < 1.0
}

/// Random numbers for this purpose alone: the classifiers draw from the seed itself.
fn draws(seed: u64, split: &str, class: usize) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new_derive_key("estampa classify: labels that are taken");
    hasher.update(&seed.to_le_bytes()).update(&(class as u64).to_le_bytes()).update(split.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

/// Takes labels among `rows [class]`, those of `split` without copies. Each class is put into an order by the seed, of which
/// the first are taken: more labels hold the fewer, and what one class has changes no other.
pub(super) fn take(keys: &ClassifyKeys, rows: &[Vec<usize>], split: &str, seed: u64) -> Taken {
    let (mut taken, mut per_class, mut short) = (BTreeSet::new(), Vec::new(), Vec::new());
    for (class, rows) in rows.iter().enumerate() {
        let wanted = if keys.labels_per_class > 0 {
            keys.labels_per_class
        } else {
            // rounding must not make 0.3 of 10 rows four
            (keys.label_fraction * rows.len() as f64 - 1e-9).ceil() as usize
        };
        let mut order = rows.clone();
        order.shuffle(&mut draws(seed, split, class));
        order.truncate(wanted);
        per_class.push(order.len());
        if order.len() < wanted {
            short.push(class);
        }
        taken.extend(order);
    }
    Taken { rows: taken, per_class, short }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::split::{TRAIN, VALIDATION};

    /// A random forest draws the rows of its trees from `seed` with the number of the tree as stream.
    #[test]
    fn labels_are_drawn_apart_from_all_else() {
        use crate::stages::calibration::Calibrate;
        let keys = ClassifyKeys { copies: true, labels_per_class: 4, label_fraction: 1.0, calibrate: Calibrate::None };
        let rows = vec![(0..40).collect::<Vec<usize>>(); 2];
        let of = |split| take(&keys, &rows[..1], split, 7).rows;
        let mut as_forest = rows[0].clone();
        as_forest.shuffle(&mut ChaCha8Rng::seed_from_u64(7));
        assert_ne!(of(TRAIN), as_forest[..4].iter().copied().collect::<BTreeSet<usize>>());
        assert_ne!(of(TRAIN), of(VALIDATION));
        assert_eq!(of(TRAIN), of(TRAIN));
        assert_ne!(draws(7, TRAIN, 0), draws(7, TRAIN, 1), "classes differ");
    }
}
