//! Sequences of different length in one batch: which of the padded rows are real. Knows no network.
//!
//! Two orders of rows: *padded* `[step, sequence]`, as recurrent cells take them, and *packed*, the real detections alone,
//! sequence after sequence. What is computed on packed rows costs nothing for padding, and moments of a batch norm over them
//! are those of real detections.

/// The lengths of the sequences of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alive {
    /// Steps of the longest sequence.
    pub steps: usize,
    /// Steps of each sequence, at least 1.
    pub lengths: Vec<usize>,
}

impl Alive {
    /// From a column of lengths, each brought into 1 to `steps`.
    pub fn new(steps: usize, lengths: &[f32]) -> Self {
        Self { steps, lengths: lengths.iter().map(|length| (*length as usize).clamp(1, steps)).collect() }
    }

    /// Number of sequences.
    pub fn batch(&self) -> usize {
        self.lengths.len()
    }

    /// Number of real detections.
    pub fn detections(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// 1 for each padded row within its sequence, else 0.
    pub fn mask(&self) -> Vec<f32> {
        let alive = |step| self.lengths.iter().map(move |&length| f32::from(u8::from(step < length)));
        (0..self.steps).flat_map(alive).collect()
    }

    /// The real detections of a column `[sequence, step, width]`, packed.
    pub fn pack(&self, column: &[f32], width: usize) -> Vec<f32> {
        let mut packed = Vec::with_capacity(self.detections() * width);
        for (sequence, &length) in self.lengths.iter().enumerate() {
            packed.extend_from_slice(&column[sequence * self.steps * width..][..length * width]);
        }
        packed
    }

    /// For each padded row the packed one; padding takes the last detection of its sequence, so that nothing there is out of
    /// the ordinary.
    pub fn unpacking(&self) -> Vec<usize> {
        let mut firsts = Vec::with_capacity(self.batch());
        self.lengths.iter().fold(0, |first, length| {
            firsts.push(first);
            first + length
        });
        let place = |step: usize| {
            self.lengths.iter().zip(firsts.clone()).map(move |(length, first)| first + step.min(length - 1))
        };
        (0..self.steps).flat_map(place).collect()
    }

    /// The padded row of each sequence's last detection.
    pub fn last(&self) -> Vec<usize> {
        self.lengths.iter().enumerate().map(|(sequence, length)| (length - 1) * self.batch() + sequence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_rows_are_the_real_ones_and_find_their_places_again() {
        let alive = Alive::new(3, &[2.0, 3.0, 0.0]);
        assert_eq!(alive.lengths, [2, 3, 1]);
        assert_eq!(alive.mask(), [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
        let column: Vec<f32> = (0..9).map(|i| i as f32).collect();
        assert_eq!(alive.pack(&column, 1), [0.0, 1.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(alive.unpacking(), [0, 2, 5, 1, 3, 5, 1, 4, 5]);
        assert_eq!(alive.last(), [3, 7, 2]);
    }
}
