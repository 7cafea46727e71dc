//! Interval of a share of rows of which several may be of one object: for recall, precision and accuracy, which are often near 0
//! or 1, where draws with replacement hardly differ and their interval is too narrow. Knows counts only.

use statrs::function::beta::beta_reg;

use super::statistics::{CONFIDENCE, t_quantile};

/// Rows of one object: how many there are, and for how many of them it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Rows.
    pub rows: usize,
    /// Rows for which it holds.
    pub hits: usize,
}

/// The exact interval of Clopper and Pearson (1934) with the effective number of rows of Korn and Graubard (1998, Survey
/// Methodology 24, 193): of `n` rows of `K` objects
/// `n^* = \min(n, \frac{n}{d} (t_{n-1} / t_{K-1})^2)`, where
/// `d = \frac{K}{K-1} \sum_k (h_k - \hat p r_k)^2 / (\frac{n}{n-1} n \hat p (1 - \hat p))` says how much more the share scatters
/// than that of `n` independent rows. Where it holds for all rows or for none they tell nothing of that: `n^* = K`.
/// `None` without rows, and for one object whose rows differ.
pub fn interval(objects: impl IntoIterator<Item = Count>) -> Option<(f64, f64)> {
    let objects: Vec<Count> = objects.into_iter().filter(|object| object.rows > 0).collect();
    let rows: usize = objects.iter().map(|object| object.rows).sum();
    let hits: usize = objects.iter().map(|object| object.hits).sum();
    if rows == 0 {
        return None;
    }
    let share = hits as f64 / rows as f64;
    let size = if hits == 0 || hits == rows { objects.len() as f64 } else { effective(&objects, rows as f64, share)? };
    let (hit, missed) = (share * size, (1.0 - share) * size);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let low = if hits == 0 { 0.0 } else { beta_quantile(hit, missed + 1.0, tail) };
    let high = if hits == rows { 1.0 } else { beta_quantile(hit + 1.0, missed, 1.0 - tail) };
    Some((low, high))
}

/// Effective number of rows.
fn effective(objects: &[Count], rows: f64, share: f64) -> Option<f64> {
    let of_rows = rows / (rows - 1.0) * rows * share * (1.0 - share);
    let squares = objects.iter().map(|object| (object.hits as f64 - share * object.rows as f64).powi(2));
    let number = objects.len();
    if number < 2 {
        return None;
    }
    let design = number as f64 / (number as f64 - 1.0) * squares.sum::<f64>() / of_rows;
    let tails = t_quantile(rows as usize - 1) / t_quantile(number - 1);
    Some((rows / design * tails.powi(2)).min(rows))
}

/// Where the distribution function of Beta(`a`, `b`) is `probability`, by bisection.
fn beta_quantile(a: f64, b: f64, probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if beta_reg(a, b, middle) < probability { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hits: &[usize], rows: &[usize]) -> Option<(f64, f64)> {
        interval(hits.iter().zip(rows).map(|(hits, rows)| Count { rows: *rows, hits: *hits }))
    }

    fn close(ours: Option<(f64, f64)>, low: f64, high: f64) {
        let ours = ours.unwrap();
        assert!((ours.0 - low).abs() < 1e-10 && (ours.1 - high).abs() < 1e-10, "{ours:?} is not {low}, {high}");
    }

    /// ```python
    /// def interval(hits, rows):
    ///     hits, rows = np.array(hits, float), np.array(rows, float)
    ///     n, k, h = rows.sum(), len(rows), hits.sum()
    ///     p = h / n
    ///     size = k
    ///     if 0 < h < n:
    ///         design = k/(k-1) * ((hits - p*rows)**2).sum() / (n/(n-1) * n*p*(1-p))
    ///         size = min(n, n / design * (stats.t.ppf(0.975, n-1) / stats.t.ppf(0.975, k-1))**2)
    ///     low = 0 if h == 0 else stats.beta.ppf(0.025, p*size, size - p*size + 1)
    ///     return low, 1 if h == n else stats.beta.ppf(0.975, p*size + 1, size - p*size)
    /// interval([1]*7, [1]*7), interval([1]*9 + [0]*2, [1]*11), interval([0]*20, [1]*20)
    /// interval([3, 2, 0, 1, 1, 2, 0, 1], [3, 3, 2, 1, 1, 2, 1, 2])
    /// ```
    #[test]
    fn agrees_with_scipy() {
        close(of(&[1; 7], &[1; 7]), 0.590_383_602_774_996_6, 1.0);
        close(of(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0], &[1; 11]), 0.482_244_147_639_828_26, 0.977_168_801_700_040_3);
        close(of(&[0; 20], &[1; 20]), 0.0, 0.168_433_470_983_085_3);
        close(
            of(&[3, 2, 0, 1, 1, 2, 0, 1], &[3, 3, 2, 1, 1, 2, 1, 2]),
            0.311_585_246_629_098_9,
            0.919_381_839_615_231_1,
        );
    }

    #[test]
    fn rows_of_one_object_are_one_piece_of_evidence() {
        close(of(&[9; 7], &[9; 7]), 0.590_383_602_774_996_6, 1.0);
        assert_eq!((of(&[], &[]), of(&[0], &[0]), of(&[1], &[2])), (None, None, None));
    }
}
