//! Interval and test of the difference between two shares of the same rows, of which several may be of one object: of accuracies,
//! whose differences are often of so few rows that draws with replacement hardly vary. Knows counts only.

use statrs::distribution::{ContinuousCDF, Normal};

use super::statistics::{CONFIDENCE, t_quantile};

/// Rows of one object: how many there are, and for how many of them it holds of one alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// Rows.
    pub rows: usize,
    /// Rows for which it holds of the first and not of the second.
    pub first: usize,
    /// The other way round.
    pub second: usize,
}

/// The first share minus the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedShares {
    /// The difference.
    pub difference: f64,
    /// 95 % interval.
    pub interval: (f64, f64),
    /// Two-sided p of "no difference", by the same test: below 0.05 where 0 is outside of the interval.
    pub p_value: f64,
}

/// The score interval of Tango (1998, Statistics in Medicine 17, 891): all differences `\Delta` with
/// `|b - c - n \Delta| \le z \sqrt{n (2 q + \Delta (1 - \Delta))}`, where `b` and `c` of `n` rows hold of the first and of the second
/// alone, and `q` is the most likely share of `c` if `\Delta` is true; at 0 it is McNemar's test without correction.
///
/// Rows of one object are not independent: `b`, `c` and `n` are those of the effective number of rows
/// `n^* = \min(n, \frac{n}{d} (t_{n-1} / t_{K-1})^2)` as Korn and Graubard (1998) have it for one share, of `K` objects, where
/// `d = \frac{K}{K-1} \sum_k (b_k - c_k - \hat\Delta n_k)^2 / (\frac{n}{n-1} n s^2)` and
/// `s^2 = \frac{b + c}{n} - \hat\Delta^2`. Where no two rows differ in that they tell nothing of it: `n^* = K`.
/// `None` without rows, and for one object with several.
pub fn paired_shares(objects: impl IntoIterator<Item = Pair>) -> Option<PairedShares> {
    let objects: Vec<Pair> = objects.into_iter().filter(|object| object.rows > 0).collect();
    let sum = |of: fn(&Pair) -> usize| objects.iter().map(of).sum::<usize>() as f64;
    let rows = sum(|object| object.rows);
    if rows == 0.0 || objects.len() == 1 && rows > 1.0 {
        return None;
    }
    let all = Counts { rows, first: sum(|object| object.first), second: sum(|object| object.second) };
    let counts = all.scaled(effective(&objects, &all) / rows);
    let two_sided = 2.0 * Normal::standard().cdf(-counts.score(0.0).abs());
    Some(PairedShares { difference: all.difference(), interval: counts.interval(), p_value: two_sided.min(1.0) })
}

/// Counts of all objects together, or what they would be of fewer rows.
struct Counts {
    rows: f64,
    first: f64,
    second: f64,
}

impl Counts {
    fn difference(&self) -> f64 {
        (self.first - self.second) / self.rows
    }

    fn scaled(&self, by: f64) -> Self {
        Self { rows: self.rows * by, first: self.first * by, second: self.second * by }
    }

    /// Tango's statistic: normal, if the difference is `delta`.
    fn score(&self, delta: f64) -> f64 {
        let Self { rows, first, second } = *self;
        let above = first - second - rows * delta;
        if above == 0.0 {
            return 0.0;
        }
        let (a, b) = (2.0 * rows, (2.0 * rows - first + second) * delta - first - second);
        let c = -second * delta * (1.0 - delta);
        let most_likely = ((b * b - 4.0 * a * c).max(0.0).sqrt() - b) / (2.0 * a);
        above / (rows * (2.0 * most_likely + delta * (1.0 - delta))).max(0.0).sqrt()
    }

    /// The differences that the score does not rule out, by bisection to either side.
    fn interval(&self) -> (f64, f64) {
        let limit = Normal::standard().inverse_cdf(f64::midpoint(1.0, CONFIDENCE));
        let end = |mut outside: f64| {
            let mut inside = self.difference();
            for _ in 0..60 {
                let middle = f64::midpoint(inside, outside);
                if self.score(middle).abs() > limit { outside = middle } else { inside = middle }
            }
            f64::midpoint(inside, outside)
        };
        (end(-1.0), end(1.0))
    }
}

/// Effective number of rows.
fn effective(objects: &[Pair], all: &Counts) -> f64 {
    let (rows, number, difference) = (all.rows, objects.len() as f64, all.difference());
    let differing = all.first + all.second;
    if differing == 0.0 || all.first == rows || all.second == rows {
        return number;
    }
    let of_rows = rows / (rows - 1.0) * (differing - rows * difference * difference);
    let residual =
        |object: &Pair| (object.first as f64 - object.second as f64 - difference * object.rows as f64).powi(2);
    let design = number / (number - 1.0) * objects.iter().map(residual).sum::<f64>() / of_rows;
    let tails = t_quantile(rows as usize - 1) / t_quantile(objects.len() - 1);
    (rows / design * tails.powi(2)).min(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(first: &[usize], second: &[usize], rows: &[usize]) -> Option<PairedShares> {
        let pairs = first.iter().zip(second).zip(rows);
        paired_shares(pairs.map(|((first, second), rows)| Pair { rows: *rows, first: *first, second: *second }))
    }

    /// So many rows, one for each object.
    fn alone(first: usize, second: usize, rows: usize) -> PairedShares {
        let row = |i: usize| Pair { rows: 1, first: usize::from(i < first), second: usize::from(i >= rows - second) };
        paired_shares((0..rows).map(row)).unwrap()
    }

    fn close(ours: PairedShares, low: f64, high: f64, p_value: f64) {
        let (ours, theirs) = ([ours.interval.0, ours.interval.1, ours.p_value], [low, high, p_value]);
        assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-9), "{ours:?} is not {theirs:?}");
    }

    /// ```python
    /// z = stats.norm.ppf(0.975)
    /// def score(D, b, c, n):  # b rows of the first alone with chance q + D, c of the second with q: the likeliest q, not by its closed form
    ///     low, high = max(0, -D) + 1e-14, (1 - D)/2 - 1e-14
    ///     slope = lambda q: b / (q + D) + c / q - 2 * (n - b - c) / (1 - 2*q - D)
    ///     q = low if slope(low) < 0 else optimize.brentq(slope, low, high, xtol=1e-16)
    ///     return (b - c - n*D) / np.sqrt(n * (2*q + D*(1 - D)))
    /// def shares(first, second, rows):
    ///     b, c, r = (np.array(x, float) for x in (first, second, rows))
    ///     n, k, d = r.sum(), len(r), (b.sum() - c.sum()) / r.sum()
    ///     size, s2 = k, (b.sum() + c.sum()) / n - d*d
    ///     if s2 > 0:
    ///         design = k/(k-1) * ((b - c - d*r)**2).sum() / (n/(n-1) * n * s2)
    ///         size = min(n, n / design * (stats.t.ppf(0.975, n-1) / stats.t.ppf(0.975, k-1))**2)
    ///     b, c, n = (x * size / r.sum() for x in (b.sum(), c.sum(), n))
    ///     low = optimize.brentq(lambda D: score(D, b, c, n) - z, -1 + 1e-9, d - 1e-9, xtol=1e-14)
    ///     high = optimize.brentq(lambda D: score(D, b, c, n) + z, d + 1e-9, 1 - 1e-9, xtol=1e-14)
    ///     return low, high, 2 * stats.norm.sf(abs(b - c) / np.sqrt(b + c)) if b + c else 1
    /// def alone(b, c, n): return shares([1]*b + [0]*(n-b), [0]*(n-c) + [1]*c, [1]*n)
    /// alone(5, 2, 44), alone(0, 0, 20), alone(2, 0, 20), alone(9, 4, 30)
    /// shares([3, 2, 0, 1, 1, 2, 0, 1], [0, 0, 1, 0, 0, 0, 1, 1], [3, 3, 2, 1, 1, 2, 1, 2])
    /// shares([5, 0, 4, 0, 0, 6, 0, 0, 5, 0], [0, 0, 0, 1, 0, 0, 5, 0, 0, 0], [6]*10)
    /// ```
    #[test]
    fn agrees_with_scipy() {
        close(alone(5, 2, 44), -0.060_112_068_684_686_92, 0.204_982_323_684_288_68, 0.256_839_257_957_856_56);
        close(alone(0, 0, 20), -0.161_125_158_052_839_36, 0.161_125_158_052_839_4, 1.0);
        close(alone(2, 0, 20), -0.077_237_673_858_101_3, 0.301_033_645_228_499_07, 0.157_299_207_050_285_16);
        close(alone(9, 4, 30), -0.073_188_178_424_942_84, 0.388_929_387_071_867_2, 0.165_517_858_697_469_93);
        let few = of(&[3, 2, 0, 1, 1, 2, 0, 1], &[0, 0, 1, 0, 0, 0, 1, 1], &[3, 3, 2, 1, 1, 2, 1, 2]).unwrap();
        close(few, -0.112_444_367_538_277_19, 0.801_465_312_893_080_8, 0.114_933_617_773_619);
        let many = of(&[5, 0, 4, 0, 0, 6, 0, 0, 5, 0], &[0, 0, 0, 1, 0, 0, 5, 0, 0, 0], &[6; 10]).unwrap();
        close(many, -0.219_999_458_730_057_16, 0.596_998_131_958_512, 0.287_316_670_904_164_24);
    }

    #[test]
    fn the_other_way_round_it_is_the_other_way_round() {
        let (ours, theirs) = (alone(9, 4, 30), alone(4, 9, 30));
        assert!((ours.interval.0 + theirs.interval.1).abs() < 1e-9 && (ours.p_value - theirs.p_value).abs() < 1e-9);
        assert_eq!(ours.difference, -theirs.difference);
        // All rows differ in one direction.
        let all = alone(12, 0, 12);
        assert!(all.interval.1 == 1.0 && all.interval.0 > 0.5 && all.p_value < 0.001, "{all:?}");
    }

    #[test]
    fn rows_of_one_object_are_one_piece_of_evidence() {
        let together = of(&[9, 9, 0, 0, 0, 0], &[0, 0, 0, 0, 0, 9], &[9; 6]).unwrap();
        let alone = alone(2, 1, 6);
        let width = |of: PairedShares| of.interval.1 - of.interval.0;
        assert!(width(together) >= width(alone) && together.p_value >= alone.p_value, "{together:?}, {alone:?}");
        assert_eq!((of(&[], &[], &[]), of(&[0], &[0], &[0]), of(&[1], &[0], &[2])), (None, None, None));
    }
}
