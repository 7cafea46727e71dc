//! Rows that may be among the nearest of a row, by squared distances that are a little wrong. Knows no rows, only numbers.

/// Distances that are compared with the border at a time.
const STRIDE: usize = 16;

/// Collected while distances come by.
#[derive(Clone)]
pub struct Candidates {
    /// The least squared distances so far, rising.
    least: Vec<f64>,
    /// What is farther than the last of them by more than this is no candidate.
    rounding: f64,
    /// Squared distances and rows.
    found: Vec<(f64, u32)>,
}

impl Candidates {
    /// For `k` nearest rows, at least one.
    pub fn of(k: usize, rounding: f64) -> Self {
        Self { least: vec![f64::INFINITY; k], rounding, found: Vec::new() }
    }

    /// Takes what is near among rows from `first` on, given their squared distances.
    pub fn take_from(&mut self, first: usize, squared: &[f64]) {
        for (stride, some) in squared.chunks(STRIDE).enumerate() {
            let border = self.border();
            // Counted, without a way out of the loop, so that several are compared at once.
            if some.iter().filter(|d| **d <= border).count() > 0 {
                let rows = first + STRIDE * stride..;
                rows.zip(some).for_each(|(row, d)| self.take(row, *d));
            }
        }
        let border = self.border();
        self.found.retain(|found| found.0 <= border);
    }

    fn border(&self) -> f64 {
        self.least[self.least.len() - 1] + self.rounding
    }

    fn take(&mut self, row: usize, squared: f64) {
        if squared > self.border() {
            return;
        }
        self.found.push((squared, row as u32));
        let (place, last) = (self.least.partition_point(|known| *known <= squared), self.least.len() - 1);
        if place <= last {
            self.least.copy_within(place..last, place + 1);
            self.least[place] = squared;
        }
    }

    /// The rows, in their order.
    pub fn rows(&self) -> impl Iterator<Item = u32> + '_ {
        self.found.iter().map(|found| found.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_up_to_the_border_are_candidates() {
        let squared: Vec<f64> = (0..100).map(|i| f64::from((i * 37 + 11) % 100)).collect();
        for split in [1, 16, 33, 100] {
            let mut candidates = Candidates::of(5, 1.5);
            squared.chunks(split).enumerate().for_each(|(at, some)| candidates.take_from(split * at, some));
            // The fifth least is 4, so those of 5 are in and those of 6 are not.
            let expected: Vec<u32> = (0..100).filter(|row| squared[*row as usize] <= 5.5).collect();
            assert_eq!(candidates.rows().collect::<Vec<_>>(), expected, "{split} at a time");
        }
    }
}
