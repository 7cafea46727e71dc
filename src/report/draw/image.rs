//! Stamps as pixels: how brightness is stretched.

use super::theme::Colour;

/// Where there are no data.
const NO_DATA: Colour = Colour(205, 220, 235);

/// An image of colours, row after row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
    /// Red, green, blue of each.
    pub rgb: Vec<u8>,
}

/// Brightness at black and at white, and the softening of the asinh between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    low: f64,
    high: f64,
    soft: f64,
}

impl Stretch {
    /// From the values that it is to show: black at the first percentile, white at the 99.8th, linear within three
    /// robust standard deviations of the median and logarithmic beyond (asinh; Lupton et al. 2004, PASP 116, 133).
    pub fn of<'a>(values: impl IntoIterator<Item = &'a f32>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().map(|v| f64::from(*v)).filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        if sorted.is_empty() {
            return Self { low: 0.0, high: 1.0, soft: 1.0 };
        }
        let quantile = |q: f64| sorted[((sorted.len() - 1) as f64 * q).round() as usize];
        let (low, high) = (quantile(0.01), quantile(0.998));
        let median = quantile(0.5);
        let mut deviations: Vec<f64> = sorted.iter().map(|v| (v - median).abs()).collect();
        deviations.sort_by(f64::total_cmp);
        let sigma = 1.4826 * deviations[deviations.len() / 2];
        let soft = (3.0 * sigma).max(0.05 * (high - low)).max(f64::MIN_POSITIVE);
        Self { low, high, soft }
    }

    /// 0 black to 1 white.
    pub fn brightness(&self, value: f64) -> f64 {
        let top = ((self.high - self.low) / self.soft).asinh();
        if top > 0.0 { (((value - self.low) / self.soft).asinh() / top).clamp(0.0, 1.0) } else { 0.5 }
    }
}

/// A stamp `[y, x]` in grey, its first row (the survey's south) lowest, as astronomers show it.
pub fn grey(stamp: &[f32], width: usize, stretch: Stretch) -> Pixels {
    let height = stamp.len().checked_div(width).unwrap_or(0);
    let mut rgb = Vec::with_capacity(stamp.len() * 3);
    for row in stamp.chunks_exact(width.max(1)).rev() {
        for value in row {
            let Colour(r, g, b) = if value.is_finite() {
                let level = (255.0 * stretch.brightness(f64::from(*value))).round() as u8;
                Colour(level, level, level)
            } else {
                NO_DATA
            };
            rgb.extend([r, g, b]);
        }
    }
    Pixels { width, height, rgb }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretch_is_monotonic_and_first_row_is_lowest() {
        let stamp: Vec<f32> = (0..100_u8).map(f32::from).collect();
        let stretch = Stretch::of(&stamp);
        let levels: Vec<f64> = (0..100).map(|v| stretch.brightness(f64::from(v))).collect();
        assert!(levels.is_sorted() && levels[0] == 0.0 && levels[99] == 1.0);
        let pixels = grey(&stamp, 10, stretch);
        assert!(pixels.rgb[0] > pixels.rgb[90 * 3]);
    }

    #[test]
    fn flat_and_empty_stamps_do_not_fail() {
        assert_eq!(Stretch::of(&[2.0; 9]).brightness(2.0), 0.5);
        assert_eq!(grey(&[f32::NAN; 4], 2, Stretch::of(&[f32::NAN; 4])).rgb[..3], [205, 220, 235]);
    }
}
