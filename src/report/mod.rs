//! Tables, figures and one page for an experiment: `record` is what a run hands over, [`write()`] makes the files.
//! The only code that writes in `results/`; knows no engine.

pub mod compare;
pub mod draw;
pub mod format;
pub mod grid;
pub mod manifest;
pub mod notes;
pub mod page;
pub mod plots;
pub mod published;
pub mod record;
pub mod shift;
pub mod sources;
pub mod tidy;
pub mod words;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use thiserror::Error;

pub use compare::{Comparison, ComparisonOptions, arm_names, comparison};
pub use format::Format;
pub use record::{ArmRecord, Record, StepRecord};

use crate::artifacts::table::{RowWriter, number};
use crate::artifacts::{ArtifactError, split};
use crate::stage::ArtifactType;
use crate::store::key::{Digest, Key};
use draw::{png, svg};
use plots::{Figure, PLOTS};
use sources::Sources;

/// A report that cannot be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A file cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A table cannot be written.
    #[error(transparent)]
    Table(#[from] ArtifactError),
}

/// Writes tables, figures, `report.html` and `manifest.json` into `results`, the folder of the experiment; gives the
/// paths of the files. What the record lacks, or what cannot be read, is named in the report and ends nothing. `identity`
/// is the digest of all that the record was made from.
pub fn write(identity: &Digest, record: &Record, results: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let (metrics, mut problems) = tidy::collect(record);
    let test = comparison(std::slice::from_ref(record), &ComparisonOptions::default());
    let validation = ComparisonOptions { split: split::VALIDATION.into(), ..ComparisonOptions::default() };
    let validation = comparison(std::slice::from_ref(record), &validation);
    let sources = Sources::new(record, &metrics, &test);
    let figures: Vec<Figure> = PLOTS.par_iter().flat_map_iter(|plot| plot.draw(&sources)).collect();
    let pictures: Vec<(String, Vec<u8>)> =
        figures.par_iter().map(|figure| (svg::render(&figure.canvas), png::render(&figure.canvas))).collect();
    problems.extend(sources.problems());
    let (differences, unread) = tidy::differences(record);
    problems.extend(unread);

    let mut files = Files::new(results)?;
    write_arms(record.steps.iter().map(ArmsRow::from), &files.path("arms.csv"))?;
    tidy::write(&files.path("tables/metrics.csv"), &metrics)?;
    for (name, format) in [("csv", Format::Csv), ("md", Format::Md), ("tex", Format::Latex)] {
        files.write(&format!("tables/comparison.{name}"), test.render(format).as_bytes())?;
    }
    if !differences.is_empty() {
        tidy::write_differences(&files.path("tables/differences.csv"), &differences)?;
    }
    if let Some(effects) = grid::effects(&test) {
        files.write("tables/effects.csv", format::csv(&effects).as_bytes())?;
    }
    for (name, from) in candidates(record) {
        files.copy(&name, &from)?;
    }
    for (figure, (vector, bitmap)) in figures.iter().zip(&pictures) {
        files.write(&format!("figures/{}.svg", figure.name), vector.as_bytes())?;
        files.write(&format!("figures/{}.png", figure.name), bitmap)?;
    }
    let answer = notes::answer(&test, &validation);
    files.write("report.html", page::render(&sources, &answer, &figures, &pictures, &problems).as_bytes())?;
    manifest::write(identity, &record.provenance, results, &files.written)?;
    Ok(files.written)
}

/// What [`refresh`] did.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// Files that were written.
    pub files: Vec<PathBuf>,
    /// Files that somebody had changed or removed since the run that wrote them.
    pub restored: Vec<PathBuf>,
}

/// As [`write()`], but when `results` holds what would be written, only the states in `arms.csv` are made anew, from
/// `rows`; the record is not asked for.
pub fn refresh<'a>(
    identity: &Digest,
    rows: impl Iterator<Item = ArmsRow<'a>>,
    record: impl FnOnce() -> Record,
    results: &Path,
) -> Result<Refreshed, ReportError> {
    let restored = match manifest::compare(identity, results) {
        manifest::State::Current => {
            write_arms(rows, &results.join("arms.csv"))?;
            return Ok(Refreshed::default());
        }
        manifest::State::Damaged(files) => files,
        manifest::State::Other => Vec::new(),
    };
    Ok(Refreshed { files: write(identity, &record(), results)?, restored })
}

/// Tables of candidates: the file of each in `results`, and the one that it is a copy of. Arm and replicate are in its name where
/// there are several.
fn candidates(record: &Record) -> Vec<(String, PathBuf)> {
    let several = record.arms.len() > 1 || record.replicates > 1;
    let named = |step: &StepRecord| {
        let from = step.folder.as_ref().filter(|_| step.artifact == ArtifactType::Candidates)?;
        let replicate = (step.replicate + 1).to_string();
        let place = if several { [step.arm.as_str(), &replicate] } else { [""; 2] };
        let name = plots::file_name(&[CANDIDATES, &step.stage, place[0], place[1]]);
        Some((format!("tables/{name}.csv"), from.join("candidates.csv")))
    };
    record.steps.iter().filter_map(named).collect()
}

/// How their names begin.
const CANDIDATES: &str = "candidates";

/// The folder that is filled.
struct Files {
    folder: PathBuf,
    written: Vec<PathBuf>,
}

impl Files {
    /// Makes the folders; figures and candidates of an earlier run go, since this run may have fewer.
    fn new(folder: &Path) -> Result<Self, ReportError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| ReportError::Write { path, source }
        };
        for (part, is_ours) in [("figures", is_figure as fn(&Path) -> bool), ("tables", is_candidates)] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).map_err(failed(&part))?;
            for file in std::fs::read_dir(&part).map_err(failed(&part))?.flatten().map(|entry| entry.path()) {
                if is_ours(&file) {
                    std::fs::remove_file(&file).map_err(failed(&file))?;
                }
            }
        }
        Ok(Self { folder: folder.to_path_buf(), written: Vec::new() })
    }

    /// Copies the bytes of a file, but not that nobody may write it.
    fn copy(&mut self, name: &str, from: &Path) -> Result<(), ReportError> {
        let path = self.path(name);
        let copied =
            std::fs::File::open(from).and_then(|mut from| std::io::copy(&mut from, &mut std::fs::File::create(&path)?));
        copied.map(drop).map_err(|source| ReportError::Write { path, source })
    }

    /// Path of a file that is about to be written.
    fn path(&mut self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        self.written.push(path.clone());
        path
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), ReportError> {
        let path = self.path(name);
        std::fs::write(&path, bytes).map_err(|source| ReportError::Write { path, source })
    }
}

/// Whether a file of `tables/` is one of [`candidates`].
fn is_candidates(file: &Path) -> bool {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    stem.starts_with(&format!("{CANDIDATES}-")) && file.extension().is_some_and(|extension| extension == "csv")
}

/// Whether a file of `figures/` is one that a plot wrote.
fn is_figure(file: &Path) -> bool {
    let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let picture = file.extension().is_some_and(|e| e == "svg" || e == "png");
    picture && PLOTS.iter().any(|plot| stem == plot.name() || stem.starts_with(&format!("{}-", plot.name())))
}

/// One row of `arms.csv`.
#[derive(Clone, Copy, Debug)]
pub struct ArmsRow<'a> {
    /// Name of the arm.
    pub arm: &'a str,
    /// Number of the replicate, from 0.
    pub replicate: usize,
    /// Name of the stage.
    pub stage: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its key, if it is known.
    pub key: Option<Key>,
    /// What became of it.
    pub state: &'a str,
    /// How long it took when it ran, seconds.
    pub seconds: Option<f64>,
}

impl<'a> From<&'a StepRecord> for ArmsRow<'a> {
    fn from(step: &'a StepRecord) -> Self {
        Self {
            arm: &step.arm,
            replicate: step.replicate,
            stage: &step.stage,
            kind: &step.kind,
            key: Key::parse(&step.key),
            state: &step.state,
            seconds: step.seconds,
        }
    }
}

/// Writes `arms.csv`.
fn write_arms<'a>(rows: impl Iterator<Item = ArmsRow<'a>>, path: &Path) -> Result<(), ReportError> {
    let mut table = RowWriter::create(path, &["arm", "replicate", "stage", "kind", "key", "state", "seconds"])?;
    for row in rows {
        let key = row.key.map_or_else(String::new, |key| key.to_string());
        let (replicate, seconds) = (row.replicate.to_string(), row.seconds.map_or_else(String::new, number));
        table.push([row.arm, &replicate, row.stage, row.kind, &key, row.state, &seconds])?;
    }
    Ok(table.finish()?)
}
