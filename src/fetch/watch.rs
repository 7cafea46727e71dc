//! What is told while files come, and how many ended in which way. Knows neither the network nor the disk.

use super::fault::Fault;

/// Hears what happens.
pub trait Watch {
    /// Something happened.
    fn hear(&self, event: &Event);
}

/// What happens while files come.
#[derive(Debug)]
pub enum Event<'a> {
    /// A file begins to come.
    Begun {
        /// Its name in the folder.
        name: &'a str,
        /// Bytes of it that are here already.
        here: u64,
        /// Bytes in all, where the server says so.
        whole: Option<u64>,
    },
    /// So many bytes of the file are here.
    Came(u64),
    /// The next try waits.
    Waits {
        /// For so long, seconds.
        seconds: f64,
        /// What went wrong.
        why: &'a str,
    },
    /// Something about a file that people should know.
    Note {
        /// Its name in the folder.
        name: &'a str,
        /// What to know.
        what: &'a str,
    },
    /// A file came to its end.
    Ended {
        /// Its name in the folder.
        name: &'a str,
        /// How it ended.
        fate: &'a Result<Fate, Fault>,
    },
}

/// How a wanted file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was there already.
    Kept,
    /// It has come, so many bytes.
    Fetched(u64),
    /// The server has no such file.
    Absent,
}

/// How many files ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files that came.
    pub fetched: u64,
    /// Files that were there.
    pub kept: u64,
    /// Files that the server does not have.
    pub absent: u64,
    /// Files that did not come.
    pub failed: u64,
    /// Bytes of the files that came.
    pub bytes: u64,
}
