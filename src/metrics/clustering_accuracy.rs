//! Share of rows that are right when each cluster may stand for one class and each class for one cluster.

use super::clusters::ClusterMetric;
use super::share;

/// Accuracy under the best one-to-one naming of clusters by classes.
pub static CLUSTERING_ACCURACY: ClusterMetric = ClusterMetric {
    name: "clustering_accuracy",
    summary: "Accuracy under the best one-to-one naming of clusters by classes; rows of clusters without a name are wrong.",
    formula: r"\frac{1}{N} \max_m \sum_c n_{c\,m(c)}",
    source: "Jiang et al. 2017 (VaDE), ACC; Hungarian method of Kuhn 1955 and Munkres 1957",
    measure: |counts| share(matched(&counts.table), counts.rows()),
};

/// The largest sum of entries of which no two share a row or a column; missing ones count 0.
fn matched(table: &[Vec<usize>]) -> usize {
    let size = table.len().max(table.first().map_or(0, Vec::len));
    let value = |row: usize, column: usize| table.get(row).and_then(|of| of.get(column)).copied().unwrap_or(0);
    let chosen = assignment(size, |row, column| -(value(row, column) as i64));
    chosen.into_iter().enumerate().map(|(row, column)| value(row, column)).sum()
}

/// The column of each row that makes the sum of costs smallest, by shortest augmenting paths over potentials, O(n³). Rows
/// and columns count from 1; row or column 0 stands for none.
fn assignment(size: usize, cost: impl Fn(usize, usize) -> i64) -> Vec<usize> {
    let (mut of_rows, mut of_columns) = (vec![0_i64; size + 1], vec![0_i64; size + 1]);
    let mut row_of = vec![0; size + 1];
    for row in 1..=size {
        row_of[0] = row;
        let (mut least, mut before) = (vec![i64::MAX; size + 1], vec![0; size + 1]);
        let mut seen = vec![false; size + 1];
        let mut column = 0;
        while row_of[column] != 0 {
            seen[column] = true;
            let (from, mut step, mut next) = (row_of[column], i64::MAX, 0);
            for to in (1..=size).filter(|to| !seen[*to]) {
                let reduced = cost(from - 1, to - 1) - of_rows[from] - of_columns[to];
                if reduced < least[to] {
                    (least[to], before[to]) = (reduced, column);
                }
                if least[to] < step {
                    (step, next) = (least[to], to);
                }
            }
            for at in 0..=size {
                if seen[at] {
                    of_rows[row_of[at]] += step;
                    of_columns[at] -= step;
                } else if at > 0 {
                    least[at] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[before[column]];
            column = before[column];
        }
    }
    let mut chosen = vec![0; size];
    (1..=size).for_each(|column| chosen[row_of[column] - 1] = column - 1);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest sum over all ways to name clusters.
    fn by_trying(table: &[Vec<usize>], taken: &mut Vec<usize>) -> usize {
        let Some(row) = table.get(taken.len()) else { return 0 };
        let mut best = 0;
        for column in (0..table.len()).filter(|column| !taken.contains(column)).collect::<Vec<_>>() {
            taken.push(column);
            best = best.max(row.get(column).copied().unwrap_or(0) + by_trying(table, taken));
            taken.pop();
        }
        best
    }

    #[test]
    fn no_other_naming_is_better() {
        for seed in 0..40 {
            let (rows, columns) = (1 + seed % 6, 1 + seed % 4);
            let entry = |row: usize, column: usize| (row * 31 + column * 17 + seed * 7 + row * column * 5) % 23;
            let table: Vec<Vec<usize>> =
                (0..rows).map(|row| (0..columns.min(rows)).map(|column| entry(row, column)).collect()).collect();
            assert_eq!(matched(&table), by_trying(&table, &mut Vec::new()), "{table:?}");
        }
        assert_eq!(matched(&[vec![1, 5, 9]]), 9, "fewer clusters than classes");
    }
}
