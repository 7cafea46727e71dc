//! What the pixels of one alert say in a few numbers: sky, noise, peak, missing pixels. Knows no file and no figure.

use crate::metrics::images::median;
use crate::ztf::alert::{CUTOUTS, SIDE};

/// Width of the frame around a cutout in which sky and noise are measured, pixels.
pub(super) const BORDER: usize = 8;
/// How far from the centre the peak is looked for, pixels.
pub(super) const REACH: usize = 2;

/// Numbers of one alert, NaN where undefined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pixels {
    /// Median of the border of each cutout, DN.
    pub(super) sky: [f64; 3],
    /// Robust standard deviation there (1.4826 times the median absolute deviation), DN.
    pub(super) noise: [f64; 3],
    /// Largest deviation from the sky about the centre, in units of the noise; NaN for a cut cutout, whose source is
    /// somewhere else.
    pub(super) peak: [f64; 3],
    /// Part of all pixels that have no value.
    pub(super) missing: f64,
}

impl Pixels {
    /// Of the cutouts `[3, SIDE, SIDE]` of an alert; `complete`: none is cut by the edge of the chip.
    pub(super) fn of(cutouts: &[f32], complete: bool) -> Self {
        let mut pixels = Self { sky: [f64::NAN; 3], noise: [f64::NAN; 3], peak: [f64::NAN; 3], missing: 0.0 };
        for (index, cutout) in cutouts.chunks_exact(SIDE * SIDE).take(CUTOUTS.len()).enumerate() {
            let (sky, noise) = level(cutout);
            (pixels.sky[index], pixels.noise[index]) = (sky, noise);
            if complete && noise > 0.0 {
                pixels.peak[index] = peak(cutout, sky) / noise;
            }
        }
        pixels.missing = cutouts.iter().filter(|v| !v.is_finite()).count() as f64 / cutouts.len() as f64;
        pixels
    }
}

/// Median and robust standard deviation of the border.
fn level(cutout: &[f32]) -> (f64, f64) {
    let inside = BORDER..SIDE - BORDER;
    let is_border = |i: &usize| !(inside.contains(&(i / SIDE)) && inside.contains(&(i % SIDE)));
    let border = (0..cutout.len()).filter(is_border).map(|i| f64::from(cutout[i]));
    let mut values: Vec<f64> = border.filter(|v| v.is_finite()).collect();
    let Some(sky) = median(&mut values) else { return (f64::NAN, f64::NAN) };
    for value in &mut values {
        *value = (*value - sky).abs();
    }
    (sky, median(&mut values).map_or(f64::NAN, |deviation| 1.4826 * deviation))
}

/// Largest deviation from the sky about the centre; NaN where nothing there has a value.
fn peak(cutout: &[f32], sky: f64) -> f64 {
    let near = SIDE / 2 - REACH..=SIDE / 2 + REACH;
    let values = near.clone().flat_map(|y| near.clone().map(move |x| f64::from(cutout[y * SIDE + x])));
    values.map(|v| (v - sky).abs()).fold(f64::NAN, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cutouts of whole numbers with a source and a hole.
    fn cutouts() -> Vec<f32> {
        let source = |i: usize| if i % (SIDE * SIDE) == 31 * SIDE + 33 { 900.0 } else { 0.0 };
        let pixel = |i: usize| (i * i % 101 * (1 + i / (SIDE * SIDE))) as f32 + source(i);
        let mut cutouts: Vec<f32> = (0..3 * SIDE * SIDE).map(pixel).collect();
        cutouts[2 * SIDE * SIDE..][..SIDE * 5].fill(f32::NAN);
        cutouts
    }

    /// ```python
    /// i = np.arange(3*63*63); p = (i*i % 101 * (1 + i//3969)).astype(float)
    /// p[31*63 + 33::63*63] += 900; p[2*63*63:][:63*5] = np.nan
    /// p = p.reshape(3, 63, 63); b = np.ones((63, 63), bool); b[8:-8, 8:-8] = False
    /// sky = np.nanmedian(p[:, b], 1); noise = 1.4826*np.nanmedian(abs(p[:, b] - sky[:, None]), 1)
    /// print(sky, noise, abs(p[:, 29:34, 29:34] - sky[:, None, None]).max((1, 2))/noise, np.isnan(p).mean())
    /// ```
    #[test]
    fn equal_numpy() {
        let found = Pixels::of(&cutouts(), true);
        assert_eq!(found.sky, [49.0, 98.0, 147.0]);
        let close = |ours: [f64; 3], theirs: [f64; 3]| {
            let near = ours.iter().zip(theirs).all(|(a, b)| (a / b - 1.0).abs() < 1e-12);
            assert!(near, "{ours:?} against {theirs:?}");
        };
        close(found.noise, [42.9954, 85.9908, 128.9862]);
        close(found.peak, [20.839_438_637_621_7, 9.698_711_955_232_42, 7.465_914_958_344_381]);
        assert!((found.missing - 315.0 / 11_907.0).abs() < 1e-12);
    }

    #[test]
    fn cut_flat_and_empty_cutouts_have_no_peak() {
        assert!(Pixels::of(&cutouts(), false).peak.iter().all(|v| v.is_nan()));
        let flat = Pixels::of(&vec![2.0; 3 * SIDE * SIDE], true);
        assert!(flat.sky == [2.0; 3] && flat.noise == [0.0; 3] && flat.peak.iter().all(|v| v.is_nan()));
        let none = Pixels::of(&vec![f32::NAN; 3 * SIDE * SIDE], true);
        assert!(none.missing == 1.0 && none.noise.iter().chain(&none.sky).all(|v| v.is_nan()));
    }
}
