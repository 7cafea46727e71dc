//! Alerts from the network into a local folder: nights of the public archive, packets and light curves of a broker.
//! Knows neither stages nor caches, and prints nothing: it tells a [`Watch`]. Nobody else speaks HTTP.

pub mod broker;
pub mod fault;
mod folder;
pub mod http;
pub mod night;
mod part;
pub mod watch;

use std::path::Path;

use fault::{Fault, Trouble};
use folder::{Folder, State};
use http::{Client, Manners, Request};
use part::{Digests, Part};
pub use watch::{Event, Fate, Tally, Watch};

/// A file that is wanted as the server sends it.
pub struct Wanted {
    /// Its name in the folder, with `/`.
    pub name: String,
    /// How to ask for it.
    pub request: Request,
    /// Its MD5 sum in small hexadecimal digits, where it is published.
    pub md5: Option<String>,
    /// Says what is wrong with a file that has come whole; gets its place.
    pub check: Box<dyn Fn(&Path) -> Result<(), String>>,
}

impl Wanted {
    /// What is wrong with what has come.
    fn judge(&self, path: &Path, digests: &Digests) -> Result<(), String> {
        match &self.md5 {
            Some(md5) if *md5 != digests.md5 => Err(format!("its MD5 sum is {}, not {md5}", digests.md5)),
            _ => (self.check)(path),
        }
    }
}

/// How careful to be.
#[derive(Clone, Copy, Debug)]
pub struct Care {
    /// Hash files that are there again, instead of comparing their sizes only.
    pub verify: bool,
    /// Largest answer, bytes.
    pub limit: u64,
}

/// A folder that is being filled. While it lives, no other process fills the same folder.
pub struct Fetch<'a> {
    client: Client,
    folder: Folder,
    care: Care,
    watch: &'a dyn Watch,
    tally: Tally,
}

impl<'a> Fetch<'a> {
    /// Makes and locks the folder; asks for nothing yet.
    pub fn open(root: &Path, manners: Manners, care: Care, watch: &'a dyn Watch) -> Result<Self, Fault> {
        let folder = Folder::open(root)?;
        Ok(Self { client: Client::new(manners), folder, care, watch, tally: Tally::default() })
    }

    /// What was done so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether a file is there as it was fetched; tells of a damaged one.
    fn is_here(&self, name: &str) -> Result<bool, Fault> {
        let state = self.folder.state(name, self.care.verify)?;
        if let State::Damaged(what) = &state {
            self.watch.hear(&Event::Note { name, what: &format!("{what}; fetching it again") });
        }
        Ok(matches!(state, State::Whole))
    }

    /// Whether a file came from an address that ends so; tells of one that did not.
    fn came_from(&self, name: &str, end: &str) -> bool {
        let source = self.folder.source(name);
        if !source.ends_with(end) {
            let what = format!("what is there came from another broker ({source}); fetching it anew");
            self.watch.hear(&Event::Note { name, what: &what });
        }
        source.ends_with(end)
    }

    /// Brings one file, and counts and tells how that ended. An error is one after which no other file would fare better.
    fn bring(&mut self, name: &str, how: impl FnOnce(&mut Self) -> Result<Fate, Fault>) -> Result<Option<Fate>, Fault> {
        let fate = how(self);
        self.watch.hear(&Event::Ended { name, fate: &fate });
        match fate {
            Ok(Fate::Kept) => self.tally.kept += 1,
            Ok(Fate::Absent) => self.tally.absent += 1,
            Ok(Fate::Fetched(bytes)) => {
                self.tally.fetched += 1;
                self.tally.bytes += bytes;
            }
            Err(_) => self.tally.failed += 1,
        }
        match fate {
            Err(fault) if !fault.is_of_one_file() => Err(fault),
            fate => Ok(fate.ok()),
        }
    }

    /// A file that is not here, as the server sends it, in several tries if need be.
    fn file(&mut self, wanted: &Wanted) -> Result<Fate, Fault> {
        if self.folder.state(&wanted.name, false)? == State::Foreign {
            return self.adopt(wanted);
        }
        let mut part = Part::of(&self.folder.path(&wanted.name))?;
        if self.folder.is_whole(&wanted.name, part.path())? {
            return part.finish().map(|()| Fate::Kept);
        }
        let (limit, watch, mut was_wrong) = (self.care.limit, self.watch, false);
        let came = self.client.try_again(watch, |client| {
            let Some(source) = part.come(client, wanted, limit, watch)? else { return Ok(None) };
            let digests = part.digests()?;
            let Err(what) = wanted.judge(part.path(), &digests) else { return Ok(Some((source, digests))) };
            part.restart()?;
            // Once more from the start, for something may have gone wrong on the way; not more often, for it may be large.
            if std::mem::replace(&mut was_wrong, true) {
                return Err(Fault::Wrong { name: wanted.name.clone(), what }.into());
            }
            Err(Trouble::passing(&source, what, None))
        })?;
        let Some((source, digests)) = came else { return Ok(Fate::Absent) };
        // The record first: whoever finds the file finds how it should be, at whatever instant this process is killed.
        self.folder.record(&wanted.name, digests.size, &digests.blake3, &source)?;
        part.finish().map(|()| Fate::Fetched(digests.size))
    }

    /// Takes a file that somebody else has put there for its own if its sum is right.
    fn adopt(&mut self, wanted: &Wanted) -> Result<Fate, Fault> {
        let path = self.folder.path(&wanted.name);
        let digests = part::digests(&path)?;
        if wanted.md5.as_ref() != Some(&digests.md5) {
            return Err(Fault::Foreign { path });
        }
        self.folder.record(&wanted.name, digests.size, &digests.blake3, "")?;
        Ok(Fate::Kept)
    }

    /// Largest text that is held in memory, bytes.
    fn text_limit(&self) -> u64 {
        self.care.limit.min(http::TEXT_LIMIT)
    }

    /// An answer as text; `None` where there is no such thing.
    fn text(&mut self, request: &Request) -> Result<Option<String>, Fault> {
        let limit = self.text_limit();
        self.client.try_again(self.watch, |client| client.text(request, limit))
    }

    /// The text of a file that is there.
    fn read(&self, name: &str) -> Result<String, Fault> {
        let path = self.folder.path(name);
        fault::at(&path, "cannot read", std::fs::read_to_string(&path))
    }

    /// Puts a text in a file of the folder, unless that holds it already.
    fn put(&mut self, name: &str, text: &str, source: &str) -> Result<Fate, Fault> {
        let (size, digest) = (text.len() as u64, blake3::hash(text.as_bytes()).to_hex());
        match self.folder.state(name, true)? {
            State::Foreign => return Err(Fault::Foreign { path: self.folder.path(name) }),
            State::Whole if self.folder.is_recorded_as(name, &digest) => return Ok(Fate::Kept),
            _ => {}
        }
        let part = Part::of(&self.folder.path(name))?;
        part.write(text.as_bytes())?;
        self.folder.record(name, size, &digest, source)?;
        part.finish().map(|()| Fate::Fetched(size))
    }
}
