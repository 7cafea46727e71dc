//! Named columns that a vector is put together from.

use std::path::Path;

use super::super::views::Views;
use super::latent::{latent_codes, reconstruction_errors};
use super::source::Source;
use super::{ExtractKeys, Part};
use crate::artifacts::scores::Metric;
use crate::projections::pca::{Pca, PcaError};
use crate::stage::{Job, StageError};

/// Some columns next to each other.
pub(super) struct Block<'a> {
    /// Their names.
    pub(super) names: Vec<String>,
    /// Appends their values in a row.
    pub(super) append: Box<dyn Fn(usize, &mut Vec<f32>) + 'a>,
}

/// The blocks that the keys ask for, in their order; `measured` gets what is found out on the way.
pub(super) fn blocks<'a>(
    keys: &ExtractKeys,
    source: &'a Source,
    job: &Job,
    measured: &mut Vec<Metric>,
) -> Result<Vec<Block<'a>>, StageError> {
    let block = |part: &Part| match part {
        Part::Latent => latent(source, keys.views, job, measured),
        Part::Metadata => metadata(source, keys.metadata.as_deref()),
        Part::Pixels => Ok(pixels(source)),
        Part::Pca => pca(source, keys.components, job),
        Part::Error => error(source, job),
    };
    keys.columns.iter().map(block).collect()
}

fn numbered(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{name}_{i}")).collect()
}

/// The folder of the model that a part of the columns needs.
fn model<'a>(job: &'a Job, part: &str) -> Result<&'a Path, StageError> {
    job.optional_input("model").ok_or_else(|| {
        StageError::with_hint(
            format!("`columns` asks for \"{part}\", but no model is connected"),
            format!("add `model` to `inputs`, or take \"{part}\" out of `columns`"),
        )
    })
}

fn latent<'a>(
    source: &'a Source,
    views: Views,
    job: &Job,
    measured: &mut Vec<Metric>,
) -> Result<Block<'a>, StageError> {
    let folder = model(job, "latent")?;
    let codes = latent_codes(folder, source, views, job, measured)?;
    let width = codes.len() / source.rows().len();
    let append =
        move |row: usize, vector: &mut Vec<f32>| vector.extend_from_slice(&codes[row * width..(row + 1) * width]);
    Ok(Block { names: numbered("latent", width), append: Box::new(append) })
}

fn metadata<'a>(source: &'a Source, wanted: Option<&[String]>) -> Result<Block<'a>, StageError> {
    let there = source.metadata_names();
    let positions = positions(source, wanted)?;
    let names = positions.iter().map(|position| there[*position].clone()).collect();
    let append = move |row: usize, vector: &mut Vec<f32>| {
        let all = source.metadata(row);
        vector.extend(positions.iter().map(|position| all[*position]));
    };
    Ok(Block { names, append: Box::new(append) })
}

/// Places of the wanted metadata columns among those that there are; `None`: all.
pub(super) fn positions(source: &Source, wanted: Option<&[String]>) -> Result<Vec<usize>, StageError> {
    let there = source.metadata_names();
    let Some(wanted) = wanted else { return Ok((0..there.len()).collect()) };
    let position = |name: &String| {
        there.iter().position(|n| n == name).ok_or_else(|| {
            let hint = if there.is_empty() { "it has none".into() } else { format!("it has: {}", there.join(", ")) };
            StageError::with_hint(format!("the input has no metadata column `{name}`"), hint)
        })
    };
    wanted.iter().map(position).collect()
}

fn pixels(source: &Source) -> Block<'_> {
    let append = |row: usize, vector: &mut Vec<f32>| vector.extend_from_slice(source.image(row));
    Block { names: numbered("pixel", source.pixels()), append: Box::new(append) }
}

fn pca<'a>(source: &'a Source, components: usize, job: &Job) -> Result<Block<'a>, StageError> {
    let training = source.training_rows();
    job.progress(0, 0, &format!("{components} principal components of {} training rows", training.len()))?;
    let pca = Pca::fit(training.iter().map(|row| source.image(*row)), components).map_err(explain)?;
    let append = move |row: usize, vector: &mut Vec<f32>| {
        vector.extend(pca.transform(source.image(row)).into_iter().map(|x| x as f32));
    };
    Ok(Block { names: numbered("pca", components), append: Box::new(append) })
}

fn error<'a>(source: &'a Source, job: &Job) -> Result<Block<'a>, StageError> {
    let channels = source.channels();
    let errors = reconstruction_errors(model(job, "error")?, source, job)?;
    let width = channels.len();
    let append =
        move |row: usize, vector: &mut Vec<f32>| vector.extend_from_slice(&errors[row * width..(row + 1) * width]);
    Ok(Block { names: channels.iter().map(|name| format!("error_{name}")).collect(), append: Box::new(append) })
}

fn explain(error: PcaError) -> StageError {
    let hint = match error {
        PcaError::TooMany { .. } => "lower `components`, or give the training split more alerts",
        PcaError::NotFinite { .. } => "choose what replaces missing pixels in `preprocess`",
        PcaError::NoConvergence => "this is not expected: please report it with the spec",
    };
    StageError::with_hint(format!("training images: {error}"), hint)
}
