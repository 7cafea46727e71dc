//! Which labels a classifier learns from: all, so many of each class, or a share of each. Knows no vector and no pixel.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::artifacts::predictions::LabelsTaken;
use crate::artifacts::split::{TRAIN, VALIDATION};
use crate::spec::keys::Keys;
use crate::spec::value::Params;

crate::keys! {
    /// Keys of the kinds that learn from labels.
    pub struct FewLabels {
        /// Train on so many labels of each class, drawn from the training split by the seed; 0: all. A class with fewer keeps all, and `predictions.json` says so. More labels hold the fewer, so an axis of this key makes a label-efficiency curve. What is chosen on the validation split (settings of a classifier, when it stops, the temperature) is chosen by as many labels there; all of them are judged.
        labels_per_class: usize = 0, added_later();
        /// Train on this share of the labels of each class, drawn in the same way.
        label_fraction: f64 = 1.0, range(1e-6, 1), added_later();
    }
}

/// Rows whose labels are taken.
pub(super) struct Taken {
    /// Of the training split.
    pub(super) training: BTreeSet<usize>,
    /// Of the validation split.
    pub(super) validation: BTreeSet<usize>,
    /// How many these are.
    pub(super) facts: LabelsTaken,
}

impl FewLabels {
    /// Whether labels are left out.
    pub(super) fn is_some(&self) -> bool {
        self.labels_per_class > 0 || self.label_fraction < 1.0
    }

    /// What is wrong with `params`, by key.
    pub(super) fn faults(params: &Params) -> Vec<(&'static str, String)> {
        if Self::read(params).is_some_and(|keys| keys.labels_per_class > 0 && keys.label_fraction < 1.0) {
            vec![("label_fraction", "stands beside `labels_per_class`: give one of them".into())]
        } else {
            Vec::new()
        }
    }

    /// Takes labels among rows of the training and of the validation split, `[class]` both and without copies, of these `classes`.
    pub(super) fn take(
        &self,
        training: &[Vec<usize>],
        validation: &[Vec<usize>],
        classes: &[String],
        seed: u64,
    ) -> Taken {
        let (training, per_class) = self.of_split(training, TRAIN, seed);
        let (validation, to_choose) = self.of_split(validation, VALIDATION, seed);
        let is_short =
            |(class, taken): (usize, &usize)| (*taken < self.labels_per_class).then(|| classes[class].clone());
        let short = per_class.iter().enumerate().filter_map(is_short).collect();
        Taken { training, validation, facts: LabelsTaken { per_class, validation: to_choose, short } }
    }

    /// Each class is put into an order by the seed, of which the first are taken: more labels hold the fewer, and what one class
    /// has changes no other. The rows, and how many of each class.
    fn of_split(&self, rows: &[Vec<usize>], split: &str, seed: u64) -> (BTreeSet<usize>, Vec<usize>) {
        let taken = rows.iter().enumerate().map(|(class, rows)| {
            let wanted = if self.labels_per_class > 0 {
                self.labels_per_class
            } else {
                // rounding must not make 0.3 of 10 rows four
                (self.label_fraction * rows.len() as f64 - 1e-9).ceil() as usize
            };
            let mut order = rows.clone();
            order.shuffle(&mut draws(seed, split, class));
            order.truncate(wanted);
            order
        });
        let taken: Vec<Vec<usize>> = taken.collect();
        (taken.iter().flatten().copied().collect(), taken.iter().map(Vec::len).collect())
    }
}

/// Random numbers for this purpose alone: the classifiers draw from the seed itself.
fn draws(seed: u64, split: &str, class: usize) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new_derive_key("estampa classify: labels that are taken");
    hasher.update(&seed.to_le_bytes()).update(&(class as u64).to_le_bytes()).update(split.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A random forest draws the rows of its trees from `seed` with the number of the tree as stream.
    #[test]
    fn labels_are_drawn_apart_from_all_else() {
        let keys = FewLabels { labels_per_class: 4, label_fraction: 1.0 };
        let rows = vec![(0..40).collect::<Vec<usize>>()];
        let of = |split| keys.of_split(&rows, split, 7).0;
        let mut as_forest = rows[0].clone();
        as_forest.shuffle(&mut ChaCha8Rng::seed_from_u64(7));
        assert_ne!(of(TRAIN), as_forest[..4].iter().copied().collect::<BTreeSet<usize>>());
        assert_ne!(of(TRAIN), of(VALIDATION));
        assert_eq!(of(TRAIN), of(TRAIN));
        assert_ne!(draws(7, TRAIN, 0), draws(7, TRAIN, 1), "classes differ");
    }
}
