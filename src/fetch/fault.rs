//! What goes wrong while files come, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// Why a file did not come.
#[derive(Debug, Error)]
pub enum Fault {
    /// The folder is being filled by another process.
    #[error("another estampa is fetching into {0}: wait for it, or choose another folder")]
    Busy(PathBuf),
    /// Something on the disk failed. What has come so far stays.
    #[error("{doing} {path}: {source}; what has come so far is kept: run the same command again to go on")]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// There is a file that was not fetched, and nothing says whether it is right.
    #[error("{path} is there but was not fetched by estampa, and no published sum says that it is right: move it away")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Every try failed.
    #[error("{url}: {why}; gave up after {tries} tries: run the same command again later to go on where it stopped")]
    GaveUp {
        /// What was asked for.
        url: String,
        /// What went wrong last.
        why: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The server asks to wait for longer than anybody wants to.
    #[error("{url}: {why}, and the server asks to come back in {seconds} s: run the same command again after that")]
    Later {
        /// What was asked for.
        url: String,
        /// What went wrong.
        why: String,
        /// Seconds to wait.
        seconds: u64,
    },
    /// The server refuses, or the address is wrong: asking again would not help.
    #[error("{url}: {why}; asking again would not help: look at the address, and at `--base` if you gave one")]
    Refused {
        /// What was asked for.
        url: String,
        /// The server's or the client's words.
        why: String,
    },
    /// The answer is larger than allowed.
    #[error("{url}: the answer is larger than {limit} bytes: if that is right, give a larger `--max-size`")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit, bytes.
        limit: u64,
    },
    /// What came is not what was asked for, twice.
    #[error("{name}: {what}; nothing of it was kept: if that lasts, tell the keeper of the server")]
    Wrong {
        /// The file.
        name: String,
        /// What is wrong with it.
        what: String,
    },
}

impl Fault {
    /// Whether other files may come although this one does not.
    pub fn is_of_one_file(&self) -> bool {
        matches!(self, Self::Wrong { .. } | Self::Foreign { .. } | Self::TooLarge { .. } | Self::Refused { .. })
    }
}

/// The result of an operation on the disk, with what was tried and where.
pub(super) fn at<T>(path: &Path, doing: &'static str, result: io::Result<T>) -> Result<T, Fault> {
    result.map_err(|source| Fault::Disk { doing, path: path.to_path_buf(), source })
}

/// Why one try failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Another try may do.
    Passing {
        /// What was asked for.
        url: String,
        /// What went wrong.
        why: String,
        /// How long the server asks to wait.
        after: Option<Duration>,
        /// Whether enough has come that this counts as a first try.
        has_moved: bool,
    },
    /// Another try would not.
    Lasting(Fault),
}

impl Trouble {
    /// A passing trouble with a request.
    pub(super) fn passing(url: &str, why: impl ToString, after: Option<Duration>) -> Self {
        Self::Passing { url: url.to_string(), why: why.to_string(), after, has_moved: false }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Lasting(fault)
    }
}
