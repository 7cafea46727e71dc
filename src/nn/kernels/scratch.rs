//! Memory for the steps between, kept by each thread: fresh pages for every task would cost a tenth of the time.

use std::cell::Cell;

thread_local! {
    static KEPT: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Two slices that hold anything: what is read must have been written.
pub(super) struct Scratch {
    memory: Vec<f32>,
    sizes: [usize; 2],
}

impl Scratch {
    /// The memory of this thread, until it is dropped.
    pub(super) fn take(sizes: [usize; 2]) -> Self {
        let mut memory = KEPT.take();
        let length = memory.len().max(sizes[0] + sizes[1]);
        memory.resize(length, 0.0);
        Self { memory, sizes }
    }

    pub(super) fn split(&mut self) -> [&mut [f32]; 2] {
        let (first, rest) = self.memory.split_at_mut(self.sizes[0]);
        [first, &mut rest[..self.sizes[1]]]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        KEPT.set(std::mem::take(&mut self.memory));
    }
}
