//! Whether locks work where the cache is: on a file system that several machines share, a lock must be seen by all of
//! them. Knows nothing of keys and entries.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::disk::Disk;
use super::{Result, at};

/// File systems by the start of their name, and options under which their locks stay on one machine.
const DEAF: [(&str, &[&str]); 5] = [
    ("nfs", &["nolock", "local_lock=all", "local_lock=flock", "local_lock=posix"]),
    ("lustre", &["localflock", "noflock"]),
    ("cifs", &["nobrl"]),
    ("smb", &["nobrl"]),
    ("ceph", &["nolock"]),
];

/// File systems that never pass a lock on.
const MUTE: [&str; 5] = ["fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.mount-s3"];

/// Refuses a cache in `root` whose locks other machines would not see, or that cannot be locked at all. `is_new`: the
/// folder was made just now, so that a try at a lock is worth its time.
pub(super) fn check(disk: &Disk, root: &Path, is_new: bool) -> Result<()> {
    let meta = at(root, "cannot read", disk.stat(root))?;
    // Disks of this machine have a number of their own. Nobody asks for the list of mounts then.
    let shared = if rustix::fs::major(meta.dev()) == 0 { mount(root) } else { None };
    if let Some(mount) = &shared {
        at(root, "cannot be locked", mount.verdict().map_err(io::Error::other))?;
    }
    if is_new || shared.is_some_and(|mount| mount.is_remote()) { try_lock(disk, root) } else { Ok(()) }
}

/// The mount that holds `root`, as the system tells it.
fn mount(root: &Path) -> Option<Mount> {
    let mounts = fs::read("/proc/self/mounts").ok()?;
    Mount::of(&String::from_utf8_lossy(&mounts), &root.canonicalize().ok()?)
}

/// Two openings of one file must exclude each other.
fn try_lock(disk: &Disk, root: &Path) -> Result<()> {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let path = root.join(format!("probe-{}-{nanos}", std::process::id()));
    let probe = || {
        // That nothing can be written here is found out, and said better, by whoever has something to write.
        let (Ok(Some(one)), Ok(Some(two))) = (disk.open_lock(&path), disk.open_lock(&path)) else { return Ok(()) };
        at(root, "cannot be locked", one.try_lock().map_err(io::Error::from))?;
        let whole = matches!(two.try_lock(), Err(fs::TryLockError::WouldBlock));
        // Some file systems make both kinds of lock from one.
        let _ = one.unlock();
        let bytes = at(root, "cannot be locked", disk.lock_byte(&one, 1))?
            && !at(root, "cannot be locked", disk.lock_byte(&two, 1))?;
        let ignored = || Err(io::Error::other("this file system ignores locks"));
        if whole && bytes { Ok(()) } else { at(root, "cannot be locked", ignored()) }
    };
    let tried = probe();
    let _ = disk.remove_file(&path);
    tried
}

/// One line of the list of mounts.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    point: PathBuf,
    kind: String,
    options: String,
}

impl Mount {
    /// The mount of `path`: of those above it the deepest, and the last of equals.
    fn of(mounts: &str, path: &Path) -> Option<Self> {
        let mounts = mounts.lines().filter_map(Self::parse).filter(|mount| path.starts_with(&mount.point));
        mounts.max_by_key(|mount| mount.point.components().count())
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ').skip(1);
        let point = unescaped(fields.next()?);
        Some(Self { point, kind: fields.next()?.into(), options: fields.next()?.into() })
    }

    /// Whether it is of a kind that other machines may have too.
    fn is_remote(&self) -> bool {
        MUTE.contains(&self.kind.as_str()) || DEAF.iter().any(|(kind, _)| self.kind.starts_with(kind))
    }

    /// Why its locks cannot be trusted.
    fn verdict(&self) -> std::result::Result<(), String> {
        let place = format!("{} ({})", self.point.display(), self.kind);
        if MUTE.contains(&self.kind.as_str()) {
            return Err(format!("{place} does not pass locks on to other machines"));
        }
        let options = DEAF.iter().filter(|(kind, _)| self.kind.starts_with(kind)).flat_map(|(_, options)| *options);
        match options.into_iter().find(|option| self.options.split(',').any(|o| o == **option)) {
            Some(option) => Err(format!("{place} is mounted with `{option}`: other machines would not see its locks")),
            None => Ok(()),
        }
    }
}

/// Spaces and the like are written as octal numbers in the list of mounts.
fn unescaped(text: &str) -> PathBuf {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let number = after.get(..3).and_then(|d| str::from_utf8(d).ok()).and_then(|d| u8::from_str_radix(d, 8).ok());
        match number {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw,vers=4.2,hard,proto=tcp,local_lock=none,addr=10.0.0.1 0 0
server:/old /home/old nfs rw,vers=3,nolock,proto=tcp,local_lock=all,addr=10.0.0.1 0 0
server:/half /home/half nfs rw,vers=3,proto=tcp,local_lock=flock 0 0
server:/posix /home/posix nfs rw,vers=3,proto=tcp,local_lock=posix 0 0
10.0.0.2@tcp:/fs /scratch lustre rw,flock,lazystatfs 0 0
10.0.0.2@tcp:/fs /scratch2 lustre rw,localflock 0 0
//server/share /mnt/two\\040words cifs rw,nobrl 0 0
me@host:/ /mnt/ssh fuse.sshfs rw,user_id=0 0 0
tmpfs /mnt/over tmpfs rw 0 0
server:/over /mnt/over nfs4 rw,nolock 0 0
";

    fn verdict(path: &str) -> std::result::Result<(), String> {
        Mount::of(MOUNTS, path.as_ref()).unwrap().verdict()
    }

    #[test]
    fn locks_that_reach_all_machines_are_fine() {
        for path in ["/", "/srv/cache", "/home/me/cache", "/home/older", "/scratch/cache"] {
            assert_eq!(verdict(path), Ok(()), "{path}");
        }
        assert!(Mount::of(MOUNTS, "/home/me".as_ref()).unwrap().is_remote());
        assert!(!Mount::of(MOUNTS, "/srv".as_ref()).unwrap().is_remote());
    }

    #[test]
    fn locks_that_stay_on_one_machine_are_named_with_mount_and_option() {
        let cases = [
            ("/home/old/cache", "/home/old (nfs) is mounted with `nolock`"),
            ("/home/half", "`local_lock=flock`"),
            ("/home/posix/cache", "`local_lock=posix`"),
            ("/scratch2/a/b", "/scratch2 (lustre) is mounted with `localflock`"),
            ("/mnt/two words/cache", "/mnt/two words (cifs) is mounted with `nobrl`"),
            ("/mnt/ssh/cache", "/mnt/ssh (fuse.sshfs) does not pass locks on"),
            ("/mnt/over/cache", "/mnt/over (nfs4) is mounted with `nolock`"),
        ];
        for (path, text) in cases {
            assert!(verdict(path).unwrap_err().contains(text), "{path}: {:?}", verdict(path));
        }
    }

    #[test]
    fn a_file_system_with_locks_passes_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        check(&Disk::default(), root.path(), true).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
