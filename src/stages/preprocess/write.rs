//! Writes the stamps and their tables, chunk by chunk: rows are prepared in parallel and written in order, so memory holds
//! one chunk of pixels. Knows no policy.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::artifacts::split::ALL;
use crate::artifacts::stamps::{StampRow, StampsFacts, StampsWriter};
use crate::artifacts::table::RowWriter;
use crate::stage::{Job, StageError};

use super::PreprocessKeys;
use super::columns;
use super::names::NO_WORD;
use super::pixels::{Cutouts, Prepared, Recipe};
use super::rows::{Row, Rows};
use super::source::Source;

/// Rows that are prepared at once: 18 MB of cutouts.
const CHUNK: usize = 384;

/// What is decided about the rows.
pub struct Data<'a> {
    /// The inputs.
    pub sources: &'a [Source],
    /// Kept and dropped rows.
    pub rows: &'a Rows,
    /// Split of each object by its number.
    pub splits: &'a [&'static str],
    /// Class labels in order.
    pub classes: &'a [String],
}

impl Data<'_> {
    /// The split of a kept row.
    pub fn split(&self, row: &Row) -> &'static str {
        self.splits[row.object as usize]
    }

    fn source(&self, row: &Row) -> &Source {
        &self.sources[row.source as usize]
    }
}

/// Whether each row has missing pixels inside the crop.
pub fn missing_pixels(sources: &[Source], rows: &[Row], recipe: &Recipe) -> Vec<bool> {
    let misses =
        |row: &Row| recipe.misses_pixels(&Cutouts::new(sources[row.source as usize].stamps.row(row.row), row.pose));
    rows.par_iter().map(misses).collect()
}

/// Writes the stamps artifact.
pub fn stamps(job: &Job, keys: &PreprocessKeys, data: &Data) -> Result<(), StageError> {
    let (metadata, table) = columns::metadata(keys, data)?;
    let facts = StampsFacts {
        channels: keys.channels.iter().map(|c| c.word().into()).collect(),
        side: keys.crop,
        normalise: keys.normalise.word().into(),
        metadata,
        classes: data.classes.to_vec(),
        recipe: keys.written(),
    };
    // Rows with and without noise-free cutouts cannot be mixed.
    let clean = data.sources.iter().all(|source| source.clean.is_some());
    let mut writer = StampsWriter::create(job.out, &facts, clean)?;
    let recipe = keys.recipe();
    let total = data.rows.kept.len();
    for (number, chunk) in data.rows.kept.chunks(CHUNK).enumerate() {
        job.progress((number * CHUNK) as u64, total as u64, "stamps")?;
        let prepared: Vec<Prepared> =
            chunk.par_iter().map(|row| prepare(data.source(row), row, &recipe, clean)).collect();
        for (i, (row, stamp)) in chunk.iter().zip(prepared).enumerate() {
            let at = number * CHUNK + i;
            let values: Vec<f32> = table.iter().map(|column| column[at]).collect();
            writer.push(&identity(row, data), &stamp.image, &values, stamp.clean.as_deref())?;
        }
    }
    writer.finish()?;
    Ok(())
}

fn prepare(source: &Source, row: &Row, recipe: &Recipe, clean: bool) -> Prepared {
    let noisy = Cutouts::new(source.stamps.row(row.row), row.pose);
    let truth = source.clean.as_ref().filter(|_| clean).map(|array| Cutouts::new(array.row(row.row), row.pose));
    recipe.prepare(&noisy, truth.as_ref())
}

fn identity(row: &Row, data: &Data) -> StampRow {
    let names = &data.rows.names;
    StampRow {
        candid: row.candid,
        object_id: names.object(row.object).into(),
        jd: row.jd,
        fid: row.fid,
        label: names.word(row.label).into(),
        split: data.split(row).into(),
        copy: 0,
    }
}

/// Rows of one class and split, which come by object.
#[derive(Default)]
struct Counted {
    alerts: usize,
    objects: usize,
    /// The object that was counted last.
    last: Option<u32>,
}

/// Writes `splits.csv` (alerts and objects by class and split) and `dropped.csv` (every dropped alert with its reason).
pub fn tables(job: &Job, data: &Data) -> Result<(), StageError> {
    let mut splits = RowWriter::create(job.out.join("splits.csv"), &["class", "split", "alerts", "objects"])?;
    let names = &data.rows.names;
    let mut counts: BTreeMap<(&str, &str), Counted> = BTreeMap::new();
    for row in &data.rows.kept {
        let counted = counts.entry((names.word(row.label), data.split(row))).or_default();
        counted.alerts += 1;
        counted.objects += usize::from(counted.last.replace(row.object) != Some(row.object));
    }
    let unlabelled = data.rows.kept.iter().any(|row| row.label == NO_WORD).then_some("");
    for class in data.classes.iter().map(String::as_str).chain(unlabelled) {
        for split in ALL {
            let (alerts, objects) = counts.get(&(class, split)).map_or((0, 0), |c| (c.alerts, c.objects));
            splits.push([class.into(), split.into(), alerts.to_string(), objects.to_string()])?;
        }
    }
    splits.finish()?;
    dropped(job, data.sources, data.rows)
}

/// Writes `dropped.csv`.
pub fn dropped(job: &Job, sources: &[Source], rows: &Rows) -> Result<(), StageError> {
    let mut dropped = RowWriter::create(job.out.join("dropped.csv"), &["candid", "objectId", "input", "reason"])?;
    for (row, reason) in &rows.dropped {
        let (candid, object) = (row.candid.to_string(), rows.names.object(row.object));
        dropped.push([candid.as_str(), object, &sources[row.source as usize].name, *reason])?;
    }
    Ok(dropped.finish()?)
}
