//! Proof by trial: every operation of the store on the disk fails, alone, in pairs, and as the last of a killed process;
//! the power is cut and what was not synced is lost. Never a wrong hit, and the next run ends with the right bytes.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::digest::files_below;
use super::disk::Disk;
use super::entry::{Entry, Meta};
use super::fate::{Blow, Fate};
use super::key::{Digest, Key, Parts};
use super::memory::Memory;
use super::{Found, Store, StoreError};

const KIND: &str = "command";
const BOOT: &str = "11111111";
const NEXT_BOOT: &str = "22222222";
const BLOWS: [Blow; 3] = [Blow::Refused, Blow::Torn, Blow::Unheard];

/// A stage of the trial: what it writes, how long it says that it took, whether it runs again although it is cached.
struct Work {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    seconds: f64,
    forced: bool,
}

/// The cache of a trial begins with `spoiled` (damaged) and `again`.
const WORKS: [Work; 4] = [
    Work { name: "slow", files: &[("a.txt", "took long"), ("below/b.txt", "more")], seconds: 2.0, forced: false },
    Work { name: "spoiled", files: &[("x.txt", "as it was written")], seconds: 0.1, forced: false },
    Work {
        name: "new",
        files: &[("n.txt", "new"), ("empty.txt", ""), ("m.txt", "newer")],
        seconds: 0.1,
        forced: false,
    },
    Work { name: "again", files: &[("f.txt", "the same bytes")], seconds: 0.1, forced: true },
];

impl Work {
    fn parts(&self) -> Parts {
        Parts(vec![("name".into(), self.name.into())])
    }

    fn key(&self) -> Key {
        self.parts().key()
    }

    fn meta(&self) -> Meta {
        Meta {
            key: self.key(),
            kind: KIND.into(),
            digest: Digest([0; 32]),
            parts: self.parts(),
            files: Vec::new(),
            stage: self.name.into(),
            seconds: self.seconds,
            created: 7,
            version: String::new(),
            cause: Vec::new(),
        }
    }

    fn write(&self, out: &Path) {
        for (name, text) in self.files {
            let path = out.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    /// A digest made the long way.
    fn digest(&self) -> Digest {
        static ALL: LazyLock<Vec<Digest>> = LazyLock::new(|| {
            let digest = |work: &Work| {
                let folder = trial_folder();
                work.write(folder.path());
                work.meta().seal(&Disk::default(), folder.path(), false).unwrap().0.digest
            };
            WORKS.iter().map(digest).collect()
        });
        ALL[WORKS.iter().position(|work| work.name == self.name).unwrap()]
    }

    /// Whether a hit is what this stage writes.
    fn is_right(&self, entry: &Entry) -> bool {
        let read = |name: &str| fs::read_to_string(entry.out().join(name));
        let right = |(name, text): &(&str, &str)| read(name).is_ok_and(|found| found == *text);
        entry.digest == self.digest() && self.files.iter().all(right)
    }
}

/// In memory where the system has such a folder: thousands of trials.
fn trial_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// What stopped a step.
#[derive(Debug)]
enum Stop {
    Failed,
    Busy,
    Dead,
    WrongHit,
}

impl From<StoreError> for Stop {
    fn from(_: StoreError) -> Self {
        Self::Failed
    }
}

/// One process after another in one cache.
struct Trial {
    root: TempDir,
}

impl Trial {
    /// A cache as the works expect it.
    fn new() -> Self {
        let trial = Self { root: trial_folder() };
        let store = trial.store(&Arc::default(), BOOT).unwrap();
        for work in WORKS.iter().filter(|work| ["spoiled", "again"].contains(&work.name)) {
            step(&store, work, &Fate::default()).unwrap();
        }
        let spoiled = store.place(KIND, &WORKS[1].key()).join("out/x.txt");
        fs::set_permissions(&spoiled, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(spoiled, "as it was never").unwrap();
        trial
    }

    fn store(&self, fate: &Arc<Fate>, boot: &str) -> Result<Store, StoreError> {
        Store::open_on(self.root.path(), Disk { fate: Some(fate.clone()) }, boot)
    }

    /// A process that wants all works; whether it got them.
    fn run(&self, fate: &Arc<Fate>, boot: &str) -> bool {
        let Ok(store) = self.store(fate, boot) else { return false };
        let stops: Vec<Stop> = WORKS.iter().filter_map(|work| step(&store, work, fate).err()).collect();
        assert!(!stops.iter().any(|stop| matches!(stop, Stop::WrongHit | Stop::Busy)), "{stops:?}");
        stops.is_empty()
    }

    /// Whether everything that is found is right.
    fn is_right(&self, fate: &Arc<Fate>, boot: &str) -> bool {
        let store = Store::view_on(self.root.path(), Disk { fate: Some(fate.clone()) }, boot);
        WORKS.iter().all(|work| match store.find(KIND, &work.key()) {
            Found::Intact(entry) => work.is_right(&entry),
            Found::Absent | Found::Damaged(_) => true,
        })
    }

    /// Nothing wrong is found; a run without faults gets everything, and then nothing is left to do or in the way.
    fn expect_recovery(&self, fate: &Arc<Fate>, boot: &str, what: &str) {
        assert!(self.is_right(fate, boot), "wrong hit after {what}");
        assert!(self.run(fate, boot), "no way on after {what}");
        assert!(self.is_right(fate, boot), "wrong hit after recovery from {what}");
        let store = self.store(fate, boot).unwrap();
        for work in &WORKS {
            assert!(store.lookup(KIND, &work.key()).is_some(), "{} is missing after {what}", work.name);
            store.claim(&work.key()).unwrap().expect("no stale lock").finish();
        }
        assert_eq!(store.unfinished(), [], "{what}");
    }

    /// Cuts the power: `spoil` decides about each file that was not synced. Gives the fate of the next start, in which
    /// all files seem to have the times that they had.
    fn cut_power(&self, fate: &Fate, spoil: impl Fn(&Path)) -> Arc<Fate> {
        let mut times = HashMap::new();
        for path in files_below(self.root.path()).unwrap() {
            let meta = fs::metadata(&path).unwrap();
            let time = fate.changed(&meta).unwrap_or_else(|| Disk::default().changed(&meta));
            times.insert(meta.ino(), time);
            if !fate.synced.lock().unwrap().contains(&meta.ino()) {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
                spoil(&path);
                if let Ok(file) = fs::File::options().write(true).open(&path) {
                    file.set_modified(meta.modified().unwrap()).unwrap();
                }
            }
        }
        Arc::new(Fate { times: times.into(), ..Fate::default() })
    }
}

/// The life of one step, as `execute` lives it.
fn step(store: &Store, work: &Work, fate: &Fate) -> Result<(), Stop> {
    let key = work.key();
    let right = |entry: &Entry| if work.is_right(entry) { Ok(()) } else { Err(Stop::WrongHit) };
    match store.find(KIND, &key) {
        Found::Intact(entry) if !work.forced => return right(&entry),
        _ => {}
    }
    let claim = store.claim(&key)?.ok_or(Stop::Busy)?;
    match store.find(KIND, &key) {
        Found::Intact(entry) if !work.forced => {
            claim.finish();
            return right(&entry);
        }
        _ => {}
    }
    if fate.is_dead() {
        return Err(Stop::Dead);
    }
    work.write(&claim.out());
    let entry = store.commit(&claim, work.meta())?.expect("it has files");
    claim.finish();
    right(&entry)
}

/// Operations of a run in which nothing fails.
fn operations() -> usize {
    let fate = Arc::new(Fate::default());
    assert!(Trial::new().run(&fate, BOOT));
    let log = fate.log.lock().unwrap();
    for name in ["rename", "append", "sync", "write", "read to hash", "open lock", "protect", "remove file", "list"] {
        assert!(log.contains(&name), "{name} is not tried: {log:?}");
    }
    log.len()
}

fn after(fate: Fate) {
    let (trial, fate) = (Trial::new(), Arc::new(fate));
    trial.run(&fate, BOOT);
    let what = format!("{:?} {:?}: {:?}", fate.blows, fate.dies, fate.log.lock().unwrap());
    trial.expect_recovery(&Arc::default(), BOOT, &what);
}

#[test]
fn every_operation_may_fail() {
    for at in 0..operations() {
        for blow in BLOWS {
            after(Fate { blows: vec![(at, blow)], ..Fate::default() });
        }
    }
}

#[test]
fn every_two_operations_may_fail() {
    let count = operations();
    for first in 0..count {
        for second in first + 1..count {
            let blows = vec![(first, BLOWS[(first + second) % 3]), (second, BLOWS[second % 3])];
            after(Fate { blows, ..Fate::default() });
        }
    }
}

#[test]
fn every_operation_may_be_the_last_of_a_process() {
    for at in 0..operations() {
        for blow in BLOWS {
            after(Fate { dies: Some((at, blow)), ..Fate::default() });
        }
    }
}

/// Ways in which a file comes back after a power cut.
const SPOILS: [(&str, fn(&Path)); 5] = [
    ("zeros", |path| fs::write(path, vec![0; fs::metadata(path).unwrap().len() as usize]).unwrap()),
    ("nothing", |path| fs::write(path, "").unwrap()),
    ("half", |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("half and zeros", |path| {
        let mut bytes = fs::read(path).unwrap();
        let half = bytes.len() / 2;
        bytes[half..].fill(0);
        fs::write(path, bytes).unwrap();
    }),
    ("no file", |path| fs::remove_file(path).unwrap()),
];

#[test]
fn after_a_power_cut_only_what_was_synced_is_believed() {
    for last in (0..operations()).map(Some).chain([None]) {
        for (name, spoil) in SPOILS {
            let dies = last.map(|at| (at, Blow::Torn));
            let (trial, fate) = (Trial::new(), Arc::new(Fate { dies, ..Fate::default() }));
            trial.run(&fate, BOOT);
            let next = trial.cut_power(&fate, spoil);
            trial.expect_recovery(&next, NEXT_BOOT, &format!("{name} {last:?}"));
        }
    }
}

#[test]
fn each_file_may_be_lost_alone() {
    let count = {
        let trial = Trial::new();
        assert!(trial.run(&Arc::default(), BOOT));
        files_below(trial.root.path()).unwrap().len()
    };
    for number in 0..count {
        for (name, spoil) in SPOILS {
            let (trial, fate) = (Trial::new(), Arc::new(Fate::default()));
            assert!(trial.run(&fate, BOOT));
            let victim = files_below(trial.root.path()).unwrap()[number].clone();
            let next = trial.cut_power(&fate, |path| {
                if path == victim {
                    spoil(path)
                }
            });
            trial.expect_recovery(&next, NEXT_BOOT, &format!("{name} of {}", victim.display()));
        }
    }
}

#[test]
fn without_a_new_start_of_the_machine_such_losses_would_be_believed() {
    let (trial, fate) = (Trial::new(), Arc::new(Fate::default()));
    assert!(trial.run(&fate, BOOT));
    let is_index = |path: &Path| path.ends_with("index");
    let next = trial.cut_power(&fate, |path| {
        if !is_index(path) {
            SPOILS[0].1(path)
        }
    });
    assert!(!trial.is_right(&next, BOOT), "the trials above could not fail");
    assert!(trial.is_right(&next, NEXT_BOOT));
}

#[test]
fn what_took_long_is_believed_at_once_after_a_power_cut_and_the_rest_after_one_look() {
    let (root, fate) = (trial_folder(), Arc::new(Fate::default()));
    let trial = Trial { root };
    assert!(trial.run(&fate, BOOT));
    let looks = |boot: &str, work: &Work| {
        let fate = Arc::new(Fate::default());
        let store = trial.store(&fate, boot).unwrap();
        assert!(store.lookup(KIND, &work.key()).is_some());
        let log = fate.log.lock().unwrap();
        log.iter().filter(|name| **name == "read to hash").count()
    };
    assert_eq!(looks(NEXT_BOOT, &WORKS[0]), 0);
    assert_eq!(looks(NEXT_BOOT, &WORKS[1]), 1);
    assert_eq!(looks("33333333", &WORKS[1]), 0, "it was whole after a new start: it is on the disk for good");
}

#[test]
fn what_took_long_is_synced_with_its_facts_and_its_folders() {
    let (trial, fate) = (Trial::new(), Arc::new(Fate::default()));
    assert!(trial.run(&fate, BOOT));
    let place = trial.store(&fate, BOOT).unwrap().place(KIND, &WORKS[0].key());
    let synced = fate.synced.lock().unwrap();
    let names = ["", "meta.json", "out", "out/a.txt", "out/below", "out/below/b.txt", ".."];
    for path in names.map(|name| place.join(name)) {
        assert!(synced.contains(&fs::metadata(&path).unwrap().ino()), "{}", path.display());
    }
}

#[test]
fn an_entry_that_is_made_again_with_the_same_bytes_stays_in_its_place() {
    let trial = Trial::new();
    let folder = trial.store(&Arc::default(), BOOT).unwrap().place(KIND, &WORKS[3].key());
    let inode = || fs::metadata(&folder).unwrap().ino();
    let before = inode();
    assert!(trial.run(&Arc::default(), BOOT));
    assert_eq!(inode(), before, "others may be reading it");
}

#[test]
fn an_entry_that_was_replaced_is_not_what_was_looked_up() {
    let trial = Trial::new();
    let store = trial.store(&Arc::default(), BOOT).unwrap();
    let entry = store.lookup(KIND, &WORKS[3].key()).unwrap();
    assert!(store.is_still(&entry));
    let claim = store.claim(&entry.key).unwrap().unwrap();
    fs::write(claim.out().join("f.txt"), "other bytes").unwrap();
    store.commit(&claim, WORKS[3].meta()).unwrap();
    assert!(!store.is_still(&entry));
}

#[test]
fn edited_facts_are_not_believed() {
    let edits: [fn(&str) -> String; 4] = [
        |text| text[..text.len() - 2].into(),
        |text| text.replacen("\"again\"", "\"amain\"", 1),
        |text| text.replacen("\"digest\": \"", "\"digest\": \"0", 1).replacen("0\",", "\",", 1),
        |text| {
            format!(
                "{}]{}",
                &text[..text.find("\"files\": [").unwrap() + 10],
                &text[text.find("],\n  \"stage\"").unwrap() + 1..]
            )
        },
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let trial = Trial::new();
        fs::remove_file(trial.root.path().join("index")).unwrap();
        let store = trial.store(&Arc::default(), BOOT).unwrap();
        let path = store.place(KIND, &WORKS[3].key()).join("meta.json");
        let text = fs::read_to_string(&path).unwrap();
        let edited = edit(&text);
        assert_ne!(text, edited);
        fs::write(&path, edited).unwrap();
        assert!(
            matches!(store.find(KIND, &WORKS[3].key()), Found::Damaged(what) if what.contains("meta.json")),
            "{number}"
        );
    }
}

#[test]
fn a_removal_that_is_interrupted_leaves_no_entry_and_no_wrong_bytes() {
    let count = {
        let fate = Arc::new(Fate::default());
        let trial = Trial::new();
        let store = trial.store(&fate, BOOT).unwrap();
        store.remove(&store.place(KIND, &WORKS[3].key())).unwrap();
        fate.log.lock().unwrap().len()
    };
    for at in 0..count {
        for blow in BLOWS {
            let (trial, fate) = (Trial::new(), Arc::new(Fate { dies: Some((at, blow)), ..Fate::default() }));
            if let Ok(store) = trial.store(&fate, BOOT) {
                let _ = store.remove(&store.place(KIND, &WORKS[3].key()));
            }
            trial.expect_recovery(&Arc::default(), BOOT, &format!("removal {at} {blow:?}"));
        }
    }
}

/// A user's file that seems to have changed last so long ago.
fn aged(path: &Path, fate: &Fate, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    let nanos = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    fate.times.lock().unwrap().insert(fs::metadata(path).unwrap().ino(), nanos);
}

fn remember(root: &Path, fate: &Arc<Fate>, boot: &str, file: &Path) -> Option<Digest> {
    let memory = Memory::open_on(root, true, Disk { fate: Some(fate.clone()) }, boot.into());
    let digest = memory.digest(file).ok();
    memory.save();
    digest
}

/// A folder with a user's file of so many seconds of age.
fn with_file(seconds: u64) -> (TempDir, PathBuf, Arc<Fate>, Digest) {
    let (root, fate) = (trial_folder(), Arc::new(Fate::default()));
    let file = root.path().join("catalogue.csv");
    fs::write(&file, "one,two").unwrap();
    aged(&file, &fate, seconds);
    let right = super::digest::of_file(&file).unwrap();
    (root, file, fate, right)
}

#[test]
fn a_remembered_digest_is_right_whatever_fails() {
    for at in 0..6 {
        for blow in BLOWS {
            let (root, file, fate, right) = with_file(60);
            let times = fate.times.lock().unwrap().clone();
            let faulty = Arc::new(Fate { blows: vec![(at, blow)], times: times.into(), ..Fate::default() });
            for fate in [&faulty, &faulty, &fate, &fate] {
                let found = remember(root.path(), fate, BOOT, &file);
                assert!(found.is_none_or(|digest| digest == right), "{at} {blow:?}");
            }
            assert_eq!(remember(root.path(), &fate, BOOT, &file), Some(right));
        }
    }
}

#[test]
fn a_young_file_is_read_again_after_a_power_cut_and_an_old_one_is_not() {
    for (age, is_believed) in [(60, false), (3600, true)] {
        let (root, file, fate, right) = with_file(age);
        assert_eq!(remember(root.path(), &fate, BOOT, &file), Some(right));
        fs::write(&file, "\0\0\0\0\0\0\0").unwrap();
        let time = SystemTime::UNIX_EPOCH
            + Duration::from_nanos(fate.times.lock().unwrap()[&fs::metadata(&file).unwrap().ino()]);
        fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        assert_eq!(remember(root.path(), &fate, BOOT, &file), Some(right), "the machine ran on: nothing was lost");
        assert_eq!(remember(root.path(), &fate, NEXT_BOOT, &file) == Some(right), is_believed);
    }
}

#[test]
fn torn_memories_are_left_out() {
    let (root, file, fate, right) = with_file(3600);
    remember(root.path(), &fate, BOOT, &file);
    let line = fs::read(root.path().join("digests")).unwrap();
    for cut in 0..line.len() {
        for filler in ["", "\0\0\0", "\n", " "] {
            let torn = [&line[..cut], filler.as_bytes(), &line[..]].concat();
            fs::write(root.path().join("digests"), torn).unwrap();
            assert_eq!(remember(root.path(), &fate, BOOT, &file), Some(right), "cut at {cut}");
        }
    }
}
