//! Work whose output is made piece by piece, each by one task.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// Fills pieces of an output, all of one length but perhaps the last, by their number.
pub(super) struct Pieces<'a> {
    pub(super) length: usize,
    pub(super) fill: Box<dyn Fn(usize, &mut [f32]) + Sync + 'a>,
}

impl Pieces<'_> {
    /// Into new memory.
    pub(super) fn collect(self, total: usize) -> Vec<f32> {
        collect(total, self.length, self.fill)
    }

    /// Onto what is there.
    pub(super) fn onto(self, output: &mut [f32]) {
        output.par_chunks_mut(self.length).enumerate().for_each(|(number, piece)| (self.fill)(number, piece));
    }
}

/// `total` values in pieces of `length`, each of zeros until `fill` gets it, with its number. The task that fills a piece
/// clears it just before: all at once would be work for one thread, and gone from its caches by then.
#[expect(unsafe_code, reason = "memory becomes values where it is written")]
pub(crate) fn collect(total: usize, length: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut values = Vec::with_capacity(total);
    let room: &mut [MaybeUninit<f32>] = &mut values.spare_capacity_mut()[..total];
    room.par_chunks_mut(length.max(1)).enumerate().for_each(|(number, piece)| {
        piece.fill(MaybeUninit::new(0.0));
        // SAFETY: each value of the piece was written just now.
        fill(number, unsafe { piece.assume_init_mut() });
    });
    // SAFETY: the pieces are all of the first `total` values, and were written.
    unsafe { values.set_len(total) };
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_begin_with_zeros_and_know_their_number() {
        let numbered = |number: usize, piece: &mut [f32]| piece.iter_mut().for_each(|value| *value += number as f32);
        drop(collect(7, 3, |_, piece| piece.fill(9.0))); // memory that was used
        let mut values = collect(7, 3, numbered);
        assert_eq!(values, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0]);
        Pieces { length: 3, fill: Box::new(numbered) }.onto(&mut values);
        assert_eq!(values, [0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 4.0]);
        assert_eq!(Pieces { length: 2, fill: Box::new(numbered) }.collect(3), [0.0, 0.0, 1.0]);
        assert!(collect(0, 0, numbered).is_empty());
    }
}
