//! The two innermost loops: sums of products in registers, [`ROWS`] rows by one panel. Knows pointers and steps only; the
//! callers prove the bounds.

use super::lanes::Lanes;

/// Rows that are computed together: with two registers each, twelve of the sixteen of AVX2.
pub(super) const ROWS: usize = 6;

/// Sums of `R` rows by a panel.
pub(super) type Sums<V, const N: usize, const R: usize> = [[V; N]; R];

/// Sums of zero.
///
/// # Safety
/// The processor has the registers of `V`.
#[expect(unsafe_code, reason = "registers by the caller's contract")]
#[inline(always)]
pub(super) unsafe fn zeros<V: Lanes, const N: usize, const R: usize>() -> Sums<V, N, R> {
    // SAFETY: by contract.
    [[unsafe { V::splat(0.0) }; N]; R]
}

/// Adds to `sums` the products of `depth` values of each row with `weights [depth, panel]`.
///
/// # Safety
/// The processor has the registers of `V`; `depth` values follow each of `rows`, and `depth` panels `weights`.
#[expect(unsafe_code, reason = "pointers by the caller's contract")]
#[inline(always)]
pub(super) unsafe fn add_products<V: Lanes, const N: usize, const R: usize>(
    rows: [*const f32; R],
    depth: usize,
    weights: *const f32,
    sums: &mut Sums<V, N, R>,
) {
    // SAFETY: by contract.
    unsafe {
        for k in 0..depth {
            let weights: [V; N] = load(weights.add(k * N * V::COUNT));
            for j in 0..R {
                let value = V::splat(*rows[j].add(k));
                for n in 0..N {
                    sums[j][n] = value.times_plus(weights[n], sums[j][n]);
                }
            }
        }
    }
}

/// Adds to `sums` the outer products of `R` values at `left` with a panel at `right`, `count` times; the pointers move on
/// by `left_step` and `right_step`.
///
/// # Safety
/// The processor has the registers of `V`; `R` values lie at each place of `left` and a panel at each of `right`.
#[expect(unsafe_code, reason = "pointers by the caller's contract")]
#[inline(always)]
pub(super) unsafe fn add_outer<V: Lanes, const N: usize, const R: usize>(
    (left, left_step): (*const f32, usize),
    (right, right_step): (*const f32, usize),
    count: usize,
    sums: &mut Sums<V, N, R>,
) {
    // SAFETY: by contract.
    unsafe {
        for i in 0..count {
            let panel: [V; N] = load(right.add(i * right_step));
            for j in 0..R {
                let value = V::splat(*left.add(i * left_step + j));
                for n in 0..N {
                    sums[j][n] = value.times_plus(panel[n], sums[j][n]);
                }
            }
        }
    }
}

/// A panel from memory.
///
/// # Safety
/// The processor has the registers of `V`; a panel lies there.
#[expect(unsafe_code, reason = "pointers by the caller's contract")]
#[inline(always)]
pub(super) unsafe fn load<V: Lanes, const N: usize>(from: *const f32) -> [V; N] {
    // SAFETY: by contract.
    unsafe {
        let mut panel = [V::load(from); N];
        for n in 1..N {
            panel[n] = V::load(from.add(n * V::COUNT));
        }
        panel
    }
}

/// A panel into memory.
///
/// # Safety
/// A panel may be written there.
#[expect(unsafe_code, reason = "pointers by the caller's contract")]
#[inline(always)]
pub(super) unsafe fn store<V: Lanes, const N: usize>(panel: [V; N], to: *mut f32) {
    for n in 0..N {
        // SAFETY: by contract.
        unsafe { panel[n].store(to.add(n * V::COUNT)) };
    }
}

/// Calls `$function::<$types, R>(arguments)` for the `R` in 1 to 6 that `$rows` says.
macro_rules! with_rows {
    ($rows:expr, $function:ident::<$v:ident, $n:ident>($($argument:expr),* $(,)?)) => {
        match $rows {
            1 => $function::<$v, $n, 1>($($argument),*),
            2 => $function::<$v, $n, 2>($($argument),*),
            3 => $function::<$v, $n, 3>($($argument),*),
            4 => $function::<$v, $n, 4>($($argument),*),
            5 => $function::<$v, $n, 5>($($argument),*),
            _ => $function::<$v, $n, 6>($($argument),*),
        }
    };
}
pub(super) use with_rows;
