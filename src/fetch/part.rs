//! A file while it comes: `.NAME.part`, with what tells whether the rest still belongs to it in `.NAME.validator`.
//! Both are hidden, so that `load` passes them by. Knows no record of what was fetched.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::fault::{Fault, Trouble, at};
use super::http::{Answer, Client};
use super::{Event, Wanted, Watch};

/// Bytes beyond all tries before it that have to come for a try to count as one that moved on.
const MOVED: u64 = 1 << 20;

/// The place of a file that is not whole yet.
pub(super) struct Part {
    path: PathBuf,
    validator: PathBuf,
    target: PathBuf,
    /// Most bytes that were here in this process.
    furthest: u64,
    /// Whether the last answer was a part and did not say of how many bytes: the file ends where the server has no more.
    is_open: bool,
}

/// What came of one request.
enum Came {
    /// The file is whole.
    All,
    /// Its bytes up to this one, and there are more.
    Range { end: u64 },
    /// There is no such file.
    Nothing,
}

/// A part of a file, from `Content-Range: bytes FIRST-LAST/ALL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u64,
    last: u64,
    /// Bytes of the file; `None` where the server says `*`.
    all: Option<u64>,
}

impl Range {
    fn of(answer: &Answer) -> Option<Self> {
        Self::parse(answer.header("content-range")?)
    }

    fn parse(text: &str) -> Option<Self> {
        let (bytes, all) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = bytes.split_once('-')?;
        let all = if all == "*" { None } else { Some(all.trim().parse().ok()?) };
        Some(Self { first: first.trim().parse().ok()?, last: last.trim().parse().ok()?, all })
    }

    fn is_sound(self) -> bool {
        self.first <= self.last && self.last < self.all.unwrap_or(u64::MAX)
    }
}

/// What identifies the contents of a file.
pub(super) struct Digests {
    pub(super) size: u64,
    pub(super) md5: String,
    pub(super) blake3: String,
}

impl Part {
    /// Of the file that will be `target`; makes its folder.
    pub(super) fn of(target: &Path) -> Result<Self, Fault> {
        let folder = target.parent().unwrap_or(Path::new("."));
        at(folder, "cannot make the folder", fs::create_dir_all(folder))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let beside = |end: &str| folder.join(format!(".{name}.{end}"));
        Ok(Self {
            path: beside("part"),
            validator: beside("validator"),
            target: target.to_path_buf(),
            furthest: 0,
            is_open: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that are here, and what they were part of; `None` when it has to begin anew.
    fn rest(&self) -> Option<(u64, String)> {
        let validator = fs::read_to_string(&self.validator).ok().filter(|text| !text.is_empty())?;
        let here = fs::metadata(&self.path).ok()?.len();
        (here > 0).then_some((here, validator))
    }

    /// Forgets what has come.
    pub(super) fn restart(&self) -> Result<(), Fault> {
        for path in [&self.path, &self.validator] {
            match fs::remove_file(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => at(path, "cannot remove", removed)?,
            }
        }
        Ok(())
    }

    /// One try to get all that is missing: the address it came from, or `None` where there is no such file.
    pub(super) fn come(
        &mut self,
        client: &mut Client,
        wanted: &Wanted,
        limit: u64,
        watch: &dyn Watch,
    ) -> Result<Option<String>, Trouble> {
        let (mut has_moved, mut told) = (false, false);
        loop {
            match self.come_on(client, wanted, limit, watch, &mut told) {
                Ok(Came::All) => return Ok(Some(wanted.request.url.clone())),
                Ok(Came::Nothing) => return Ok(None),
                Ok(Came::Range { end }) => {
                    has_moved |= end > self.furthest;
                    self.furthest = self.furthest.max(end);
                }
                Err(Trouble::Passing { url, why, after, has_moved: now }) => {
                    return Err(Trouble::Passing { url, why, after, has_moved: has_moved || now });
                }
                Err(lasting) => return Err(lasting),
            }
        }
    }

    /// One request for what is missing. A server may send less than that. `told`: whether anybody heard that it comes.
    fn come_on(
        &mut self,
        client: &mut Client,
        wanted: &Wanted,
        limit: u64,
        watch: &dyn Watch,
        told: &mut bool,
    ) -> Result<Came, Trouble> {
        let (url, rest) = (&wanted.request.url, self.rest());
        let asked = rest.as_ref().map(|(here, validator)| (*here, validator.as_str()));
        let Some(mut answer) = client.send(&wanted.request, asked)? else { return Ok(Came::Nothing) };
        let range = Range::of(&answer);
        let (here, end, whole) = match (answer.status, &rest, range) {
            (200, ..) => (0, answer.length, answer.length),
            (206, Some((here, _)), Some(range)) if range.is_sound() && range.first == *here => {
                (*here, Some(range.last + 1), range.all)
            }
            (416, Some((here, _)), _) if length_of_all(&answer).map_or(self.is_open, |all| all == *here) => {
                return Ok(Came::All);
            }
            _ => {
                self.restart()?;
                return Err(Trouble::passing(url, "the server does not go on where the part on disk ends", None));
            }
        };
        self.is_open = answer.status == 206 && whole.is_none();
        if whole.max(end).is_some_and(|bytes| bytes > limit) {
            return Err(Fault::TooLarge { url: url.clone(), limit }.into());
        }
        if !std::mem::replace(told, true) {
            watch.hear(&Event::Begun { name: &wanted.name, here, whole });
        }
        let came = self.write_on(&mut answer, here, limit, url, watch);
        match came {
            Ok(size) if end.is_some_and(|end| end < size) => {
                self.restart()?;
                Err(Trouble::passing(url, "the answer is longer than it says", None))
            }
            Ok(size) if end.is_some_and(|end| end > size) => Err(Trouble::passing(url, "the answer ended early", None)),
            Err(Trouble::Lasting(fault @ Fault::TooLarge { .. })) => {
                self.restart()?;
                Err(fault.into())
            }
            Ok(size) if self.is_open || whole.is_some_and(|whole| whole > size) => Ok(Came::Range { end: size }),
            came => came.map(|_| Came::All),
        }
    }

    /// Appends what comes to the bytes that are here; the bytes in all.
    fn write_on(
        &mut self,
        answer: &mut Answer,
        here: u64,
        limit: u64,
        url: &str,
        watch: &dyn Watch,
    ) -> Result<u64, Trouble> {
        let file = OpenOptions::new().create(true).truncate(here == 0).append(here > 0).write(true).open(&self.path);
        let mut file = at(&self.path, "cannot open", file)?;
        if here == 0 {
            let validator = validator(answer).unwrap_or_default();
            at(&self.validator, "cannot write", fs::write(&self.validator, validator))?;
        }
        let (mut size, mut buffer) = (here, vec![0; 1 << 17]);
        loop {
            let read = match answer.body.read(&mut buffer) {
                Ok(0) => return Ok(size),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(read) => read,
                Err(error) => {
                    let has_moved = size >= self.furthest.max(here) + MOVED;
                    self.furthest = self.furthest.max(size);
                    let (url, why) = (url.to_string(), error.to_string());
                    return Err(Trouble::Passing { url, why, after: None, has_moved });
                }
            };
            size += read as u64;
            if size > limit {
                return Err(Fault::TooLarge { url: url.to_string(), limit }.into());
            }
            at(&self.path, "cannot write", file.write_all(&buffer[..read]))?;
            watch.hear(&Event::Came(size));
        }
    }

    /// Puts all of it there at once.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), Fault> {
        at(&self.path, "cannot write", fs::write(&self.path, bytes))
    }

    /// Digests of what has come.
    pub(super) fn digests(&self) -> Result<Digests, Fault> {
        digests(&self.path)
    }

    /// Gives the whole file its name, once its bytes are on the disk.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        let synced = File::open(&self.path).and_then(|file| file.sync_all());
        at(&self.path, "cannot write", synced)?;
        at(&self.target, "cannot rename the part to", fs::rename(&self.path, &self.target))?;
        self.restart()
    }
}

/// Bytes of a file of which there is nothing where it was asked for, from `Content-Range: bytes */ALL`.
fn length_of_all(answer: &Answer) -> Option<u64> {
    answer.header("content-range")?.strip_prefix("bytes */")?.trim().parse().ok()
}

/// What a server promises to change with the file: a strong tag, or the time of the last change.
fn validator(answer: &Answer) -> Option<String> {
    let tag = answer.header("etag").filter(|tag| tag.starts_with('"'));
    tag.or_else(|| answer.header("last-modified")).map(String::from)
}

/// Digests of a file, read once.
pub(super) fn digests(path: &Path) -> Result<Digests, Fault> {
    let mut file = at(path, "cannot open", File::open(path))?;
    let (mut md5, mut blake3, mut buffer, mut size) = (md5::Context::new(), blake3::Hasher::new(), vec![0; 1 << 20], 0);
    loop {
        let read = at(path, "cannot read", file.read(&mut buffer))?;
        if read == 0 {
            break;
        }
        md5.consume(&buffer[..read]);
        blake3.update(&buffer[..read]);
        size += read as u64;
    }
    Ok(Digests { size, md5: format!("{:x}", md5.finalize()), blake3: blake3.finalize().to_hex().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_with_and_without_the_whole() {
        let range = |first, last, all| Some(Range { first, last, all });
        assert_eq!(Range::parse("bytes 200-299/901"), range(200, 299, Some(901)));
        assert_eq!(Range::parse("bytes 200-299/*"), range(200, 299, None));
        for bad in ["bytes 200-299", "bytes */901", "items 0-1/2", "bytes -1-5/9", "bytes 0-1/many"] {
            assert_eq!(Range::parse(bad), None, "{bad}");
        }
        for (text, is_sound) in [("bytes 0-0/1", true), ("bytes 5-4/9", false), ("bytes 0-9/9", false)] {
            assert_eq!(Range::parse(text).unwrap().is_sound(), is_sound, "{text}");
        }
    }
}
