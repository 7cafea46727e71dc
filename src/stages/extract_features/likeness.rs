//! How alike the codes of a stamp's turned and mirrored views are: the invariance of a network. Knows no network.
//!
//! `view_similarity` of a row with code `z` and codes `z_v` of its seven other views is `1/7 Σ_v cos(z, z_v)`, averaged over the
//! rows of a split that are no copies. Codes with a common offset are all alike: beside it stands the same between codes of
//! different objects, `cos(z, z')` with the next object of the split, which it must exceed to say anything.

use crate::artifacts::features::FeatureRow;
use crate::artifacts::scores::Metric;
use crate::artifacts::split;

/// Series of what it is compared with.
const OTHERS: &str = "another object";

/// `a · b / (|a| |b|)`; not a number where one of them is zero.
pub(in crate::stages) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

/// Whether the largest value of two codes is the same one, 1 or 0; the first of equals.
pub(in crate::stages) fn agreement(a: &[f32], b: &[f32]) -> f64 {
    let largest = |code: &[f32]| (0..code.len()).rev().max_by(|i, j| code[*i].total_cmp(&code[*j]));
    f64::from(u8::from(largest(a) == largest(b)))
}

/// How alike two codes are.
pub(in crate::stages) type Likeness = fn(&[f32], &[f32]) -> f64;

/// Metric `name` of each split: `alike` is the mean likeness of each row to its views, `codes [row, latent]` those of the stamps
/// as they are.
pub(in crate::stages) fn metrics(
    (name, likeness): (&str, Likeness),
    series: &str,
    rows: &[FeatureRow],
    codes: &[f32],
    alike: &[f64],
) -> Vec<Metric> {
    let latent = codes.len() / rows.len().max(1);
    let code = |row: usize| &codes[row * latent..(row + 1) * latent];
    let mut metrics = Vec::new();
    for split in split::ALL {
        let own: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].split == split && rows[*row].copy == 0).collect();
        let other = |(at, row): (usize, &usize)| {
            let is_other = |other: &&usize| rows[**other].object_id != rows[*row].object_id;
            own[at + 1..].iter().find(is_other).map(|other| likeness(code(*row), code(*other)))
        };
        metrics.push(mean(name, series, split, own.iter().map(|row| alike[*row])));
        metrics.push(mean(name, OTHERS, split, own.iter().enumerate().filter_map(other)));
    }
    metrics
}

fn mean(name: &str, series: &str, split: &str, values: impl Iterator<Item = f64>) -> Metric {
    let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    let mean = (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    Metric::new(series, split, name, mean, values.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(object: &str, copy: i64) -> FeatureRow {
        FeatureRow { candid: 0, object_id: object.into(), label: String::new(), split: "test".into(), copy }
    }

    #[test]
    fn the_cosine_is_that_of_the_angle() {
        assert!((cosine(&[1.0, 0.0], &[2.0, 2.0]) - 0.5_f64.sqrt()).abs() < 1e-12);
        assert!((cosine(&[1.0, 2.0], &[-2.0, -4.0]) + 1.0).abs() < 1e-12);
        assert!(cosine(&[0.0], &[1.0]).is_nan());
        assert_eq!(agreement(&[1.0, 3.0, 3.0], &[0.0, 0.2, 0.1]), 1.0, "the first of equals");
        assert_eq!(agreement(&[1.0, 3.0, -5.0], &[0.0, 0.2, 0.3]), 0.0);
    }

    #[test]
    fn rows_without_an_angle_and_copies_do_not_count_and_nothing_is_no_number() {
        let rows = [row("a", 0), row("a", 0), row("b", 0), row("b", 1), row("c", 0)];
        let codes = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 5.0, 5.0, 0.0, 0.0];
        let found = metrics(("view_similarity", cosine), "network", &rows, &codes, &[0.5, 0.75, 1.0, -1.0, f64::NAN]);
        let of = |series: &str, split: &str| {
            let found = found.iter().find(|m| m.series == series && m.split == split).unwrap();
            (found.value, found.n)
        };
        assert_eq!(of("network", "test"), (Some(0.75), 3));
        let (value, n) = of(OTHERS, "test"); // the two of `a` with `b`, which has no other but a code of zeros
        assert!((value.unwrap() - 0.5_f64.sqrt() / 2.0).abs() < 1e-12 && n == 2);
        assert_eq!(of("network", "train"), (None, 0));
    }
}
