//! The two newest checkpoints of a training run as files. Knows bytes only.
//!
//! A checkpoint is written aside, synced and renamed, and ends with a digest of all that is before it: whatever a kill, a
//! full disk or a bad sector leaves, only whole checkpoints are read, and the one before is there when the newest is not.

use std::fs;
use std::io;
use std::path::Path;

use crate::nn::checkpoint::write_whole;

/// The newest checkpoint.
const LATEST: &str = "latest";
/// The one before it.
const EARLIER: &str = "earlier";
/// The newest one until it is whole and renamed.
const NEXT: &str = "next";
/// What the digest is of; another layout of checkpoints gets another text, so that old ones are not read.
const CONTEXT: &str = "estampa 2026-11 checkpoint of a training run, layout 3";

fn seal(content: &[u8]) -> blake3::Hash {
    blake3::Hasher::new_derive_key(CONTEXT).update(content).finalize()
}

/// Makes `content` the newest checkpoint in `folder`.
pub(super) fn store(folder: &Path, mut content: Vec<u8>) -> io::Result<()> {
    content.extend_from_slice(seal(&content).as_bytes());
    fs::create_dir_all(folder)?;
    let (next, latest) = (folder.join(NEXT), folder.join(LATEST));
    write_whole(&next, &content)?;
    if latest.exists() {
        fs::rename(&latest, folder.join(EARLIER))?;
    }
    fs::rename(next, latest)?;
    fs::File::open(folder)?.sync_all()
}

/// The contents of the whole checkpoints in `folder`, the newest first.
pub(super) fn whole(folder: &Path) -> impl Iterator<Item = Vec<u8>> {
    [LATEST, EARLIER].into_iter().filter_map(move |name| open(fs::read(folder.join(name)).ok()?))
}

/// The content before the digest, if the digest is its own.
fn open(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let end = bytes.len().checked_sub(blake3::OUT_LEN)?;
    let found = seal(&bytes[..end]).as_bytes() == &bytes[end..];
    bytes.truncate(end);
    found.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(folder: &Path) -> Vec<String> {
        whole(folder).map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }

    #[test]
    fn the_two_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(stored(folder.path()), [""; 0]);
        for (content, kept) in [("one", &["one"][..]), ("two", &["two", "one"]), ("three", &["three", "two"])] {
            store(folder.path(), content.into()).unwrap();
            assert_eq!(stored(folder.path()), kept);
        }
    }

    #[test]
    fn no_damage_is_overlooked() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path(), "one".into()).unwrap();
        store(folder.path(), "two".into()).unwrap();
        let path = folder.path().join(LATEST);
        let good = fs::read(&path).unwrap();
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert_eq!(stored(folder.path()), ["one"], "cut to {length} bytes");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 4;
            fs::write(&path, bad).unwrap();
            assert_eq!(stored(folder.path()), ["one"], "byte {at} changed");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(stored(folder.path()), ["one"], "killed between the two renames");
    }
}
