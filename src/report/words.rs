//! How metrics are called, which way is better, which come first. A metric that is not listed here is shown under
//! its own word, higher taken as better unless its name says error or loss.

use crate::metrics::statistics::PairedDifference;
pub use crate::metrics::statistics::is_rounding;

/// Which values are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Higher.
    Higher,
    /// Lower.
    Lower,
    /// None: a count or a setting, no merit.
    Neither,
}

impl Direction {
    /// Whether `a` is better than `b`.
    pub fn better(self, a: f64, b: f64) -> bool {
        match self {
            Self::Higher => a > b,
            Self::Lower => a < b,
            Self::Neither => false,
        }
    }

    /// The superlative in sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Higher => "highest",
            Self::Lower => "lowest",
            Self::Neither => "some",
        }
    }
}

/// Metrics in order of rank: the first that an experiment has is its headline.
const RANKED: [&str; 13] = [
    "macro_f1",
    "balanced_accuracy",
    "accuracy",
    "macro_auc",
    "purity",
    "nmi",
    "trustworthiness",
    "continuity",
    "mse_clean",
    "reconstruction_error",
    "mse",
    "test_loss",
    "loss",
];

/// Parts of a name that say that lower is better.
const LOWER: [&str; 18] = [
    "loss",
    "error",
    "mse",
    "rmse",
    "mae",
    "ece",
    "mce",
    "brier",
    "nll",
    "fnr",
    "fpr",
    "cross_entropy",
    "distance",
    "perplexity",
    "residual",
    "chi2",
    "dead",
    "inertia",
];

/// Metrics that describe a result, of which neither more nor less is better.
const NO_MERIT: [&str; 5] = ["clusters", "kl_to_normal", "pixel_variance", "active_units", "effective_dimensions"];

/// Series that others are read against, and that no arm should do well in.
const REFERENCES: [&str; 1] = ["another object"];

/// Parts of a name that say that values are from 0 to 1.
const SHARES: [&str; 16] = [
    "accuracy",
    "f1",
    "auc",
    "precision",
    "recall",
    "purity",
    "nmi",
    "trustworthiness",
    "continuity",
    "ece",
    "mce",
    "fnr",
    "fpr",
    "equal_error_rate",
    "auroc",
    "agreement",
];

/// Parts of a name that say that a value is in the units of scaled pixels.
const OF_PIXELS: [&str; 4] = ["mse", "rmse", "mae", "reconstruction_error"];

/// Which values of `metric` are better.
pub fn direction(metric: &str) -> Direction {
    match metric {
        _ if NO_MERIT.contains(&metric) => Direction::Neither,
        _ if has(metric, &LOWER) => Direction::Lower,
        _ => Direction::Higher,
    }
}

/// Whether a series is only there to be compared with.
pub fn is_reference(series: &str) -> bool {
    REFERENCES.contains(&series)
}

/// Whether values are from 0 to 1.
pub fn is_share(metric: &str) -> bool {
    has(metric, &SHARES)
}

/// Whether values are in the units of scaled pixels, and so differ with the scaling.
pub fn is_of_pixels(metric: &str) -> bool {
    has(metric, &OF_PIXELS)
}

/// Whether one of `words` is a part of the name.
fn has(metric: &str, words: &[&str]) -> bool {
    let parts = format!("_{metric}_");
    words.iter().any(|word| parts.contains(&format!("_{word}_")))
}

/// Position in the order of importance; unlisted metrics come last, and after them what is no merit.
pub fn rank(metric: &str) -> usize {
    let unlisted = RANKED.len() + usize::from(direction(metric) == Direction::Neither);
    RANKED.iter().position(|word| *word == metric).unwrap_or(unlisted)
}

/// The word as a title: `macro_f1` becomes `macro f1`.
pub fn title(metric: &str) -> String {
    metric.replace('_', " ")
}

/// A number for people: three decimals near one, more where it is small.
pub fn rounded(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if !value.is_finite() => return "undefined".into(),
        _ if size == 0.0 => "0".into(),
        _ if size < 0.001 => format!("{size:.2e}"),
        _ if size < 0.1 => format!("{size:.4}"),
        _ if size < 10.0 => format!("{size:.3}"),
        _ if size < 1000.0 => format!("{size:.1}"),
        _ => format!("{size:.0}"),
    };
    if value < 0.0 { format!("\u{2212}{text}") } else { text }
}

/// A mean with its standard deviation, to the same digits.
pub fn spread(mean: f64, std: Option<f64>) -> String {
    let Some(std) = std else { return rounded(mean) };
    if std == 0.0 || !std.is_finite() || !(0.001..1000.0).contains(&mean.abs()) {
        return format!("{} \u{b1} {}", rounded(mean), rounded(std));
    }
    let digits = (1.0 - std.log10().floor()).clamp(0.0, 6.0) as usize;
    let decimals = if std < 0.0005 {
        digits
    } else if mean.abs() < 10.0 {
        3
    } else {
        digits.min(2)
    };
    let minus = if mean < 0.0 { "\u{2212}" } else { "" };
    format!("{minus}{:.decimals$} \u{b1} {std:.decimals$}", mean.abs())
}

/// A number with its sign.
pub fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", rounded(value)) } else { rounded(value) }
}

/// An interval of a difference, to stand behind it; nothing where there is none.
pub fn bracket(interval: Option<(f64, f64)>) -> String {
    interval.map_or_else(String::new, |(low, high)| format!(" [{}, {}]", signed(low), signed(high)))
}

/// An interval of a value, to stand behind it; nothing where there is none.
pub fn within(interval: Option<(f64, f64)>) -> String {
    interval.map_or_else(String::new, |(low, high)| format!(" [{}, {}]", rounded(low), rounded(high)))
}

/// A paired difference: mean, interval, p of the t-test.
pub fn difference(difference: &PairedDifference) -> String {
    let p = difference.t_test.map_or_else(String::new, |p| format!(", {}", p_value(p)));
    format!("{}{p}", estimate(difference.summary.mean, difference.summary.interval))
}

/// A difference with its interval; what is nothing but rounding beside that is 0.
pub fn estimate(difference: f64, interval: Option<(f64, f64)>) -> String {
    let is_nothing = interval.is_some_and(|(low, high)| is_rounding(difference, high - low));
    format!("{}{}", signed(if is_nothing { 0.0 } else { difference }), bracket(interval))
}

/// A p-value for people.
pub fn p_value(p: f64) -> String {
    if p < 0.001 { "p < 0.001".into() } else { format!("p = {p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_better_when_low() {
        for word in ["mse", "mse_clean", "validation_loss", "ece", "fnr_at_fpr", "log_loss", "inertia"] {
            assert_eq!(direction(word), Direction::Lower, "{word}");
        }
        for word in ["accuracy", "recall", "silhouette", "lossless", "trustworthiness", "continuity"] {
            assert_eq!(direction(word), Direction::Higher, "{word}");
        }
        for word in ["clusters", "kl_to_normal", "pixel_variance", "active_units"] {
            assert_eq!(direction(word), Direction::Neither, "{word}");
            assert!(rank(word) > rank("silhouette"), "{word}");
        }
        let shares = ["macro_f1", "accuracy", "fnr_at_1e-2", "ece"].map(is_share);
        assert_eq!((shares, is_share("log_loss"), is_share("brier")), ([true; 4], false, false));
        assert_eq!(["mse_clean", "reconstruction_error", "accuracy"].map(is_of_pixels), [true, true, false]);
    }

    #[test]
    fn rounding_noise_is_no_difference() {
        let interval = Some((-0.048_3, 0.048_3));
        assert_eq!(estimate(3.7e-17, interval), "0 [\u{2212}0.0483, +0.0483]");
        assert_eq!(estimate(-3.7e-17, interval), estimate(3.7e-17, interval));
        assert_eq!(estimate(3.7e-5, interval), "+3.70e-5 [\u{2212}0.0483, +0.0483]");
        assert_eq!(estimate(3.7e-17, None), "+3.70e-17");
    }

    #[test]
    fn numbers_are_short() {
        let shown: Vec<String> = [0.912_34, -0.012_345, 0.000_012_3, 123.45, 0.0].map(rounded).into();
        assert_eq!(spread(0.912_34, Some(0.012_34)), "0.912 \u{b1} 0.012");
        assert_eq!(spread(0.012_345_6, Some(0.000_123_4)), "0.01235 \u{b1} 0.00012");
        assert_eq!(spread(0.2, Some(0.0)), "0.200 \u{b1} 0");
        assert_eq!(spread(-12.345, Some(2.0)), "\u{2212}12.3 \u{b1} 2.0");
        assert_eq!(shown, ["0.912", "\u{2212}0.0123", "1.23e-5", "123.5", "0"]);
    }
}
