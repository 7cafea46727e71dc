//! Alerts of many files as one stream: decoded in parallel, in the order of the files, in bounded memory.
//! Knows files and alerts, no stage.

use super::decode::{Decoder, Reading};
use super::feed::{Feed, Piece, Source};
use super::quality::{Fault, Occurrence, Policies, Reason};
use super::schemas::Schemas;
use rayon::prelude::*;
use std::collections::{HashSet, VecDeque};

/// Most pieces decoded at once, for each thread.
const PIECES_PER_THREAD: usize = 32;
/// Packed bytes after which no more pieces are taken into a chunk.
const CHUNK_BYTES: usize = 16 << 20;

/// The alerts of some files. The same readings in the same order with any number of threads: a piece is decoded
/// apart from all others, and pieces are put together in order. Memory holds two chunks of pieces, and eight bytes for each alert seen, to know
/// duplicates.
pub struct Archive {
    feed: Feed,
    schemas: Schemas,
    policies: Policies,
    pending: Vec<Piece>,
    ready: VecDeque<Reading>,
    seen: HashSet<i64>,
}

impl Archive {
    /// The alerts of `sources`, in that order. Files are opened as they are reached.
    #[must_use]
    pub fn open(sources: Vec<Source>, policies: Policies) -> Self {
        let (schemas, pending, ready, seen) = <_>::default();
        Self { feed: Feed::new(sources), schemas, policies, pending, ready, seen }
    }

    /// Files that were opened so far.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.feed.files()
    }

    /// Decodes one chunk while the next is read; returns whether there was one.
    fn advance(&mut self) -> bool {
        let mut chunk = std::mem::take(&mut self.pending);
        if chunk.is_empty() {
            chunk = take_chunk(&mut self.feed);
        }
        let (schemas, policies, feed) = (&self.schemas, &self.policies, &mut self.feed);
        let found = !chunk.is_empty();
        let (readings, next) = rayon::join(|| decode(chunk, schemas, policies), || take_chunk(feed));
        self.pending = next;
        self.ready = readings;
        found
    }

    /// Takes the alert out of a reading when its `candid` came before.
    fn drop_duplicate(&mut self, mut reading: Reading) -> Reading {
        if let Some(alert) = reading.alert.take_if(|alert| !self.seen.insert(alert.candid)) {
            let fault = Fault::new(Reason::Duplicate, "came before");
            let (candid, object_id) = (Some(alert.candid), Some(alert.object_id));
            let found = Occurrence { candid, object_id, ..Occurrence::new(fault, &reading.place, &self.policies) };
            reading.occurrences.push(found);
        }
        reading
    }
}

impl Iterator for Archive {
    type Item = Reading;

    fn next(&mut self) -> Option<Reading> {
        while self.ready.is_empty() {
            if !self.advance() {
                return None;
            }
        }
        let reading = self.ready.pop_front()?;
        Some(self.drop_duplicate(reading))
    }
}

fn take_chunk(feed: &mut Feed) -> Vec<Piece> {
    let most = PIECES_PER_THREAD * rayon::current_num_threads();
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while chunk.len() < most
        && bytes < CHUNK_BYTES
        && let Some(piece) = feed.next()
    {
        bytes += piece.len();
        chunk.push(piece);
    }
    chunk
}

fn decode(chunk: Vec<Piece>, schemas: &Schemas, policies: &Policies) -> VecDeque<Reading> {
    let decoder = || Decoder::new(schemas, policies);
    let readings: Vec<Vec<Reading>> = chunk.into_par_iter().map_init(decoder, Decoder::piece).collect();
    readings.into_iter().flatten().collect()
}
