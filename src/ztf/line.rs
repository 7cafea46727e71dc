//! Pieces decoded ahead of the one who wants their readings: by threads of the pool that are free, and by that one itself while
//! the piece it waits for is not taken. Knows pieces and readings; their order is the feed's.

use super::decode::{Decoder, Reading};
use super::feed::{Feed, Piece};
use super::lanes::LANES;
use super::quality::Policies;
use super::schemas::Schemas;
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Most pieces that are ahead, for each thread.
const PIECES_PER_THREAD: u64 = 32;
/// Bytes ahead, packed or, once decoded, of what came of them, after which no more pieces are taken.
const BYTES_AHEAD: usize = 8 << 20;

/// What came of a piece: its readings, or the panic of the thread that decoded it.
type Decoded = Result<Vec<Reading>, Box<dyn Any + Send>>;

/// Pieces that one thread decodes together, with the number of the first.
struct Taken {
    first: u64,
    pieces: Vec<Piece>,
}

/// What is under way.
#[derive(Default)]
struct Progress {
    decoded: BTreeMap<u64, Decoded>,
    /// Number of the piece that is wanted next.
    wanted: u64,
    /// Number of the piece that is taken next.
    taken: u64,
    /// Size of what is taken and not handed out: packed, and from when it is decoded what its readings take if that is more.
    sizes: BTreeMap<u64, usize>,
    helpers: usize,
    /// No piece is left to take, or nobody wants one.
    closed: bool,
}

impl Progress {
    fn has_room(&self) -> bool {
        let ahead = self.taken - self.wanted;
        let most = PIECES_PER_THREAD * rayon::current_num_threads() as u64;
        !self.closed && (ahead == 0 || ahead < most && self.sizes.values().sum::<usize>() < BYTES_AHEAD)
    }
}

/// The state that all threads share.
struct Shared {
    feed: Mutex<Feed>,
    progress: Mutex<Progress>,
    /// Told whenever a piece is decoded or the end is found.
    news: Condvar,
    /// Decoders with warm buffers.
    idle: Mutex<Vec<Decoder>>,
    schemas: Arc<Schemas>,
    policies: Arc<Policies>,
    /// Whether histories are wanted.
    history: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The next pieces of the feed, unless too much is ahead.
    fn take(&self, decoder: &mut Decoder) -> Option<Taken> {
        let mut feed = lock(&self.feed);
        feed.recycle(&mut decoder.spent);
        let mut taken = Taken { first: lock(&self.progress).taken, pieces: Vec::new() };
        while taken.pieces.len() < LANES && lock(&self.progress).has_room() {
            let piece = feed.next();
            let mut progress = lock(&self.progress);
            let Some(piece) = piece else {
                progress.closed = true;
                self.news.notify_all();
                break;
            };
            let number = progress.taken;
            progress.sizes.insert(number, piece.len());
            progress.taken += 1;
            taken.pieces.push(piece);
        }
        Some(taken).filter(|taken| !taken.pieces.is_empty())
    }

    fn decoder(&self) -> Decoder {
        lock(&self.idle).pop().unwrap_or_else(|| {
            Decoder::new(Arc::clone(&self.schemas), Arc::clone(&self.policies)).with_history(self.history)
        })
    }

    fn decode(&self, decoder: &mut Decoder, taken: Taken) {
        let numbers = taken.first..taken.first + taken.pieces.len() as u64;
        let decoded = catch_unwind(AssertUnwindSafe(|| decoder.pieces(taken.pieces)));
        let mut progress = lock(&self.progress);
        match decoded {
            Ok(readings) => {
                for (number, readings) in numbers.zip(readings) {
                    let held: usize = readings.iter().map(Reading::held).sum();
                    progress.sizes.entry(number).and_modify(|size| *size = held.max(*size));
                    progress.decoded.insert(number, Ok(readings));
                }
            }
            Err(panic) => {
                progress.decoded.extend(numbers.clone().map(|number| (number, Ok(Vec::new()))));
                progress.decoded.insert(numbers.start, Err(panic));
            }
        }
        drop(progress);
        self.news.notify_all();
    }

    /// Decodes pieces as long as there are some; never waits, for the pool has other work too.
    fn help(&self) {
        let mut decoder = self.decoder();
        while let Some(taken) = self.take(&mut decoder) {
            self.decode(&mut decoder, taken);
        }
        lock(&self.idle).push(decoder);
        lock(&self.progress).helpers -= 1;
    }
}

/// The readings of every piece, in the order of the feed.
pub(super) struct Line {
    shared: Arc<Shared>,
    decoder: Decoder,
}

impl Line {
    pub(super) fn new(feed: Feed, policies: Policies) -> Self {
        let (schemas, policies) = (Arc::default(), Arc::new(policies));
        let decoder = Decoder::new(Arc::clone(&schemas), Arc::clone(&policies));
        let (progress, news, idle) = <_>::default();
        let shared = Shared { feed: Mutex::new(feed), progress, news, idle, schemas, policies, history: false };
        Self { shared: Arc::new(shared), decoder }
    }

    /// The same with histories; to be asked before the first reading.
    pub(super) fn with_history(mut self) -> Self {
        // nobody helps before the first reading
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.history = true;
        }
        self.decoder = self.shared.decoder();
        self
    }

    /// What is done about each reason.
    pub(super) fn policies(&self) -> &Policies {
        &self.shared.policies
    }

    /// Files that were opened so far.
    pub(super) fn files(&self) -> u64 {
        lock(&self.shared.feed).files()
    }

    /// Asks free threads of the pool for help when less than half of what may be ahead is.
    fn call_helpers(&self, progress: &mut Progress) {
        let threads = rayon::current_num_threads();
        let ahead = (progress.taken - progress.wanted) * 2 <= PIECES_PER_THREAD * threads as u64;
        while ahead && progress.has_room() && progress.helpers + 1 < threads {
            progress.helpers += 1;
            let shared = Arc::clone(&self.shared);
            rayon::spawn(move || shared.help());
        }
    }

    /// The readings of the next piece if they are there; else whether there will be any.
    fn collect(&mut self) -> Result<Vec<Reading>, bool> {
        let mut progress = lock(&self.shared.progress);
        let wanted = progress.wanted;
        self.call_helpers(&mut progress);
        let Some(decoded) = progress.decoded.remove(&wanted) else {
            return Err(!progress.closed || wanted < progress.taken);
        };
        progress.sizes.remove(&wanted);
        progress.wanted += 1;
        drop(progress);
        Ok(decoded.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// Waits until the next piece is decoded, which another thread is doing, or until the end is found.
    fn wait(&self) {
        let progress = lock(&self.shared.progress);
        let waiting = |progress: &mut Progress| {
            let (wanted, taken) = (progress.wanted, progress.taken);
            !progress.decoded.contains_key(&wanted) && wanted < taken
        };
        drop(self.shared.news.wait_while(progress, waiting));
    }
}

impl Iterator for Line {
    type Item = Vec<Reading>;

    fn next(&mut self) -> Option<Vec<Reading>> {
        loop {
            match self.collect() {
                Ok(readings) => return Some(readings),
                Err(false) => return None,
                Err(true) => match self.shared.take(&mut self.decoder) {
                    Some(taken) => self.shared.decode(&mut self.decoder, taken),
                    None => self.wait(),
                },
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        lock(&self.shared.progress).closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ztf::decode::tests::booleans;
    use crate::ztf::feed::Source;

    /// Files of 3 kB of which 4 MB come each.
    #[test]
    fn what_grows_in_memory_is_not_decoded_far_ahead() {
        let folder = tempfile::tempdir().unwrap();
        let source = |i: usize| Source { label: i.to_string(), path: folder.path().join(i.to_string()) };
        let sources: Vec<Source> = (0..4 * LANES).map(source).collect();
        for source in &sources {
            std::fs::write(&source.path, booleans(3000)).unwrap();
        }
        let line = Line::new(Feed::new(sources), Policies::default());
        lock(&line.shared.progress).helpers = 1;
        line.shared.help();
        let progress = lock(&line.shared.progress);
        assert_eq!(progress.taken, LANES as u64, "{} bytes ahead", progress.sizes.values().sum::<usize>());
        drop(progress);
        assert_eq!(line.map(|readings| readings.len()).sum::<usize>(), 4 * LANES * 3000);
    }
}
