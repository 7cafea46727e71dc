//! What finished runs used: `cache/runs/EXPERIMENT/`, one file for each run that differs from the one before it, and
//! `cache/pins/`, runs whose entries stay. The last change of a file is the time when its run was last asked for.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::key::{Digest, Key};
use super::{Result, Store, at, children};

/// Folder of the runs.
const RUNS: &str = "runs";
/// Folder of the pins.
const PINS: &str = "pins";

/// Entries that a run used or made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Name of the experiment.
    pub experiment: String,
    /// The file that it was read from, from the project's folder on if the cache is below that.
    #[serde(default)]
    pub file: String,
    /// Version of this program.
    pub version: String,
    /// When it ended, seconds since 1970.
    pub created: u64,
    /// Its steps that have a result; every step comes after its inputs.
    pub steps: Vec<RunStep>,
    /// The user's files that they read, ordered by path.
    #[serde(default)]
    pub files: Vec<RunFile>,
}

/// A file of the user that a run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// Where it was.
    pub path: PathBuf,
    /// Digest of what it contained.
    pub digest: Digest,
}

/// One stage of one arm and replicate, with its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStep {
    /// Name of the arm.
    pub arm: String,
    /// Replicate, from 0.
    pub replicate: usize,
    /// Name of the stage.
    pub stage: String,
    /// Its kind.
    pub kind: String,
    /// Its key.
    pub key: Key,
    /// Digest of what the artifact contained.
    pub digest: Digest,
}

/// A record in a cache.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its file.
    pub path: PathBuf,
    /// When the run was last asked for, seconds since 1970.
    pub used: u64,
    /// What it says.
    pub record: RunRecord,
}

impl Store {
    /// Records a run, unless the last one of this experiment has the same identity; `make` is called only then.
    pub fn record_run(&self, experiment: &str, identity: &Digest, make: impl FnOnce() -> RunRecord) -> Result<bool> {
        let folder = self.root.join(RUNS).join(experiment);
        let ending = format!("-{}.json", identity.short());
        if let Some(last) = children(&folder).pop()
            && last.to_string_lossy().ends_with(&ending)
        {
            touch(&last);
            return Ok(false);
        }
        self.disk.make_folders(&folder)?;
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        self.write_record(&folder.join(format!("{nanos:020}{ending}")), &make()).map(|()| true)
    }

    /// Forgets a recorded run.
    pub fn forget_run(&self, run: &Recorded) -> Result<()> {
        self.disk.remove_file(&run.path)
    }

    /// Recorded runs of an experiment, the latest first.
    pub fn runs(&self, experiment: &str) -> Vec<Recorded> {
        read_all(&self.root.join(RUNS).join(experiment)).into_iter().rev().collect()
    }

    /// Recorded runs of every experiment, ordered by name, the latest first.
    pub fn all_runs(&self) -> Vec<(String, Vec<Recorded>)> {
        let name = |path: &PathBuf| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let names = children(&self.root.join(RUNS)).into_iter().map(|path| name(&path));
        names.map(|name| (name.clone(), self.runs(&name))).filter(|(_, runs)| !runs.is_empty()).collect()
    }

    /// Keeps the entries of a run whatever else happens, in place of an earlier pin of the same name.
    pub fn pin(&self, record: &RunRecord) -> Result<()> {
        self.disk.make_folders(&self.root.join(PINS))?;
        self.write_record(&self.pin_path(&record.experiment), record)
    }

    /// Ends a pin; whether there was one.
    pub fn unpin(&self, experiment: &str) -> Result<bool> {
        let path = self.pin_path(experiment);
        if path.exists() { self.disk.remove_file(&path).map(|()| true) } else { Ok(false) }
    }

    /// All pins, ordered by name.
    pub fn pins(&self) -> Vec<Recorded> {
        read_all(&self.root.join(PINS))
    }

    fn pin_path(&self, experiment: &str) -> PathBuf {
        self.root.join(PINS).join(format!("{experiment}.json"))
    }

    /// Written aside and renamed: a record is complete or absent.
    fn write_record(&self, path: &Path, record: &RunRecord) -> Result<()> {
        let text = serde_json::to_string(record).map_err(std::io::Error::from);
        let aside = path.with_extension(format!("new-{}", std::process::id()));
        self.disk.write(&aside, at(path, "cannot write", text)?.as_bytes(), true)?;
        self.disk.rename(&aside, path)
    }
}

/// Records in a folder by name; what cannot be read is no record.
fn read_all(folder: &Path) -> Vec<Recorded> {
    let files = children(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "json"));
    let read = |path: PathBuf| {
        let record = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        let used = fs::metadata(&path).and_then(|meta| meta.modified()).ok()?;
        let used = used.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Some(Recorded { path, used, record })
    };
    files.filter_map(read).collect()
}

/// The run was asked for again; that this cannot be written costs nothing but the date.
fn touch(path: &Path) {
    let _ = File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seed: u8) -> RunRecord {
        let step = RunStep {
            arm: "a".into(),
            replicate: 0,
            stage: "s".into(),
            kind: "command".into(),
            key: Key([seed; 20]),
            digest: Digest([seed; 32]),
        };
        let (experiment, file, version) = ("e".into(), "e.toml".into(), "1".into());
        RunRecord { experiment, file, version, created: 3, steps: vec![step], files: Vec::new() }
    }

    #[test]
    fn a_run_is_recorded_when_it_differs_from_the_last() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let note = |seed: u8| store.record_run("e", &Digest([seed; 32]), || record(seed)).unwrap();
        assert_eq!([note(1), note(1), note(2), note(1)], [true, false, true, true]);
        let keys: Vec<u8> = store.runs("e").iter().map(|run| run.record.steps[0].key.0[0]).collect();
        assert_eq!(keys, [1, 2, 1], "the latest first");
        assert_eq!(store.all_runs().len(), 1);
    }

    #[test]
    fn a_record_of_an_earlier_version_names_no_files() {
        let text = "{\"experiment\":\"e\",\"version\":\"0\",\"created\":3,\"steps\":[]}";
        assert_eq!(serde_json::from_str::<RunRecord>(text).unwrap().files, []);
    }

    #[test]
    fn pins_come_and_go() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        store.pin(&record(1)).unwrap();
        store.pin(&record(2)).unwrap();
        assert_eq!(store.pins().iter().map(|p| p.record.clone()).collect::<Vec<_>>(), [record(2)]);
        assert!(store.unpin("e").unwrap() && !store.unpin("e").unwrap() && store.pins().is_empty());
    }
}
