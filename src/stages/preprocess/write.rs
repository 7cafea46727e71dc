//! Writes the stamps and their tables, chunk by chunk: rows are prepared in parallel and written in order, so memory holds
//! one chunk of pixels. Knows no policy.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::artifacts::split::{ALL, TRAIN};
use crate::artifacts::stamps::{MetadataColumn, StampRow, StampsFacts, StampsWriter};
use crate::artifacts::table::RowWriter;
use crate::stage::{Job, StageError};

use super::PreprocessKeys;
use super::metadata::{columns, standardise, statistics, values};
use super::pixels::{Cutouts, Prepared, Recipe};
use super::rows::{Row, Rows, Source};

/// Rows that are prepared at once: 18 MB of cutouts.
const CHUNK: usize = 384;

/// What is decided about the rows.
pub struct Data<'a> {
    /// The inputs.
    pub sources: &'a [Source],
    /// Kept and dropped rows.
    pub rows: &'a Rows,
    /// Split of each kept row.
    pub split_of: &'a [&'a str],
    /// Class labels in order.
    pub classes: &'a [String],
}

/// Whether each row has missing pixels inside the crop.
pub fn missing_pixels(sources: &[Source], rows: &[Row], recipe: &Recipe) -> Vec<bool> {
    let misses =
        |row: &Row| recipe.misses_pixels(&Cutouts::new(sources[row.source].alerts.stamps.row(row.row), row.pose));
    rows.par_iter().map(misses).collect()
}

/// Writes the stamps artifact.
pub fn stamps(job: &Job, keys: &PreprocessKeys, data: &Data) -> Result<(), StageError> {
    let (metadata, table) = metadata(keys, data);
    let facts = StampsFacts {
        channels: keys.channels.iter().map(|c| c.word().into()).collect(),
        side: keys.crop,
        normalise: keys.normalise.word().into(),
        metadata,
        classes: data.classes.to_vec(),
    };
    // Rows with and without noise-free cutouts cannot be mixed.
    let clean = data.sources.iter().all(|source| source.alerts.clean.is_some());
    let mut writer = StampsWriter::create(job.out, &facts, clean)?;
    let recipe = keys.recipe();
    let total = data.rows.kept.len();
    for (number, chunk) in data.rows.kept.chunks(CHUNK).enumerate() {
        job.progress((number * CHUNK) as u64, total as u64, "stamps")?;
        let prepared: Vec<Prepared> =
            chunk.par_iter().map(|row| prepare(&data.sources[row.source], row, &recipe, clean)).collect();
        for (i, (row, stamp)) in chunk.iter().zip(prepared).enumerate() {
            let at = number * CHUNK + i;
            let values: Vec<f32> = table.iter().map(|column| column[at]).collect();
            writer.push(&identity(row, data.split_of[at]), &stamp.image, &values, stamp.clean.as_deref())?;
        }
    }
    writer.finish()?;
    Ok(())
}

fn prepare(source: &Source, row: &Row, recipe: &Recipe, clean: bool) -> Prepared {
    let noisy = Cutouts::new(source.alerts.stamps.row(row.row), row.pose);
    let truth = source.alerts.clean.as_ref().filter(|_| clean).map(|array| Cutouts::new(array.row(row.row), row.pose));
    recipe.prepare(&noisy, truth.as_ref())
}

fn identity(row: &Row, split: &str) -> StampRow {
    StampRow {
        candid: row.candid,
        object_id: row.object_id.clone(),
        jd: row.jd,
        fid: row.fid,
        label: row.label.clone(),
        split: split.into(),
        copy: 0,
    }
}

/// The columns with the training split's statistics, and their standardised values by column and kept row.
fn metadata(keys: &PreprocessKeys, data: &Data) -> (Vec<MetadataColumn>, Vec<Vec<f32>>) {
    let columns = columns(&keys.metadata, &keys.clip_low, &keys.clip_high);
    let fitted = columns.into_par_iter().map(|mut column| {
        let by_source: Vec<Vec<f64>> =
            data.sources.iter().map(|s| values(&s.alerts.table, &column, keys.sentinel)).collect();
        let kept: Vec<f64> = data.rows.kept.iter().map(|row| by_source[row.source][row.row]).collect();
        let training = kept.iter().zip(data.split_of).filter(|(_, split)| **split == TRAIN).map(|(x, _)| *x);
        (column.mean, column.std) = statistics(training);
        let standard = kept.iter().map(|x| standardise(*x, column.mean, column.std)).collect();
        (column, standard)
    });
    fitted.collect::<Vec<_>>().into_iter().unzip()
}

/// Writes `splits.csv` (alerts and objects by class and split) and `dropped.csv` (every dropped alert with its reason).
pub fn tables(job: &Job, data: &Data) -> Result<(), StageError> {
    let mut splits = RowWriter::create(job.out.join("splits.csv"), &["class", "split", "alerts", "objects"])?;
    let mut counts: BTreeMap<(&str, &str), (usize, BTreeSet<&str>)> = BTreeMap::new();
    for (row, split) in data.rows.kept.iter().zip(data.split_of) {
        let (alerts, objects) = counts.entry((&row.label, split)).or_default();
        *alerts += 1;
        objects.insert(&row.object_id);
    }
    let unlabelled = data.rows.kept.iter().any(|row| row.label.is_empty()).then_some("");
    for class in data.classes.iter().map(String::as_str).chain(unlabelled) {
        for split in ALL {
            let (alerts, objects) = counts.get(&(class, split)).map_or((0, 0), |(n, ids)| (*n, ids.len()));
            splits.push([class.into(), split.into(), alerts.to_string(), objects.to_string()])?;
        }
    }
    splits.finish()?;
    let mut dropped = RowWriter::create(job.out.join("dropped.csv"), &["candid", "objectId", "input", "reason"])?;
    for (row, reason) in &data.rows.dropped {
        let input = data.sources[row.source].name.clone();
        dropped.push([row.candid.to_string(), row.object_id.clone(), input, (*reason).into()])?;
    }
    Ok(dropped.finish()?)
}
