//! Proof by trial: every operation of the store on the disk fails, alone, in pairs, and as the last of a killed process;
//! the power is cut (`power`). Never a wrong hit, and the next run ends with the right bytes.

mod links;
mod power;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use tempfile::TempDir;

use super::digest::files_below;
use super::disk::Disk;
use super::entry::{Entry, Meta};
use super::fate::{Blow, Fate};
use super::key::{Digest, Key, Parts};
use super::{Found, Store, StoreError};

const KIND: &str = "command";
const BOOT: &str = "11111111";
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
                work.meta().seal(&Disk::default(), folder.path(), false, |_| Ok(None)).unwrap().0.digest
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

/// One process after another in one cache, each of which wants these works.
struct Trial {
    root: TempDir,
    works: &'static [Work],
}

impl Trial {
    /// A cache as all works expect it.
    fn new() -> Self {
        Self::of(&WORKS)
    }

    /// A cache as these works expect it, `spoiled` among them.
    fn of(works: &'static [Work]) -> Self {
        let trial = Self { root: trial_folder(), works };
        let store = trial.store(&Arc::default(), BOOT).unwrap();
        for work in works.iter().filter(|work| ["spoiled", "again"].contains(&work.name)) {
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
        let stops: Vec<Stop> = self.works.iter().filter_map(|work| step(&store, work, fate).err()).collect();
        assert!(!stops.iter().any(|stop| matches!(stop, Stop::WrongHit | Stop::Busy)), "{stops:?}");
        stops.is_empty()
    }

    /// Whether everything that is found is right.
    fn is_right(&self, fate: &Arc<Fate>, boot: &str) -> bool {
        let store = Store::view_on(self.root.path(), Disk { fate: Some(fate.clone()) }, boot);
        self.works.iter().all(|work| match store.find(KIND, &work.key()) {
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
        for work in self.works {
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
fn operations(works: &'static [Work]) -> usize {
    let fate = Arc::new(Fate::default());
    assert!(Trial::of(works).run(&fate, BOOT));
    let log = fate.log.lock().unwrap();
    for name in
        ["rename", "append", "sync", "write", "read to hash", "open lock", "lock byte", "free byte", "protect", "list"]
    {
        assert!(log.contains(&name), "{name} is not tried: {log:?}");
    }
    log.len()
}

fn after(works: &'static [Work], fate: Fate) {
    let (trial, fate) = (Trial::of(works), Arc::new(fate));
    trial.run(&fate, BOOT);
    let what = format!("{:?} {:?}: {:?}", fate.blows, fate.dies, fate.log.lock().unwrap());
    trial.expect_recovery(&Arc::default(), BOOT, &what);
}

#[test]
fn every_operation_may_fail() {
    for at in 0..operations(&WORKS) {
        for blow in BLOWS {
            after(&WORKS, Fate { blows: vec![(at, blow)], ..Fate::default() });
        }
    }
}

#[test]
fn every_two_operations_may_fail() {
    // A new entry and a damaged one: pairs are many.
    let works = &WORKS[..2];
    let count = operations(works);
    for first in 0..count {
        for second in first + 1..count {
            let blows = vec![(first, BLOWS[(first + second) % 3]), (second, BLOWS[second % 3])];
            after(works, Fate { blows, ..Fate::default() });
        }
    }
}

#[test]
fn every_operation_may_be_the_last_of_a_process() {
    for at in 0..operations(&WORKS) {
        for blow in BLOWS {
            after(&WORKS, Fate { dies: Some((at, blow)), ..Fate::default() });
        }
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
fn what_this_process_added_is_known_without_another_look() {
    let (trial, fate) = (Trial::new(), Arc::new(Fate::default()));
    let store = trial.store(&fate, BOOT).unwrap();
    let parts = Parts(vec![("name".into(), "new".into())]);
    let meta = Meta { key: parts.key(), parts, ..WORKS[3].meta() };
    let claim = store.claim(&meta.key).unwrap().unwrap();
    fs::write(claim.out().join("own.txt"), "mine").unwrap();
    store.commit(&claim, meta.clone()).unwrap().unwrap();
    claim.finish();
    let looks = || fate.log.lock().unwrap().iter().filter(|name| **name == "read to hash").count();
    let before = looks();
    assert!(store.lookup(KIND, &meta.key).is_some());
    assert_eq!(looks(), before);
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
fn an_entry_that_changes_while_it_is_read_is_not_what_was_looked_up() {
    let changes: [fn(&Path); 3] = [
        |out| {
            fs::set_permissions(out.join("f.txt"), fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(out.join("f.txt"), "other bytes").unwrap();
        },
        |out| fs::write(out.join("more.txt"), "").unwrap(),
        |out| fs::create_dir(out.join("folder")).and_then(|()| fs::write(out.join("folder/more.txt"), "")).unwrap(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let trial = Trial::new();
        let store = trial.store(&Arc::default(), BOOT).unwrap();
        let entry = store.lookup(KIND, &WORKS[3].key()).unwrap();
        assert!(store.is_still(&entry));
        change(&entry.out());
        assert!(!store.is_still(&entry), "{number}");
        assert!(matches!(store.find(KIND, &entry.key), Found::Damaged(_)), "{number}");
    }
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
