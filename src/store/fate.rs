//! What happens to the disk in a test: operations fail one by one, in pairs, or all from some moment on; and which
//! contents were on the disk for good when the power was cut.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

/// How an operation goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    /// Nothing happens, and the system says so.
    Refused,
    /// Half of the bytes are written, and the system says so. Of what is read, half arrives, and nobody says so.
    Torn,
    /// It happens, and the system says that it did not, as when a server's answer is lost.
    Unheard,
}

/// Which operations go wrong, counted from 0.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// These do.
    pub(super) blows: Vec<(usize, Blow)>,
    /// This one does, and all after it are refused, as for a process that was killed.
    pub(super) dies: Option<(usize, Blow)>,
    /// Names of the operations so far.
    pub(super) log: Mutex<Vec<&'static str>>,
    /// Inodes whose contents are on the disk for good.
    pub(super) synced: Mutex<HashSet<u64>>,
    /// Times of last change that inodes seem to have: what a power cut leaves cannot be made by writing files.
    pub(super) times: Mutex<HashMap<u64, u64>>,
}

impl Fate {
    /// Decides about the next operation.
    pub(super) fn next(&self, name: &'static str) -> Option<Blow> {
        let mut log = self.log.lock().expect("no panic while counting");
        let number = log.len();
        log.push(name);
        match self.dies {
            Some((at, _)) if number > at => return Some(Blow::Refused),
            Some((at, blow)) if number == at => return Some(blow),
            _ => {}
        }
        self.blows.iter().find(|(at, _)| *at == number).map(|(_, blow)| *blow)
    }

    /// Whether the process is dead.
    pub(super) fn is_dead(&self) -> bool {
        let count = self.log.lock().expect("no panic while counting").len();
        self.dies.is_some_and(|(at, _)| count > at)
    }

    /// A file or folder is on the disk for good.
    pub(super) fn keep(&self, meta: &fs::Metadata) {
        self.synced.lock().expect("no panic while keeping").insert(meta.ino());
    }

    /// The time of last change that a file seems to have.
    pub(super) fn changed(&self, meta: &fs::Metadata) -> Option<u64> {
        self.times.lock().expect("no panic while reading").get(&meta.ino()).copied()
    }
}

/// The error of an operation that went wrong.
pub(super) fn refusal() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}
