//! The algorithm of Toom-Cook and Winograd 1980 for `P + 1 − r` outputs of a filter with `r` taps from `P` products:
//! polynomials are multiplied by way of their values at `P` points: 0, pairs ±p, and infinity. Two dimensions apply it to
//! columns, then to rows (Lavin and Gray 2016). With the powers `E = (pᵢʲ)` (for infinity: the last coefficient),
//! `wᵢ = 1 / Π (pᵢ − pⱼ)` over the other finite points, and `B` the coefficients of `Π (x − pⱼ)`,
//!
//! `outputs = Eᵀ [(w E filter) ⊙ (B data)]`, and the gradient of the filter is `w Eᵀ [(E gradient) ⊙ (B data)]`.
//!
//! Knows registers only.

use super::super::lanes::Lanes;

/// No pair.
const NONE: usize = 3;

/// The constants for `P` points.
struct Points<const P: usize>;

impl<const P: usize> Points<P> {
    /// Number of pairs.
    const COUNT: usize = P / 2 - 1;
    /// The pairs ±p, those that a search over multiples of 1/16 found to have the smallest error for kernels of 3 and 5
    /// (Barabasz et al. 2020 explain why such are better than whole numbers).
    const PAIRS: [f32; 3] = if P == 6 { [0.625, 1.5, 0.0] } else { [0.5, 1.0, 2.0] };
    /// Coefficients of `Π (y − p²)` over all pairs, of which the last is 1.
    const ALL: [f32; 4] = polynomial(Self::PAIRS, Self::COUNT, NONE);
    /// The same without one pair each.
    const BUT: [[f32; 4]; 3] = [
        polynomial(Self::PAIRS, Self::COUNT, 0),
        polynomial(Self::PAIRS, Self::COUNT, 1),
        polynomial(Self::PAIRS, Self::COUNT, 2),
    ];
}

/// Coefficients of `Π (y − p²)` over the first `count` pairs but one.
const fn polynomial(pairs: [f32; 3], count: usize, but: usize) -> [f32; 4] {
    let mut product = [1.0, 0.0, 0.0, 0.0];
    let mut pair = 0;
    while pair < count {
        if pair != but {
            let square = pairs[pair] * pairs[pair];
            let mut power = product.len() - 1;
            while power > 0 {
                product[power] = product[power - 1] - square * product[power];
                power -= 1;
            }
            product[0] *= -square;
        }
        pair += 1;
    }
    product
}

/// The finite points in order; `None` is infinity.
pub(super) fn point<const P: usize>(i: usize) -> Option<f32> {
    match i {
        0 => Some(0.0),
        i if i < P - 1 => Some(Points::<P>::PAIRS[(i - 1) / 2] * if i % 2 == 1 { 1.0 } else { -1.0 }),
        _ => None,
    }
}

/// `wᵢ`.
pub(super) fn weight<const P: usize>(i: usize) -> f32 {
    let others =
        |at: f32| (0..P - 1).filter(|&j| j != i).filter_map(point::<P>).map(move |other| f64::from(at - other));
    point::<P>(i).map_or(1.0, |at| (1.0 / others(at).product::<f64>()) as f32)
}

/// `E values`: a polynomial at all points.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "constants in registers, by the caller's contract")]
#[inline(always)]
pub(super) unsafe fn evaluate<V: Lanes, const P: usize, const K: usize>(values: [V; K]) -> [V; P] {
    let mut at = [values[0]; P];
    at[P - 1] = values[K - 1];
    for pair in 0..Points::<P>::COUNT {
        let point = Points::<P>::PAIRS[pair];
        // SAFETY: by contract.
        let (plus, minus, square) = unsafe { (V::splat(point), V::splat(-point), V::splat(point * point)) };
        let (mut even, mut odd) = (values[(K - 1) & !1], values[(K - 2) | 1]);
        for i in (0..K.saturating_sub(2)).rev() {
            if i % 2 == 0 {
                even = even.times_plus(square, values[i]);
            } else {
                odd = odd.times_plus(square, values[i]);
            }
        }
        at[1 + 2 * pair] = odd.times_plus(plus, even);
        at[2 + 2 * pair] = odd.times_plus(minus, even);
    }
    at
}

/// `Eᵀ values`.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "constants in registers, by the caller's contract")]
#[inline(always)]
pub(super) unsafe fn collect<V: Lanes, const P: usize, const K: usize>(values: [V; P]) -> [V; K] {
    let mut sums = [values[0]; K];
    for power in 0..K {
        let mut sum = values[0];
        for pair in 0..Points::<P>::COUNT {
            let (plus, minus) = (values[1 + 2 * pair], values[2 + 2 * pair]);
            let both = if power % 2 == 0 { plus.plus(minus) } else { plus.minus(minus) };
            let mut factor = 1.0;
            for _ in 0..power {
                factor *= Points::<P>::PAIRS[pair];
            }
            // SAFETY: by contract.
            let factor = unsafe { V::splat(factor) };
            sum = if power > 0 && pair == 0 { both.times(factor) } else { both.times_plus(factor, sum) };
        }
        sums[power] = sum;
    }
    sums[K - 1] = sums[K - 1].plus(values[P - 1]);
    sums
}

/// `B data`.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "constants in registers, by the caller's contract")]
#[inline(always)]
pub(super) unsafe fn spread<V: Lanes, const P: usize>(data: [V; P]) -> [V; P] {
    let count = Points::<P>::COUNT;
    let mut points = data;
    // SAFETY: by contract.
    unsafe {
        points[0] = in_square(data, 0, Points::<P>::ALL, count);
        points[P - 1] = in_square(data, 1, Points::<P>::ALL, count);
        for pair in 0..count {
            let even = in_square(data, 2, Points::<P>::BUT[pair], count - 1);
            let odd = in_square(data, 1, Points::<P>::BUT[pair], count - 1);
            let point = Points::<P>::PAIRS[pair];
            points[1 + 2 * pair] = odd.times_plus(V::splat(point), even);
            points[2 + 2 * pair] = odd.times_plus(V::splat(-point), even);
        }
    }
    points
}

/// `Σ coefficient · data` over every second datum from `first` on; the last coefficient, that of `degree`, is 1.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "constants in registers, by the caller's contract")]
#[inline(always)]
unsafe fn in_square<V: Lanes, const P: usize>(data: [V; P], first: usize, coefficients: [f32; 4], degree: usize) -> V {
    let mut sum = data[first + 2 * degree];
    for power in (0..degree).rev() {
        // SAFETY: by contract.
        sum = data[first + 2 * power].times_plus(unsafe { V::splat(coefficients[power]) }, sum);
    }
    sum
}
