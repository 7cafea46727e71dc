//! How strongly places of a UMAP pull and push each other: the gradients of its cross entropy, by squared distance. Knows no
//! graph. Written for loops that the compiler turns into vector operations: nothing but additions, products, divisions and
//! bits, which give the same bytes on any processor.

use super::curve::Curve;

/// Keeps pushes finite where places meet.
const SOFT: f32 = 1e-3;
/// Squared distances outside are taken to be these.
const RANGE: (f32, f32) = (1e-12, 1e12);

/// Forces of a curve; times the line between two places, they are the moves of either.
#[derive(Clone, Copy, Debug)]
pub struct Forces {
    a: f32,
    b: f32,
}

impl From<Curve> for Forces {
    fn from(Curve { a, b }: Curve) -> Self {
        Self { a: a as f32, b: b as f32 }
    }
}

impl Forces {
    /// `2ab s^{b-1} / (1 + a s^b)` of the squared distance `s`.
    pub fn pull(self, s: f32) -> f32 {
        let s = s.clamp(RANGE.0, RANGE.1);
        let power = power(s, self.b);
        2.0 * self.a * self.b * power / (s * (1.0 + self.a * power))
    }

    /// `2b / ((0.001 + s)(1 + a s^b))` of the squared distance `s`.
    pub fn push(self, s: f32) -> f32 {
        let s = s.clamp(RANGE.0, RANGE.1);
        2.0 * self.b / ((SOFT + s) * (1.0 + self.a * power(s, self.b)))
    }
}

/// `base^exponent` of a positive normal number, wrong by less than `exponent + 1` parts in ten thousand; results are kept
/// between `2^{-64}` and `2^{64}`, so that products with them stay finite.
fn power(base: f32, exponent: f32) -> f32 {
    exp2((exponent * log2(base)).clamp(-64.0, 64.0))
}

/// Bits of the mantissa of a number.
const MANTISSA: u32 = 23;

/// Wrong by at most 0.00011. With `t` between `1/sqrt 2 - 1` and `sqrt 2 - 1`, the cubic is the one for which the largest
/// error of `t` times it is least.
fn log2(x: f32) -> f32 {
    let bits = x.to_bits() as i32;
    let whole = (bits - std::f32::consts::FRAC_1_SQRT_2.to_bits() as i32) >> MANTISSA;
    let t = f32::from_bits((bits - (whole << MANTISSA)) as u32) - 1.0;
    whole as f32 + t * (1.441_760_6 + t * (-0.724_904_2 + t * (0.517_509_4 - 0.329_629_6 * t)))
}

/// Wrong by at most 0.00008 of the result, for numbers between -126 and 126. The cubic is the one for which the largest such
/// error is least between -1/2 and 1/2.
fn exp2(x: f32) -> f32 {
    /// So large that the last bit of a sum with it stands for 1: the sum's last bits are `x`, rounded.
    const ROUNDER: f32 = 1.5 * (1 << MANTISSA) as f32;
    let rounded = x + ROUNDER;
    let whole = rounded.to_bits() as i32 - ROUNDER.to_bits() as i32;
    let t = x - (rounded - ROUNDER);
    let part = 0.999_928_1 + t * (0.693_261 + t * (0.242_611_12 + 0.055_171_665 * t));
    f32::from_bits((part.to_bits() as i32 + (whole << MANTISSA)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forces_are_wrong_by_less_than_three_parts_in_ten_thousand() {
        for (min_dist, spread) in [(0.1, 1.0), (0.5, 1.0), (0.0, 1.0), (0.0, 0.01), (10.0, 10.0)] {
            let Curve { a, b } = Curve::fit(min_dist, spread);
            let forces = Forces::from(Curve { a, b });
            for s in (0..5000).map(|i| 1e-9 * 1.01_f64.powi(i)).take_while(|s| *s < 1e9) {
                let pull = 2.0 * a * b * s.powf(b - 1.0) / (1.0 + a * s.powf(b));
                let push = 2.0 * b / ((0.001 + s) * (1.0 + a * s.powf(b)));
                for (found, expected) in [(forces.pull(s as f32), pull), (forces.push(s as f32), push)] {
                    assert!((f64::from(found) / expected - 1.0).abs() < 3e-4, "{found} {expected} at {s} {a} {b}");
                }
            }
        }
    }

    #[test]
    fn forces_are_finite_at_any_distance() {
        for curve in [Curve { a: 1.5, b: 0.9 }, Curve { a: 1e6, b: 3.0 }] {
            let forces = Forces::from(curve);
            for s in [0.0, f32::MIN_POSITIVE, 1e-20, 1e20, f32::MAX, f32::INFINITY] {
                assert!(forces.pull(s).is_finite() && forces.push(s).is_finite(), "{s}");
            }
        }
    }
}
