//! How fast this processor can multiply: the micro-kernel of all matrix products on data of the first-level cache.

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;

use super::lanes::{Lanes, Task, WIDEST, panel, perform};
use super::microkernel::{ROWS, Sums, add_products, store, zeros};

/// Length of the sums: six rows of them and the widest panel take 19 KiB.
const DEPTH: usize = 128;
/// Sums of each try, for each thread.
const REPEATS: usize = 8000;
/// Tries, of which the fastest counts: others may want the processor too.
const TRIES: usize = 15;

/// 10⁹ operations per second, two for each product, of all threads of the current pool together.
pub(crate) fn peak() -> f64 {
    let threads = rayon::current_num_threads();
    let panel = panel(WIDEST);
    let operations = (threads * REPEATS * ROWS * DEPTH * panel * 2) as f64;
    let seconds = |_| {
        let start = Instant::now();
        (0..threads).into_par_iter().with_max_len(1).for_each(|_| perform(Multiply, panel));
        start.elapsed().as_secs_f64()
    };
    operations / (0..TRIES).map(seconds).fold(f64::INFINITY, f64::min) * 1e-9
}

/// The same products again and again.
struct Multiply;

impl Task for Multiply {
    #[expect(unsafe_code, reason = "pointers into arrays of the lengths asked for; registers by the caller's contract")]
    #[inline(always)]
    unsafe fn run<V: Lanes, const N: usize>(self) {
        let (rows, weights) = ([[0.5_f32; DEPTH]; ROWS], [0.25_f32; DEPTH * WIDEST]);
        let mut made = [0.0; WIDEST];
        for _ in 0..REPEATS {
            let rows = black_box(&rows).each_ref().map(|row| row.as_ptr());
            // SAFETY: by contract; `DEPTH` values lie at each row, as many panels at `weights`, and a panel at `made`.
            unsafe {
                let mut sums: Sums<V, N, ROWS> = zeros();
                add_products(rows, DEPTH, black_box(&weights).as_ptr(), &mut sums);
                for sums in sums {
                    store(sums, made.as_mut_ptr());
                    black_box(&made);
                }
            }
        }
    }
}
