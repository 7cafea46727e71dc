//! k-means++: rows to start from (Arthur and Vassilvitskii 2007).

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::apart;

/// Rows to start from: the first at random, each next with a chance that grows as its squared distance from those before.
pub(super) fn seeds(rows: &[Vec<f64>], clusters: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut seeds = vec![random.random_range(0..rows.len())];
    let mut nearest: Vec<f64> = rows.iter().map(|row| apart(row, &rows[seeds[0]])).collect();
    while seeds.len() < clusters {
        let mut left = random.random::<f64>() * nearest.iter().sum::<f64>();
        let passed = |distance: &f64| {
            left -= distance;
            left < 0.0
        };
        let chosen = nearest.iter().position(passed);
        // all rows that are left lie on a seed: any that is none will do
        let chosen = chosen.or_else(|| (0..rows.len()).find(|row| !seeds.contains(row))).unwrap_or(0);
        seeds.push(chosen);
        nearest.iter_mut().zip(rows).for_each(|(old, row)| *old = old.min(apart(row, &rows[chosen])));
    }
    seeds
}
