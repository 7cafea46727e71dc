//! Scalings of one channel, each an offset, a divisor and perhaps a curve, so that the noise-free image can be scaled like
//! the noisy one. Knows nothing of alerts and channels' meaning.

use crate::choice;

choice! {
    /// How pixels are scaled.
    pub enum Normalise {
        /// `(x - min) / (max - min)` of the crop, each channel alone \[2\].
        MinMax = "min_max",
        /// The same with the extremes of all channels together, which keeps the channels' relative brightness.
        MinMaxStamp = "min_max_stamp",
        /// `x / sqrt(sum x^2)` of the crop, each channel alone (braai, Duev et al. 2019).
        L2 = "l2",
        /// `(x - sky) / sigma`.
        RobustZ = "robust_z",
        /// `asinh((x - sky) / (softening * sigma))`.
        Asinh = "asinh",
        /// DN as they are.
        Nothing = "none",
    }
}

/// Level and noise of the sky: median and 1.4826 MAD of finite pixels (the standard deviation when the MAD is 0).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sky {
    /// Median, 0 when no pixel is finite.
    pub level: f32,
    /// Standard deviation that Gaussian noise of this MAD has; 0 for a constant image.
    pub sigma: f32,
}

impl Sky {
    /// Measured on all finite pixels.
    pub fn of(pixels: &[f32]) -> Self {
        let finite: Vec<f32> = pixels.iter().copied().filter(|x| x.is_finite()).collect();
        let level = median(finite.clone());
        let mad = median(finite.iter().map(|x| (x - level).abs()).collect());
        let sigma = if mad > 0.0 { 1.4826 * mad } else { deviation(&finite) };
        Self { level, sigma }
    }
}

/// Median as numpy has it (mean of the middle two), 0 for no values.
pub fn median(mut values: Vec<f32>) -> f32 {
    let n = values.len();
    if n == 0 {
        return 0.0;
    }
    let (below, middle, _) = values.select_nth_unstable_by(n / 2, f32::total_cmp);
    let middle = *middle;
    if n % 2 == 1 {
        return middle;
    }
    let lower = below.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    f32::midpoint(lower, middle)
}

fn deviation(values: &[f32]) -> f32 {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    (values.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n).sqrt() as f32
}

/// `(x - offset) / divisor`, then perhaps asinh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    offset: f32,
    divisor: f32,
    asinh: bool,
}

impl Scaling {
    /// In units of the sky noise above the sky.
    pub fn to_sky(sky: Sky) -> Self {
        Self { offset: sky.level, divisor: sky.sigma, asinh: false }
    }

    /// Scales in place. NaN stays NaN; a divisor of 0 (constant channel) gives 0.
    pub fn apply(&self, pixels: &mut [f32]) {
        for x in pixels.iter_mut().filter(|x| !x.is_nan()) {
            *x = if self.divisor == 0.0 { 0.0 } else { (*x - self.offset) / self.divisor };
            if self.asinh {
                *x = f64::from(*x).asinh() as f32;
            }
        }
    }

    fn min_max<'a>(pixels: impl Iterator<Item = &'a f32>) -> Self {
        let start = (f32::INFINITY, f32::NEG_INFINITY);
        let (low, high) = pixels.filter(|x| !x.is_nan()).fold(start, |(low, high), x| (low.min(*x), high.max(*x)));
        Self { offset: low, divisor: if high > low { high - low } else { 0.0 }, asinh: false }
    }

    fn l2(pixels: &[f32]) -> Self {
        let squares: f64 = pixels.iter().filter(|x| !x.is_nan()).map(|x| f64::from(*x).powi(2)).sum();
        Self { offset: 0.0, divisor: squares.sqrt() as f32, asinh: false }
    }
}

/// The scaling of each channel. `crops`: what the network will see; `skies`: measured on the uncropped channels, read only
/// by `robust_z` and `asinh`; `softening` in sky sigma.
pub fn scalings(how: Normalise, crops: &[Vec<f32>], skies: &[Sky], softening: f64) -> Vec<Scaling> {
    match how {
        Normalise::MinMax => crops.iter().map(|crop| Scaling::min_max(crop.iter())).collect(),
        Normalise::MinMaxStamp => vec![Scaling::min_max(crops.iter().flatten()); crops.len()],
        Normalise::L2 => crops.iter().map(|crop| Scaling::l2(crop)).collect(),
        Normalise::RobustZ => skies.iter().map(|sky| Scaling::to_sky(*sky)).collect(),
        Normalise::Asinh => skies.iter().map(|sky| asinh(*sky, softening)).collect(),
        Normalise::Nothing => vec![Scaling { offset: 0.0, divisor: 1.0, asinh: false }; crops.len()],
    }
}

fn asinh(sky: Sky, softening: f64) -> Scaling {
    Scaling { offset: sky.level, divisor: (softening * f64::from(sky.sigma)) as f32, asinh: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels of 3 x 3 pixels, one pixel missing.
    fn crops() -> Vec<Vec<f32>> {
        vec![
            vec![1.0, 2.0, 4.0, 8.0, f32::NAN, 3.0, 5.0, 7.0, 6.5],
            vec![-1.0, 0.5, 0.25, -0.75, 20.0, 0.0, 1.5, -2.0, 0.125],
        ]
    }

    fn scaled(how: Normalise) -> Vec<Vec<f32>> {
        let mut crops = crops();
        let skies: Vec<Sky> = crops.iter().map(|c| Sky::of(c)).collect();
        for (scaling, crop) in scalings(how, &crops, &skies, 2.0).iter().zip(&mut crops) {
            scaling.apply(crop);
        }
        crops
    }

    /// Pixels 0, 3, 4 of both channels:
    /// ```python
    /// a = np.array([1, 2, 4, 8, np.nan, 3, 5, 7, 6.5]); b = np.array([-1, .5, .25, -.75, 20, 0, 1.5, -2, .125])
    /// sky = lambda x: (np.nanmedian(x), 1.4826 * np.nanmedian(abs(x - np.nanmedian(x))))
    /// lo, hi = min(np.nanmin(a), np.nanmin(b)), max(np.nanmax(a), np.nanmax(b))
    /// scale = {"min_max": lambda x: (x - np.nanmin(x)) / np.nanmax(x - np.nanmin(x)),
    ///          "min_max_stamp": lambda x: (x - lo) / (hi - lo),
    ///          "l2": lambda x: x / np.sqrt(np.nansum(x * x)),
    ///          "robust_z": lambda x: (x - sky(x)[0]) / sky(x)[1],
    ///          "asinh": lambda x: np.arcsinh((x - sky(x)[0]) / (2 * sky(x)[1]))}
    /// ```
    const NUMPY: &[(Normalise, [f32; 6])] = &[
        (Normalise::MinMax, [0.000_000_0, 1.000_000_0, f32::NAN, 0.045_454_5, 0.056_818_2, 1.000_000_0]),
        (Normalise::MinMaxStamp, [0.136_363_6, 0.454_545_5, f32::NAN, 0.045_454_5, 0.056_818_2, 1.000_000_0]),
        (Normalise::L2, [0.068_965_5, 0.551_724_1, f32::NAN, -0.049_498_8, -0.037_124_1, 0.989_977]),
        (Normalise::RobustZ, [-1.049_207_8, 1.049_207_8, f32::NAN, -0.867_202_4, -0.674_490_8, 15.320_576]),
        (Normalise::Asinh, [-0.503_109_3, 0.503_109_3, f32::NAN, -0.421_049_6, -0.331_159_3, 2.733_430_2]),
    ];

    #[test]
    fn agrees_with_numpy() {
        for (how, expected) in NUMPY {
            let scaled = scaled(*how);
            let ours = [0, 3, 4].map(|i| scaled[0][i]).into_iter().chain([0, 3, 4].map(|i| scaled[1][i]));
            for (ours, theirs) in ours.zip(expected) {
                let equal = (ours - theirs).abs() < 2e-6 || (ours.is_nan() && theirs.is_nan());
                assert!(equal, "{}: {ours} instead of {theirs}", how.word());
            }
        }
    }

    #[test]
    fn constant_and_missing_channels_give_no_infinity() {
        for how in [Normalise::MinMax, Normalise::MinMaxStamp, Normalise::RobustZ, Normalise::Asinh] {
            for value in [5.0, f32::NAN] {
                let mut crop = vec![value; 4];
                let scaling = scalings(how, &[crop.clone()], &[Sky::of(&crop)], 1.0)[0];
                scaling.apply(&mut crop);
                assert!(crop.iter().all(|x| *x == 0.0 || x.is_nan()), "{}: {crop:?}", how.word());
            }
        }
    }

    #[test]
    fn median_is_that_of_numpy() {
        assert_eq!([vec![3.0, 1.0, 2.0], vec![4.0, 1.0, 3.0, 2.0], vec![]].map(median), [2.0, 2.5, 0.0]);
    }
}
