//! Random rows, the same for a seed, an epoch and a row, whoever draws when. Knows no method.

/// SplitMix64 (Steele, Lea and Flood 2014) from a place of its own for each seed, epoch and row.
pub struct Draws(u64);

impl Draws {
    /// Of one row in one epoch.
    pub fn of(seed: u64, epoch: usize, row: usize) -> Self {
        let mut draws = Self(seed);
        draws.0 = draws.next() ^ epoch as u64;
        draws.0 = draws.next() ^ row as u64;
        draws.0 = draws.next();
        draws
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Five, evenly below `limit`, which is below 2^32.
    pub fn five(&mut self, limit: usize) -> [usize; 5] {
        let bits = [self.next(), self.next(), self.next()];
        std::array::from_fn(|i| {
            let half = (bits[i / 2] >> (32 * (i % 2))) & 0xffff_ffff;
            ((half * limit as u64) >> 32) as usize
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_drawn_evenly_and_apart() {
        let (mut counts, mut same) = ([[0; 10]; 5], 0);
        for (epoch, row) in (0..200).flat_map(|epoch| (0..100).map(move |row| (epoch, row))) {
            let five = Draws::of(7, epoch, row).five(10);
            five.iter().zip(&mut counts).for_each(|(drawn, counts)| counts[*drawn] += 1);
            same += usize::from(five[0] == five[1]);
        }
        // 2000 of 20,000 are expected, with a deviation of 42.
        assert!(counts.as_flattened().iter().all(|count| (1_800..2_200).contains(count)), "{counts:?}");
        assert!((1_800..2_200).contains(&same), "{same}");
    }

    #[test]
    fn each_seed_epoch_and_row_draws_its_own() {
        let of = |seed, epoch, row| Draws::of(seed, epoch, row).five(1 << 30);
        assert_eq!(of(1, 2, 3), of(1, 2, 3));
        let other = [of(2, 2, 3), of(1, 3, 3), of(1, 2, 4)];
        assert!(other.iter().all(|five| five.iter().zip(of(1, 2, 3)).all(|(a, b)| *a != b)), "{other:?}");
    }
}
