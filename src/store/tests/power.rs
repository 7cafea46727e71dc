//! The power is cut, and what was not synced is lost: in the cache, and in the memory of the user's files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::{BLOWS, BOOT, KIND, Trial, WORKS, Work, operations, trial_folder};
use crate::store::digest::{files_below, of_file};
use crate::store::disk::Disk;
use crate::store::fate::{Blow, Fate};
use crate::store::key::Digest;
use crate::store::memory::Memory;

/// The start of the machine after the cut.
const NEXT_BOOT: &str = "22222222";

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
    for last in (0..operations(&WORKS)).map(Some).chain([None]) {
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
                    spoil(path);
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
            SPOILS[0].1(path);
        }
    });
    assert!(!trial.is_right(&next, BOOT), "the trials above could not fail");
    assert!(trial.is_right(&next, NEXT_BOOT));
}

#[test]
fn what_took_long_is_believed_at_once_after_a_power_cut_and_the_rest_after_one_look() {
    let (root, fate) = (trial_folder(), Arc::new(Fate::default()));
    let trial = Trial { root, works: &WORKS };
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
    let right = of_file(&file).unwrap();
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
