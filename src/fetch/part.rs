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
        Ok(Self { path: beside("part"), validator: beside("validator"), target: target.to_path_buf(), furthest: 0 })
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
        let (url, rest) = (&wanted.request.url, self.rest());
        let asked = rest.as_ref().map(|(here, validator)| (*here, validator.as_str()));
        let Some(mut answer) = client.send(&wanted.request, asked)? else { return Ok(None) };
        let here = match (answer.status, &rest) {
            (200, _) => 0,
            (206, Some((here, _))) if begin_of_range(&answer) == Some(*here) => *here,
            _ => {
                self.restart()?;
                return Err(Trouble::passing(url, "the server does not go on where the part on disk ends", None));
            }
        };
        let whole = answer.length.map(|length| here + length);
        if whole.is_some_and(|whole| whole > limit) {
            return Err(Fault::TooLarge { url: url.clone(), limit }.into());
        }
        watch.hear(&Event::Begun { name: &wanted.name, here, whole });
        let came = self.write_on(&mut answer, here, limit, url, watch);
        match came {
            Ok(size) if whole.is_some_and(|whole| whole != size) => {
                Err(Trouble::passing(url, "the answer ended early", None))
            }
            Err(Trouble::Lasting(fault @ Fault::TooLarge { .. })) => {
                self.restart()?;
                Err(fault.into())
            }
            came => came.map(|_| Some(url.clone())),
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

/// What a server promises to change with the file: a strong tag, or the time of the last change.
fn validator(answer: &Answer) -> Option<String> {
    let tag = answer.header("etag").filter(|tag| tag.starts_with('"'));
    tag.or_else(|| answer.header("last-modified")).map(String::from)
}

/// First byte of a part of a file, from `Content-Range: bytes FIRST-LAST/ALL`.
fn begin_of_range(answer: &Answer) -> Option<u64> {
    answer.header("content-range")?.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
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
