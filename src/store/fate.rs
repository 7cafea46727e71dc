//! What happens to the disk in a test: operations fail one by one, in pairs, or all from some moment on.

use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;

/// Which operations of the store fail, counted from 0.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// These fail.
    pub(super) fails: BTreeSet<usize>,
    /// This one and all after it fail, as for a process that was killed.
    pub(super) dies_at: Option<usize>,
    /// Operations so far.
    pub(super) count: Mutex<usize>,
}

impl Fate {
    /// Decides about the next operation.
    pub(super) fn next(&self) -> io::Result<()> {
        let mut count = self.count.lock().expect("no panic while counting");
        let number = *count;
        *count += 1;
        if self.fails.contains(&number) || self.dies_at.is_some_and(|at| number >= at) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}
