//! What happens to a stamp: drawn from a stream of random numbers of its own, then done to the stamp and, but for the noise,
//! to the noise-free stamp. Knows no file, and not whether a copy is kept or a training batch passes by.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::colour::Colours;
use crate::geometry::Geometry;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Value;
use crate::stages::preprocess::normalise::Sky;

/// Most channels that a stamp has.
const CHANNELS: usize = 4;

crate::keys! {
    /// What may happen to a stamp: keys of `augment` and of the kinds that train. What is on by default is exact: a square
    /// stamp turned and mirrored, without interpolation.
    pub struct ChangeKeys {
        /// Turns by 0, 90, 180 or 270 degrees. In kinds that train, this and the next five keys change training stamps alone, drawn anew in each epoch, all detections of an object alike but for the noise; in `augment` they make the copies.
        turns: bool = true;
        /// Mirrors left-right and up-down, each with probability one half.
        flips: bool = true;
        /// Largest shift each way, whole pixels, drawn evenly; beyond the border the border's value is repeated, unless more is there: `crop` of `augment`, the input `wide` of kinds that train, `cut` of classifiers.
        shift: usize = 0, range(0, 31), unit("px");
        /// Largest rotation each way besides the turns, drawn evenly; bilinear, border as for `shift` (28.8 in Neira et al. 2024).
        rotation: f64 = 0.0, range(0, 180), unit("degrees");
        /// Gaussian noise added to each channel, in units of the sky noise it has; recommended at most 0.5.
        noise: f64 = 0.0, range(0, 10), unit("sky sigma");
        /// Largest relative change of brightness above the sky, one factor for all channels, drawn evenly.
        flux: f64 = 0.0, range(0, 0.9);
    }
}

impl ChangeKeys {
    /// The same for kinds that train, where nothing happens unless asked for, as before there were these keys.
    pub fn keys_off() -> Vec<Key> {
        let is_on = |key: &Key| key.default == Some(Value::Bool(true));
        let off = |key: Key| if is_on(&key) { key.default(Value::Bool(false)) } else { key };
        Self::keys().into_iter().map(|key| off(key).added_later()).collect()
    }

    /// Whether anything can happen.
    pub fn change_anything(&self) -> bool {
        self.turns || self.flips || self.shift > 0 || self.rotation > 0.0 || self.noise > 0.0 || self.flux > 0.0
    }
}

/// How stamps are changed.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What may happen.
    pub keys: ChangeKeys,
    /// Side before and after, pixels.
    pub sides: (usize, usize),
    /// Principal colours, when they are used.
    pub colours: Option<Colours>,
}

/// What happens to one stamp, or to several in the same way.
#[derive(Clone, Debug)]
pub struct Change {
    geometry: Geometry,
    /// Factor of the brightness above the sky.
    brightness: f32,
    /// Amplitude along each principal colour, see [`Colours::shift`].
    colour: [f64; CHANNELS],
    /// Where the noise comes from, if there is any.
    noise: Option<ChaCha8Rng>,
}

impl Change {
    /// Nothing but the crop.
    pub fn none() -> Self {
        Self { geometry: Geometry::default(), brightness: 1.0, colour: [0.0; CHANNELS], noise: None }
    }

    fn needs_sky(&self) -> bool {
        self.brightness != 1.0 || self.noise.is_some()
    }
}

impl Recipe {
    /// Draws what happens. Everything is drawn, used or not, so that switching one change on leaves the others as they are.
    pub fn draw(&self, mut rng: ChaCha8Rng) -> Change {
        let keys = &self.keys;
        let turns = rng.random_range(0..4_u8);
        let flips: [bool; 2] = [rng.random(), rng.random()];
        let [down, right, degrees, flux]: [f64; 4] = std::array::from_fn(|_| rng.random_range(-1.0..1.0));
        let colour: [f64; CHANNELS] = std::array::from_fn(|_| StandardNormal.sample(&mut rng));
        let geometry = Geometry {
            turns: if keys.turns { turns } else { 0 },
            flips: if keys.flips { flips } else { [false; 2] },
            shift: [down, right].map(|unit| whole_pixels(unit, keys.shift)),
            degrees: degrees * keys.rotation,
        };
        Change {
            geometry,
            brightness: (1.0 + flux * keys.flux) as f32,
            colour,
            noise: (keys.noise > 0.0).then_some(rng),
        }
    }

    /// The changed stamp `[channel, y, x]` and the noise-free one. The next stamp with this change gets other noise.
    pub fn apply(&self, change: &mut Change, image: &[f32], clean: Option<&[f32]>) -> (Vec<f32>, Option<Vec<f32>>) {
        let area = self.sides.0 * self.sides.0;
        let skies: Vec<Sky> =
            if change.needs_sky() { image.chunks_exact(area).map(Sky::of).collect() } else { Vec::new() };
        let clean = clean.map(|clean| self.moved(change, clean, &skies));
        let mut image = self.moved(change, image, &skies);
        if let Some(rng) = &mut change.noise {
            self.add_noise(rng, &mut image, &skies);
        }
        (image, clean)
    }

    fn moved(&self, change: &Change, image: &[f32], skies: &[Sky]) -> Vec<f32> {
        let (from, to) = self.sides;
        let colour = self.colours.as_ref().map(|colours| colours.shift(&change.colour));
        let mut moved = Vec::with_capacity(image.len());
        for (c, plane) in image.chunks_exact(from * from).enumerate() {
            let start = moved.len();
            change.geometry.apply(plane, from, to, &mut moved);
            let level = skies.get(c).map_or(0.0, |sky| sky.level);
            // Only what changes something: adding 0 would turn -0 into 0 and so alter bytes.
            if change.brightness != 1.0 {
                moved[start..].iter_mut().for_each(|x| *x = level + (*x - level) * change.brightness);
            }
            if let Some(colour) = &colour {
                moved[start..].iter_mut().for_each(|x| *x += colour[c]);
            }
        }
        moved
    }

    fn add_noise(&self, rng: &mut ChaCha8Rng, image: &mut [f32], skies: &[Sky]) {
        for (plane, sky) in image.chunks_exact_mut(self.sides.1 * self.sides.1).zip(skies) {
            let sigma = sky.sigma * self.keys.noise as f32;
            for x in plane {
                *x += sigma * Distribution::<f32>::sample(&StandardNormal, rng);
            }
        }
    }
}

/// A number from -1 to 1 as one of -reach, .., reach, all equally probable.
fn whole_pixels(unit: f64, reach: usize) -> f64 {
    let reach = reach as f64;
    (unit * (reach + 0.5)).round().clamp(-reach, reach)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_are_equally_probable() {
        let mut counts = [0; 5];
        (0..5000).for_each(|i| counts[(whole_pixels(f64::from(i) / 2500.0 - 1.0, 2) + 2.0) as usize] += 1);
        assert!(counts.iter().all(|n| (990..=1010).contains(n)), "{counts:?}");
        assert_eq!(whole_pixels(0.99, 0), 0.0);
    }
}
