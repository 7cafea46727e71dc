//! Links in an artifact: those to files of other entries, which hold the bytes, and which of the others last. They are judged by
//! where they lead in the end. Nothing inside the cache is kept as a whole path: it can be moved, and what an entry needs is told.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::digest::FileRecord;
use super::entry::{self, Entry};
use super::key::Key;
use super::{DAMAGED, ENTRIES, Store, lock};

/// What is wrong with a link that does not last.
const ADVICE: &str = "which is no file once the stage is done; put the file itself there (`cp -rL`)";

impl Store {
    /// What a link directly in an entry's artifact says that leads to the file `name` of `entry`: relative, so that a cache can
    /// be moved.
    pub fn link_to(&self, entry: &Entry, name: &str) -> PathBuf {
        PathBuf::from(format!("{}{}/{}/{}/{name}", up(0), entry.kind, entry.key, entry::OUT))
    }

    /// The file of an intact entry to which `link` in the artifact `out` leads, and when it changed last; `None` for a link that
    /// lasts by itself. A whole path to such a file is written anew. `durable`: the file is on the disk then.
    pub(super) fn linked(&self, out: &Path, link: &Path, durable: bool) -> io::Result<Option<(FileRecord, u64)>> {
        let (target, up) = (link.read_link()?, up(depth(out, link)));
        let own = target.to_str().and_then(|text| text.strip_prefix(&up));
        let Some(path) = own.map_or_else(|| self.judge(out, link, &target), |path| Ok(Some(path.into())))? else {
            return Ok(None);
        };
        let absent =
            || io::Error::other(format!("it links to {}, which is no intact file of an entry", target.display()));
        let (place, record, time) = self.file_of_entry(&path).ok_or_else(absent)?;
        if own.is_none() {
            self.disk.link_anew(link, format!("{up}{path}").as_ref()).map_err(|error| error.source)?;
        }
        if durable {
            self.sync_file_of(&place, &record.name).map_err(|error| error.source)?;
        }
        Ok(Some((record, time)))
    }

    /// Where a link leads below the folder of all entries, or `None` if it lasts as it is: within its artifact from wherever that
    /// will be, or by a whole path to a file of the user.
    fn judge(&self, out: &Path, link: &Path, target: &Path) -> io::Result<Option<String>> {
        let refused = || io::Error::other(format!("it links to {}, {ADVICE}", target.display()));
        let (root, out_there) = (self.root.canonicalize()?, out.canonicalize()?);
        let real = link.canonicalize().map_err(|_| refused())?;
        let stays = stays(depth(out, link), target);
        if real.starts_with(&out_there) {
            return if stays { Ok(None) } else { Err(refused()) };
        }
        if let Ok(inside) = real.strip_prefix(root.join(ENTRIES)) {
            return inside.to_str().filter(|_| real.is_file()).map(|path| Some(path.into())).ok_or_else(refused);
        }
        let is_ours = [lock::FOLDER, DAMAGED].iter().any(|folder| real.starts_with(root.join(folder)));
        if is_ours || !real.is_file() || !(stays || target.is_absolute()) {
            return Err(refused());
        }
        // A file of the user, perhaps by way of a link in another entry.
        if target.parent().and_then(|folder| folder.canonicalize().ok()).is_some_and(|folder| folder.starts_with(&root))
        {
            self.disk.link_anew(link, &real).map_err(|error| error.source)?;
        }
        Ok(None)
    }

    /// The place of an intact entry, its file, and when that changed last, by the path below the folder of all entries.
    fn file_of_entry(&self, path: &str) -> Option<(PathBuf, FileRecord, u64)> {
        let (kind, key, name) = parts(path)?;
        let place = self.place(kind, &key);
        // First the time: a change after it is seen by it, a change before it by the look-up.
        let time = self.disk.changed(&self.disk.stat(&place.join(entry::OUT).join(name)).ok()?);
        let record = self.lookup(kind, &key)?.meta()?.files.into_iter().find(|file| file.name == name)?;
        Some((place, FileRecord { held_by: Some(format!("{kind}/{key}")), ..record }, time))
    }
}

/// How many folders below the artifact a link is.
fn depth(out: &Path, link: &Path) -> usize {
    link.strip_prefix(out).map_or(0, |path| path.iter().count().saturating_sub(1))
}

/// From so many folders below an artifact up to the folder of all entries.
fn up(depth: usize) -> String {
    "../".repeat(depth + 3)
}

/// Whether a link so many folders below an artifact leads to a place in it, wherever that is.
fn stays(depth: usize, target: &Path) -> bool {
    let depth = target.components().try_fold(depth, |depth, step| match step {
        Component::ParentDir => depth.checked_sub(1),
        Component::Normal(_) => Some(depth + 1),
        Component::CurDir => Some(depth),
        _ => None,
    });
    depth.is_some()
}

/// Kind, key and name of a file of an entry in the path from the folder of all entries on.
fn parts(path: &str) -> Option<(&str, Key, &str)> {
    let mut steps = path.splitn(4, '/');
    let (kind, key) = (steps.next()?, Key::parse(steps.next()?)?);
    let name = steps.next().filter(|step| *step == entry::OUT).and(steps.next())?;
    Some((kind, key, name))
}
