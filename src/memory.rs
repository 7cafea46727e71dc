//! Large blocks stay with the process: a training step asks for the same hundred large arrays as the step before, and fresh
//! pages for each of them take up to half of the time of a small network. The C library does it if it is told to. A stage
//! that is done with a large table gives it back.

/// Tells it; whether it obeys. To be called before there are other threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "settings of the C library")]
pub(crate) fn keep_large_blocks() -> bool {
    /// Larger blocks come from the system and go back to it, bytes; some versions of the library refuse the first.
    const LARGEST: [i32; 2] = [1 << 30, 32 << 20];
    /// Free bytes at the end of a heap that are kept.
    const KEPT: i32 = 256 << 20;
    // SAFETY: the settings only say when the allocator asks the system for pages and when it gives them back.
    let obeys = |what, bytes| unsafe { libc::mallopt(what, bytes) == 1 };
    LARGEST.into_iter().any(|bytes| obeys(libc::M_MMAP_THRESHOLD, bytes)) && obeys(libc::M_TRIM_THRESHOLD, KEPT)
}

/// Other systems do as they think right.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn keep_large_blocks() -> bool {
    false
}

/// Gives the system what is free, also in the middle of a heap: threads have heaps of their own, and what one has freed no
/// other one uses. To be called where much was freed and more is to come.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a call of the C library")]
pub(crate) fn give_back() {
    // SAFETY: it touches free blocks alone.
    unsafe { libc::malloc_trim(0) };
}

/// Other systems do as they think right.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// Pages that this thread had to ask for so far.
    fn faults() -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(7).unwrap().parse().unwrap()
    }

    /// Memory of this process that is in no file, bytes.
    fn held() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
    }

    /// The last block keeps those before it from being the end of the heap. Other tests may ask for memory meanwhile.
    #[test]
    fn free_blocks_below_others_go_back() {
        const BYTES: usize = 1 << 20;
        assert!(keep_large_blocks());
        let goes_back = |()| {
            let mut blocks: Vec<Vec<u8>> = (0..48).map(|_| std::hint::black_box(vec![1; BYTES])).collect();
            blocks.drain(..47);
            let before = held();
            give_back();
            assert_eq!(blocks[0][BYTES - 1], 1);
            held() + 40 * BYTES < before
        };
        assert!([(); 5].into_iter().any(goes_back));
    }

    /// Three at a time: one alone the library keeps by itself.
    #[test]
    fn large_blocks_are_used_again_without_fresh_pages() {
        const BYTES: usize = 8 << 20;
        assert!(keep_large_blocks());
        let touch = || {
            let blocks = [(); 3].map(|()| std::hint::black_box(vec![1_u8; BYTES]));
            assert!(blocks.iter().flatten().all(|byte| *byte == 1));
        };
        touch();
        let before = faults();
        (0..10).for_each(|_| touch());
        let (fresh, all) = (faults() - before, 10 * 3 * BYTES as u64 / 4096);
        assert!(fresh < all / 20, "{fresh} of {all} pages");
    }
}
