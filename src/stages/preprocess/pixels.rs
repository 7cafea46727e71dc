//! From the cutouts of one alert to the channels of one stamp: garbage, sign, padding, crop, missing pixels, scaling.
//! Knows no table, no split and no file.

use super::normalise::{Normalise, Scaling, Sky, median, scalings};
use crate::choice;
use crate::ztf::alert::SIDE;

/// Pixels beyond this are unset memory (-3.4e38 in templates), not light; DN.
const GARBAGE: f32 = 1e10;
/// Pixels of a complete cutout.
const AREA: usize = SIDE * SIDE;

choice! {
    /// One channel of a stamp.
    pub enum Channel {
        /// The night's image.
        Science = "science",
        /// The reference image.
        Template = "template",
        /// Science minus template, with the sign of the packet or the physical one.
        Difference = "difference",
        /// The difference in units of its own noise: `(D - median) / (1.4826 MAD)` over the uncropped cutout.
        DifferenceSnr = "difference_snr",
    }
}

choice! {
    /// What becomes of missing pixels inside the crop.
    pub enum NanPolicy {
        /// Left out of the scaling, 0 afterwards \[2\].
        Zero = "zero",
        /// Set to the median of the channel's other pixels before the scaling.
        Median = "median",
        /// The alert is dropped.
        Drop = "drop",
    }
}

/// How stamps are made.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Channels in order.
    pub channels: Vec<Channel>,
    /// Side of the centre crop, pixels.
    pub crop: usize,
    /// Missing pixels.
    pub nan: NanPolicy,
    /// Scaling.
    pub normalise: Normalise,
    /// Softening of `asinh`, sky sigma.
    pub softening: f64,
}

/// Where the cutouts of an alert lie and which sign its difference has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pose {
    /// Rows by which a truncated cutout moves up so that its source is central.
    pub down: u8,
    /// Columns likewise.
    pub right: u8,
    /// Whether the difference is multiplied by -1.
    pub negate: bool,
}

/// Science, template and difference of one alert, `[3, SIDE, SIDE]`; NaN where there is no light measured.
#[derive(Clone, Debug)]
pub struct Cutouts(Vec<f32>);

impl Cutouts {
    /// From a row of the alerts' array.
    pub fn new(pixels: &[f32], pose: Pose) -> Self {
        let mut planes = vec![f32::NAN; pixels.len()];
        let (down, right) = (usize::from(pose.down), usize::from(pose.right));
        for (cutout, (plane, source)) in planes.chunks_exact_mut(AREA).zip(pixels.chunks_exact(AREA)).enumerate() {
            let sign = if pose.negate && cutout == 2 { -1.0 } else { 1.0 };
            for y in 0..SIDE - down {
                let (to, from) = ((y + down) * SIDE + right, y * SIDE);
                for x in 0..SIDE - right {
                    plane[to + x] = valid(sign * source[from + x]);
                }
            }
        }
        Self(planes)
    }

    fn plane(&self, channel: Channel) -> &[f32] {
        let cutout = match channel {
            Channel::Science => 0,
            Channel::Template => 1,
            Channel::Difference | Channel::DifferenceSnr => 2,
        };
        &self.0[cutout * AREA..(cutout + 1) * AREA]
    }
}

fn valid(x: f32) -> f32 {
    if x.abs() <= GARBAGE { x } else { f32::NAN }
}

/// A stamp ready for a network, `[channel, y, x]`, without NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The stamp.
    pub image: Vec<f32>,
    /// The noise-free stamp, scaled by the noisy stamp's own numbers; its equal where that misses a pixel, for no network
    /// can know what was there.
    pub clean: Option<Vec<f32>>,
}

impl Recipe {
    /// Whether a pixel of the crop is missing in any channel.
    pub fn misses_pixels(&self, cutouts: &Cutouts) -> bool {
        self.channels.iter().any(|c| centre(cutouts.plane(*c), SIDE, self.crop).iter().any(|x| x.is_nan()))
    }

    /// Makes the stamp, and the noise-free one with the same offsets and divisors.
    pub fn prepare(&self, noisy: &Cutouts, clean: Option<&Cutouts>) -> Prepared {
        let planes: Vec<Vec<f32>> = self.channels.iter().map(|c| in_units(*c, noisy, noisy)).collect();
        let skies: Vec<Sky> = if matches!(self.normalise, Normalise::RobustZ | Normalise::Asinh) {
            planes.iter().map(|plane| Sky::of(plane)).collect()
        } else {
            Vec::new()
        };
        let mut crops: Vec<Vec<f32>> = planes.iter().map(|plane| centre(plane, SIDE, self.crop)).collect();
        let missing: Vec<bool> = crops.iter().flatten().map(|x| x.is_nan()).collect();
        if self.nan == NanPolicy::Median {
            for crop in &mut crops {
                fill_with_median(crop);
            }
        }
        let scalings = scalings(self.normalise, &crops, &skies, self.softening);
        let image = scaled(crops, &scalings);
        let truth = |clean: &Cutouts| {
            let crops = self.channels.iter().map(|c| centre(&in_units(*c, clean, noisy), SIDE, self.crop));
            let mut clean = scaled(crops.collect(), &scalings);
            let seen = image.iter().zip(&missing);
            clean
                .iter_mut()
                .zip(seen)
                .filter(|(_, (_, is_missing))| **is_missing)
                .for_each(|(x, (seen, _))| *x = *seen);
            clean
        };
        Prepared { clean: clean.map(truth), image }
    }
}

/// The channel's pixels in its own units; the noise that `difference_snr` divides by is that of `noise_from`.
fn in_units(channel: Channel, cutouts: &Cutouts, noise_from: &Cutouts) -> Vec<f32> {
    let mut plane = cutouts.plane(channel).to_vec();
    if channel == Channel::DifferenceSnr {
        Scaling::to_sky(Sky::of(noise_from.plane(channel))).apply(&mut plane);
    }
    plane
}

/// The centre of a square plane: rows and columns `[low, low + crop)`, `low = (side - crop) / 2` rounded down.
pub fn centre(plane: &[f32], side: usize, crop: usize) -> Vec<f32> {
    let low = (side - crop) / 2;
    (low..low + crop).flat_map(|y| plane[y * side + low..y * side + low + crop].iter().copied()).collect()
}

fn fill_with_median(crop: &mut [f32]) {
    if crop.iter().any(|x| x.is_nan()) {
        let level = median(crop.iter().copied().filter(|x| !x.is_nan()).collect());
        crop.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = level);
    }
}

fn scaled(mut crops: Vec<Vec<f32>>, scalings: &[Scaling]) -> Vec<f32> {
    for (crop, scaling) in crops.iter_mut().zip(scalings) {
        scaling.apply(crop);
        crop.iter_mut().filter(|x| !x.is_finite()).for_each(|x| *x = 0.0);
    }
    crops.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(channels: &[Channel], crop: usize, normalise: Normalise) -> Recipe {
        Recipe { channels: channels.to_vec(), crop, nan: NanPolicy::Zero, normalise, softening: 1.0 }
    }

    /// Pixel value = cutout * 10000 + y * 100 + x.
    fn numbered() -> Vec<f32> {
        (0..3 * AREA).map(|i| ((i / AREA) * 10_000 + (i % AREA) / SIDE * 100 + i % SIDE) as f32).collect()
    }

    #[test]
    fn crop_of_21_takes_rows_and_columns_21_to_41() {
        let cutouts = Cutouts::new(&numbered(), Pose::default());
        let image = recipe(&[Channel::Template], 21, Normalise::Nothing).prepare(&cutouts, None).image;
        assert_eq!((image[0], image[20], image[440]), (12_121.0, 12_141.0, 14_141.0));
        assert_eq!(image[10 * 21 + 10], 13_131.0);
    }

    #[test]
    fn channels_come_in_the_order_asked_for() {
        let cutouts = Cutouts::new(&numbered(), Pose::default());
        let image =
            recipe(&[Channel::Difference, Channel::Science], 1, Normalise::Nothing).prepare(&cutouts, None).image;
        assert_eq!(image, [23_131.0, 3_131.0]);
    }

    #[test]
    fn garbage_is_missing_before_the_scaling() {
        let mut pixels = numbered();
        pixels[31 * SIDE + 31] = -3.4e38;
        pixels[31 * SIDE + 30] = f32::INFINITY;
        let cutouts = Cutouts::new(&pixels, Pose::default());
        let mut recipe = recipe(&[Channel::Science], 3, Normalise::MinMax);
        assert!(recipe.misses_pixels(&cutouts));
        assert_eq!(recipe.prepare(&cutouts, None).image[3..6], [0.0, 0.0, 102.0 / 202.0]);
        recipe.nan = NanPolicy::Median;
        // The other seven pixels: 3030 3031 3032 3132 3230 3231 3232, median 3132.
        assert_eq!(recipe.prepare(&cutouts, None).image[3..6], [102.0 / 202.0; 3]);
    }

    #[test]
    fn sign_turns_the_difference_only() {
        let pose = Pose { negate: true, ..Pose::default() };
        let cutouts = Cutouts::new(&numbered(), pose);
        let image =
            recipe(&[Channel::Science, Channel::Difference], 1, Normalise::Nothing).prepare(&cutouts, None).image;
        assert_eq!(image, [3_131.0, -23_131.0]);
    }

    #[test]
    fn truncated_cutout_moves_so_that_its_source_is_central() {
        let mut pixels = vec![f32::NAN; 3 * AREA];
        (0..43 * SIDE).for_each(|i| pixels[i] = 1.0);
        pixels[11 * SIDE + 31] = 9.0;
        let cutouts = Cutouts::new(&pixels, Pose { down: 20, ..Pose::default() });
        let image = recipe(&[Channel::Science], 21, Normalise::MinMax).prepare(&cutouts, None).image;
        assert_eq!(image[10 * 21 + 10], 1.0);
    }

    /// `d = np.array(pixels); (d - np.median(d)) / (1.4826 * np.median(abs(d - np.median(d))))` for `d = arange(63 * 63)`:
    /// median 1984, MAD 992, so pixel 0 is -1984 / (1.4826 * 992) = -1.3489815.
    #[test]
    fn difference_snr_is_in_units_of_the_noise_of_the_whole_cutout() {
        let mut pixels = vec![0.0; 3 * AREA];
        (0..AREA).for_each(|i| pixels[2 * AREA + i] = i as f32);
        let noisy = Cutouts::new(&pixels, Pose::default());
        pixels[2 * AREA] = 992.0;
        let clean = Cutouts::new(&pixels, Pose::default());
        let prepared = recipe(&[Channel::DifferenceSnr], 63, Normalise::Nothing).prepare(&noisy, Some(&clean));
        assert!((prepared.image[0] + 1.348_981_5).abs() < 1e-6);
        assert!((prepared.clean.unwrap()[0] + 0.674_490_8).abs() < 1e-6);
    }

    #[test]
    fn clean_stamp_has_the_scaling_of_the_noisy_one() {
        let (noisy, half) = (numbered(), numbered().iter().map(|x| x / 2.0).collect::<Vec<_>>());
        let (noisy, clean) = (Cutouts::new(&noisy, Pose::default()), Cutouts::new(&half, Pose::default()));
        let prepared = recipe(&[Channel::Science], 3, Normalise::MinMax).prepare(&noisy, Some(&clean));
        // Noisy minimum 3030, maximum 3232.
        assert_eq!(prepared.clean.unwrap()[4], (3131.0 / 2.0 - 3030.0) / 202.0);
        assert_eq!(prepared.image[4], 0.5);
    }

    /// A noise-free image knows the bright star that the other one has masked; a network was never shown it.
    #[test]
    fn clean_stamp_is_the_noisy_one_where_that_misses_pixels() {
        let (mut noisy, mut clean) = (numbered(), numbered());
        noisy[31 * SIDE + 31] = f32::NAN;
        noisy[31 * SIDE + 30] = 1e30;
        (clean[31 * SIDE + 31], clean[31 * SIDE + 32], clean[30 * SIDE + 31]) = (9e4, 3_333.0, f32::NAN);
        let (noisy, clean) = (Cutouts::new(&noisy, Pose::default()), Cutouts::new(&clean, Pose::default()));
        for (nan, filled) in [(NanPolicy::Zero, 0.0), (NanPolicy::Median, 102.0 / 202.0)] {
            let recipe = Recipe { nan, ..recipe(&[Channel::Science], 3, Normalise::MinMax) };
            let Prepared { image, clean } = recipe.prepare(&noisy, Some(&clean));
            let clean = clean.unwrap();
            assert_eq!(
                [&image[3..6], &clean[3..6]],
                [&[filled, filled, 102.0 / 202.0], &[filled, filled, 303.0 / 202.0]]
            );
            assert_eq!((image[1], clean[1]), (1.0 / 202.0, 0.0));
        }
    }
}
