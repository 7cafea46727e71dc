//! Alerts of many files as one stream: decoded in parallel, in the order of the files, in bounded memory.
//! Knows files and alerts, no stage.

use super::decode::Reading;
use super::described::{TableError, TableOptions};
use super::feed::{Feed, Source};
use super::line::Line;
use super::quality::{Fault, Occurrence, Policies, Reason};
use std::collections::HashSet;

/// The alerts of some files. The same readings in the same order with any number of threads: a piece is decoded
/// apart from all others, and pieces are put together in order. Memory holds the pieces that are ahead, and eight bytes for each
/// alert seen, to know duplicates.
pub struct Archive {
    line: Line,
    ready: std::vec::IntoIter<Reading>,
    seen: HashSet<i64>,
}

impl Archive {
    /// The alerts of `sources`, in that order. Files are opened as they are reached.
    #[must_use]
    pub fn open(sources: Vec<Source>, policies: Policies) -> Self {
        Self { line: Line::new(Feed::new(sources), policies), ready: <_>::default(), seen: <_>::default() }
    }

    /// The alerts of `sources`, the arrays or FITS images among them described by a table.
    ///
    /// # Errors
    /// The table cannot be read or does not fit.
    pub fn with_table(sources: Vec<Source>, table: &TableOptions, policies: Policies) -> Result<Self, TableError> {
        let feed = Feed::with_table(sources, table)?;
        Ok(Self { line: Line::new(feed, policies), ready: <_>::default(), seen: <_>::default() })
    }

    /// The same with what packets tell of their objects at other times; to be asked before the first reading.
    #[must_use]
    pub fn with_history(self) -> Self {
        Self { line: self.line.with_history(), ..self }
    }

    /// The same after others: alerts with these `candid` came before.
    #[must_use]
    pub fn after(self, seen: HashSet<i64>) -> Self {
        Self { seen, ..self }
    }

    /// The `candid` of all alerts so far, and of those before.
    #[must_use]
    pub fn into_seen(self) -> HashSet<i64> {
        self.seen
    }

    /// Files that were opened so far.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.line.files()
    }

    /// Takes the alert out of a reading when its `candid` came before.
    fn drop_duplicate(&mut self, mut reading: Reading) -> Reading {
        if let Some(alert) = reading.alert.take_if(|alert| !self.seen.insert(alert.candid)) {
            let fault = Fault::new(Reason::Duplicate, "came before");
            let (candid, object_id) = (Some(alert.candid), Some(alert.object_id));
            let found =
                Occurrence { candid, object_id, ..Occurrence::new(fault, &reading.place, self.line.policies()) };
            reading.occurrences.push(found);
        }
        reading
    }
}

impl Iterator for Archive {
    type Item = Reading;

    fn next(&mut self) -> Option<Reading> {
        loop {
            if let Some(reading) = self.ready.next() {
                return Some(self.drop_duplicate(reading));
            }
            self.ready = self.line.next()?.into_iter();
        }
    }
}
