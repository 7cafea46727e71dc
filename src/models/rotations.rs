//! The turned views of a stamp that a network sees side by side: quarter turns (Dieleman et al. 2015; Cabrera-Vives et al.
//! 2017; Carrasco-Davis et al. 2021), or any number of evenly spaced rotations with random additions and a crop after the
//! turn (Neira, Estévez and Förster 2024, section 3.1). Views carry no gradient.

use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::geometry::Geometry;
use crate::nn::{Backend, Image, Made, Pass, matrix};

/// Which views.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotations {
    /// Number of views, at angles of `360° · i / count`.
    pub count: usize,
    /// Largest random addition to each angle, either way, degrees; drawn for every view of every training step.
    pub jitter: f64,
    /// Side that is cut from the centre after the turn, pixels; 0: the whole stamp.
    pub cut: usize,
}

impl Rotations {
    /// What is wrong with them for stamps of `side` pixels.
    pub(super) fn fault(&self, side: usize) -> Option<String> {
        let cut = self.side(side);
        if self.count == 0 {
            Some("there must be at least one view".into())
        } else if cut > side {
            Some(format!(
                "a cut of {cut} pixels from stamps of {side} x {side}: make the stamps larger or the cut smaller"
            ))
        } else if !(side - cut).is_multiple_of(2) {
            Some(format!("a cut of {cut} pixels has no centre in common with stamps of {side} x {side}"))
        } else {
            None
        }
    }

    /// Side of the views of stamps of `side` pixels.
    pub(super) fn side(&self, side: usize) -> usize {
        if self.cut == 0 { side } else { self.cut }
    }

    /// `stamps [n, channel, side, side]` to views `[n · count, cut, cut, channel]`, those of a stamp one after the other.
    pub(super) fn views<B: Backend>(
        &self,
        pass: &mut Pass<B>,
        stamps: &[f32],
        channels: usize,
        side: usize,
    ) -> Made<Image<B>, B> {
        let to = self.side(side);
        let batch = stamps.len() / (channels * side * side) * self.count;
        let turns: Vec<Geometry> = (0..batch).map(|view| self.turn(pass, view % self.count)).collect();
        let pixels = B::part("views of stamps", || self.turned(stamps, &turns, channels, side));
        Ok(Image { pixels: matrix::<B>(pixels, batch * to * to, channels)?, batch, side: to })
    }

    /// The pixels of stamps turned so.
    fn turned(&self, stamps: &[f32], turns: &[Geometry], channels: usize, side: usize) -> Vec<f32> {
        let (area, to) = (side * side, self.side(side));
        // a turn by quarters moves whole pixels, those of every stamp alike: which pixel of the stamp each pixel of a view is
        let numbers: Vec<f32> = (0..area).map(|pixel| pixel as f32).collect();
        let is_exact = |turn: &Geometry| turn.degrees == 0.0 && area < 1 << f32::MANTISSA_DIGITS;
        let places = |turn: &Geometry| is_exact(turn).then(|| moved(turn, &numbers, (side, to)));
        let first: Vec<Option<Vec<f32>>> = turns.iter().take(self.count).map(places).collect();
        let mut pixels = vec![0.0; turns.len() * to * to * channels];
        pixels.par_chunks_exact_mut(to * to * channels).zip(turns).enumerate().for_each(|(view, (pixels, turn))| {
            let stamp = &stamps[view / self.count * channels * area..][..channels * area];
            let known = first[view % self.count].as_ref().filter(|_| *turn == turns[view % self.count]);
            for (channel, plane) in stamp.chunks_exact(area).enumerate() {
                let pixels = pixels[channel..].iter_mut().step_by(channels);
                match known {
                    Some(places) => pixels.zip(places).for_each(|(pixel, place)| *pixel = plane[*place as usize]),
                    None => pixels.zip(moved(turn, plane, (side, to))).for_each(|(pixel, value)| *pixel = value),
                }
            }
        });
        pixels
    }

    /// Exact turns where they are quarters, else a rotation with interpolation.
    fn turn<B: Backend>(&self, pass: &mut Pass<B>, view: usize) -> Geometry {
        let jitter = match &mut pass.training {
            Some(random) if self.jitter > 0.0 => random.random_range(-self.jitter..=self.jitter),
            _ => 0.0,
        };
        let quarters = 4 * view / self.count;
        let degrees = 360.0 * view as f64 / self.count as f64 - 90.0 * quarters as f64 + jitter;
        Geometry { turns: quarters as u8, degrees, ..Geometry::default() }
    }
}

/// The centre of an image, turned.
fn moved(turn: &Geometry, image: &[f32], (from, to): (usize, usize)) -> Vec<f32> {
    let mut moved = Vec::with_capacity(to * to);
    turn.apply(image, from, to, &mut moved);
    moved
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::nn::{Builder, Kernels};

    fn views(rotations: Rotations, seed: Option<u64>) -> Vec<Vec<f32>> {
        let stamps: Vec<f32> = (0..2 * 25).map(|i| (i * i % 23) as f32).collect();
        let weights = Builder::<Kernels>::new(0).finish();
        let mut pass = match seed {
            Some(seed) => Pass::training(&weights, ChaCha8Rng::seed_from_u64(seed)),
            None => Pass::inference(&weights),
        };
        let image = rotations.views(&mut pass, &stamps, 2, 5).unwrap();
        let (area, values) = (image.side * image.side, image.to_channels_first());
        assert_eq!(values.len(), rotations.count * 2 * area);
        values.chunks_exact(2 * area).map(<[f32]>::to_vec).collect()
    }

    #[test]
    fn four_views_are_exact_quarter_turns() {
        let views = views(Rotations { count: 4, jitter: 0.0, cut: 0 }, Some(1));
        // np.rot90: the last column becomes the first row
        for turned in 1..4 {
            for (i, value) in views[turned].iter().enumerate() {
                let (channel, y, x) = (i / 25, i % 25 / 5, i % 5);
                assert_eq!(*value, views[turned - 1][channel * 25 + x * 5 + 4 - y]);
            }
        }
    }

    #[test]
    fn jitter_moves_training_views_only_and_cuts_are_central() {
        let rotations = Rotations { count: 6, jitter: 28.8, cut: 3 };
        assert_eq!(views(rotations, None), views(Rotations { jitter: 0.0, ..rotations }, Some(1)));
        assert_eq!(views(rotations, Some(1)), views(rotations, Some(1)));
        assert_ne!(views(rotations, Some(1)), views(rotations, Some(2)));
        let whole = views(Rotations { count: 1, jitter: 0.0, cut: 0 }, None);
        let cut = views(Rotations { count: 1, jitter: 0.0, cut: 3 }, None);
        assert_eq!(cut[0][..3], whole[0][6..9]);
    }

    #[test]
    fn cuts_that_do_not_fit_are_named() {
        let fault = |cut| Rotations { count: 4, jitter: 0.0, cut }.fault(21);
        assert!(fault(33).unwrap().contains("33") && fault(20).unwrap().contains("centre"));
        assert_eq!((fault(0), fault(21), fault(15)), (None, None, None));
    }
}
