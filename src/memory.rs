//! The allocator: large blocks are kept for the next use of their size. A training step asks for the same hundred large
//! arrays as the step before; fresh pages for each of them took half of the time of a small network. Knows nothing of what
//! is in the blocks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Smallest block that is kept, bytes.
const LARGE: usize = 128 << 10;
/// Most bytes that are kept.
const LIMIT: usize = 256 << 20;
/// Most blocks that are kept.
const SLOTS: usize = 256;
/// Alignment of blocks that are kept.
const ALIGNMENT: usize = 16;

/// The system's allocator, with a store of large blocks.
pub(crate) struct Keeping;

/// Address and size of a block; a size of 0 is no block.
type Block = (usize, usize);

/// Blocks that nobody uses, in a ring: a new one takes the place of the oldest.
struct Store {
    blocks: [Block; SLOTS],
    next: usize,
    bytes: usize,
}

static STORE: Mutex<Store> = Mutex::new(Store { blocks: [(0, 0); SLOTS], next: 0, bytes: 0 });

impl Store {
    /// A block of exactly this size, the newest first: it may still be in the processor's caches.
    fn take(&mut self, size: usize) -> Option<usize> {
        let newest_first = (1..=SLOTS).map(|back| (self.next + SLOTS - back) % SLOTS);
        let slot = { newest_first }.find(|&slot| self.blocks[slot].1 == size)?;
        self.bytes -= size;
        Some(std::mem::take(&mut self.blocks[slot]).0)
    }

    /// Makes room for a block of `size`: removes the block of the next slot, or of those after it. Call it until it gives none.
    fn remove(&mut self, size: usize) -> Option<Block> {
        let full = |store: &Self| store.blocks[store.next].1 > 0 || store.bytes + size > LIMIT;
        if !full(self) {
            return None;
        }
        let slot = (0..SLOTS).map(|on| (self.next + on) % SLOTS).find(|&slot| self.blocks[slot].1 > 0)?;
        let block = std::mem::take(&mut self.blocks[slot]);
        self.bytes -= block.1;
        Some(block)
    }

    /// Keeps a block, after [`Self::remove`] made room.
    fn keep(&mut self, block: Block) {
        self.blocks[self.next] = block;
        self.next = (self.next + 1) % SLOTS;
        self.bytes += block.1;
    }
}

/// How a block is allocated that may be kept; `None` for others.
fn large(layout: Layout) -> Option<Layout> {
    let fits = (LARGE..=LIMIT).contains(&layout.size()) && layout.align() <= ALIGNMENT;
    fits.then(|| Layout::from_size_align(layout.size(), ALIGNMENT).ok()).flatten()
}

fn store() -> MutexGuard<'static, Store> {
    STORE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(unsafe_code, reason = "an allocator")]
// SAFETY: every block is the system's, and either in use or in the store, never both. What `large` says of a layout depends
// on it alone, so a block is given back as it was allocated, and one from the store has the size and alignment asked for.
unsafe impl GlobalAlloc for Keeping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(layout) = large(layout) else {
            // SAFETY: the caller's contract.
            return unsafe { System.alloc(layout) };
        };
        let kept = store().take(layout.size());
        // SAFETY: the caller's contract.
        kept.map_or_else(|| unsafe { System.alloc(layout) }, |address| address as *mut u8)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let kept = large(layout).and_then(|layout| store().take(layout.size()));
        match kept {
            Some(address) => {
                let block = address as *mut u8;
                // SAFETY: a block of this size.
                unsafe { block.write_bytes(0, layout.size()) };
                block
            }
            // SAFETY: the caller's contract.
            None => unsafe { System.alloc_zeroed(large(layout).unwrap_or(layout)) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(layout) = large(layout) else {
            // SAFETY: the caller's contract.
            return unsafe { System.dealloc(block, layout) };
        };
        let mut store = store();
        while let Some((address, size)) = store.remove(layout.size()) {
            if let Ok(layout) = Layout::from_size_align(size, ALIGNMENT) {
                // SAFETY: it was allocated so, and nobody uses it.
                unsafe { System.dealloc(address as *mut u8, layout) };
            }
        }
        store.keep((block as usize, layout.size()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Store {
        Store { blocks: [(0, 0); SLOTS], next: 0, bytes: 0 }
    }

    /// Keeps a block; the addresses of those that went for it.
    fn put(store: &mut Store, block: Block) -> Vec<usize> {
        let gone = std::iter::from_fn(|| store.remove(block.1)).map(|(address, _)| address).collect();
        store.keep(block);
        gone
    }

    #[test]
    fn a_block_comes_back_once_and_the_newest_first() {
        let mut store = empty();
        for block in [(10, LARGE), (20, LARGE), (30, LARGE + 1)] {
            assert!(put(&mut store, block).is_empty());
        }
        assert_eq!(store.take(LARGE + 2), None);
        let taken = [LARGE, LARGE, LARGE, LARGE + 1].map(|size| store.take(size));
        assert_eq!(taken, [Some(20), Some(10), None, Some(30)]);
        assert_eq!(store.bytes, 0);
    }

    #[test]
    fn the_oldest_goes_when_bytes_or_slots_are_full() {
        let mut store = empty();
        assert!(put(&mut store, (1, LIMIT / 2)).is_empty() && put(&mut store, (2, LIMIT / 2)).is_empty());
        assert_eq!(put(&mut store, (3, LARGE)), [1]);
        assert_eq!(put(&mut store, (4, LIMIT)), [2, 3]);
        let mut store = empty();
        let gone: Vec<usize> = (1..=SLOTS + 2).flat_map(|address| put(&mut store, (address, LARGE))).collect();
        assert_eq!(gone, [1, 2]);
        assert_eq!(store.bytes, SLOTS * LARGE);
    }

    #[test]
    fn zeroed_memory_is_zero_though_it_was_used() {
        let length = 3 * LARGE + 40;
        for _ in 0..3 {
            let mut bytes = vec![0_u8; length];
            assert!(bytes.iter().all(|byte| *byte == 0));
            bytes.fill(7);
        }
    }
}
