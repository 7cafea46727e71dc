//! Silhouette: how much nearer rows are to their own cluster than to the next one. Knows distances, but no classes.

use rayon::prelude::*;

/// Rows whose distances from one row are made together.
const BLOCK: usize = 256;

/// Mean over rows of `(b - a) / max(a, b)`, with `a` the mean Euclidean distance from the other rows of its cluster and `b`
/// the smallest mean distance from the rows of another; 0 for a row that is alone (Rousseeuw 1987; scikit-learn
/// silhouette_score). From -1 to 1. Undefined with fewer than two clusters that have rows, and where every row is alone.
///
/// All pairs of rows are looked at, in blocks: memory does not grow with them, time as their square.
pub fn silhouette(rows: &[Vec<f64>], clusters: &[usize]) -> Option<f64> {
    let mut counts = vec![0; clusters.iter().max()? + 1];
    for cluster in clusters {
        counts[*cluster] += 1;
    }
    let filled = counts.iter().filter(|count| **count > 0).count();
    if filled < 2 || filled == rows.len() {
        return None;
    }
    // [column][row]: distances from one row to many are then made side by side
    let columns: Vec<Vec<f64>> = (0..rows[0].len()).map(|c| rows.iter().map(|row| row[c]).collect()).collect();
    let of = |row: usize| of_row(clusters[row], &sums(&rows[row], &columns, clusters, counts.len()), &counts);
    let each: Vec<f64> = (0..rows.len()).into_par_iter().map(of).collect();
    Some(each.iter().sum::<f64>() / rows.len() as f64)
}

/// Sum of the distances of a row from the rows of each cluster.
fn sums(row: &[f64], columns: &[Vec<f64>], clusters: &[usize], count: usize) -> Vec<f64> {
    let mut sums = vec![0.0; count];
    for (block, clusters) in clusters.chunks(BLOCK).enumerate() {
        let mut squares = [0.0; BLOCK];
        for (x, column) in row.iter().zip(columns) {
            let others = &column[block * BLOCK..][..clusters.len()];
            squares.iter_mut().zip(others).for_each(|(square, other)| *square += (x - other) * (x - other));
        }
        clusters.iter().zip(squares).for_each(|(cluster, square)| sums[*cluster] += square.sqrt());
    }
    sums
}

fn of_row(own: usize, sums: &[f64], counts: &[usize]) -> f64 {
    if counts[own] == 1 {
        return 0.0;
    }
    let within = sums[own] / (counts[own] - 1) as f64;
    let others = (0..counts.len()).filter(|cluster| *cluster != own && counts[*cluster] > 0);
    let next = others.map(|cluster| sums[cluster] / counts[cluster] as f64).fold(f64::INFINITY, f64::min);
    let larger = within.max(next);
    if larger > 0.0 { (next - within) / larger } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// import numpy as np; from sklearn.metrics import silhouette_score as s
    /// i = np.arange(300); wave = lambda p: np.sin(1.3*i + p) + 0.5*np.cos(0.37*i*i + p)
    /// x = np.array([(0, 0), (4, 1), (1, 5)])[i % 3] + np.stack([wave(0.), 0.6*wave(1.)], 1)
    /// print(s(x, i % 3), s(x, (i*i + i//7) % 5), s(x[:7], [0, 0, 1, 1, 1, 2, 2]), s(x[:5], [0, 0, 0, 0, 1]))
    /// ```
    const SCIKIT_LEARN: [f64; 4] =
        [0.725_107_666_226_056_4, -0.034_655_168_978_789_45, -0.322_028_233_865_259_86, -0.202_384_990_269_617_93];

    fn rows(count: usize) -> Vec<Vec<f64>> {
        let wave = |i: usize, phase: f64| (1.3 * i as f64 + phase).sin() + 0.5 * (0.37 * (i * i) as f64 + phase).cos();
        let row = |i: usize| {
            let (x, y) = [(0.0, 0.0), (4.0, 1.0), (1.0, 5.0)][i % 3];
            vec![x + wave(i, 0.0), y + 0.6 * wave(i, 1.0)]
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn equals_scikit_learn_also_over_several_blocks() {
        let all = rows(300);
        let by_class: Vec<usize> = (0..300).map(|i| i % 3).collect();
        let mixed: Vec<usize> = (0..300).map(|i| (i * i + i / 7) % 5).collect();
        let ours = [
            silhouette(&all, &by_class),
            silhouette(&all, &mixed),
            silhouette(&all[..7], &[0, 0, 1, 1, 1, 2, 2]),
            silhouette(&all[..5], &[0, 0, 0, 0, 1]),
        ];
        assert!(ours.iter().zip(SCIKIT_LEARN).all(|(own, theirs)| (own.unwrap() - theirs).abs() < 1e-12), "{ours:?}");
        // a cluster without rows changes nothing
        let named: Vec<usize> = by_class.iter().map(|cluster| 2 * cluster).collect();
        assert_eq!(silhouette(&all, &named), ours[0]);
    }

    #[test]
    fn one_cluster_and_rows_that_are_alone_have_none() {
        let all = rows(4);
        assert_eq!(silhouette(&all, &[1, 1, 1, 1]), None);
        assert_eq!(silhouette(&all, &[0, 1, 2, 3]), None);
        assert_eq!(silhouette(&[], &[]), None);
        assert_eq!(silhouette(&vec![vec![1.0]; 4], &[0, 0, 1, 1]), Some(0.0), "rows that are equal");
    }

    #[test]
    fn threads_change_no_bit() {
        let (all, clusters) = (rows(700), (0..700).map(|i| i % 4).collect::<Vec<usize>>());
        let with = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        assert_eq!(with(1).install(|| silhouette(&all, &clusters)), with(3).install(|| silhouette(&all, &clusters)));
    }
}
