//! Intervals and paired differences by resampling whole objects, so that several rows of one object count as one piece of
//! evidence. Knows no metric: it is handed a function of rows.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Confidence of the intervals.
pub const CONFIDENCE: f64 = 0.95;
/// Share of draws that must be defined for there to be an interval.
const DEFINED: f64 = 0.95;

/// Rows grouped by object.
#[derive(Clone, Debug)]
pub struct Groups {
    rows: Vec<Vec<usize>>,
}

impl Groups {
    /// Groups the rows that name the same object; groups are in order of the names.
    pub fn new<'a>(objects: impl IntoIterator<Item = &'a str>) -> Self {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (row, object) in objects.into_iter().enumerate() {
            groups.entry(object).or_default().push(row);
        }
        Self { rows: groups.into_values().collect() }
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows of each object.
    pub fn rows(&self) -> impl Iterator<Item = &[usize]> {
        self.rows.iter().map(Vec::as_slice)
    }

    /// Rows of as many objects as there are, drawn with replacement. Each draw has its own stream of random numbers, so
    /// draws can be made in any order.
    fn draw(&self, seed: u64, draw: usize) -> Vec<usize> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(draw as u64);
        (0..self.len()).flat_map(|_| &self.rows[random.random_range(0..self.len())]).copied().collect()
    }
}

/// `measure` of each of `draws` resamples: the same rows for the same seed, whatever is measured, so that differences
/// between two measurements are paired.
pub fn resample<T: Send>(groups: &Groups, draws: usize, seed: u64, measure: impl Fn(&[usize]) -> T + Sync) -> Vec<T> {
    (0..draws).into_par_iter().map(|draw| measure(&groups.draw(seed, draw))).collect()
}

/// Percentile interval of the draws (Efron & Tibshirani 1993, section 13.3); `None` when more than one in twenty is
/// undefined.
pub fn interval(draws: &[Option<f64>]) -> Option<(f64, f64)> {
    let mut defined: Vec<f64> = draws.iter().copied().flatten().collect();
    if defined.is_empty() || (defined.len() as f64) < DEFINED * draws.len() as f64 {
        return None;
    }
    defined.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Some((quantile(&defined, tail), quantile(&defined, 1.0 - tail)))
}

/// Two-sided p-value of "no difference" from paired draws of a difference: the confidence at which the percentile interval
/// just touches 0, `p = \min(1, 2 \frac{1 + \min(\#\{d \le 0\}, \#\{d \ge 0\})}{B + 1})`. Never 0: `B` draws cannot show that.
pub fn p_value(differences: &[Option<f64>]) -> Option<f64> {
    interval(differences)?;
    let count = |holds: fn(f64) -> bool| differences.iter().flatten().filter(|d| holds(**d)).count();
    let (below, above) = (count(|d| d <= 0.0), count(|d| d >= 0.0));
    let draws = differences.iter().flatten().count();
    Some((2.0 * (1 + below.min(above)) as f64 / (draws + 1) as f64).min(1.0))
}

/// Quantile of sorted values, at least one, with linear interpolation (numpy's default).
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64], rows: &[usize]) -> f64 {
        rows.iter().map(|row| values[*row]).sum::<f64>() / rows.len() as f64
    }

    /// Standard error of a mean of n independent values: the interval must be about 1.96 of it either way.
    #[test]
    fn interval_of_a_mean_has_the_width_of_theory() {
        let values: Vec<f64> = (0..400).map(|i| f64::from((i * 37) % 100)).collect();
        let names: Vec<String> = (0..400).map(|i| format!("{i}")).collect();
        let groups = Groups::new(names.iter().map(String::as_str));
        let draws = resample(&groups, 2000, 3, |rows| Some(mean(&values, rows)));
        let (low, high) = interval(&draws).unwrap();
        let centre = values.iter().sum::<f64>() / 400.0;
        let variance = values.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / 400.0;
        let expected = 2.0 * 1.96 * (variance / 400.0).sqrt();
        assert!(((high - low) / expected - 1.0).abs() < 0.08, "{low} to {high}, expected width {expected}");
        assert!(low < centre && centre < high);
    }

    /// Ten copies of each row in one object: no more evidence than one copy.
    #[test]
    fn rows_of_one_object_are_one_piece_of_evidence() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from((i / 10 * 37) % 100)).collect();
        let names: Vec<String> = (0..1000).map(|i| format!("{}", i / 10)).collect();
        let alone: Vec<String> = (0..1000).map(|i| format!("{i}")).collect();
        let width = |names: &[String]| {
            let groups = Groups::new(names.iter().map(String::as_str));
            let (low, high) = interval(&resample(&groups, 1000, 3, |rows| Some(mean(&values, rows)))).unwrap();
            high - low
        };
        assert!(width(&names) / width(&alone) > 2.8, "{} against {}", width(&names), width(&alone));
    }

    #[test]
    fn the_same_draws_with_any_number_of_threads() {
        let groups = Groups::new(["a", "b", "a", "c", "d"]);
        let with = |n| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            pool.install(|| resample(&groups, 50, 9, <[usize]>::to_vec))
        };
        assert_eq!(with(1), with(4));
        assert_ne!(with(1)[0], with(1)[1]);
    }

    /// `np.quantile([1, 2, 4, 8, 16, 32], [0.025, 0.975])`
    #[test]
    fn quantiles_equal_numpy() {
        let draws = [8.0, 1.0, 32.0, 4.0, 2.0, 16.0].map(Some);
        assert_eq!(interval(&draws), Some((1.125, 30.0)));
    }

    #[test]
    fn undefined_draws_make_the_interval_undefined() {
        let mut draws = vec![Some(1.0); 90];
        draws.extend(vec![None; 10]);
        assert_eq!((interval(&draws), p_value(&draws), interval(&[])), (None, None, None));
    }

    #[test]
    fn p_value_follows_the_side_of_zero() {
        let draws: Vec<Option<f64>> = (0..199).map(|i| Some(f64::from(i) - 4.5)).collect();
        assert_eq!(p_value(&draws), Some(2.0 * 6.0 / 200.0));
        assert_eq!(p_value(&[Some(0.0); 19]), Some(1.0));
    }
}
